"""The same data in PostgreSQL and in files give the same agents and runs, by one mapping."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tasks.errors import ConfigurationError, SourceError
from tasks.evidence.types import Agent, AgentRuns
from tasks.sources.contract.mapping import parse_mapping
from tasks.sources.files.opening import open_files
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

_MAPPING = """
runs: |
  SELECT uid AS id, bot AS agent, stage AS environment, outcome AS status, began AS started_at, ended AS completed_at,
         question AS task, payload->>'reply' AS final_response, calls AS tool_calls, fault AS error,
         payload AS context,
         CAST(tokens AS INTEGER) * 2 AS input_tokens, price AS cost_usd, model AS model_name, good AS succeeded
  FROM talks
statuses: {completed: [solved], failed: [gave_up], unfinished: [live]}
"""
_BEGIN = datetime(2026, 11, 1, 8, 30, 15, 250_000, tzinfo=UTC)
_WINDOW = Window(limit=4, until=_BEGIN + timedelta(days=3), since=_BEGIN + timedelta(hours=2), filter_model="")


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number in range(12):
        failed = number % 3 == 0
        call = {"name": "find", "arguments": {"city": f"c{number}"}, "result": None if failed else "12 °C"}
        rows.append(
            {
                "uid": UUID(int=number + 7),
                "bot": "billing" if number % 2 else "007",
                "stage": "production" if number < 11 else "test",
                "outcome": ["gave_up", "solved", "live"][number % 3],
                "began": _BEGIN + timedelta(hours=number),
                "ended": _BEGIN + timedelta(hours=number, seconds=1.5 * number),
                "question": f'What about {number}, "it"?\nThanks',
                "payload": {"reply": f"It is {number}"},
                "calls": [{name: value for name, value in call.items() if value is not None}],
                "fault": "no such city" if failed else None,
                "tokens": 100 + number,
                "price": Decimal("0.0125") * number,
                "model": "m-1",
                "good": not failed,
            }
        )
    return rows


def _plain(value: object) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, (dict, list, int, bool, str)) or value is None else str(value)


def _write(path: Path) -> None:
    rows = [{name: _plain(value) for name, value in row.items()} for row in _rows()]
    if path.suffix == ".parquet":
        table = pa.Table.from_pylist([{**row, "uid": str(row["uid"])} for row in _rows()])
        pq.write_table(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            nested = ("payload", "calls")
            writer.writerows([{**row, **{name: json.dumps(row[name]) for name in nested}} for row in rows])


def _read(source: SqlSource) -> tuple[list[Agent], dict[str, AgentRuns]]:
    agents = source.load_agents("production", _WINDOW)
    found = source.fetch_runs_of(agents, _WINDOW)
    source.close()
    return agents, {key: runs for key, runs in found.items() if isinstance(runs, AgentRuns)}


@pytest.fixture
def from_postgres(postgres_url: str) -> tuple[list[Agent], dict[str, AgentRuns]]:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE outcome AS ENUM ('solved', 'gave_up', 'live')")
        connection.exec_driver_sql(
            "CREATE TABLE talks (uid uuid PRIMARY KEY, bot text, stage text, outcome outcome, began timestamptz,"
            " ended timestamptz, question text, payload jsonb, calls jsonb, fault text, tokens integer,"
            " price numeric, model text, good boolean)"
        )
        names = list(_rows()[0])
        values = ", ".join(f"CAST(:{name} AS outcome)" if name == "outcome" else f":{name}" for name in names)
        rows = [{**row, "payload": json.dumps(row["payload"]), "calls": json.dumps(row["calls"])} for row in _rows()]
        statement = sa.text(f"INSERT INTO talks VALUES ({values})")
        connection.execute(statement, rows)
    engine.dispose()
    return _read(SqlSource(open_database(postgres_url), parse_mapping(_MAPPING, "mapping")))


def test_files_give_what_postgresql_gives(
    tmp_path: Path, from_postgres: tuple[list[Agent], dict[str, AgentRuns]]
) -> None:
    agents, runs = from_postgres
    assert [agent.id for agent in agents] == ["007", "billing"]
    assert [len(found.runs) for found in runs.values()] == [4, 4]
    assert {run.outcome for found in runs.values() for run in found.runs} == {"completed", "failed", "unfinished"}
    mapping = parse_mapping(_MAPPING.replace("FROM talks", "FROM runs"), "mapping")
    for ending in ("parquet", "jsonl", "csv"):
        _write(tmp_path / f"talks.{ending}")
        from_files = _read(SqlSource(open_files(f"{tmp_path}/*.{ending}"), mapping))
        assert from_files == from_postgres, ending


def test_columns_in_the_contracts_names_need_no_mapping(tmp_path: Path) -> None:
    row = {"id": "01", "agent": "desk", "environment": "production", "status": "ok", "started_at": _BEGIN.isoformat()}
    talk = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    later = {**row, "id": "2", "started_at": (_BEGIN + timedelta(hours=3)).timestamp(), "messages": talk}
    (tmp_path / "runs.jsonl").write_text(
        json.dumps({**row, "started_at": _BEGIN.timestamp()}) + "\n" + json.dumps(later)
    )
    (tmp_path / "agents.csv").write_text("id,name,prompt\ndesk,Front desk,Be kind\n")

    (agent,), runs = _read(SqlSource(open_files(str(tmp_path))))
    (run,) = runs["desk"].runs
    assert (agent.name, agent.prompt) == ("Front desk", "Be kind")
    assert (run.id, run.task, run.final_response) == ("2", "Why?", "Because.")


def test_other_names_are_refused_with_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "talks.csv").write_text("run_id,agent_name,outcome,begun\n1,desk,ok,2026-01-01\n")
    with pytest.raises(SourceError) as caught:
        SqlSource(open_files(f"{tmp_path}/talks.csv")).check()
    message = str(caught.value)
    assert (
        "has no column id, agent, status, started_at, environment; it has run_id, agent_name, outcome, begun" in message
    )
    assert "runs: SELECT … AS id, … AS agent, … AS status, … AS started_at FROM runs" in message
    assert "AGENT_REPORT_SOURCE_MAPPING=source.yaml" in message


def test_a_wrong_query_is_refused_with_what_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "talks.csv").write_text("run_id,prompt,outcome\n1,desk,ok\n")
    for query, hint in (
        ("SELECT promptt FROM runs", "did you mean prompt? runs has run_id, prompt, outcome"),
        ("SELECT * FROM runz", "did you mean runs? the tables are runs"),
    ):
        mapping = parse_mapping(f"runs: {query}\nenvironment: e", "my.yaml")
        with pytest.raises(ConfigurationError, match=r"The query runs in my\.yaml cannot be run: ") as caught:
            SqlSource(open_files(f"{tmp_path}/talks.csv"), mapping).check()
        assert hint in str(caught.value)
