"""Which reports there are, by filters, and what their stored comparisons say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tasks.warehouse.engine import Database
from tasks.warehouse.schema import ENDED, report_comparisons, reports
from tasks.warehouse.sql import Row

STATUSES = ("pending", "generating_agents", "generating_team", *ENDED)
"""Every status of a report, in the order in which it has them."""


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which reports: all that is given has to hold; what is None or empty holds for every report.

    ``name`` is a part of the report's name, whatever its case; ``since`` (aware) is compared with ``created_at``.
    """

    environment: str | None = None
    statuses: tuple[str, ...] = ()
    since: datetime | None = None
    name: str | None = None
    judge_model: str | None = None


def list_reports(database: Database, wanted: ReportFilter | None = None, limit: int = 20) -> list[Row]:
    """The newest reports, newest first; rows as in ``Warehouse.load_report``, empty when there are none."""
    wanted = wanted or ReportFilter()
    query = sa.select(reports).order_by(reports.c.id.desc()).limit(limit)
    if wanted.environment is not None:
        query = query.where(reports.c.environment == wanted.environment)
    if wanted.statuses:
        query = query.where(reports.c.status.in_(wanted.statuses))
    if wanted.since is not None:
        query = query.where(reports.c.created_at >= wanted.since)
    if wanted.name:
        query = query.where(reports.c.name.icontains(wanted.name, autoescape=True))
    if wanted.judge_model is not None:
        query = query.where(reports.c.judge_model == wanted.judge_model)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def load_changes(database: Database, report_id: int) -> list[Row]:
    """The rows of ``report_comparisons`` of the newest comparison of this report with another, the team's first, then
    by agent; empty when it was never compared."""
    table = report_comparisons
    newest = (
        sa.select(table.c.baseline_id)
        .where(table.c.report_id == report_id)
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(table)
        .where(table.c.report_id == report_id, table.c.baseline_id == newest)
        .order_by(table.c.agent_id.is_not(None), table.c.agent_id, table.c.id)
    )
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
