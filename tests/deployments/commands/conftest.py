"""A small history of reports in a warehouse, and the command that reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments import cli
from tasks.warehouse.sql import Warehouse, open_warehouse

NOW = datetime.now(UTC)
HOSTILE = "=cmd|' /C calc'!A0"


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse that the commands read, in a folder of its own."""
    url = f"sqlite:///{tmp_path}/warehouse.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "parquet"))
    return open_warehouse(url)


@pytest.fixture
def agent_report(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; its exit code, what it printed, and its errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def write(warehouse: Warehouse) -> Callable[..., int]:
    """``write(days=3, status="failed", …)``: a report of two agents, one that passed and one that did not; its id."""

    def make(days: float = 0, **changes: Any) -> int:
        created = {"environment": "prod", "name": "Nightly run", "judge_model": "m-1", "created_at": NOW}
        values = created | {"created_at": NOW - timedelta(days=days)} | changes
        status = values.pop("status", "completed")
        report_id = warehouse.create_report(values)
        if status not in ("completed", "failed", "cancelled"):
            return report_id
        details = [
            {"agent_id": "1", "agent_name": "good-bot", "status": "evaluated", "score": 9.0, "passed": True},
            {
                "agent_id": "2",
                "agent_name": HOSTILE,
                "status": "evaluated",
                "score": 4.5,
                "passed": False,
                "reasoning": "-1 \x1b[31mfor\nlateness",
                "weaknesses": ["often late"],
                "runs_analyzed": 2,
                "completion_rate": 0.5,
                "completion_rate_low": 0.09,
                "completion_rate_high": 0.91,
                "tool_usage": [{"name": "search", "calls": 4, "errors": 1, "duration_seconds": 1.5}],
                "failure_patterns": [{"pattern": "p", "count": 1, "run_ids": ["22"], "example": "timed out"}],
                "worst_run": {"run_id": "22", "status": "failed", "reason": "it failed"},
            },
        ]
        example = {"run_id": "22", "label": "R2", "span_id": None, "quote": "too late", "text": "says the user"}
        criteria = [
            _criterion(None, "accuracy", 8.0),
            _criterion("1", "accuracy", 9.0),
            _criterion("2", "accuracy", 8.0),
            _criterion("2", "zeal", 2.0, reasoning="It was late.", examples=[example]),
            _criterion("2", "tone", None),
        ]
        runs = [
            {"agent_id": "2", "run_id": "21", "status": "completed", "completed": True, "duration_seconds": 1.25},
            {"agent_id": "2", "run_id": "22", "status": "failed", "completed": False, "error": "timed out"},
        ]
        report = {
            "status": status,
            "team_score": 6.5,
            "team_passed": False,
            "total_agents": 2,
            "agents_evaluated": 2,
            "agents_failed": 0,
            "total_runs_analyzed": 2,
            "generation_completed_at": values["created_at"],
        }
        warehouse.write_report(report_id, report, details, criteria, runs)
        return report_id

    return make


def _criterion(agent_id: str | None, name: str, score: float | None, **values: Any) -> dict[str, Any]:
    row = {"agent_id": agent_id, "criterion": name, "weight": 0.5, "threshold": 7.0, "score": score}
    return row | {"passed": None if score is None else score >= 7} | values
