"""Frames for notebooks: the same from SQL and from Parquet."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.errors import WarehouseError
from tasks.evidence.types import TelemetrySummary
from tasks.warehouse.frames import (
    read_agents,
    read_criteria,
    read_issues,
    read_parquet_table,
    read_reports,
    read_runs,
    read_view,
)
from tasks.warehouse.parquet import write_parquet
from tasks.warehouse.schema import REPORT_TABLES
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views.definitions import VIEWS

Rows = dict[str, list[dict[str, Any]]]
READERS: dict[str, Callable[..., pd.DataFrame]] = {
    "reports": read_reports,
    "agent_report_details": read_agents,
    "criterion_scores": read_criteria,
    "report_runs": read_runs,
    "report_issues": read_issues,
}


@pytest.fixture
def filled(warehouse: Warehouse, tmp_path: Path, written: Rows) -> str:
    """Two environments with a report each, in SQL and in the Parquet folder that is returned."""
    folder = str(tmp_path / "parquet")
    for environment in ("prod", "test"):
        report_id = warehouse.create_report({"environment": environment})
        report = {**written["reports"][0], "environment": environment}
        write_parquet(folder, environment, report_id, {**written, "reports": [report]})
        warehouse.write_report(
            report_id,
            report,
            written["agent_report_details"],
            written["criterion_scores"],
            written["report_runs"],
            written["report_issues"],
        )
    return folder


def test_sql_and_parquet_give_the_same_frame(warehouse_url: str, filled: str) -> None:
    ids: dict[str | None, set[int]] = {None: {1, 2}, "test": {2}, "nowhere": set()}
    for name, (environment, expected) in itertools.product(REPORT_TABLES, ids.items()):
        from_sql = READERS[name](warehouse_url, environment)
        from_parquet = read_parquet_table(filled, name, environment)
        assert list(from_sql.columns) == [column.name for column in REPORT_TABLES[name].columns]
        pd.testing.assert_frame_equal(from_sql, from_parquet, obj=f"{name} of {environment}")
        per_report = 1 if name == "reports" else 2
        assert len(from_sql) == len(expected) * per_report
        assert set(from_sql["id" if name == "reports" else "report_id"]) == expected


@pytest.mark.parametrize("environment", ["prod", "nowhere"])
def test_dtypes_are_the_same_with_and_without_rows(warehouse_url: str, filled: str, environment: str) -> None:
    reports = read_reports(warehouse_url, environment)
    assert str(reports["id"].dtype) == "Int64"
    assert str(reports["team_score"].dtype) == "float64"
    assert str(reports["team_passed"].dtype) == "boolean"
    assert str(reports["environment"].dtype) == "string"
    assert str(reports["created_at"].dtype) == "datetime64[us, UTC]"
    assert str(reports["parameters"].dtype) == "object"
    assert str(reports["agent_reports"].dtype) == "object"
    criteria = read_criteria(warehouse_url, environment)
    assert str(criteria["agent_id"].dtype) == "string"


def test_values_in_frames(warehouse_url: str, filled: str, telemetry: TelemetrySummary) -> None:
    report = read_reports(warehouse_url, "prod").iloc[0]
    assert report["created_at"] == pd.Timestamp("2026-03-01T02:03:04.567891Z")
    assert report["parameters"]["options"] == {"since": "7d", "agents": []}
    assert report["agent_reports"]["2"] == {"score": None, "summary": "no runs"}
    assert report["prompt_tokens"] == 12_345_678_901
    agents = read_agents(warehouse_url, "prod").set_index("agent_id")
    assert agents.loc["1", "run_ids"] == ["11", "12"]
    assert pd.isna(agents.loc["2", "score"])
    assert agents.loc["2", "passed"] is pd.NA
    assert agents.loc["2", "run_ids"] is None
    assert agents["score"].mean() == 8.1
    team, agent = read_criteria(warehouse_url, "prod")["agent_id"]
    assert team is pd.NA
    assert agent == "1"
    assert read_runs(warehouse_url, "prod").iloc[0]["telemetry"] == telemetry.model_dump(mode="json")


def test_reading_makes_no_warehouse_where_there_is_none(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="There is no warehouse at"):
        read_reports(sqlite_url)
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        with pytest.raises(WarehouseError, match="is empty or older"):
            read_reports(postgres_url)


def test_nothing_in_parquet_is_an_empty_frame(tmp_path: Path) -> None:
    frame = read_parquet_table(str(tmp_path / "none"), "report_runs")
    assert frame.empty
    assert list(frame.columns) == [column.name for column in REPORT_TABLES["report_runs"].columns]
    with pytest.raises(WarehouseError, match="No Parquet table judge_calls"):
        read_parquet_table(str(tmp_path), "judge_calls")


@pytest.mark.parametrize("name", list(VIEWS))
def test_views_come_as_frames_too(warehouse_url: str, filled: str, name: str) -> None:
    table = VIEWS[name].table
    frame = read_view(warehouse_url, name)
    assert list(frame.columns) == table.columns.keys()
    for environment in ("prod", "nowhere"):
        part = read_view(warehouse_url, name, environment)
        assert [str(kind) for kind in part.dtypes] == [str(kind) for kind in frame.dtypes]
        assert len(part) == (0 if environment == "nowhere" else len(frame) / 2)
    assert len(frame) == {"judge_costs": 0, "failing_agents": 0, "criterion_history": 4}.get(name, 4)


def test_the_view_of_failing_agents_gives_why_as_text(warehouse_url: str, warehouse: Warehouse) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    agents: list[dict[str, Any]] = [
        {"agent_id": "1", "agent_name": "a", "status": "evaluated", "score": 3.0, "passed": False},
        {"agent_id": "2", "agent_name": "b", "status": "failed"},
    ]
    warehouse.write_report(report_id, {"status": "completed"}, agents, [], [])
    failing = read_view(warehouse_url, "failing_agents", "prod")
    assert failing["why"].tolist() == ["fails", "not judged"]
    assert str(failing["why"].dtype) == "string"


def test_a_view_that_does_not_exist_is_refused(warehouse_url: str) -> None:
    with pytest.raises(WarehouseError, match="No view nope: there are latest_agent_scores"):
        read_view(warehouse_url, "nope")
