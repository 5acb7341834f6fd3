"""A history of reports in a warehouse, made fast: one report is written, and copied inside the database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table

from tasks.evidence.types import AgentId
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import (
    agent_report_details,
    criterion_scores,
    judge_calls,
    report_comparisons,
    report_runs,
    reports,
)
from tasks.warehouse.sql import Warehouse

Row = dict[str, Any]
ENVIRONMENT = "production"
_CRITERIA = ("accuracy", "reliability", "efficiency")
_WORDS = (
    "the",
    "agent",
    "looked",
    "up",
    "an",
    "order",
    "refunded",
    "it",
    "twice",
    "and",
    "informed",
    "customers",
    "so",
)
_METRICS = ("overall", "score", *(f"criterion:{name}" for name in _CRITERIA), "completion_rate", "avg_duration_seconds")


def build_history(warehouse: Warehouse, *, agents: int = 100, count: int = 50, runs: int = 20) -> list[int]:
    """Write ``count`` completed reports, a day apart, the newest now, on the same ``agents`` with ``runs`` runs each,
    every report with its paid answers and a comparison with the one before; their ids, oldest first.

    Texts are as long as those of real reports: a reasoning 1 KB, an excerpt 1 KB, an answer 3 KB.
    """
    dice = random.Random(5)
    first = _write_first(warehouse, dice, agents, runs, datetime.now(UTC) - timedelta(days=count - 1))
    ids = [first]
    with warehouse.database.writing() as connection:
        for day in range(1, count):
            ids.append(_copy_report(connection, first, day))
            for table in (agent_report_details, criterion_scores, report_runs, judge_calls):
                _copy_children(connection, table, first, ids[-1], day)
            _compare(connection, ids[-2], ids[-1], agents)
    _analyze(warehouse.database)
    return ids


def _prose(dice: random.Random, size: int) -> str:
    text = ""
    while len(text) < size:
        text += dice.choice(_WORDS) + " "
    return text[:size]


def _write_first(warehouse: Warehouse, dice: random.Random, agents: int, runs: int, moment: datetime) -> int:
    report_id = warehouse.create_report(
        {"environment": ENVIRONMENT, "name": "Nightly", "created_at": moment, "judge_model": "m", "parameters": {}}
    )
    report = {
        "status": "completed",
        "progress": 100,
        "team_score": 7.1,
        "team_passed": True,
        "avg_agent_score": 6.9,
        "executive_summary": _prose(dice, 2000),
        "agent_reports": {str(number): {"score": 7.0, "summary": _prose(dice, 300)} for number in range(agents)},
        "total_agents": agents,
        "agents_evaluated": agents,
        "agents_failed": 0,
        "total_runs_analyzed": agents * runs,
        "cost_usd": 1.0,
        "known_cost_usd": 1.0,
        "generation_started_at": moment,
        "generation_completed_at": moment + timedelta(seconds=20),
        "generation_duration_seconds": 20.0,
    }
    details = [_agent(dice, number, runs) for number in range(agents)]
    team = [_criterion(dice, None, name) for name in _CRITERIA]
    criteria = team + [_criterion(dice, str(number), name) for number in range(agents) for name in _CRITERIA]
    looked = [_run(dice, agent, run, moment) for agent in range(agents) for run in range(runs)]
    warehouse.write_report(report_id, report, details, criteria, looked)
    calls = [_call(dice, report_id, agent, moment) for agent in (None, *range(agents))]
    with warehouse.database.writing() as connection:
        connection.execute(sa.insert(judge_calls), calls)
    return report_id


def _agent(dice: random.Random, number: int, runs: int) -> Row:
    score = dice.uniform(4, 10)
    return {
        "agent_id": str(number),
        "agent_name": f"agent-{number}",
        "status": "evaluated",
        "score": score,
        "passed": score >= 6,
        "reasoning": _prose(dice, 1000),
        "strengths": [_prose(dice, 150)] * 3,
        "weaknesses": [_prose(dice, 150)] * 3,
        "recommendations": [_prose(dice, 150)] * 3,
        "runs_analyzed": runs,
        "run_ids": [str(number * 1000 + run) for run in range(runs)],
        "completion_rate": 0.8,
        "completion_rate_low": 0.58,
        "completion_rate_high": 0.92,
        "avg_cost_usd": 0.01,
        "tool_usage": [{"name": f"tool_{tool}", "calls": 40, "errors": 1} for tool in range(6)],
        "judge_cost_usd": 0.01,
    }


def _criterion(dice: random.Random, agent_id: AgentId | None, name: str) -> Row:
    score = dice.uniform(4, 10)
    example = {"run_id": "1", "label": "R1", "quote": _prose(dice, 150), "text": _prose(dice, 100)}
    return {
        "agent_id": agent_id,
        "criterion": name,
        "weight": 0.3,
        "threshold": 6.0,
        "score": score,
        "passed": score >= 6,
        "reasoning": _prose(dice, 400),
        "examples": [example] * 3,
    }


def _run(dice: random.Random, agent: int, run: int, moment: datetime) -> Row:
    return {
        "agent_id": str(agent),
        "run_id": str(agent * 1000 + run),
        "status": "completed",
        "completed": True,
        "started_at": moment,
        "duration_seconds": dice.uniform(1, 20),
        "tokens": 3500,
        "cost_usd": 0.01,
        "trace_id": f"{agent:016x}{run:016x}",
        "trace_state": "complete",
        "task_hash": f"{run:064x}",
        "task_excerpt": _prose(dice, 500),
        "response_excerpt": _prose(dice, 1000),
    }


def _call(dice: random.Random, report_id: int, agent: int | None, moment: datetime) -> Row:
    return {
        "fingerprint": f"{report_id}-{agent}",
        "status": "answered",
        "outcome": "usable",
        "kind": "team" if agent is None else "agent",
        "model": "m",
        "answer": _prose(dice, 3000),
        "prompt_tokens": 60_000,
        "completion_tokens": 900,
        "cost_usd": 0.01,
        "report_id": report_id,
        "agent_id": None if agent is None else str(agent),
        "sample": 0,
        "created_at": moment,
    }


def _copy_report(connection: sa.Connection, first: int, day: int) -> int:
    row = dict(connection.execute(sa.select(reports).where(reports.c.id == first)).mappings().one())
    del row["id"]
    times = ("created_at", "generation_started_at", "generation_completed_at")
    row |= {name: row[name] + timedelta(days=day) for name in times}
    key = connection.execute(sa.insert(reports).values(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _copy_children(connection: sa.Connection, table: Table, first: int, report_id: int, day: int) -> None:
    """The rows of ``first`` as those of ``report_id``; scores move by the day, so that verdicts change."""
    columns = [column for column in table.columns if column.name != "id"]
    values: list[Any] = []
    for column in columns:
        if column.name == "report_id":
            values.append(sa.literal(report_id))
        elif column.name == "passed":
            values.append((table.c.score - ((sa.cast(table.c.agent_id, sa.Integer) + day) % 7) * 0.3) >= 6)
        else:
            values.append(column)
    query = sa.select(*values).where(table.c.report_id == first)
    connection.execute(sa.insert(table).from_select([column.name for column in columns], query))


def _compare(connection: sa.Connection, before: int, after: int, agents: int) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "baseline_id": before,
            "report_id": after,
            "agent_id": None if agent is None else str(agent),
            "agent_name": None if agent is None else f"agent-{agent}",
            "presence": "both",
            "metric": metric,
            "before": 7.0,
            "after": 7.1,
            "difference": 0.1,
            "verdict": "no_change" if agent else "worse",
            "created_at": now,
        }
        for agent in (None, *range(agents))
        for metric in _METRICS
    ]
    connection.execute(sa.insert(report_comparisons), rows)


def _analyze(database: Database) -> None:
    """What PostgreSQL does by itself within a minute."""
    if not database.is_sqlite:
        with database.writing() as connection:
            connection.execute(sa.text("ANALYZE"))
