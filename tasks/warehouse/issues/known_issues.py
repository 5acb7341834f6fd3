"""The issues of an environment as its reports have them, and people's decisions on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa

from tasks.judge.issues.found_issue import RunKey
from tasks.judge.issues.known_issue import Decision, DecisionWord, KnownIssue, is_decided
from tasks.report.rows import OTHER_ISSUE, IssueRow, ReportRow
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import issue_decisions, report_issues, reports
from tasks.warehouse.sql import Warehouse

# Of an environment with a report a night this is half a year.
_MOST_REPORTS = 200


def load_known_issues(database: Database, environment: str, before: int | None = None) -> list[KnownIssue]:
    """The issues of the completed reports of ``environment`` (the newest 200 with issues), by first report and id.

    ``before``: only reports with a lower id, as those that came before a report which is resumed or made again.
    """
    of_reports = (
        sa.select(reports.c.id)
        .where(reports.c.environment == environment, reports.c.status == "completed")
        .where(reports.c.id.in_(sa.select(report_issues.c.report_id)))
        .order_by(reports.c.id.desc())
        .limit(_MOST_REPORTS)
    )
    if before is not None:
        of_reports = of_reports.where(reports.c.id < before)
    query = (
        sa.select(report_issues)
        .where(report_issues.c.report_id.in_(of_reports), report_issues.c.issue_id != OTHER_ISSUE)
        .order_by(report_issues.c.report_id)
    )
    with database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    decisions = load_decisions(database, environment)
    by_id: dict[str, list[IssueRow]] = {}
    for row in rows:
        by_id.setdefault(row["issue_id"], []).append(cast(IssueRow, dict(row)))
    known = [_known(found, decisions) for found in by_id.values()]
    return sorted(known, key=lambda issue: (issue.first_report_id, issue.id))


def load_undecided(warehouse: Warehouse, report: ReportRow) -> list[IssueRow]:
    """The issues of a report as in ``Warehouse.load_issues``, without those that a person closed or dismissed since."""
    decisions = load_decisions(warehouse.database, report["environment"])
    rows = warehouse.load_issues(report["id"])
    return [row for row in rows if not is_decided(decisions.get(row["issue_id"]), report["id"])]


def was_searched_before(database: Database, report: ReportRow) -> bool:
    """Whether an earlier completed report of the environment looked for issues, as versions with verdicts do."""
    query = (
        sa.select(reports.c.id)
        .where(reports.c.environment == report["environment"], reports.c.status == "completed")
        .where(reports.c.id < report["id"], reports.c.verdicts.is_not(None))
        .limit(1)
    )
    with database.reading() as connection:
        return connection.execute(query).first() is not None


def load_decisions(database: Database, environment: str) -> dict[str, Decision]:
    """The newest decision on each issue of ``environment``, by issue id; empty when there is none."""
    table = issue_decisions
    query = sa.select(table).where(table.c.environment == environment).order_by(table.c.id)
    with database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return {
        row["issue_id"]: Decision(cast(DecisionWord, row["decision"]), row["created_at"], row["report_id"])
        for row in rows
    }


def write_decision(
    database: Database,
    environment: str,
    issue_id: str,
    decision: DecisionWord,
    *,
    decided_by: str,
    note: str | None = None,
    report_id: int | None = None,
    now: datetime | None = None,
) -> None:
    """Record what a person decided on an issue, after ``report_id`` (the newest report that lists it)."""
    values: Mapping[str, Any] = {
        "environment": environment,
        "issue_id": issue_id,
        "decision": decision,
        "decided_by": decided_by,
        "note": note,
        "report_id": report_id,
        "created_at": now or datetime.now(UTC),
    }
    with database.writing() as connection:
        connection.execute(sa.insert(issue_decisions).values(values))


def _known(rows: list[IssueRow], decisions: Mapping[str, Decision]) -> KnownIssue:
    """An issue from its rows, the oldest first."""
    first, last = rows[0], rows[-1]
    found = next((row for row in reversed(rows) if row["state"] != "gone"), last)
    return KnownIssue(
        id=first["issue_id"],
        title=first["title"],
        description=first["description"] or "",
        first_report_id=first["first_report_id"],
        last_report_id=last["report_id"],
        origin=found["origin"],
        agent_ids=frozenset(found["agent_ids"]),
        runs=frozenset(RunKey(run["agent_id"], run["run_id"]) for row in rows for run in row["runs"]),
        is_gone=last["state"] == "gone",
        decision=decisions.get(first["issue_id"]),
    )
