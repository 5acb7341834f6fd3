"""The body of ``agent-report issues``: what to fix first, over all environments or in one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from deployments.terminal.console import open_console, print_json
from deployments.terminal.invocation import printed_command
from deployments.terminal.issue_view import print_issues, print_listed
from tasks.connecting import open_clients
from tasks.warehouse.issues.issue_list import ListedIssue, list_issues


@open_clients()
def run_issues(*, environment: str | None, report_id: int | None, everything: bool, as_json: bool) -> None:
    """Print the issues of a report, or the open ones of an environment or of all; with ``everything`` also the others.

    Raises:
        RefusedError: there is no such report.
    """
    from tasks.clients import current_clients
    from tasks.stored.reports import require_report

    warehouse = current_clients().warehouse()
    if report_id is not None:
        report, rows = require_report(report_id), warehouse.load_issues(report_id)
        if as_json:
            print_json(rows)
        else:
            print_issues(open_console(), report, rows, warehouse.load_agents(report_id), most=len(rows))
        return
    listed = list_issues(warehouse.database, environment)
    shown = [issue for issue in listed if everything or issue.is_open]
    if as_json:
        print_json([_as_json(issue) for issue in shown])
    else:
        _print(open_console(), shown, environment, hidden=len(listed) - len(shown))


def _as_json(issue: ListedIssue) -> dict[str, object]:
    decided_at = issue.decision.decided_at if issue.decision else None
    return {"environment": issue.environment, "status": issue.status, "decided_at": decided_at, **issue.row}


def _print(console: Console, shown: Sequence[ListedIssue], environment: str | None, *, hidden: int) -> None:
    if not shown:
        where = f" in {environment}" if environment is not None else ""
        console.print(Text(f"No open issue{where}."))
    for name in dict.fromkeys(issue.environment for issue in shown):
        print_listed(console, name, [issue for issue in shown if issue.environment == name])
    if hidden:
        console.print(
            f"{hidden} closed, gone or dismissed: `{printed_command('issues', '--all')}` shows them.",
            markup=False,
            soft_wrap=True,
        )
