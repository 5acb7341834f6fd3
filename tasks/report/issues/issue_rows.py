"""The rows of ``report_issues``: every issue of a report, what is left, and what is gone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.evidence.types import AgentId, Evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.issues.found_issue import RunKey
from tasks.judge.issues.judging import IssueSearch
from tasks.judge.issues.known_issue import KnownIssue
from tasks.judge.runs.success import is_unusable, run_success
from tasks.report.issues.failing_runs import verdicts_of
from tasks.report.issues.grouping import add_alike, group_by_mode
from tasks.report.issues.life import LivingIssue, find_gone, follow_issues
from tasks.report.issues.ordering import order_issues
from tasks.report.issues.shares import WeighedRuns, weigh_runs
from tasks.report.rows import OTHER_ISSUE, IssueRow

_SHORTEST_ID = 6


@dataclass(frozen=True, slots=True)
class IssueScene:
    """The report that issues are of: its id and environment, all agents of that, evidence and evaluations by agent."""

    report_id: int
    environment: str
    agents: Collection[AgentId]
    evidences: Sequence[Evidence]
    evaluations: Mapping[AgentId, Evaluation]


def build_issue_rows(scene: IssueScene, search: IssueSearch) -> list[IssueRow]:
    """The issues, what to fix first at the top; then the failing runs that are in none, then the issues that are gone.

    The judge's issues when it answered, with the runs that fail in the same way; else failure modes grouped by code.
    Empty when no run failed and nothing is gone.
    """
    failing = {run.key: run for run in search.failing}
    found = add_alike(search.found, search.failing) if search.found else group_by_mode(search.failing)
    origin = "judge" if search.found else "code"
    living = follow_issues(found, search.known, {key: run.started_at for key, run in failing.items()})
    weighed = weigh_runs(scene.evidences, scene.evaluations)
    times = Counter(key for each in living for key in each.issue.runs)
    known_ids = {issue.id for issue in search.known}
    rows = []
    for each in living:
        if each.runs:
            issue_id = each.known.id if each.known else _new_id(scene, each, known_ids)
            known_ids.add(issue_id)
            rows.append(_row(scene, each, issue_id, origin, weighed, times))
    rest = [key for key in failing if key not in times]
    if rest:
        rows.append(_rest(scene, rest, weighed))
    gone = find_gone(
        search.known,
        living,
        _analyzed(scene),
        scene.agents,
        {key.agent_id for key in failing},
        searched=search.error is None,
    )
    return order_issues([*rows, *(_gone(scene, issue, weighed) for issue in gone)])


def _row(
    scene: IssueScene,
    living: LivingIssue,
    issue_id: str,
    origin: str,
    weighed: WeighedRuns,
    times: Mapping[RunKey, int],
) -> IssueRow:
    found, known = living.issue, living.known
    share = weighed.share(living.runs)
    return {
        "report_id": scene.report_id,
        "issue_id": issue_id,
        "title": known.title if known else found.title,
        "description": found.description or None,
        "probable_cause": found.probable_cause or None,
        "recommendation": found.recommendation or None,
        "agent_ids": _agent_ids(living.runs),
        "runs": [{"agent_id": key.agent_id, "run_id": key.run_id} for key in living.runs],
        "runs_affected": len(living.runs),
        "share": share.value,
        "share_low": share.low,
        "share_high": share.high,
        # A run that fails in two ways is not repaired by one change.
        "gain": weighed.gain(key for key in living.runs if times[key] == 1),
        "state": living.state,
        "first_report_id": known.first_report_id if known else scene.report_id,
        "origin": origin,
    }


def _rest(scene: IssueScene, runs: Sequence[RunKey], weighed: WeighedRuns) -> IssueRow:
    share = weighed.share(runs)
    return {
        "report_id": scene.report_id,
        "issue_id": OTHER_ISSUE,
        "title": "Other failures",
        "description": None,
        "probable_cause": None,
        "recommendation": None,
        "agent_ids": _agent_ids(runs),
        "runs": [{"agent_id": key.agent_id, "run_id": key.run_id} for key in runs],
        "runs_affected": len(runs),
        "share": share.value,
        "share_low": share.low,
        "share_high": share.high,
        "gain": weighed.gain(runs),
        "state": "other",
        "first_report_id": scene.report_id,
        "origin": "code",
    }


def _gone(scene: IssueScene, issue: KnownIssue, weighed: WeighedRuns) -> IssueRow:
    """None of its agents' runs shows it: the interval bounds how often it can still happen."""
    share = weighed.share(())
    return {
        "report_id": scene.report_id,
        "issue_id": issue.id,
        "title": issue.title,
        "description": issue.description or None,
        "probable_cause": None,
        "recommendation": None,
        "agent_ids": sorted(issue.agent_ids),
        "runs": [],
        "runs_affected": 0,
        "share": share.value,
        "share_low": share.low,
        "share_high": share.high,
        "gain": None,
        "state": "gone",
        "first_report_id": issue.first_report_id,
        "origin": issue.origin,
    }


def _analyzed(scene: IssueScene) -> set[AgentId]:
    """The agents of which it is known of a finished run whether it did its task, and no verdict was lost: an issue may
    hide in a run that the judge left out. By status alone, where no agent has a verdict, those with a finished run."""
    judged = [(evidence, verdicts_of(scene.evaluations.get(evidence.agent.id))) for evidence in scene.evidences]
    known = {
        evidence.agent.id
        for evidence, verdicts in judged
        if any(run_success(run, verdicts.get(run.id)).succeeded is not None for run in evidence.finished_runs)
        and not any(is_unusable(run, verdicts.get(run.id)) for run in evidence.finished_runs)
    }
    if known or any(verdicts for _, verdicts in judged):
        return known
    return {evidence.agent.id for evidence in scene.evidences if evidence.finished_runs}


def _agent_ids(runs: Iterable[RunKey]) -> list[AgentId]:
    return list(dict.fromkeys(key.agent_id for key in runs))


def _new_id(scene: IssueScene, living: LivingIssue, taken: Collection[str]) -> str:
    """``i-`` and six digits or more. Two reports at once, neither of which knows the other's issues, give an issue of
    the same title the same id."""
    text = f"{scene.environment}\0{living.issue.title}"
    digits = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return next(
        issue_id for length in range(_SHORTEST_ID, len(digits) + 1) if (issue_id := f"i-{digits[:length]}") not in taken
    )
