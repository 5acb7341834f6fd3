"""Asking the judge for the issues of a report: one question, whose failure is data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.errors import AgentReportError
from tasks.judge.call_context import Spent
from tasks.judge.exchange import Judge
from tasks.judge.issues.failing_run import FailingRun
from tasks.judge.issues.found_issue import FoundIssue, ParsedIssues
from tasks.judge.issues.known_issue import KnownIssue
from tasks.judge.issues.question import build_issues_question


@dataclass(frozen=True, slots=True)
class IssueSearch:
    """What is known for the issues of a report: its failing runs, the issues of earlier reports, the judge's answer.

    ``found`` is empty when no run failed, or when the judge did not answer or was not asked: then ``error`` is why.
    ``seconds`` is how long the call took: None when none was made, as when the answer came from the ledger.
    """

    failing: tuple[FailingRun, ...] = ()
    known: tuple[KnownIssue, ...] = ()
    found: tuple[FoundIssue, ...] = ()
    error: str | None = None
    keys_dropped: int = 0
    seconds: float | None = None


def judge_issues(
    judge: Judge,
    failing: Sequence[FailingRun],
    known: Sequence[KnownIssue],
    *,
    timeout_seconds: float,
    any_judged: bool = True,
) -> IssueSearch:
    """The issues behind the failing runs; without one nothing is asked, and a failure is the search's ``error``.

    The answer on the same failing runs stands also where the issues that it brought are known since: an unchanged night
    costs nothing. Nor is anything asked of a judge that could judge no agent (``any_judged`` is false): it has no
    verdicts to group.
    """
    search = IssueSearch(tuple(failing), tuple(known))
    if not failing:
        return search
    if not any_judged:
        return replace(search, error="no agent could be judged, so that there is no verdict to group")
    started, spent = time.monotonic(), Spent()
    try:
        answer = judge.recall(build_issues_question(failing, _without_newest(known)))
        if answer is None:
            question = build_issues_question(failing, known)
            answer, _ = judge.ask(question, deadline=started + timeout_seconds, spent=spent)
    except AgentReportError as error:
        return IssueSearch(search.failing, search.known, error=str(error), seconds=_seconds(started, spent))
    found = answer.issues or ParsedIssues()
    return IssueSearch(
        search.failing,
        search.known,
        found.issues,
        keys_dropped=found.keys_dropped,
        seconds=_seconds(started, spent),
    )


def _without_newest(known: Sequence[KnownIssue]) -> list[KnownIssue]:
    """The issues that were known to the last report that found a new one."""
    newest = max((issue.first_report_id for issue in known), default=0)
    return [issue for issue in known if issue.first_report_id < newest]


def _seconds(started: float, spent: Spent) -> float | None:
    return time.monotonic() - started if spent.calls or spent.unknown else None
