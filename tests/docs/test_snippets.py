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

from tasks.evidence.types import Run, ToolCall
from tasks.judge.criteria.function import call_function, load_functions
from tasks.judge.prompt.steps import build_steps
from tasks.judge.rubric import parse_criteria
from tasks.settings import ReportOptions
from tasks.sources.contract.mapping import parse_mapping
from tasks.sources.contract.rows import read_run
from tasks.sources.contract.statuses import Statuses
from tasks.sources.files.opening import open_files
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource
from tasks.warehouse.parquet import write_parquet
from tasks.warehouse.schema import agent_report_details
from tasks.warehouse.sql import open_warehouse

# Commands are in test_commands.py, the webhook's clients (bash, py) in tests/deployments/webhook. A Dockerfile, an
# nginx configuration and plain text are not executed.
_ELSEWHERE = {"sh", "bash", "py", "yml", "console", "dockerfile", "nginx", "text"}
_EXECUTED = {"python", "sql", "yaml", "json", "jsonl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder: a warehouse and Parquet files of two reports, the second with two agents."""
    folder = tmp_path_factory.mktemp("snippets")
    before = Path.cwd()
    os.chdir(folder)
    warehouse = open_warehouse("sqlite:///agent-report-data/warehouse.db")
    for number, environment in enumerate(("production", "a=b"), start=1):
        rows = [{"agent_id": str(agent), "agent_name": "a", "status": "no_runs"} for agent in range(number)]
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
    assert (run.id, run.status, run.task, run.final_response) == ("7", "completed", "Why?", "Because.")


def test_yaml_is_criteria_or_a_mapping(page: Any) -> None:
    for block in page.of_language("yaml"):
        if "runs" in (found := yaml.safe_load(block)):
            assert parse_mapping(block, page.name).runs
        else:
            assert "name:billing-bot" in parse_criteria(found).agents


def test_the_function_of_the_guide_decides_on_runs(
    pages: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = pages["docs/guide/criteria.md"]
    (block,) = page.of_language("python")
    (tmp_path / "my_checks").mkdir()
    (tmp_path / "my_checks" / "refunds.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    _, computed = page.of_language("yaml")
    functions = load_functions(parse_criteria(yaml.safe_load(computed)).agents)
    call = ToolCall(name="refund", arguments='{"amount": 20}')
    started = datetime(2026, 3, 1, tzinfo=UTC)
    run = Run(id="1", agent_id="1", status="completed", outcome="completed", started_at=started, tool_calls=(call,))
    for response, expected in {"20 EUR are on their way.": 1, "30 EUR are on their way.": 0, None: None}.items():
        answered = run.model_copy(update={"final_response": response})
        assert call_function(functions["my_checks.refunds:is_right"], answered) == expected


def test_mappings_make_any_database_a_source(pages: dict[str, Any], tmp_path: Path) -> None:
    first, second = pages["docs/guide/own-tables.md"].of_language("yaml")
    with sqlite3.connect(tmp_path / "own.db") as connection:
        connection.executescript(
            "CREATE TABLE bots (slug TEXT, title TEXT, about TEXT);"
            "CREATE TABLE conversations (uid TEXT, bot TEXT, stage TEXT, outcome TEXT, began TEXT, ended TEXT,"
            " question TEXT, reply TEXT, calls TEXT);"
            "INSERT INTO bots VALUES ('b', 'Helper', 'Helps');"
            "INSERT INTO conversations VALUES ('u', 'b', 'production', 'solved', '2026-03-01', NULL, 'Why?', '', '');"
            "CREATE TABLE threads (id TEXT, assistant TEXT, state TEXT, created_at INTEGER);"
            "CREATE TABLE messages (thread_id, position, tool, role, arguments, content);"
            "CREATE TABLE feedback (thread_id TEXT, thumb INTEGER);"
            "INSERT INTO threads VALUES ('t', 'helper', 'done', 1772359200);"
            "INSERT INTO messages VALUES ('t', 1, 'search', NULL, '{}', 'found'), ('t', 2, NULL, 'user', '', 'Thanks');"
            "INSERT INTO feedback VALUES ('t', 1);"
        )
    connection.close()
    window = Window(20, datetime(2026, 4, 1, tzinfo=UTC), None, "")
    found = []
    for block in (first, second):
        source = SqlSource(open_database(f"sqlite:///{tmp_path / 'own.db'}"), parse_mapping(block, "m"))
        [agent] = source.load_agents("production", window)
        found += [(agent.name, run) for run in source.fetch_runs(agent, window).runs]
    [(name, one), (other, two)] = found
    assert (name, one.id, one.outcome, one.task) == ("Helper", "u", "completed", "Why?")
    assert (other, two.id, two.succeeded, two.tool_calls[0].result) == ("helper", "t", True, "found")
    assert "Thanks" in (two.execution_steps or "")


def test_json_of_the_contract_is_read_as_documented(pages: dict[str, Any]) -> None:
    calls, steps, messages = pages["docs/reference/source-contract.md"].of_language("json")
    row = {"id": "r", "status": "ok", "started_at": "2026-03-01"}
    started = datetime(2026, 3, 1, tzinfo=UTC)

    def read(**columns: str) -> Run:
        return read_run(row | columns, "a", started, started, Statuses())

    [call] = read(tool_calls=calls).tool_calls
    assert (call.name, call.arguments, call.result, call.error) == ("search", '{"query":"refund"}', "2 pages", None)
    built = [(step.kind, step.text) for step in build_steps(read(execution_steps=steps), None)]
    assert built == [("said", "I look it up."), ("heard", "Thanks, and the date?")]
    run = read(messages=messages)
    assert (run.task, run.final_response) == ("Where is my money?", "It was refunded on Monday.")
    [call] = run.tool_calls
    assert (call.name, call.result) == ("find", "refunded on Monday")


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


def test_files_of_the_guide_are_a_source(pages: dict[str, Any], tmp_path: Path) -> None:
    page = pages["docs/guide/your-files.md"]
    window = Window(20, datetime(2026, 12, 1, tzinfo=UTC), None, "")
    (lines,) = page.of_language("jsonl")
    (tmp_path / "runs.jsonl").write_text(lines)
    source = SqlSource(open_files(f"{tmp_path}/*.jsonl"))
    [agent] = source.load_agents("production", window)
    second, first = source.fetch_runs(agent, window).runs
    assert (first.task, first.final_response) == ("Refund order 7", "Done: 20 EUR are on their way.")
    assert (second.outcome, second.error) == ("failed", "order 8 not found")

    (mapping,) = page.of_language("yaml")
    row = 'uid,bot,outcome,began,payload,reply,ms\n7,b,gave up,2026-03-01,"{""question"": ""Why?""}",Because,1500\n'
    (tmp_path / "talks.csv").write_text(row)
    source = SqlSource(open_files(f"{tmp_path}/talks.csv"), parse_mapping(mapping, page.name))
    [agent] = source.load_agents("production", window)
    [run] = source.fetch_runs(agent, window).runs
    assert (run.task, run.outcome, run.duration_seconds) == ("Why?", "failed", 1.5)
