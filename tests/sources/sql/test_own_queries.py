"""Tables of one's own by the queries of a mapping, on PostgreSQL with its own types and on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import ConfigurationError, RefusedError, SourceError
from tasks.evidence.types import AgentRuns, FutureRuns
from tasks.sources.contract.mapping import SourceMapping, parse_mapping
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(20, NOW, None, "")

Open = Callable[..., SqlSource]

# Under 25 lines, with no table of agents.
MAPPING = """
runs: |
  SELECT uid AS id, bot AS agent, stage AS environment, outcome AS status, began AS started_at,
         took AS duration_seconds, question AS task, reply AS final_response, gold AS expected, docs AS context,
         calls AS tool_calls, price AS cost_usd, labels AS tags, solved AS succeeded, model AS model_name,
         thread AS session_id, 'a: ''b'' 100% :c ::d' AS owner -- a comment; at the end
  FROM conversations
statuses: {completed: [solved], failed: [broke], unfinished: [live]}
"""
_UUIDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(10)]


@pytest.fixture
def open_postgres(postgres_url: str) -> Iterator[Open]:
    """``open_postgres(mapping, *statements)``: the source after the statements, with the table ``conversations``."""
    opened: list[SqlSource] = []

    def open_it(mapping: str, *statements: str, now: datetime = NOW) -> SqlSource:
        engine = sa.create_engine(postgres_url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TYPE state AS ENUM ('solved', 'broke', 'live', 'odd')")
            connection.exec_driver_sql(
                "CREATE TABLE conversations (uid UUID PRIMARY KEY, bot TEXT, stage VARCHAR(20), outcome state,"
                " began TIMESTAMPTZ, took INTERVAL, question TEXT, reply TEXT, gold JSONB, docs TEXT[], calls JSONB,"
                " price NUMERIC(12,6), labels TEXT[], solved BOOLEAN, model TEXT, thread BIGINT)"
            )
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
        opened.append(SqlSource(open_database(postgres_url), parse_mapping(mapping, "m"), now=lambda: now))
        return opened[-1]

    yield open_it
    for source in opened:
        source.close()


@pytest.fixture
def open_sqlite(tmp_path: Path) -> Open:
    """``open_sqlite(mapping, *statements)``: the source in a file, after the statements."""

    def open_it(mapping: str | SourceMapping, *statements: str) -> SqlSource:
        path = tmp_path / "own.db"
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()
        if isinstance(mapping, str):
            mapping = parse_mapping(mapping, "m")
        return SqlSource(open_database(f"sqlite:///{path}"), mapping, now=lambda: NOW)

    return open_it


def _insert(number: int, bot: str = "helper", began: str = "", outcome: str = "solved", stage: str = "prod") -> str:
    began = began or (NOW - timedelta(minutes=number)).isoformat()
    return (
        "INSERT INTO conversations (uid, bot, stage, outcome, began, model) VALUES "
        f"('{_UUIDS[number]}', '{bot}', '{stage}', '{outcome}', '{began}', 'm{number % 2}')"
    )


def _fetch(source: SqlSource, environment: str = "prod", **window: Any) -> dict[str, AgentRuns | SourceError]:
    wanted = Window(**({"limit": 20, "until": NOW, "since": None, "filter_model": ""} | window))
    return source.fetch_runs_of(source.load_agents(environment, wanted), wanted)


def _ids(found: Any) -> list[str]:
    assert isinstance(found, AgentRuns)
    return [run.id for run in found.runs]


def test_native_types_of_postgres(open_postgres: Open) -> None:
    source = open_postgres(
        MAPPING,
        f"INSERT INTO conversations VALUES ('{_UUIDS[1]}', 'helper', 'prod', 'solved', '2026-03-01 12:30:00.5+01',"
        " '1 minute 2.5 seconds', 'Why?', 'Because.', '\"42\"', ARRAY['one', 'two, too'],"
        """ '[{"name": "search", "arguments": {"q": 1}, "result": "two"}]',"""
        " 0.0125, ARRAY['vip', 'eu'], true, 'gpt', 7)",
    )
    assert source.list_environments() == ["prod"]
    [agent] = source.load_agents("prod", WINDOW)
    assert (agent.id, agent.name) == ("helper", "helper")
    [run] = source.fetch_runs(agent, WINDOW).runs
    assert (run.id, run.agent_id, run.status, run.outcome) == (_UUIDS[1], "helper", "solved", "completed")
    assert run.started_at == datetime(2026, 3, 1, 11, 30, 0, 500000, tzinfo=UTC)
    assert (run.duration_seconds, run.cost_usd, run.succeeded) == (62.5, 0.0125, True)
    assert (run.expected, run.context, run.tags) == ("42", '["one","two, too"]', ("vip", "eu"))
    assert (run.task, run.final_response, run.session_id, run.model_name) == ("Why?", "Because.", "7", "gpt")
    assert run.owner == "a: 'b' 100% :c ::d"
    [call] = run.tool_calls
    assert (call.name, call.arguments, call.result) == ("search", '{"q":1}', "two")


def test_the_newest_of_each_agent_by_the_database(open_postgres: Open) -> None:
    rows = [
        *(_insert(number, "a") for number in (1, 2, 3)),
        *(_insert(number, "b", "2026-03-01 10:00:00+00") for number in (4, 6, 5)),
        _insert(7, "a", "infinity"),
        _insert(8, "a", "2026-03-01 15:00:00+00", "live"),
        _insert(9, "a", stage="test"),
    ]
    source = open_postgres(MAPPING, *rows)
    found = _fetch(source, limit=2)
    assert _ids(found["a"]) == [_UUIDS[1], _UUIDS[2]]
    # Of equal times the higher ids, however the database orders them.
    assert _ids(found["b"]) == [_UUIDS[6], _UUIDS[5]]
    both = [one for one in found.values() if isinstance(one, AgentRuns)]
    assert [one.unreadable for one in both] == [1, 0]
    assert both[0].future == FutureRuns(count=1, latest=datetime(2026, 3, 1, 15, tzinfo=UTC))
    window = _fetch(source, since=NOW - timedelta(minutes=2), until=NOW - timedelta(minutes=2))
    assert {agent: _ids(runs) for agent, runs in window.items()} == {"a": [_UUIDS[2]]}
    assert _ids(_fetch(source, "test")["a"]) == [_UUIDS[9]]
    models = _fetch(source, filter_model="m0")
    assert [_ids(models["a"]), _ids(models["b"])] == [[_UUIDS[2]], [_UUIDS[6], _UUIDS[4]]]


@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "TEXT"])
def test_rows_that_are_there_twice_take_no_place(open_postgres: Open, kind: str) -> None:
    twice = MAPPING.replace("FROM conversations", "FROM conversations, generate_series(1, 3)")
    change = f"ALTER TABLE conversations ALTER began TYPE {kind}"
    found = _fetch(open_postgres(twice, *(_insert(number) for number in (1, 2, 3)), change), limit=2)
    assert _ids(found["helper"]) == [_UUIDS[1], _UUIDS[2]]


@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "TEXT"])
def test_an_agent_with_runs_before_the_window_can_be_read(open_postgres: Open, kind: str) -> None:
    mapping = MAPPING + "agents: SELECT 'a' AS id UNION SELECT 'b'"
    rows = [_insert(1, "a"), _insert(2, "a", "infinity"), _insert(3, "b", "infinity")]
    source = open_postgres(mapping, *rows, f"ALTER TABLE conversations ALTER began TYPE {kind}")
    found = _fetch(source, since=NOW)
    assert isinstance(found["a"], AgentRuns)
    assert (found["a"].runs, found["a"].unreadable) == ((), 1)
    assert str(found["b"]).startswith(f"No run of b can be read: run '{_UUIDS[3]}' has started_at 'infinity'")


@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATE", "TEXT", "DOUBLE PRECISION", "BIGINT"])
def test_dates_of_any_type_give_the_same_runs(open_postgres: Open, kind: str) -> None:
    change = f"ALTER TABLE conversations ALTER began TYPE {kind} USING "
    number = "extract(epoch FROM began)"
    change += f"({number} * 1000000000)::{kind}" if kind in ("DOUBLE PRECISION", "BIGINT") else f"began::{kind}"
    days = [_insert(number, began=f"2026-02-0{number} 00:00:00+00") for number in (2, 1, 3)]
    found = _fetch(open_postgres(MAPPING, *days, "SET LOCAL timezone = 'UTC'", change), limit=2)
    assert _ids(found["helper"]) == [_UUIDS[3], _UUIDS[2]]


def test_words_for_statuses_and_unknown_ones(open_postgres: Open) -> None:
    source = open_postgres(MAPPING, *(_insert(n, outcome=o) for n, o in enumerate(("solved", "broke", "live", "odd"))))
    found = source.fetch_runs(source.load_agents("prod", WINDOW)[0], WINDOW)
    assert [(run.outcome, run.left_out_for) for run in found.runs] == [
        ("completed", None),
        ("failed", None),
        ("unfinished", "status"),
        ("unfinished", "unknown status"),
    ]


def test_agents_of_a_query_and_those_that_only_runs_name(open_postgres: Open) -> None:
    mapping = MAPPING + "agents: SELECT slug AS id, title AS name, about AS description, team AS owner FROM bots"
    source = open_postgres(
        mapping,
        "CREATE TABLE bots (slug TEXT, title TEXT, about TEXT, team TEXT)",
        "INSERT INTO bots VALUES ('a', 'Bot A', 'helps', 'ops'), ('old', 'Old', '', ''), ('never', 'Never', '', '')",
        _insert(1, "a"),
        _insert(2, "b"),
        _insert(3, "old", "2025-01-01"),
        _insert(4, "never", stage="test"),
    )
    window = Window(20, NOW, NOW - timedelta(days=1), "")
    agents = source.load_agents("prod", window)
    assert [(agent.id, agent.name, agent.owner) for agent in agents] == [
        ("a", "Bot A", "ops"),
        ("b", "b", None),
        ("old", "Old", None),
    ]
    assert [_ids(found) for found in source.fetch_runs_of(agents, window).values()] == [[_UUIDS[1]], [_UUIDS[2]], []]


def test_steps_and_signals_of_runs(open_postgres: Open) -> None:
    mapping = MAPPING.replace("calls AS tool_calls,", "").replace("solved AS succeeded,", "") + (
        "steps: SELECT run AS run_id, n AS seq, what AS kind, tool AS name, args AS input, res AS output FROM events\n"
        "signals: SELECT run AS run_id, 'outcome' AS name, ok AS value FROM ratings"
    )
    source = open_postgres(
        mapping,
        _insert(1),
        _insert(2),
        "CREATE TABLE events (run TEXT, n INT, what TEXT, tool TEXT, args JSONB, res TEXT)",
        f"INSERT INTO events VALUES ('{_UUIDS[1]}', 2, 'tool', 'pay', '{{\"eur\": 5}}', 'paid'),"
        f" ('{_UUIDS[1]}', 1, 'llm', 'gpt', NULL, 'I pay.')",
        "CREATE TABLE ratings (run UUID, ok BOOLEAN)",
        f"INSERT INTO ratings VALUES ('{_UUIDS[1]}', false)",
    )
    first, second = source.fetch_runs(source.load_agents("prod", WINDOW)[0], WINDOW).runs
    assert [(call.name, call.arguments, call.result) for call in first.tool_calls] == [("pay", '{"eur": 5}', "paid")]
    assert first.execution_steps == (
        '[{"role":"assistant","content":"I pay."},{"role":"assistant","tool_calls":[{"name":"pay"}]}]'
    )
    assert (first.succeeded, second.succeeded, second.tool_calls) == (False, None, ())


_STATEMENTS = (
    "CREATE TABLE chats (id, bot, began, ended, ok)",
    "INSERT INTO chats VALUES (1, 7, '2026-03-01 10:00:00', NULL, 'done'), (2, '7', 1772359200000, NULL, 'nope'),"
    " ('x', X'00000000000040008000000000000001', NULL, '2026-03-01T09:00:00Z', 'OK')",
)
_RUNS = "SELECT id, bot AS agent, began AS started_at, ended AS completed_at, ok AS status FROM chats"


def test_values_of_any_type_in_sqlite(open_sqlite: Open) -> None:
    source = open_sqlite(f"runs: {_RUNS}\nenvironment: local", *_STATEMENTS)
    assert source.list_environments() == ["local"]
    found = _fetch(source, "local")
    assert {agent: _ids(runs) for agent, runs in found.items()} == {"7": ["2", "1"], _UUIDS[1]: ["x"]}
    with pytest.raises(RefusedError, match="no environment 'prod'; there is local"):
        source.load_agents("prod", WINDOW)


def test_environments_of_a_query(open_sqlite: Open) -> None:
    mapping = f"runs: SELECT *, 'e1' AS environment FROM ({_RUNS})\nenvironments: SELECT 'e1' AS environment UNION "
    source = open_sqlite(mapping + "SELECT 'e2' UNION SELECT NULL", *_STATEMENTS)
    assert source.list_environments() == ["e1", "e2"]
    assert (len(source.load_agents("e1", WINDOW)), source.load_agents("e2", WINDOW)) == (2, [])


def test_tables_in_the_contract_s_names_need_no_mapping(open_sqlite: Open) -> None:
    source = open_sqlite(
        "",
        *_STATEMENTS,
        f"CREATE VIEW runs AS SELECT *, 'e' AS environment, 'kept' AS other FROM ({_RUNS})",
        "CREATE TABLE agents (id, name, environment)",
        "INSERT INTO agents VALUES (7, 'Seven', 'e'), (8, 'Eight', 'e'), (9, 'Nine', 'other')",
        "CREATE TABLE signals (run_id, name, value)",
        "INSERT INTO signals VALUES ('1', 'success', 'yes')",
    )
    found = _fetch(source, "e")
    assert {agent: _ids(runs) for agent, runs in found.items()} == {"7": ["2", "1"], "8": [], _UUIDS[1]: ["x"]}
    seven = found["7"]
    assert isinstance(seven, AgentRuns)
    assert [run.succeeded for run in seven.runs] == [None, True]


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        (
            "runs: SELECT id, bot FROM chats",
            "query runs in AGENT_REPORT_SOURCE_MAPPING has no column agent, status, .*bot",
        ),
        (f"runs: {_RUNS}", "no column environment; write environment: and a name"),
        (f"runs: {_RUNS}\nenvironment: e\nagents: SELECT bot FROM chats", "query agents .* no column id"),
        (f"runs: {_RUNS}\nenvironment: e\nsteps: SELECT 1 AS run_id", "query steps .* no column kind"),
        (f"runs: {_RUNS}\nenvironment: e\nsignals: SELECT 1 AS run_id", "query signals .* no column name, value"),
        ("runs: SELECT id, bot AS agent, ok AS status FROM chats\nenvironment: e", "no column started_at"),
    ],
)
def test_what_a_query_lacks_is_named(open_sqlite: Open, mapping: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        open_sqlite(mapping, *_STATEMENTS).check()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT boot FROM chats", r"no such column: boot; did you mean bot\? chats has id, bot, "),
        ("SELECT c.xyzzy FROM chats c", "no such column: c.xyzzy; chats has id, bot, "),
        ("SELECT id FROM chat", r"no such table: chat; did you mean chats\? the tables are "),
        ("SELECT id FRM chats", "syntax error"),
    ],
)
def test_a_wrong_query_is_refused_with_what_may_be_meant(open_sqlite: Open, query: str, reason: str) -> None:
    mapping = parse_mapping(f"runs: {query}\nenvironment: e", "AGENT_REPORT_SOURCE_MAPPING=my.yaml")
    with pytest.raises(
        ConfigurationError, match=f"The query runs in AGENT_REPORT_SOURCE_MAPPING=my.yaml cannot be run: .*{reason}"
    ):
        open_sqlite(mapping, *_STATEMENTS).check()


def test_a_wrong_query_of_postgresql_is_refused_with_what_may_be_meant(open_postgres: Open) -> None:
    source = open_postgres("runs: SELECT c.questionn FROM conversations c\nenvironment: e")
    with pytest.raises(
        ConfigurationError, match=r"questionn does not exist.*; did you mean question\? conversations has"
    ):
        source.check()


def test_runs_are_counted_by_environment(open_postgres: Open, open_sqlite: Open) -> None:
    columns = "uid AS id, bot AS agent, stage AS environment, outcome AS status, began AS started_at"
    mapping = f"runs: SELECT {columns} FROM conversations"
    bots = [(1, "a", "prod"), (2, "a", "prod"), (3, "b", "prod"), (4, "a", "dev")]
    source = open_postgres(mapping, *(_insert(number, bot, stage=stage) for number, bot, stage in bots))
    counts = source.counts()
    assert (counts.agents, counts.runs, counts.is_whole) == ({"prod": 2, "dev": 1}, {"prod": 3, "dev": 1}, True)
    station = open_sqlite(
        "statuses: {}",
        "CREATE TABLE environments (id, name)",
        "INSERT INTO environments VALUES (1, 'prod'), (2, 'idle')",
        "CREATE TABLE agents (id, name, environment_id)",
        "INSERT INTO agents VALUES (1, 'a', 1), (2, 'b', 2)",
        "CREATE TABLE agent_runs (id, agent_id, status, started_at)",
        "INSERT INTO agent_runs VALUES (1, 1, 'ok', '2026-03-01'), (2, 1, 'ok', '2026-03-01'), (3, 9, 'ok', '')",
    )
    assert station.counts().runs == {"prod": 2}


def test_a_filter_by_model_needs_its_column(open_sqlite: Open) -> None:
    source = open_sqlite(f"runs: {_RUNS}\nenvironment: e", *_STATEMENTS)
    with pytest.raises(RefusedError, match="the query runs in AGENT_REPORT_SOURCE_MAPPING has no column model_name"):
        source.check_filter("gpt")


def test_a_query_cannot_write_and_its_columns_are_unique(open_postgres: Open, postgres_url: str) -> None:
    wipe = "CREATE FUNCTION wipe() RETURNS TEXT LANGUAGE sql AS 'DELETE FROM conversations RETURNING bot'"
    open_postgres(MAPPING, wipe, _insert(1))
    runs = "SELECT uid AS id, {} AS agent, 'done' AS status, began AS started_at FROM conversations"
    for agent, reason in (("wipe()", "read-only"), ("1 AS agent, 2", "query runs in .* has two columns agent")):
        mapping = SourceMapping(runs=runs.format(agent), environment="prod")
        source = SqlSource(open_database(postgres_url), mapping)
        with pytest.raises(SourceError, match=reason):
            source.load_agents("prod", WINDOW)
        source.close()


def test_no_statement_hides_in_a_query(open_postgres: Open, postgres_url: str) -> None:
    open_postgres(MAPPING, _insert(1))
    # The second line of an escaped string is escaped too.
    quote = "E''\n'\\''"
    hidden = f"SELECT {quote} AS a) AS q; COMMIT; DELETE FROM conversations; SELECT * FROM (SELECT {quote}"
    source = SqlSource(open_database(postgres_url), SourceMapping(runs=hidden, environment="prod"))
    with pytest.raises(ConfigurationError, match="cannot insert multiple commands"):
        source.check()
    source.close()
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conversations").scalar() == 1
    engine.dispose()


def test_statuses_of_a_mapping_hold_for_station_s_tables_too(open_sqlite: Open) -> None:
    source = open_sqlite(
        "statuses: {completed: [fertig]}",
        "CREATE TABLE environments (id, name)",
        "INSERT INTO environments VALUES (1, 'prod')",
        "CREATE TABLE agents (id, name, environment_id)",
        "INSERT INTO agents VALUES (1, 'a', 1)",
        "CREATE TABLE agent_runs (id, agent_id, status, started_at)",
        "INSERT INTO agent_runs VALUES (1, 1, 'fertig', '2026-03-01'), (2, 1, 'success', '2026-03-01')",
    )
    [found] = _fetch(source).values()
    assert isinstance(found, AgentRuns)
    assert [run.outcome for run in found.runs] == ["completed", "completed"]
