"""The bodies of ``agent-report close``, ``reopen`` and ``not-an-issue``: a person's decision on issues."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

from rich.text import Text

from deployments.terminal.console import one_line, open_console
from deployments.terminal.invocation import printed_command
from tasks.connecting import open_clients
from tasks.errors import NotFoundError, UsageError
from tasks.judge.issues.known_issue import DecisionWord
from tasks.warehouse.issues.issue_list import ListedIssue, list_issues
from tasks.warehouse.issues.known_issues import write_decision

_LONGEST_NAME, _LONGEST_NOTE = 100, 2000
_DONE = {
    "closed": "closed; it comes back only with runs that start from now on",
    "open": "open again",
    "not_an_issue": "not an issue; no report lists it until it is reopened",
}


@open_clients()
def run_decide(
    issue_ids: Sequence[str], decision: DecisionWord, *, environment: str | None, by: str | None, note: str | None
) -> None:
    """Record the decision on each issue, and print it; none is recorded when one of them cannot be found.

    Raises:
        RefusedError: no issue is named, there is no such issue, it is in several environments, or a name that is none.
    """
    from tasks.clients import current_clients

    if not issue_ids:
        raise UsageError(f"no issue: `{printed_command('issues')}` lists their ids")
    database = current_clients().warehouse().database
    decided_by = _name(by)
    if note is not None and len(note) > _LONGEST_NOTE:
        raise UsageError(f"--note: at most {_LONGEST_NOTE:,} characters, not {len(note):,}")
    issues = [
        _only(list_issues(database, environment, issue_id), issue_id, environment)
        for issue_id in dict.fromkeys(issue_ids)
    ]
    console = open_console()
    for issue in issues:
        write_decision(
            database,
            issue.environment,
            issue.row["issue_id"],
            decision,
            decided_by=decided_by,
            note=note,
            report_id=issue.report_id,
        )
        title = one_line(issue.row["title"], "bold")
        console.print(Text.assemble(f"{issue.row['issue_id']} ", title, f": {_DONE[decision]}"), soft_wrap=True)


def _only(found: Sequence[ListedIssue], issue_id: str, environment: str | None) -> ListedIssue:
    if not found:
        where = f" in {environment!r}" if environment is not None else ""
        raise NotFoundError(f"there is no issue {issue_id!r}{where}: `agent-report issues --all` lists those there are")
    if len(found) > 1:
        names = ", ".join(issue.environment for issue in found)
        raise UsageError(f"issue {issue_id} is in several environments ({names}): name one with --environment")
    return found[0]


def _name(given: str | None) -> str:
    try:
        name = " ".join((getpass.getuser() if given is None else given).split())
    except (OSError, KeyError):
        name = ""
    if not name:
        raise UsageError("--by is required")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"--by: a name of at most {_LONGEST_NAME} printable characters")
    return name
