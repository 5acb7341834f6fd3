"""A whole report on tables of one's own in PostgreSQL: UUIDs, an enum, jsonb, timestamptz, and no table of agents."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.demo.sample import Sample

_MAPPING = """
runs: |
  SELECT key AS id, bot AS agent, 'demo' AS environment, state AS status, began AS started_at, took AS duration_seconds,
         question AS task, reply AS final_response, gold AS expected, calls AS tool_calls, spent AS cost_usd
  FROM chats
statuses: {completed: [solved], failed: [broke], unfinished: [live]}
"""
_TABLES = (
    "CREATE TYPE state AS ENUM ('solved', 'broke', 'live', 'odd')",
    "CREATE TABLE chats (key UUID PRIMARY KEY, bot TEXT, state state, began TIMESTAMPTZ, took INTERVAL, question TEXT,"
    " reply TEXT, gold JSONB, calls JSONB, spent NUMERIC)",
)
_STATES = {"completed": "solved", "failed": "broke"}


@pytest.fixture
def own_tables(postgres_url: str, sample: Sample) -> None:
    """The sample's runs in tables of another shape; the last of them has a status that no one knows."""
    engine = sa.create_engine(postgres_url)
    names = {row["id"]: row["name"] for row in sample.agents}
    with engine.begin() as connection:
        for statement in _TABLES:
            connection.exec_driver_sql(statement)
        for row in sample.runs:
            state = "odd" if row is sample.runs[-1] else _STATES.get(row["status"], "live")
            connection.execute(
                sa.text(
                    "INSERT INTO chats VALUES (:key, :bot, CAST(:state AS state), :began, :took, :question, :reply,"
                    ' \'"four"\', \'[{"name": "search", "result": "two"}]\', 0.5)'
                ),
                {
                    "key": uuid.UUID(int=row["id"]),
                    "bot": names[row["agent_id"]],
                    "state": state,
                    "began": str(row["started_at"]).partition(" m=")[0][:19] + "+00",
                    "took": timedelta(seconds=row["duration_seconds"] or 0),
                    "question": row["task"],
                    "reply": row["final_response"],
                },
            )
    engine.dispose()


def test_a_mapping_of_a_few_lines_makes_a_whole_report(
    make_world: Callable[..., Any],
    own_tables: None,
    postgres_url: str,
    sample: Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = make_world()
    (tmp_path / "source.yaml").write_text(_MAPPING)
    assert len(_MAPPING.splitlines()) < 25
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", postgres_url)
    monkeypatch.setenv("AGENT_REPORT_SOURCE_MAPPING", "source.yaml")
    monkeypatch.delenv("AGENT_REPORT_JAEGER_URL")
    report = world.report_directly()
    assert (report["status"], report["team_error"], report["error"]) == ("completed", None, None)
    agents = world.agents(report)
    assert set(agents) == {
        row["name"] for row in sample.agents if any(run["agent_id"] == row["id"] for run in sample.runs)
    }
    assert {(name, row["agent_id"], row["status"], row["avg_cost_usd"]) for name, row in agents.items()} == {
        (name, name, "evaluated", 0.5) for name in agents
    }
    runs = world.warehouse.load_runs(report["id"])
    assert {row["run_id"] for row in runs} <= {str(uuid.UUID(int=row["id"])) for row in sample.runs}
    assert {row["status"] for row in runs} >= {"solved", "broke"}
    assert any("unknown status: odd (1)" in warning for warning in report["warnings"])
