"""The sections of a page, one an agent: its rows put together in the order in which people ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tasks.comparison.comparison import AgentComparison
from tasks.render.html.figures import MOST_POINTS, Trend, Waterfall, build_waterfall, rate_trend, score_trend
from tasks.render.html.page import Page, Row
from tasks.render.markdown import Links
from tasks.render.needs import Need, build_need, with_examples
from tasks.render.order import agent_state, needs_work, worst_agents_first

_ROOMY = 400
_MOST_PAPER_RUNS = 3
STATES = {
    "failed": ("bad", "Judging failed"),
    "needs_work": ("bad", "Needs work"),
    "unclear": ("warn", "Not fully judged"),
    "passed": ("good", "Passed"),
    "no_evidence": ("warn", "Not enough evidence"),
    "skipped_budget": ("warn", "Skipped: budget"),
    "not_started": ("calm", "Not judged"),
    "no_runs": ("calm", "No runs"),
}
"""What is said of an agent in a state: tone and words."""

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
    points of a list (strengths, citations, kinds of failures, …), tools, and runs of one kind of failure."""

    all_runs: bool
    excerpt: int
    quote: int
    text: int
    spans: int
    items: int
    tools: int
    pattern_runs: int


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with its excerpts; ``is_cited`` when something on the page refers to it."""

    row: Row
    anchor: str
    trace_url: str
    is_cited: bool


@dataclass(frozen=True, slots=True)
class NotableRun:
    """A run that stands out (best, typical, worst), why, and its time line where there is one."""

    title: str
    ref: Mapping[str, Any]
    waterfall: Waterfall | None
    trace_url: str


@dataclass(frozen=True, slots=True)
class Section:
    """One agent. ``anchors`` has the place of each run that is on the page, by run id."""

    row: Row
    anchor: str
    state: str
    criteria: Sequence[Row]
    change: AgentComparison | None
    trends: Sequence[Trend]
    runs: Sequence[ShownRun]
    strip: Sequence[bool | None]
    notable: Sequence[NotableRun]
    anchors: Mapping[int, str]

    @property
    def paper_runs(self) -> Set[str]:
        """The places of the few runs whose excerpts a printer gets: the newest that something refers to."""
        return {run.anchor for run in [run for run in self.runs if run.is_cited][:_MOST_PAPER_RUNS]}

    @property
    def tone(self) -> str:
        """good, bad, warn or calm."""
        return STATES[self.state][0]

    @property
    def label(self) -> str:
        """The state in words."""
        return STATES[self.state][1]

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
    def needs_work(self) -> bool:
        """Whether the agent was judged and did not pass."""
        return needs_work(self.row)

    @property
    def need(self) -> Need:
        """What the agent needs, in short."""
        return build_need(self.row, self.criteria)

    @property
    def points(self) -> Sequence[tuple[str, Sequence[str]]]:
        """Weaknesses, recommendations and strengths under their titles, errors in them as they were."""
        patterns = self.row["failure_patterns"] or ()
        return [
            (name.capitalize(), [with_examples(str(text), patterns) for text in self.row[name] or ()])
            for name in ("weaknesses", "recommendations", "strengths")
        ]

    @property
    def runs_succeeded(self) -> int | None:
        """How many of the analysed runs succeeded; None where there is none."""
        rate, runs = self.row["success_rate"], self.row["runs_analyzed"]
        return None if rate is None or not runs else round(rate * runs)


def build_sections(page: Page, detail: Detail) -> list[Section]:
    """A section for every agent, those that need work first; no agents, an empty list."""
    criteria: dict[int | None, list[Row]] = {}
    for row in page.criteria:
        criteria.setdefault(row["agent_id"], []).append(row)
    runs: dict[int, list[Row]] = {}
    for row in page.runs:
        runs.setdefault(row["agent_id"], []).append(row)
    compared = page.comparison.agents if page.comparison else ()
    changes = {found.agent_id: found for found in compared if found.presence != "gone"}
    team_runs = set(_cited_by(criteria.get(None, ()), detail))
    links = Links(jaeger_ui_url=page.jaeger_ui_url)
    sections = []
    for row in worst_agents_first(page.agents, page.comparison):
        agent_id = row["agent_id"]
        own = runs.get(agent_id, [])
        cited = {*_cited_by(criteria.get(agent_id, ()), detail), *_referred_to(row, detail), *team_runs}
        shown = [
            ShownRun(run, f"r{agent_id}-{run['run_id']}", links.trace(run["trace_id"]), run["run_id"] in cited)
            for run in own
            if detail.all_runs or run["run_id"] in cited
        ]
        history = page.history.get(agent_id, ())[-MOST_POINTS if detail.text >= _ROOMY else -8 :]
        sections.append(
            Section(
                row=row,
                anchor=f"a{agent_id}",
                state=agent_state(row),
                criteria=criteria.get(agent_id, ()),
                change=changes.get(agent_id),
                trends=[
                    trend
                    for trend in (score_trend(history), rate_trend(history) if detail.text >= _ROOMY else None)
                    if trend
                ],
                runs=shown,
                strip=[run["succeeded"] for run in reversed(own)],
                notable=_notable(row, own, links, detail),
                anchors={run.row["run_id"]: run.anchor for run in shown},
            )
        )
    return sections


def _cited_by(criteria: Iterable[Row], detail: Detail) -> Iterable[int]:
    for row in criteria:
        for example in (row["examples"] or ())[: detail.items]:
            if example["run_id"] is not None:
                yield example["run_id"]


def _referred_to(row: Row, detail: Detail) -> Iterable[int]:
    """The runs that an agent's own row refers to; of a page that is short of room only those that something proves."""
    for name in ("best_run", "typical_run", "worst_run") if detail.text >= _ROOMY else ("worst_run",):
        if row[name]:
            yield row[name]["run_id"]
    for pattern in (row["failure_patterns"] or ())[: detail.items]:
        # The newest of them: a pattern can have every run.
        yield from pattern["run_ids"][: detail.pattern_runs]
    for contradiction in (row["contradictions"] or ())[: detail.items]:
        yield from (contradiction[side]["run_id"] for side in ("claim", "observation") if contradiction[side])
    for suspicion in (row["suspicions"] or ())[: detail.items]:
        if suspicion["run_id"] is not None:
            yield suspicion["run_id"]


def _notable(row: Row, runs: Sequence[Row], links: Links, detail: Detail) -> list[NotableRun]:
    by_id = {run["run_id"]: run for run in runs}
    notable = []
    for title, name in (("Worst run", "worst_run"), ("Typical run", "typical_run"), ("Best run", "best_run")):
        # The best run is the least of what a page without room can leave out.
        if not (ref := row[name]) or (name == "best_run" and detail.items < 2):
            continue
        ref = {**ref, "reason": with_examples(ref["reason"], row["failure_patterns"] or ())}
        run = by_id.get(ref["run_id"], {})
        total = (run.get("telemetry") or {}).get("spans")
        notable.append(
            NotableRun(
                title, ref, build_waterfall(run.get("waterfall"), total, detail.spans), links.trace(run.get("trace_id"))
            )
        )
    return notable
