"""What to fix first, on the terminal: the issues of one report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from deployments.terminal.console import PROSE_WIDTH, one_line
from deployments.terminal.invocation import printed_command
from tasks.report.rows import AgentRow, IssueRow, ReportRow

STATE_STYLES = {"new": "bold red", "back": "bold red", "ongoing": "yellow", "gone": "green"}
if TYPE_CHECKING:
    from tasks.warehouse.issues.issue_list import ListedIssue

_MOST_TEXT = 300


def print_issues(
    console: Console, report: ReportRow, rows: Sequence[IssueRow], agents: Sequence[AgentRow], most: int = 5
) -> None:
    """The first ``most`` issues, what is left over, and those that are gone."""
    from tasks.render.issue_text import (
        TITLE,
        describe_search,
        describe_size,
        gone_issues,
        listed_issues,
        names_of,
        other_failures,
    )
    from tasks.wording.counts import counted

    console.print()
    console.print(Text(TITLE, "bold"))
    if note := describe_search(report, rows):
        console.print(one_line(note), width=min(console.width, PROSE_WIDTH))
    issues, names = listed_issues(rows), names_of(agents)
    for number, row in enumerate(issues[:most], start=1):
        _print_issue(console, number, row, names)
    if len(issues) > most:
        more = printed_command("issues", "--report", report["id"])
        console.print(f"and {counted(len(issues) - most, 'more issue')}: `{more}`", markup=False, soft_wrap=True)
    if (other := other_failures(rows)) is not None:
        console.print(f"Other failures: {describe_size(other)}")
    for row in gone_issues(rows):
        console.print(Text.assemble(("Gone: ", STATE_STYLES["gone"]), one_line(row["title"])), soft_wrap=True)


def _print_issue(console: Console, number: int, row: IssueRow, names: dict[str, str]) -> None:
    from tasks.render.issue_text import describe_gain, describe_size, describe_state, name_agents
    from tasks.wording.shortening import cut

    state = (describe_state(row), STATE_STYLES.get(row["state"] or "", ""))
    head = Text.assemble(f"{number}. ", one_line(row["title"], "bold"), " (", state, f"; {row['issue_id']})")
    console.print(head, soft_wrap=True)
    gain = describe_gain(row)
    parts = (
        ("", describe_size(row) + (f"; {gain}" if gain else "")),
        ("", row["description"]),
        ("Probable cause (a guess): ", row["probable_cause"]),
        ("What to change: ", row["recommendation"]),
        ("Agents: ", name_agents(row, names)),
    )
    for title, text in parts:
        if text:
            line = Text.assemble((title, "dim"), one_line(cut(text, _MOST_TEXT)))
            console.print(Padding(line, (0, 0, 0, 3)), width=min(console.width, PROSE_WIDTH))


def print_listed(console: Console, environment: str, issues: Sequence[ListedIssue]) -> None:
    """The issues of one environment, each as its newest report has it."""
    from tasks.render.issue_text import describe_size, name_agents

    console.print()
    console.print(one_line(environment, "bold"))
    for issue in issues:
        row = issue.row
        status = Text(issue.status, STATE_STYLES.get(issue.status, ""))
        console.print(
            Text.assemble(row["issue_id"], "  ", status, "  ", one_line(row["title"], "bold")), soft_wrap=True
        )
        parts = (
            f"{describe_size(row)}, in report {issue.report_id}, first found in report {row['first_report_id']}",
            f"Agents: {name_agents(row, issue.names)}",
            f"What to change: {row['recommendation']}" if row["recommendation"] else "",
        )
        for text in parts:
            if text:
                console.print(Padding(one_line(text), (0, 0, 0, 3)), width=min(console.width, PROSE_WIDTH))
