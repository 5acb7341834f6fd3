"""The top of a page: how many agents need attention, what the runs came to, and what stands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tasks.evidence.types import AgentId, RunId
from tasks.render.html.charts import Trend, rate_trend, score_trend
from tasks.render.html.page import HistoryPoint, Page
from tasks.render.html.section import Section
from tasks.render.markdown import describe_mean, describe_runs_cost, format_judging_cost
from tasks.render.outage import Outage, find_outage, group_unjudged
from tasks.render.standing_text import OTHER_STATES
from tasks.render.success_text import UNLABELLED, describe_verdicts
from tasks.report.doubts import doubt_judge
from tasks.report.rows import CriterionRow

_MOST_WORST = 6
_MOST_PAPER = 24
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class VerdictGroup:
    """The agents that fail, are too close to call, or pass: the first of them, and how many more there are."""

    tone: str
    words: str
    sections: Sequence[Section]
    more: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen of a page. ``headline`` is one sentence; ``worst`` are at most six of those that need attention.

    ``passing``, ``close`` count the agents that pass, and those that are too close to call. ``verdicts`` is where the
    verdicts on runs come from ("" without any), ``trust`` what to know of the judge where people have not labelled (""
    where they have, or it judged no run).

    Where the judge failed for all agents, ``outage`` explains why; otherwise ``unjudged`` has those whose judging
    failed, by their error.

    ``paper`` has the anchors of the agents that a printer gets with more than their line of the table: of the
    ``paper_wanted`` that need attention, or became worse or better, the first.
    """

    headline: str
    standing: Sequence[VerdictGroup]
    needs_attention: int
    passing: int
    close: int
    by_id: Mapping[AgentId, Section]
    completion_rate: float | None
    verdicts: str
    trust: str
    worst: Sequence[Section]
    outage: Outage | None
    unjudged: Sequence[tuple[str, Sequence[Section]]]
    paper: Set[str]
    paper_wanted: int
    left: Sequence[tuple[str, int]]
    runs: int
    completed: int
    judging_cost: str
    runs_cost: str
    mean: str
    trend: Trend | None
    team_criteria: Sequence[CriterionRow]
    team_anchors: Mapping[RunId, str]
    samplings: Sequence[str]
    redactions: Mapping[str, int]
    reused: int
    samples: int
    partly_judged: Sequence[Section]
    options: Mapping[str, Any]


def build_overview(page: Page, sections: Sequence[Section]) -> Overview:
    """The overview of ``page``; ``sections`` are all of its agents, the worst first."""
    worst = [section for section in sections if section.needs_attention]
    rows = [section.row for section in sections]
    outage = find_outage(rows)
    failed = () if outage else ("failed",)
    wanted = [section for section in sections if section.needs_attention or section.state in failed or _moved(section)]
    by_id = {section.row["agent_id"]: section for section in sections}
    counts = Counter(section.state for section in sections)
    redactions: Counter[str] = Counter()
    for section in sections:
        redactions.update(section.row["redactions"] or {})
    parameters = page.report["parameters"] or {}
    close = sum(section.state == "unclear" and bool(section.undecided) for section in sections)
    runs = sum(section.runs for section in sections)
    completed = sum(section.runs_completed or 0 for section in sections)
    completion = page.report["completion_rate"]
    if completion is None and runs:
        completion = completed / runs
    return Overview(
        headline=outage.headline
        if outage
        else _headline(len(worst), close, counts, len(sections), page.report["error"] or ""),
        standing=_standing(sections),
        needs_attention=len(worst),
        passing=counts["passed"],
        close=close,
        by_id=by_id,
        completion_rate=completion,
        verdicts=describe_verdicts(page.report["verdicts"]) if any(section.is_judged for section in sections) else "",
        trust=_trust(page),
        worst=worst[:_MOST_WORST],
        outage=outage,
        unjudged=[]
        if outage
        else [(error, [by_id[row["agent_id"]] for row in group]) for error, group in group_unjudged(rows)],
        paper={section.anchor for section in wanted[:_MOST_PAPER]},
        paper_wanted=len(wanted),
        left=[(words, counts[state]) for state, words in OTHER_STATES.items() if counts[state]],
        runs=runs,
        completed=completed,
        judging_cost=format_judging_cost(page.report),
        runs_cost=describe_runs_cost(page.report),
        mean=describe_mean(page.report),
        trend=_trend(page.history.get(None, ())),
        team_criteria=[row for row in page.criteria if row["agent_id"] is None],
        team_anchors=_team_anchors(sections),
        samplings=sorted({section.row["sampling"] for section in sections if section.row["sampling"]}),
        redactions=dict(redactions.most_common()),
        reused=sum(bool(section.row["reused"]) for section in sections),
        samples=max((section.row["samples"] or 0 for section in sections), default=0),
        partly_judged=[
            section for section in sections if section.row["coverage"] is not None and section.row["coverage"] < 0.999
        ],
        options=parameters.get("options") or {},
    )


def _trend(history: Sequence[HistoryPoint]) -> Trend | None:
    """The team's success over the last reports; of reports without verdicts on runs, its score."""
    return rate_trend(history) or score_trend(history)


def _standing(sections: Sequence[Section]) -> list[VerdictGroup]:
    """Who fails, is too close to call (again), and passes, in this order; nothing where no agent was judged."""
    groups: dict[tuple[str, str], list[Section]] = {}
    order = ("needs_attention", "unclear", "passed")
    judged = [section for section in sections if section.state in order]
    for section in sorted(judged, key=lambda found: (order.index(found.state), not found.stays_close)):
        groups.setdefault((section.tone, section.label), []).append(section)
    return [
        VerdictGroup(tone, words, found[:_MOST_NAMED], max(0, len(found) - _MOST_NAMED))
        for (tone, words), found in groups.items()
    ]


def _team_anchors(sections: Sequence[Section]) -> dict[RunId, str]:
    """The place of each run that the team's criteria may cite: not of an id that runs of several agents have."""
    places = [place for section in sections for place in section.anchors.items()]
    times = Counter(run_id for run_id, _ in places)
    return {run_id: place for run_id, place in places if times[run_id] == 1}


def _moved(section: Section) -> bool:
    return section.change is not None and section.change.verdict in ("worse", "better")


def _trust(page: Page) -> str:
    """What public benchmarks find of such a judge, where it judged runs and was compared with nothing; before that, if
    its verdicts are all alike."""
    judged = page.report["verdicts"] is not None and page.report["verdicts"]["from_judge"] > 0
    found = page.agreement
    measured = found is not None and (found.labels > 0 or found.outcomes is not None)
    if not judged or measured:
        return ""
    doubt = doubt_judge(page.runs)
    return f"{doubt} {UNLABELLED}" if doubt else UNLABELLED


def _headline(failing: int, close: int, counts: Counter[str], total: int, error: str) -> str:
    if not total:
        return "There is no agent in this environment."
    passing, judged = counts["passed"], failing + counts["passed"] + counts["unclear"]
    if not judged:
        return f"{error[:1].upper()}{error[1:]}." if error else "No agent was judged."
    if total > 1 and total in (passing, failing, close):
        every = "Both" if total == 2 else f"All {total}"
        return f"{every} agents {'pass' if passing else 'fail' if failing else 'are too close to call'}."
    if total == 1 and total in (passing, failing, close):
        return f"The agent {'passes' if passing else 'fails' if failing else 'is too close to call'}."
    parts = []
    if passing:
        parts.append(f"{passing} {'passes' if passing == 1 else 'pass'}")
    if failing:
        parts.append(f"{failing} {'fails' if failing == 1 else 'fail'}")
    if close:
        parts.append(f"{close} {'is' if close == 1 else 'are'} too close to call")
    if unclear := counts["unclear"] - close:
        parts.append(f"{unclear} {'was' if unclear == 1 else 'were'} not fully judged")
    if counts["failed"]:
        parts.append(f"{counts['failed']} could not be judged")
    return f"Of {total} {'agent' if total == 1 else 'agents'}, {', '.join(parts)}."
