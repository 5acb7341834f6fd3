"""The order in which issues are listed."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.report.rows import OTHER_ISSUE, IssueRow


def order_issues(rows: Iterable[IssueRow]) -> list[IssueRow]:
    """What to fix first at the top: by gain, then by share; then what is left over, then the issues that are gone."""
    return sorted(rows, key=_place)


def _place(row: IssueRow) -> tuple[bool, bool, float, float, int, str]:
    return (
        row["state"] == "gone",
        row["issue_id"] == OTHER_ISSUE,
        -(row["gain"] or 0.0),
        -(row["share"] or 0.0),
        -row["runs_affected"],
        row["issue_id"],
    )
