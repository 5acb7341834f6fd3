"""The commands for issues: issues, close, reopen, not-an-issue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from deployments.terminal.option_help import Flag

if TYPE_CHECKING:
    from tasks.judge.issues.known_issue import DecisionWord

_Ids = Annotated[list[str], Parameter(consume_multiple=True)]


def issues(
    *,
    environment: str | None = None,
    report: int | None = None,
    all: Flag = False,  # noqa: A002 - the option's name
    json: Flag = False,
) -> int:
    """List what to fix first.

    Parameters
    ----------
    environment
        Only issues of this environment.
    report
        Only the issues of the report with this id.
    all
        Include issues that are gone, closed or marked as not an issue.
    json
        Show as JSON.
    """
    from deployments.commands.issues.listing import run_issues
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        run_issues(environment=environment, report_id=report, everything=all, as_json=json)
    return 0


def close(issue_ids: _Ids, /, *, environment: str | None = None, by: str | None = None, note: str | None = None) -> int:
    """Close issues that are fixed.

    Parameters
    ----------
    issue_ids
        Ids of the issues (see `agent-report issues`).
    environment
        Environment of the issues; required if more than one has an issue with this id.
    by
        Name of the person who decides; by default your login name.
    note
        The reason, for other people to read.
    """
    return _decide(issue_ids, "closed", environment, by, note)


def reopen(
    issue_ids: _Ids, /, *, environment: str | None = None, by: str | None = None, note: str | None = None
) -> int:
    """Reopen issues that were closed or marked as not an issue.

    Parameters
    ----------
    issue_ids
        Ids of the issues (see `agent-report issues --all`).
    environment
        Environment of the issues; required if more than one has an issue with this id.
    by
        Name of the person who decides; by default your login name.
    note
        The reason, for other people to read.
    """
    return _decide(issue_ids, "open", environment, by, note)


def not_an_issue(
    issue_ids: _Ids, /, *, environment: str | None = None, by: str | None = None, note: str | None = None
) -> int:
    """Mark issues as not an issue.

    Parameters
    ----------
    issue_ids
        Ids of the issues (see `agent-report issues`).
    environment
        Environment of the issues; required if more than one has an issue with this id.
    by
        Name of the person who decides; by default your login name.
    note
        The reason, for other people to read.
    """
    return _decide(issue_ids, "not_an_issue", environment, by, note)


def _decide(
    issue_ids: list[str], decision: DecisionWord, environment: str | None, by: str | None, note: str | None
) -> int:
    from deployments.commands.issues.deciding import run_decide
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        run_decide(issue_ids, decision, environment=environment, by=by, note=note)
    return 0
