"""The sections of a page, one an agent: its rows put together in the order in which people ask."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tasks.comparison.comparison import AgentComparison
from tasks.evidence.ids import whole_number
from tasks.evidence.types import AgentId, RunId
from tasks.render.html.charts import MOST_POINTS, Trend, Waterfall, build_waterfall, rate_trend, score_trend
from tasks.render.html.page import Page
from tasks.render.html.shown_run import (
    FailureMode,
    ShownRun,
    Strip,
    build_strips,
    group_failure_modes,
)
from tasks.render.markdown import Links
from tasks.render.needs import Need, build_need, with_examples
from tasks.render.order import agent_state, needs_attention, worst_agents_first
from tasks.render.run_text import describe_run, has_verdict
from tasks.render.success_text import describe_undecided, describe_verdicts, find_gap
from tasks.report.nested_rows import RunRefRow
from tasks.report.rows import AgentRow, CriterionRow, RunRow

_ROOMY = 400
_MOST_PAPER_RUNS = 3
STATES = {
    "failed": ("bad", "Judging failed"),
    "needs_attention": ("bad", "Fails"),
    "unclear": ("warn", "Not fully judged"),
    "passed": ("good", "Passes"),
    "no_evidence": ("warn", "Not enough evidence"),
    "skipped_budget": ("warn", "Skipped: budget"),
    "not_started": ("calm", "Not judged"),
    "no_runs": ("calm", "No runs"),
}
"""How an agent's state is shown: tone and words."""

_CHANGES = {
    "worse": ("bad", "▼", "Worse"),
    "better": ("good", "▲", "Better"),
    "no_change": ("calm", "", "No clear change"),
    "not_comparable": ("calm", "", "Not comparable"),
    "new": ("calm", "", "New"),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a report its page shows: runs that nothing refers to or not, characters of texts, spans of a run,
    points of a list (strengths, citations, kinds of failures, …), tools, and runs of one kind of failure.

    ``run_bytes``: a page in this detail has about so many a run, with 20 runs an agent."""

    all_runs: bool
    excerpt: int
    quote: int
    text: int
    spans: int
    items: int
    tools: int
    pattern_runs: int
    run_bytes: int


@dataclass(frozen=True, slots=True)
class NotableRun:
    """A run that stands out (best, typical, worst), why, and its time line where there is one.

    ``has_trace``: its spans were read, though they may not have been kept to draw.
    """

    title: str
    ref: RunRefRow
    waterfall: Waterfall | None
    trace_url: str
    has_trace: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One agent. ``anchors`` has the place of each run that is on the page, by run id.

    ``is_judged``: of some of its runs it is known whether they did their task, or the judge was asked.
    """

    row: AgentRow
    anchor: str
    state: str
    criteria: Sequence[CriterionRow]
    change: AgentComparison | None
    trends: Sequence[Trend]
    shown_runs: Sequence[ShownRun]
    total_runs: int
    strips: Sequence[Strip]
    modes: Sequence[FailureMode]
    is_judged: bool
    notable: Sequence[NotableRun]
    anchors: Mapping[RunId, str]

    @property
    def paper_runs(self) -> Set[str]:
        """The places of the few runs whose excerpts a printer gets: the newest that something refers to."""
        return {run.anchor for run in [run for run in self.shown_runs if run.is_cited][:_MOST_PAPER_RUNS]}

    @property
    def tone(self) -> str:
        """good, bad, warn or calm."""
        return STATES[self.state][0]

    @property
    def label(self) -> str:
        """The state in words; runs that are all left out are not none."""
        if self.state == "unclear" and self.undecided:
            return "Still too close" if self.stays_close else "Too close to call"
        return "No finished run" if self.state == "no_runs" and self.row["runs_unfinished"] else STATES[self.state][1]

    @property
    def stays_close(self) -> bool:
        """Whether it was too close to call in the report before, too."""
        return self.change is not None and self.change.stays_close

    @property
    def undecided(self) -> Sequence[str]:
        """What would decide each criterion that is too close to call."""
        return describe_undecided(self.criteria, self.row["verdicts"])

    @property
    def gap(self) -> float | None:
        """By how much completion exceeds success; None where either is unknown."""
        return find_gap(self.row)

    @property
    def verdicts(self) -> str:
        """Where the verdicts on its runs come from, and how many are missing; "" where no run was judged."""
        return describe_verdicts(self.row["verdicts"]) if self.is_judged else ""

    @property
    def change_look(self) -> tuple[str, str, str] | None:
        """Tone, mark and words of the change since the last report; None where nothing was compared."""
        if self.change is None:
            return None
        return _CHANGES["new" if self.change.presence == "new" else self.change.verdict]

    @property
    def score_change(self) -> float | None:
        """By how much the score changed; None where that is not known."""
        changes = self.change.changes if self.change else ()
        return next((change.difference for change in changes if change.metric == "score"), None)

    @property
    def needs_attention(self) -> bool:
        """Whether the agent was judged and did not pass."""
        return needs_attention(self.row)

    @property
    def need(self) -> Need:
        """What the agent needs, in short."""
        return build_need(self.row, self.criteria)

    @property
    def failed_criteria(self) -> Sequence[str]:
        """Of an agent that fails, the names of the criteria that it fails, the furthest below its threshold first."""
        if self.state != "needs_attention":
            return ()
        failed = [row for row in self.criteria if row["passed"] is False and row["score"] is not None]
        return [row["criterion"] for row in sorted(failed, key=lambda row: (row["score"] or 0.0) - row["threshold"])]

    @property
    def points(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Weaknesses, recommendations and strengths under their titles, errors in them as they were."""
        patterns = self.row["failure_patterns"] or ()
        return [
            (name.capitalize(), [with_examples(str(text), patterns) for text in self.row[name] or ()])
            for name in ("weaknesses", "recommendations", "strengths")
        ]

    @property
    def runs(self) -> int:
        """How many finished runs the figures are about: the population, of an older report those that were read."""
        return self.row["runs_in_population"] or self.row["runs_analyzed"] or 0

    @property
    def runs_completed(self) -> int | None:
        """How many of these runs completed; None where there is none."""
        rate, runs = self.row["completion_rate"], self.runs
        return None if rate is None or not runs else round(rate * runs)


def build_sections(page: Page, detail: Detail) -> list[Section]:
    """A section for every agent, those that need attention first; no agents, an empty list."""
    criteria: dict[AgentId | None, list[CriterionRow]] = {}
    for criterion in page.criteria:
        criteria.setdefault(criterion["agent_id"], []).append(criterion)
    runs: dict[AgentId, list[RunRow]] = {}
    for run in page.runs:
        runs.setdefault(run["agent_id"], []).append(run)
    compared = page.comparison.agents if page.comparison else ()
    changes = {found.agent_id: found for found in compared if found.presence != "gone"}
    team_runs = set(_cited_by(criteria.get(None, ()), detail))
    links = Links(trace_pages=page.trace_pages)
    sections = []
    for row in worst_agents_first(page.agents, page.comparison):
        agent_id = row["agent_id"]
        own = runs.get(agent_id, [])
        modes = group_failure_modes(own)
        cited = {*_cited_by(criteria.get(agent_id, ()), detail), *_referred_to(row, modes, detail), *team_runs}
        judged = any(has_verdict(run) for run in own)
        shown = [
            ShownRun(
                run,
                _anchor("r", agent_id, run["run_id"]),
                links.trace(run),
                run["run_id"] in cited,
                describe_run(run, judged=judged),
            )
            for run in own
            if detail.all_runs or run["run_id"] in cited
        ]
        history = page.history.get(agent_id, ())[-MOST_POINTS if detail.text >= _ROOMY else -8 :]
        sections.append(
            Section(
                row=row,
                anchor=_anchor("a", agent_id),
                state=agent_state(row),
                criteria=criteria.get(agent_id, ()),
                change=changes.get(agent_id),
                trends=[
                    trend
                    for trend in (score_trend(history), rate_trend(history) if detail.text >= _ROOMY else None)
                    if trend
                ],
                shown_runs=shown,
                total_runs=len(own),
                strips=build_strips(own, judged=judged),
                modes=modes,
                is_judged=judged,
                notable=_notable(row, own, links, detail),
                anchors={run.row["run_id"]: run.anchor for run in shown},
            )
        )
    return sections


def _anchor(kind: str, *ids: str) -> str:
    """The place of an agent or a run on the page; with a hash of ids that are text, as a URL may not take them."""
    if all(whole_number(one) is not None for one in ids):
        return f"{kind}{'-'.join(ids)}"
    return f"{kind}-{hashlib.sha256(repr(ids).encode()).hexdigest()[:16]}"


def _cited_by(criteria: Iterable[CriterionRow], detail: Detail) -> Iterable[RunId]:
    for row in criteria:
        for example in (row["examples"] or ())[: detail.items]:
            if example["run_id"] is not None:
                yield example["run_id"]


def _referred_to(row: AgentRow, modes: Sequence[FailureMode], detail: Detail) -> Iterable[RunId]:
    """The runs that an agent's own row refers to; of a page that is short of room only those that something proves."""
    notable = (row["best_run"], row["typical_run"]) if detail.text >= _ROOMY else ()
    for ref in (*notable, row["worst_run"]):
        if ref:
            yield ref["run_id"]
    for pattern in (row["failure_patterns"] or ())[: detail.items]:
        # The newest of them: a pattern can have every run.
        yield from pattern["run_ids"][: detail.pattern_runs]
    for mode in modes[: detail.items]:
        yield from mode.run_ids[: detail.pattern_runs]
    for contradiction in (row["contradictions"] or ())[: detail.items]:
        for citation in (contradiction["claim"], contradiction["observation"]):
            if citation and citation["run_id"] is not None:
                yield citation["run_id"]
    for suspicion in (row["suspicions"] or ())[: detail.items]:
        if suspicion["run_id"] is not None:
            yield suspicion["run_id"]


def _notable(row: AgentRow, runs: Sequence[RunRow], links: Links, detail: Detail) -> list[NotableRun]:
    by_id = {run["run_id"]: run for run in runs}
    notable = []
    # A page that is short of space leaves out the best run first.
    best = row["best_run"] if detail.items >= 2 else None
    for title, ref in (("Worst run", row["worst_run"]), ("Typical run", row["typical_run"]), ("Best run", best)):
        if not ref:
            continue
        ref = {**ref, "reason": with_examples(ref["reason"], row["failure_patterns"] or ())}
        waterfall, url, has_trace = None, "", False
        if run := by_id.get(ref["run_id"]):
            spans = run["telemetry"]["spans"] if run["telemetry"] else None
            waterfall, url = build_waterfall(run["waterfall"], spans, detail.spans), links.trace(run)
            has_trace = run["telemetry"] is not None
        notable.append(NotableRun(title, ref, waterfall, url, has_trace))
    return notable
