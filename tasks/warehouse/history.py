"""What came before a report in the warehouse, and what judging it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import sqlalchemy as sa

from tasks.comparison.comparability import asked_agents, asked_model, asked_unit
from tasks.evidence.types import AgentId
from tasks.render.html.page import HistoryPoint, JudgingStats
from tasks.report.rows import ReportRow
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import agent_report_details, judge_calls, reports

_RATES = ("completion_rate", "completion_rate_low", "completion_rate_high")
_SUCCESS = ("success_rate", "success_rate_low", "success_rate_high")
_FIGURES = ("score", *_RATES, *_SUCCESS)


def load_history(
    database: Database, report: ReportRow, limit: int = 12
) -> dict[AgentId | None, tuple[HistoryPoint, ...]]:
    """The last ``limit`` completed reports of the environment up to ``report`` (its row), and it: the oldest first.

    By agent id, that of the team under None. A report in which an agent has no row is not in its history; agents that
    are gone by now have theirs.
    """
    named = ("id", "created_at", "team_score", "judge_fingerprint", "parameters", *_SUCCESS)
    columns = [reports.c[name] for name in named]
    earlier = (
        sa.select(*columns)
        .where(reports.c.environment == report["environment"], reports.c.id < report["id"])
        .where(reports.c.status == "completed")
        .order_by(reports.c.id.desc())
        .limit(limit - 1)
    )
    table = agent_report_details
    with database.reading() as connection:
        before = reversed(connection.execute(earlier).mappings().all())
        found = [*(cast(ReportRow, dict(row)) for row in before), report]
        details = (
            connection.execute(
                sa.select(table.c.report_id, table.c.agent_id, *(table.c[name] for name in _FIGURES))
                .where(table.c.report_id.in_([row["id"] for row in found]))
                .order_by(table.c.report_id)
            )
            .mappings()
            .all()
        )
    by_id = {row["id"]: row for row in found}
    fingerprint, agents = report["judge_fingerprint"], asked_agents(report)
    asked = asked_model(report), asked_unit(report)

    def point(report_id: int, score: float | None, rates: Mapping[str, Any]) -> HistoryPoint:
        row = by_id[report_id]
        same = fingerprint is not None and row["judge_fingerprint"] == fingerprint
        same = same and (asked_model(row), asked_unit(row)) == asked
        return HistoryPoint(
            report_id,
            row["created_at"],
            score,
            rates.get("completion_rate"),
            rates.get("completion_rate_low"),
            rates.get("completion_rate_high"),
            comparable=same,
            success_rate=rates["success_rate"],
            success_low=rates["success_rate_low"],
            success_high=rates["success_rate_high"],
        )

    team = []
    for row in found:
        one = point(row["id"], row["team_score"], {name: value for name, value in row.items() if name in _SUCCESS})
        team.append(replace(one, comparable=one.comparable and asked_agents(row) == agents))
    history: dict[AgentId | None, list[HistoryPoint]] = {None: team}
    for detail in details:
        history.setdefault(detail["agent_id"], []).append(point(detail["report_id"], detail["score"], dict(detail)))
    return {agent_id: tuple(points) for agent_id, points in history.items()}


def load_judging_stats(database: Database, report_id: int) -> JudgingStats:
    """What the ledger has on this report: the answers that were paid for it. None of any: zeros and None."""
    calls = judge_calls
    query = (
        sa.select(
            calls.c.outcome,
            sa.func.count(),
            sa.func.sum(calls.c.attempts),
            sa.func.sum(calls.c.latency_seconds),
            sa.func.count(calls.c.latency_seconds),
            sa.func.max(calls.c.latency_seconds),
            sa.func.sum(calls.c.cached_tokens),
        )
        .where(calls.c.report_id == report_id, calls.c.status == "answered")
        .group_by(calls.c.outcome)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    timed = sum(row[4] for row in rows)
    cached = [int(row[6]) for row in rows if row[6] is not None]
    return JudgingStats(
        outcomes={row[0] or "unknown": row[1] for row in sorted(rows, key=lambda row: (-row[1], row[0] or ""))},
        attempts=sum(int(row[2] or 0) for row in rows),
        avg_latency_seconds=sum(float(row[3] or 0) for row in rows) / timed if timed else None,
        max_latency_seconds=max((float(row[5]) for row in rows if row[5] is not None), default=None),
        cached_tokens=sum(cached) if cached else None,
    )
