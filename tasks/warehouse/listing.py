"""Which reports there are, by filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from tasks.report.rows import ReportRow
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import ENDED, reports

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


def list_reports(database: Database, wanted: ReportFilter | None = None, limit: int = 20) -> list[ReportRow]:
    """The newest reports, newest first; rows as in ``Warehouse.load_report``, empty when there are none."""
    query = sa.select(reports).order_by(reports.c.id.desc()).limit(limit)
    with database.reading() as connection:
        found = connection.execute(_where(query, wanted or ReportFilter())).mappings()
        return [cast(ReportRow, dict(row)) for row in found]


def list_environments(database: Database, wanted: ReportFilter) -> list[str]:
    """The environments that have such reports, by name; empty when there are none."""
    query = sa.select(reports.c.environment).distinct().order_by(reports.c.environment)
    with database.reading() as connection:
        return list(connection.execute(_where(query, wanted)).scalars())


def _where(query: sa.Select[Any], wanted: ReportFilter) -> sa.Select[Any]:
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
    return query
