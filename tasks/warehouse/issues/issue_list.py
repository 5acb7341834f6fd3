"""Every issue that an environment's reports found, with where it stands now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa

from tasks.evidence.types import AgentId
from tasks.judge.issues.known_issue import Decision, is_decided
from tasks.report.issues.ordering import order_issues
from tasks.report.rows import OTHER_ISSUE, IssueRow
from tasks.warehouse.engine import Database
from tasks.warehouse.issues.known_issues import load_decisions
from tasks.warehouse.schema import agent_report_details, report_issues, reports


@dataclass(frozen=True, slots=True)
class ListedIssue:
    """An issue as its newest report has it (``row``), and a person's newest decision on it.

    ``names`` are of its agents, by id, in that report.
    """

    environment: str
    report_id: int
    row: IssueRow
    names: dict[AgentId, str]
    decision: Decision | None = None

    @property
    def status(self) -> str:
        """``new``, ``ongoing``, ``back``, ``gone``, ``closed`` or ``not an issue``."""
        if self.decision is not None and is_decided(self.decision, self.report_id):
            return self.decision.decision.replace("_", " ")
        return self.row["state"]

    @property
    def is_open(self) -> bool:
        """Whether there is something to fix."""
        return self.status in ("new", "ongoing", "back")


def list_issues(database: Database, environment: str | None = None, issue_id: str | None = None) -> list[ListedIssue]:
    """The issues of an environment, or of all, as their newest completed reports have them; empty without any.

    By environment; in one, what to fix first is first. ``issue_id``: only this one, in as many environments as have it.
    """
    wanted = [reports.c.status == "completed", report_issues.c.issue_id != OTHER_ISSUE]
    if environment is not None:
        wanted.append(reports.c.environment == environment)
    if issue_id is not None:
        wanted.append(report_issues.c.issue_id == issue_id)
    newest = (
        sa.select(reports.c.environment, report_issues.c.issue_id, sa.func.max(report_issues.c.report_id).label("id"))
        .select_from(report_issues.join(reports, reports.c.id == report_issues.c.report_id))
        .where(*wanted)
        .group_by(reports.c.environment, report_issues.c.issue_id)
        .cte("newest")
    )
    same = sa.and_(report_issues.c.report_id == newest.c.id, report_issues.c.issue_id == newest.c.issue_id)
    query = sa.select(newest.c.environment, report_issues).select_from(newest.join(report_issues, same))
    details = agent_report_details
    with database.reading() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
        of_reports = details.c.report_id.in_({row["report_id"] for row in found})
        named = connection.execute(
            sa.select(details.c.report_id, details.c.agent_id, details.c.agent_name).where(of_reports)
        ).all()
    names: dict[int, dict[AgentId, str]] = {}
    for report_id, agent_id, agent_name in named:
        names.setdefault(report_id, {})[agent_id] = agent_name
    listed = []
    for name in sorted({row["environment"] for row in found}):
        decisions = load_decisions(database, name)
        own = [row for row in found if row["environment"] == name]
        rows = [cast(IssueRow, {key: row[key] for key in row if key != "environment"}) for row in own]
        for row in order_issues(rows):
            report_id = int(row["report_id"])
            listed.append(ListedIssue(name, report_id, row, names.get(report_id, {}), decisions.get(row["issue_id"])))
    return listed
