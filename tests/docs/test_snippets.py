"""Every snippet in the documentation is executed, or validated where it is a file for another program."""

from __future__ import annotations

import inspect
import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest
import sqlalchemy as sa
import yaml

from tasks.judge.rubric import parse_criteria
from tasks.settings import ReportOptions
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource
from tasks.warehouse.parquet import write_parquet
from tasks.warehouse.schema import agent_report_details
from tasks.warehouse.sql import open_warehouse

# Commands are in test_commands.py, the webhook's clients (bash, py) in tests/deployments/webhook. A Dockerfile, an
# nginx configuration and plain text are not executed.
_ELSEWHERE = {"sh", "bash", "py", "yml", "console", "dockerfile", "nginx", "text"}
_EXECUTED = {"python", "sql", "yaml", "json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder: a warehouse and Parquet files of two reports, the second with two agents."""
    folder = tmp_path_factory.mktemp("snippets")
    before = Path.cwd()
    os.chdir(folder)
    warehouse = open_warehouse("sqlite:///agent-report-data/warehouse.db")
    for number, environment in enumerate(("production", "a=b"), start=1):
        rows = [{"agent_id": agent, "agent_name": "a", "status": "no_runs"} for agent in range(number)]
        report = {"environment": environment, "name": "", "status": "completed", "progress": 100}
        report_id = warehouse.create_report({"environment": environment})
        warehouse.write_report(report_id, report, rows, [], [])
        tables = {"reports": [report | {"created_at": datetime.now(UTC)}], "agent_report_details": rows}
        write_parquet("agent-report-data/parquet", environment, report_id, tables)
    warehouse.close()
    yield folder
    os.chdir(before)


def test_every_language_is_known(page: Any) -> None:
    assert {language for language, _ in page.blocks} - _ELSEWHERE - _EXECUTED == set()


def test_python_runs(page: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.generate_report import generate_report

    emitted: list[dict[str, Any]] = []
    # An event needs a server.
    monkeypatch.setattr("prefect.events.emit_event", lambda event, **values: emitted.append(values))
    for block in page.of_language("python"):
        names: dict[str, Any] = {}
        exec(block, names)
        if "by_duckdb" in names:
            for frame in (names["by_duckdb"].pl(), names["by_pandas"], names["by_polars"]):
                assert list(frame.columns) == agent_report_details.columns.keys()
                assert sorted(frame["report_id"]) == [1, 2, 2]
        if "same" in names:
            assert list(names["agents"].columns) == list(names["same"].columns)
    for values in emitted:
        assert set(values["payload"]) <= set(inspect.signature(generate_report.fn).parameters)
        assert ReportOptions.model_validate(values["payload"]["options"])


def test_queries_run_on_sqlite_and_postgres(pages: dict[str, Any], folder: Path, postgres_url: str) -> None:
    queries = pages["docs/guide/warehouse.md"].of_language("sql")
    assert len(queries) == 3
    open_warehouse(postgres_url).close()
    for url in ("sqlite:///agent-report-data/warehouse.db", postgres_url):
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            for query in queries:
                connection.execute(sa.text(query)).all()
        engine.dispose()


def test_views_make_any_database_a_source(pages: dict[str, Any], tmp_path: Path) -> None:
    (block,) = pages["docs/guide/your-agents.md"].of_language("sql")
    with sqlite3.connect(tmp_path / "bots.db") as connection:
        connection.executescript(
            "CREATE TABLE bots (bot_id INTEGER PRIMARY KEY, bot_name TEXT, system_prompt TEXT);"
            "CREATE TABLE conversations (id INTEGER PRIMARY KEY, bot_id INTEGER, ok BOOLEAN, begun TIMESTAMP,"
            " seconds REAL, question TEXT, answer TEXT);"
            "INSERT INTO bots VALUES (1, 'helper', 'You help.');"
            "INSERT INTO conversations VALUES (7, 1, 1, '2026-03-01 12:00:00', 2.5, 'Why?', 'Because.');" + block
        )
    connection.close()
    source = SqlSource(open_database(f"sqlite:///{tmp_path / 'bots.db'}"))
    window = Window(20, datetime(2026, 4, 1, tzinfo=UTC), None, "")
    [agent] = source.load_agents("production", window)
    assert (agent.name, agent.prompt) == ("helper", "You help.")
    found = source.fetch_runs(agent, window)
    [run] = found.runs
    assert (run.id, run.status, run.task, run.final_response) == (7, "completed", "Why?", "Because.")


def test_yaml_is_criteria(page: Any) -> None:
    for block in page.of_language("yaml"):
        assert "name:billing-bot" in parse_criteria(yaml.safe_load(block)).agents


def test_the_template_of_a_cloud_webhook_gives_an_event_of_the_flow(pages: dict[str, Any]) -> None:
    (block,) = pages["docs/operating.md"].of_language("json")
    body = {"environment": "production", "options": {"since": "1d"}}
    event = json.loads(jinja2.Template(block).render(body=body))
    assert event["event"] == "agent-report.requested"
    assert event["payload"] == {**body, "name": "", "criteria": {}, "report_id": None}


def test_other_json_is_json(page: Any) -> None:
    if page.name != "docs/operating.md":
        for block in page.of_language("json"):
            json.loads(block)
