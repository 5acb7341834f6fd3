"""The top of a page: how many agents need attention, what the runs came to, and what stands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from tasks.evidence.types import RunId
from tasks.render.html.charts import Trend, score_trend
from tasks.render.html.page import Page
from tasks.render.html.section import Section
from tasks.render.markdown import describe_mean, describe_runs_cost, format_judging_cost
from tasks.render.outage import Outage, find_outage, group_unjudged
from tasks.report.rows import CriterionRow

_MOST_WORST = 6
_MOST_PAPER = 24


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen of a page. ``headline`` is one sentence; ``worst`` are at most six of those that need attention.

    Where the judge failed for all agents, ``outage`` says why; otherwise ``unjudged`` has those whose judging failed,
    by their error.

    ``paper`` has the anchors of the agents that a printer gets with more than their line of the table: of the
    ``paper_wanted`` that need attention, or became worse or better, the first.
    """

    headline: str
    needs_attention: int
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
    return Overview(
        headline=outage.headline
        if outage
        else _headline(len(worst), counts, len(sections), page.report["error"] or ""),
        needs_attention=len(worst),
        worst=worst[:_MOST_WORST],
        outage=outage,
        unjudged=[]
        if outage
        else [(error, [by_id[row["agent_id"]] for row in group]) for error, group in group_unjudged(rows)],
        paper={section.anchor for section in wanted[:_MOST_PAPER]},
        paper_wanted=len(wanted),
        left=[(section_label, counts[state]) for state, section_label in _OTHERS.items() if counts[state]],
        runs=sum(section.row["runs_analyzed"] or 0 for section in sections),
        completed=sum(section.runs_completed or 0 for section in sections),
        judging_cost=format_judging_cost(page.report),
        runs_cost=describe_runs_cost(page.report),
        mean=describe_mean(page.report),
        trend=score_trend(page.history.get(None, ())),
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


def _team_anchors(sections: Sequence[Section]) -> dict[RunId, str]:
    """The place of each run that the team's criteria may cite: not of an id that runs of several agents have."""
    places = [place for section in sections for place in section.anchors.items()]
    times = Counter(run_id for run_id, _ in places)
    return {run_id: place for run_id, place in places if times[run_id] == 1}


def _moved(section: Section) -> bool:
    return section.change is not None and section.change.verdict in ("worse", "better")


_OTHERS = {
    "passed": "passed",
    "unclear": "not fully judged",
    "no_evidence": "without enough evidence",
    "skipped_budget": "skipped for the budget",
    "not_started": "not judged",
    "no_runs": "without finished runs",
}


def _headline(needs_attention: int, counts: Counter[str], total: int, error: str) -> str:
    if not total:
        return "There is no agent in this environment."
    agents = "agent" if total == 1 else "agents"
    if needs_attention:
        first = f"{needs_attention} of {total} {agents} {'needs' if needs_attention == 1 else 'need'} attention"
        if counts["failed"]:
            first += f"; {counts['failed']} could not be judged"
    elif counts["passed"] == total:
        first = f"Every one of the {total} agents passed" if total > 1 else "The agent passed"
    elif not (judged := counts["passed"] + counts["unclear"]):
        first = error[:1].upper() + error[1:] if error else "No agent was judged"
    elif judged < total:
        first = f"Of the {judged} {'agent' if judged == 1 else 'agents'} that could be judged none needs attention"
    else:
        first = f"None of the {total} {agents} needs attention"
    return first + "."
