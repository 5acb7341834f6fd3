"""The demo's past: nine weeks of sample data before the first report, once, and in no warehouse that has reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.simulated_reports import report_row
from deployments.demo.history import MARK, WEEKS, open_past
from tasks.settings import SIMULATED_JUDGE_MODEL
from tasks.warehouse.sql import Warehouse, open_warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """An empty one."""
    return open_warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")


def _make(warehouse: Warehouse) -> int:
    """The demo's report: two agents, of which one has no run."""
    report_id = warehouse.create_report({"environment": "demo", "name": "Demo"})
    row = report_row(report_id) | {"status": "completed", "team_score": 6.0, "environment": "demo", "name": "Demo"}
    row.pop("id", None)
    agents = [
        {"agent_id": "1", "agent_name": "deploy-pilot", "status": "evaluated", "score": 5.0, "passed": False,
         "runs_analyzed": 4, "run_ids": ["1", "2", "3", "4"], "completion_rate": 0.5, "reasoning": "secret"},
        {"agent_id": "2", "agent_name": "idle", "status": "no_runs", "runs_analyzed": 0},
    ]  # fmt: skip
    criteria = [
        {
            "agent_id": agent,
            "criterion": "accuracy",
            "weight": 1.0,
            "threshold": 7.0,
            "score": 5.0,
            "passed": False,
        }
        for agent in (None, "1")
    ]
    runs = [{"agent_id": "1", "run_id": str(run), "status": "completed", "completed": run > 2} for run in (1, 2, 3, 4)]
    warehouse.write_report(report_id, row, agents, criteria, runs)
    return report_id


def test_nine_weeks_come_before_the_first_report_and_are_marked_as_samples(warehouse: Warehouse) -> None:
    with open_past(warehouse, SIMULATED_JUDGE_MODEL) as past:
        report_id = _make(warehouse)
        past.write(report_id)
    listed = warehouse.list_reports()
    assert [row["id"] for row in listed] == list(range(WEEKS + 1, 0, -1))
    assert (listed[0]["id"], listed[0]["name"]) == (report_id, "Demo")
    times = [row["created_at"] for row in listed]
    assert times == sorted(times, reverse=True)
    for row in listed[1:]:
        assert row["name"].startswith(MARK)
        assert row["status"] == "completed"
        report = warehouse.load_report(row["id"])
        assert report is not None
        assert report["warnings"][0].startswith(MARK)
        [pilot, idle] = warehouse.load_agents(row["id"])
        assert pilot["reasoning"].startswith(MARK)
        # The newest week is the one in which it got worse.
        assert pilot["score"] > 6
        assert idle["score"] is None
        runs = warehouse.load_runs(row["id"])
        assert sum(run["completed"] for run in runs) == round(4 * pilot["completion_rate"])
        assert not {run["run_id"] for run in runs} & {"1", "2", "3", "4"}


def test_a_second_demo_does_not_double_them(warehouse: Warehouse) -> None:
    for _ in range(2):
        with open_past(warehouse, SIMULATED_JUDGE_MODEL) as past:
            past.write(_make(warehouse))
    assert sum(row["name"].startswith(MARK) for row in warehouse.list_reports()) == WEEKS


def test_a_warehouse_with_reports_gets_no_samples_nor_does_a_real_judge(warehouse: Warehouse) -> None:
    with open_past(warehouse, "gpt-5.4-mini") as past:
        assert past.weeks == []
    warehouse.create_report({"environment": "production"})
    with open_past(warehouse, SIMULATED_JUDGE_MODEL) as past:
        assert past.weeks == []
    assert [row["environment"] for row in warehouse.list_reports()] == ["production"]


def test_nothing_is_left_of_them_without_a_report(warehouse: Warehouse) -> None:
    with pytest.raises(KeyboardInterrupt), open_past(warehouse, SIMULATED_JUDGE_MODEL):
        raise KeyboardInterrupt
    assert warehouse.list_reports() == []
