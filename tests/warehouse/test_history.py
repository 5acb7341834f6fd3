"""What came before a report, and what judging it took, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tasks.render.html.page import JudgingStats
from tasks.warehouse.history import load_history, load_judging_stats
from tasks.warehouse.schema import judge_calls
from tasks.warehouse.sql import Warehouse


def _report(warehouse: Warehouse, score: float | None, *, fingerprint: str = "f", **fields: Any) -> int:
    """A finished report on ``production`` with agent 1 (and 2, where ``both``)."""
    status, both = fields.pop("status", "completed"), fields.pop("both", False)
    report_id = warehouse.create_report({"environment": fields.pop("environment", "production")})
    rate = {"completion_rate": 0.5, "completion_rate_low": 0.2, "completion_rate_high": 0.8}
    details = [
        {"agent_id": str(number), "agent_name": f"a{number}", "status": "evaluated", "score": score, **rate}
        for number in ((1, 2) if both else (1,))
    ]
    row = {"status": status, "team_score": score, "judge_fingerprint": fingerprint}
    warehouse.write_report(report_id, row, details, [], [])
    return report_id


def _points(warehouse: Warehouse, report_id: int, **options: Any) -> dict[int | None, list[tuple[Any, ...]]]:
    report = warehouse.load_report(report_id)
    assert report is not None
    found = load_history(warehouse.database, report, **options)
    return {
        agent_id: [(point.report_id, point.score, point.comparable) for point in points]
        for agent_id, points in found.items()
    }


def test_the_last_reports_of_the_environment_the_oldest_first(warehouse: Warehouse) -> None:
    first = _report(warehouse, 5.0, fingerprint="another judge")
    _report(warehouse, 1.0, environment="staging")
    _report(warehouse, 2.0, status="failed")
    second = _report(warehouse, None, both=True)
    third = _report(warehouse, 7.0, both=True)
    later = _report(warehouse, 9.0)
    assert _points(warehouse, third) == {
        None: [(first, 5.0, False), (second, None, True), (third, 7.0, True)],
        "1": [(first, 5.0, False), (second, None, True), (third, 7.0, True)],
        "2": [(second, None, True), (third, 7.0, True)],
    }
    assert _points(warehouse, later, limit=2)["1"] == [(third, 7.0, True), (later, 9.0, True)]
    report = warehouse.load_report(third)
    assert report is not None
    [*_, newest] = load_history(warehouse.database, report)["1"]
    assert (newest.completion_rate, newest.low, newest.high) == (0.5, 0.2, 0.8)
    assert newest.created_at == report["created_at"]


def test_a_report_that_has_not_ended_has_itself_alone(warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "production"})
    assert _points(warehouse, report_id) == {None: [(report_id, None, False)]}


def test_what_the_ledger_has_on_a_report(warehouse: Warehouse) -> None:
    known = {"kind": "agent", "model": "m", "sample": 0, "created_at": datetime(2026, 11, 25, tzinfo=UTC)}
    rows = [
        {"outcome": "usable", "report_id": 3, "attempts": 1, "latency_seconds": 2.0, "cached_tokens": None},
        {"outcome": "usable", "report_id": 3, "attempts": 3, "latency_seconds": 4.0, "cached_tokens": 10},
        {"outcome": "length", "report_id": 3, "attempts": 1, "latency_seconds": None, "cached_tokens": None},
        {"outcome": "usable", "report_id": 4, "attempts": 9, "latency_seconds": 90.0, "cached_tokens": 90},
    ]
    answered = [{**known, **row, "fingerprint": f"f{n}", "status": "answered"} for n, row in enumerate(rows)]
    claim = {**known, "fingerprint": "c", "status": "claimed", "report_id": 3}
    with warehouse.database.writing() as connection:
        connection.execute(sa.insert(judge_calls), answered)
        connection.execute(sa.insert(judge_calls), [claim])
    assert load_judging_stats(warehouse.database, 3) == JudgingStats({"usable": 2, "length": 1}, 5, 3.0, 4.0, 10)
    assert load_judging_stats(warehouse.database, 5) == JudgingStats({}, 0, None, None, None)
