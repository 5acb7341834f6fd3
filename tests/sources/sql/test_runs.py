"""The source, on SQLite files and on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import RefusedError, SourceError
from tasks.evidence.types import Agent, AgentRuns, FutureRuns, ToolCall
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_UUID = "6f1c2b1e-3a55-4c07-9b3b-0d4f6f1f0a01"
AGENT = Agent(id="1", name="billing-bot", environment="prod")

WINDOW = Window(20, NOW, None, "")

Build = Callable[..., SqlSource]

TABLES = {
    "environments": "id INTEGER, name TEXT",
    "agents": "id INTEGER, name TEXT, description TEXT, prompt TEXT, max_steps INTEGER, environment_id INTEGER",
    "agent_runs": (
        "id BIGINT, agent_id INTEGER, task TEXT, final_response TEXT, steps_taken INTEGER, tool_calls TEXT, "
        "execution_steps TEXT, status TEXT, started_at {date}, completed_at {date}, input_tokens INTEGER, "
        "output_tokens INTEGER, total_tokens INTEGER, duration_seconds REAL, model_name TEXT, error TEXT, "
        "parent_run_id INTEGER, trace_id TEXT"
    ),
}


def run_row(number: int, **values: Any) -> dict[str, Any]:
    """A row of agent_runs: completed, of agent 1, that many minutes before NOW."""
    started = (NOW - timedelta(minutes=number)).strftime("%Y-%m-%d %H:%M:%S")
    return {"id": number, "agent_id": 1, "status": "completed", "started_at": started, **values}


def fill(
    engine: sa.Engine, runs: list[dict[str, Any]], date: str, tables: dict[str, str], after: Sequence[str]
) -> None:
    """Writes the tables with the columns that they have, then runs the statements ``after``."""
    rows = {
        "environments": [{"id": 1, "name": "prod"}, {"id": 2, "name": "staging"}],
        "agents": [
            {"id": 2, "name": "other", "environment_id": 1},
            {"id": 1, "name": "billing-bot", "environment_id": 1, "description": "d", "prompt": "p", "max_steps": 9},
            {"id": 3, "name": "elsewhere", "environment_id": 2},
        ],
        "agent_runs": runs,
    }
    with engine.begin() as connection:
        for name, columns in tables.items():
            connection.execute(sa.text(f"CREATE TABLE {name} ({columns.format(date=date)})"))
            there = {column.split()[0] for column in columns.split(",")}
            for row in rows.get(name, []):
                kept = {key: value for key, value in row.items() if key in there}
                table = sa.table(name, *(sa.column(key) for key in kept))
                connection.execute(sa.insert(table).values(kept))
        for statement in after:
            connection.execute(sa.text(statement))
    engine.dispose()


@pytest.fixture
def build_sqlite(tmp_path: Path) -> Build:
    def build(
        runs: list[dict[str, Any]],
        date: str = "DATETIME",
        tables: dict[str, str] = TABLES,
        after: Sequence[str] = (),
    ) -> SqlSource:
        path = tmp_path / "station.db"
        fill(sa.create_engine(f"sqlite:///{path}"), runs, date, tables, after)
        return SqlSource(open_database(f"sqlite:///{path}"))

    return build


@pytest.fixture
def build_postgres(postgres_url: str) -> Iterator[Build]:
    opened: list[sa.Engine] = []

    def build(
        runs: list[dict[str, Any]],
        date: str = "TEXT",
        tables: dict[str, str] = TABLES,
        after: Sequence[str] = (),
    ) -> SqlSource:
        fill(sa.create_engine(postgres_url), runs, date, tables, after)
        opened.append(open_database(postgres_url))
        return SqlSource(opened[0])

    yield build
    for engine in opened:
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def build(request: pytest.FixtureRequest) -> Build:
    found: Build = request.getfixturevalue(f"build_{request.param}")
    return found


def fetch(source: SqlSource, agent: Agent = AGENT, **values: Any) -> AgentRuns:
    arguments: dict[str, Any] = {"limit": 20, "until": NOW, "since": None, "filter_model": "", **values}
    return source.fetch_runs(agent, Window(**arguments))


def ids(found: AgentRuns) -> list[int]:
    return [int(run.id) for run in found.runs]


def test_agents_of_an_environment_by_id(build: Build) -> None:
    agents = build([]).load_agents("prod", WINDOW)
    assert agents == [
        Agent(id="1", name="billing-bot", environment="prod", description="d", prompt="p", max_steps=9),
        Agent(id="2", name="other", environment="prod"),
    ]


def test_an_unknown_environment_is_refused_with_those_there_are(build: Build) -> None:
    with pytest.raises(RefusedError, match="no environment 'prd'; there is prod, staging"):
        build([]).load_agents("prd", WINDOW)


def test_at_most_ten_environments_are_listed(build_sqlite: Build, tmp_path: Path) -> None:
    source = build_sqlite([])
    with sa.create_engine(f"sqlite:///{tmp_path / 'station.db'}").begin() as connection:
        for number in range(20):
            connection.execute(sa.text(f"INSERT INTO environments VALUES ({number + 10}, 'env-{number:02d}')"))
    with pytest.raises(RefusedError, match=r"env-00, .*env-09 and 12 more$"):
        source.load_agents("prd", WINDOW)


def test_names_of_any_length_are_shown_in_short(build_sqlite: Build, tmp_path: Path) -> None:
    """Prefect takes no event of more than 1.5 MB, and has the agent's name in several."""
    source = build_sqlite([])
    with sa.create_engine(f"sqlite:///{tmp_path / 'station.db'}").begin() as connection:
        connection.execute(sa.text("UPDATE agents SET name = :name"), {"name": "x" * 1_000_000})
        connection.execute(sa.text("INSERT INTO environments VALUES (9, :name)"), {"name": "a" * 300})
    assert {agent.name for agent in source.load_agents("prod", WINDOW)} == {"x" * 199 + "…"}
    with pytest.raises(RefusedError, match=f"there is {'a' * 100}…, prod"):
        source.load_agents("prd", WINDOW)


def test_an_environment_without_agents_is_empty(build_sqlite: Build, tmp_path: Path) -> None:
    source = build_sqlite([])
    with sa.create_engine(f"sqlite:///{tmp_path / 'station.db'}").begin() as connection:
        connection.execute(sa.text("INSERT INTO environments VALUES (9, 'new')"))
    assert source.load_agents("new", WINDOW) == []


def test_a_whole_run(build: Build) -> None:
    calls = [{"tool_name": "search", "parameters": {"q": 1}, "output": "two", "error": "slow"}]
    row = run_row(
        7,
        task="Find it",
        final_response="Found",
        steps_taken=3,
        tool_calls=json.dumps(calls),
        execution_steps="[1]",
        status="failed",
        completed_at="2026-03-01T11:53:09.5Z",
        input_tokens=10,
        output_tokens=5,
        total_tokens=15,
        duration_seconds=9.5,
        model_name="gpt-4o",
        error="HTTP 500",
        parent_run_id=3,
        trace_id=" 00ab ",
    )
    run = fetch(build([row])).runs[0]
    more = {"expected", "context", "cost_usd", "messages", "session_id", "version", "succeeded", "owner", "tags"}
    assert run.model_dump(exclude={*more, "left_out_for"}) == {
        "id": "7",
        "agent_id": "1",
        "status": "failed",
        "outcome": "failed",
        "started_at": NOW - timedelta(minutes=7),
        "completed_at": datetime(2026, 3, 1, 11, 53, 9, 500000, tzinfo=UTC),
        "duration_seconds": 9.5,
        "task": "Find it",
        "final_response": "Found",
        "error": "HTTP 500",
        "steps_taken": 3,
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "model_name": "gpt-4o",
        "tool_calls": (ToolCall(name="search", arguments='{"q":1}', result="two", error="slow").model_dump(),),
        "tool_calls_known": True,
        "tool_calls_invalid": None,
        "execution_steps": "[1]",
        "parent_run_id": "3",
        "trace_id": "00ab",
    }


def test_no_runs_is_empty_and_no_error(build: Build) -> None:
    assert fetch(build([run_row(1, agent_id=2)])) == AgentRuns()


def test_dates_of_mixed_formats_are_put_in_order(build: Build) -> None:
    # As text these sort the other way round.
    rows = [
        run_row(1, started_at="2026-03-01T10:00:00Z"),
        run_row(2, started_at="2026-03-01 14:00:00 +0400 +04 m=+0.01"),
        run_row(3, started_at="1772359200"),
        run_row(4, started_at="2026-03-01 10:30:00"),
        run_row(5, started_at="2026-03-01 10:30:00.5"),
        run_row(6, started_at="2026/03/01 09:00:00"),
    ]
    assert ids(fetch(build(rows))) == [5, 4, 3, 2, 1, 6]


def test_numbers_since_the_epoch_in_sqlite(build_sqlite: Build) -> None:
    rows = [
        run_row(1, started_at=1772359200),
        run_row(2, started_at=1772359201.5),
        run_row(3, started_at=1772359202000),
    ]
    found = fetch(build_sqlite(rows))
    assert [run.started_at.timestamp() for run in found.runs] == [1772359202, 1772359201.5, 1772359200]


@pytest.mark.parametrize("date", ["TIMESTAMP", "TIMESTAMPTZ"])
@pytest.mark.parametrize("setting", ["", "ALTER DATABASE {name} SET datestyle = 'German'; "])
def test_postgres_timestamps(build_postgres: Build, postgres_url: str, date: str, setting: str) -> None:
    name = sa.make_url(postgres_url).database
    admin = sa.create_engine(postgres_url)
    with admin.begin() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} SET timezone = 'America/New_York'"))
        if setting:
            connection.execute(sa.text(setting.format(name=name)))
    admin.dispose()
    zone = "" if date == "TIMESTAMP" else "+00"
    rows = [run_row(1, started_at=sa.text(f"'2026-03-01 10:30:00.25{zone}'::{date}"))]
    rows.append(run_row(2, started_at=sa.text(f"'infinity'::{date}")))
    found = fetch(build_postgres(rows, date=date))
    assert [run.started_at for run in found.runs] == [datetime(2026, 3, 1, 10, 30, 0, 250000, tzinfo=UTC)]
    assert found.unreadable == 1


def test_newest_first_up_to_the_limit_and_within_the_window(build: Build) -> None:
    rows = [run_row(number) for number in range(1, 31)]
    source = build(rows)
    assert ids(fetch(source, limit=3)) == [1, 2, 3]
    assert ids(fetch(source, until=NOW - timedelta(minutes=28))) == [28, 29, 30]
    assert ids(fetch(source, since=NOW - timedelta(minutes=2))) == [1, 2]
    assert ids(fetch(source, until=NOW - timedelta(minutes=5), since=NOW - timedelta(minutes=6))) == [5, 6]


def test_equal_times_go_by_id_the_higher_first(build: Build) -> None:
    same = "2026-03-01 10:00:00"
    rows = [run_row(number, started_at=same) for number in (3, 1, 2)]
    assert ids(fetch(build(rows), limit=2)) == [3, 2]


def test_more_runs_than_one_statement_asks_for(build: Build) -> None:
    rows = [run_row(number) for number in range(1, 701)]
    assert ids(fetch(build(rows), limit=1000)) == list(range(1, 701))


def test_only_runs_of_one_model(build: Build) -> None:
    rows = [run_row(1, model_name="a"), run_row(2, model_name="b"), run_row(3), run_row(4, model_name="a")]
    assert ids(fetch(build(rows), limit=2, filter_model="a")) == [1, 4]


def test_a_model_filter_without_the_column_is_refused(build: Build) -> None:
    tables = {**TABLES, "agent_runs": "id INTEGER, agent_id INTEGER, status TEXT, started_at TEXT"}
    source = build([run_row(1)], tables=tables)
    source.check_filter("")
    for ask in (lambda: source.check_filter("gpt-4o"), lambda: fetch(source, filter_model="gpt-4o")):
        with pytest.raises(RefusedError, match=r"filter_model='gpt-4o'.*agent_runs\.model_name"):
            ask()


def test_missing_columns_read_as_none(build: Build) -> None:
    tables = {
        "environments": "id INTEGER, name TEXT",
        "agents": "id INTEGER, name TEXT, environment_id INTEGER",
        "agent_runs": "id INTEGER, agent_id INTEGER, status TEXT, started_at TEXT",
    }
    source = build([run_row(1)], tables=tables)
    assert source.load_agents("prod", WINDOW)[0] == Agent(id="1", name="billing-bot", environment="prod")
    run = fetch(source).runs[0]
    given = {"id", "agent_id", "status", "outcome", "started_at", "tool_calls", "tool_calls_known", "tags"}
    absent = run.model_dump(exclude=given)
    assert set(absent.values()) == {None}
    assert (run.tool_calls, run.tool_calls_known, run.tags) == ((), False, ())


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({key: TABLES[key] for key in ("environments", "agents")}, "no table or view agent_runs"),
        ({"unrelated": "id INTEGER"}, "no table or view environments, agents, agent_runs"),
        (
            {**TABLES, "agent_runs": "id INTEGER, agent_id INTEGER, task TEXT"},
            r"no column agent_runs\.status, agent_runs\.started_at",
        ),
    ],
)
def test_what_cannot_be_done_without_is_named(build: Build, tables: dict[str, str], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        build([], tables=tables).load_agents("prod", WINDOW)


def test_views_with_columns_in_another_spelling(build: Build) -> None:
    after = [
        "ALTER TABLE agent_runs RENAME TO raw_runs",
        'CREATE VIEW agent_runs AS SELECT id AS "ID", agent_id AS "Agent_Id", status, started_at AS "STARTED_AT", '
        'model_name AS "Model_Name" FROM raw_runs',
    ]
    source = build([run_row(1, model_name="m"), run_row(2)], after=after)
    assert ids(fetch(source)) == [1, 2]
    assert ids(fetch(source, filter_model="m")) == [1]
    assert fetch(source, limit=1).runs[0].model_name == "m"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("completed", "completed"),
        (" Completed\n", "completed"),
        ("failed", "failed"),
        ("TIMEOUT", "failed"),
        ("error", "failed"),
        ("running", "unfinished"),
        ("cancelled", "unfinished"),
        ("", "unfinished"),
        (None, "unfinished"),
    ],
)
def test_outcomes(build_sqlite: Build, status: str | None, outcome: str) -> None:
    run = fetch(build_sqlite([run_row(1, status=status)])).runs[0]
    assert (run.outcome, run.status) == (outcome, status or "")


def test_a_run_that_ended_after_until_is_unfinished(build: Build) -> None:
    rows = [
        run_row(1, completed_at="2026-03-01 12:00:01"),
        run_row(2, completed_at="2026-03-01 12:00:00"),
        run_row(3, duration_seconds=181),
        run_row(4, duration_seconds=239),
    ]
    assert [run.outcome for run in fetch(build(rows)).runs] == ["unfinished", "completed", "unfinished", "completed"]


def test_without_a_start_the_end_counts(build: Build) -> None:
    rows = [run_row(1, started_at=None, completed_at="2026-03-01 11:00:00"), run_row(2, started_at="")]
    found = fetch(build(rows))
    assert [(run.id, run.started_at.hour, run.duration_seconds) for run in found.runs] == [("1", 11, None)]
    assert found.unreadable == 1
    assert found.warnings == ("1 row is left out because it is unknown when the run started: run 2 has no started_at",)


def test_rows_without_a_date_are_counted_and_named(build: Build) -> None:
    rows = [run_row(1), run_row(2, started_at="soon"), run_row(3, started_at="0001-01-01 00:00:00 +0000 UTC")]
    found = fetch(build(rows))
    assert ids(found) == [1]
    assert found.unreadable == 2
    assert "2 rows are left out" in found.warnings[0]
    assert "'soon', which is no date" in found.warnings[0]


def test_if_no_row_can_be_read_the_agent_cannot(build: Build) -> None:
    rows = [run_row(1, started_at="x" * 500), run_row(2, started_at="x" * 500)]
    with pytest.raises(SourceError, match=r"No run of billing-bot can be read: run \d has started_at 'x{60}…'.*1 more"):
        fetch(build(rows))


def test_an_id_is_any_text(build: Build) -> None:
    columns = TABLES["agent_runs"].replace("id BIGINT, agent_id INTEGER", "id TEXT, agent_id TEXT")
    tables = {**TABLES, "agents": TABLES["agents"].replace("id INTEGER", "id TEXT", 1), "agent_runs": columns}
    agent = "team/ü: Billing bot"
    given = ["b2f1", "B2f1", " b2f1", "007", "7", "run: 10/ü"]
    rows = [run_row(number, id=run_id, agent_id=agent) for number, run_id in enumerate(given, start=1)]
    rows += [run_row(7, id="x", agent_id=agent.upper()), run_row(8, id="", agent_id=agent), run_row(9, id=None)]
    source = build(rows, tables=tables, after=[f"UPDATE agents SET id = '{agent}' WHERE id = '1'"])
    assert [found.id for found in source.load_agents("prod", WINDOW)] == ["2", agent]
    found = fetch(source, Agent(id=agent, name="b", environment="prod"))
    assert [run.id for run in found.runs] == given
    assert (found.unreadable, found.warnings[0].endswith("a run has no id")) == (1, True)


@pytest.mark.parametrize(
    ("kind", "written", "agent_id"),
    [
        ("UUID", _UUID, _UUID),
        ("CHAR(36)", _UUID, _UUID),
        ("NUMERIC(5,2)", "1.00", "1"),
        ("JSONB", '"b"', "b"),
        ("BYTEA", r"\x" + _UUID.replace("-", ""), _UUID),
    ],
)
def test_ids_are_read_from_columns_of_every_type(build_postgres: Build, kind: str, written: str, agent_id: str) -> None:
    after = [
        f"ALTER TABLE agent_runs ALTER COLUMN agent_id TYPE {kind} USING '{written}'::{kind}",
        f"ALTER TABLE agent_runs ALTER COLUMN id TYPE UUID USING '{_UUID}'::uuid",
        f"ALTER TABLE agent_runs ALTER COLUMN parent_run_id TYPE UUID USING '{_UUID}'::uuid",
    ]
    source = build_postgres([run_row(1, parent_run_id=3)], after=after)
    (run,) = fetch(source, Agent(id=agent_id, name="b", environment="prod")).runs
    assert (run.id, run.parent_run_id) == (_UUID, _UUID)


def test_uuids_in_bytes_are_uuids(build_sqlite: Build) -> None:
    source = build_sqlite([run_row(1)], after=["UPDATE agent_runs SET agent_id = x'" + _UUID.replace("-", "") + "'"])
    assert ids(fetch(source, Agent(id=_UUID, name="b", environment="prod"))) == [1]


def test_large_ids(build: Build) -> None:
    assert ids(fetch(build([run_row(1, id=2**40)]))) == [2**40]


def test_numbers_as_text_and_nonsense(build_sqlite: Build) -> None:
    rows = [
        run_row(1, total_tokens="1200", duration_seconds="2.5", steps_taken="many"),
        run_row(2, total_tokens=-1, duration_seconds="NaN", input_tokens=1.5),
        run_row(3, duration_seconds=-4, completed_at="2026-03-01 11:57:03"),
        run_row(4, completed_at="2026-03-01 11:00:00"),
    ]
    first, second, third, fourth = fetch(build_sqlite(rows)).runs
    assert (first.total_tokens, first.duration_seconds, first.steps_taken) == (1200, 2.5, None)
    assert (second.total_tokens, second.duration_seconds, second.input_tokens) == (None, None, None)
    assert third.duration_seconds == 3
    # It cannot have ended before it started.
    assert fourth.duration_seconds is None


def test_not_a_number_in_postgres(build_postgres: Build) -> None:
    run = fetch(build_postgres([run_row(1, duration_seconds=float("nan"))])).runs[0]
    assert run.duration_seconds is None


def test_invalid_tool_calls_are_kept_and_warned_of(build: Build) -> None:
    rows = [
        run_row(1, tool_calls='[{"name": "a"'),
        run_row(2, tool_calls='{"name": "a"}'),
        run_row(3, tool_calls='[{"name": "a"}]'),
        run_row(4, tool_calls="null"),
    ]
    found = fetch(build(rows))
    assert [run.tool_calls_invalid for run in found.runs] == ['[{"name": "a"', '{"name": "a"}', None, None]
    assert [len(run.tool_calls) for run in found.runs] == [0, 0, 1, 0]
    assert found.unreadable == 0
    assert found.warnings == (
        "The tool calls of 2 runs are not a JSON array of objects and are kept as text, as in run 1",
    )


def test_calls_without_a_name_are_warned_of_with_their_keys(build: Build) -> None:
    rows = [
        run_row(1, tool_calls='[{"fn": "a", "with": {}}]'),
        run_row(2, tool_calls='[{"functionCall": {"name": "search", "args": {}}}]'),
        run_row(3, tool_calls='[{"name": "a"}, {"output": 5}]'),
    ]
    found = fetch(build(rows))
    assert [[call.name for call in run.tool_calls] for run in found.runs] == [
        ["(unnamed)"],
        ["search"],
        ["a", "(unnamed)"],
    ]
    assert found.warnings == (
        "Tool calls of 2 runs have no name and are counted as (unnamed): as in run 1, where a call has the keys "
        "'fn, with' (a name is read from tool_name or name)",
    )


def test_trace_ids_in_every_form_are_read(build_sqlite: Build) -> None:
    rows = [
        run_row(1, trace_id="0af76519-16cd-43dd-8448-eb211c80319c"),
        run_row(2, trace_id="1-0af76519-16cd43dd8448eb211c80319c"),
        run_row(3, trace_id=bytes.fromhex("0af7651916cd43dd8448eb211c80319c")),
        run_row(4, trace_id="0AF7651916CD43DD8448EB211C80319C"),
    ]
    found = fetch(build_sqlite(rows))
    assert {(run.trace_id or "").lower() for run in found.runs} == {"0af7651916cd43dd8448eb211c80319c"}
    assert found.warnings == ()


def test_trace_ids_that_jaeger_cannot_know_are_warned_of_with_their_value(build: Build) -> None:
    rows = [
        run_row(1, trace_id="6820273849238472345"),
        run_row(2, trace_id="1234567890"),
        run_row(3, trace_id="req_8f14e45f"),
    ]
    found = fetch(build(rows))
    assert [run.trace_id for run in found.runs] == ["6820273849238472345", "1234567890", "req_8f14e45f"]
    assert found.warnings == (
        "The trace ids of 2 runs are decimal numbers, as Datadog writes them, so that Jaeger has no such trace: as in "
        "run 1, '6820273849238472345'",
        "The trace ids of 1 run cannot be read, as in run 3, 'req_8f14e45f': a trace id has 32 or 16 hex digits",
    )


def test_one_hex_id_without_a_letter_among_others_is_no_decimal_number(build_sqlite: Build) -> None:
    ids = ("1234567890123456", "a3ce929d0e0e4736", "b3ce929d0e0e4736")
    rows = [run_row(number, trace_id=trace_id) for number, trace_id in enumerate(ids, 1)]
    assert fetch(build_sqlite(rows)).warnings == ()


def test_milliseconds_in_the_place_of_seconds_are_warned_of(build: Build) -> None:
    rows = [
        run_row(number, started_at="2026-03-01 11:00:00", completed_at=f"2026-03-01 11:00:0{number}", **values)
        for number, values in enumerate(
            [{"duration_seconds": 1100}, {"duration_seconds": 2}, {"duration_seconds": 3214.5}, {}], 1
        )
    ]
    assert fetch(build(rows)).warnings == (
        "duration_seconds of 1 run seems to be in milliseconds: it is 3214.5 in run 3, whose dates are 3 s apart",
    )


def test_runs_that_start_in_the_future_are_counted(build_sqlite: Build, tmp_path: Path) -> None:
    rows = [
        run_row(1),
        run_row(2, started_at="2026-03-01 14:00:00"),
        run_row(3, started_at="2026-03-01 17:30:00", status="running"),
        run_row(4, started_at="2026-03-01 12:00:30"),
    ]
    build_sqlite(rows)
    engine = open_database(f"sqlite:///{tmp_path / 'station.db'}")
    found = fetch(SqlSource(engine, now=lambda: NOW))
    assert ids(found) == [1]
    assert found.future == FutureRuns(count=2, latest=datetime(2026, 3, 1, 17, 30, tzinfo=UTC))
    # A report that is resumed looks up to a moment in the past: what came since does not lie in the future.
    assert fetch(SqlSource(engine, now=lambda: NOW + timedelta(days=1))).future == FutureRuns()


def test_json_and_bytes_columns_in_postgres(build_postgres: Build) -> None:
    columns = TABLES["agent_runs"].replace("tool_calls TEXT", "tool_calls JSONB").replace("task TEXT", "task BYTEA")
    calls = sa.text("""'[{"name": "a", "arguments": {"q": [1]}}]'::jsonb""")
    rows = [run_row(1, tool_calls=calls, task="café".encode())]
    run = fetch(build_postgres(rows, tables={**TABLES, "agent_runs": columns})).runs[0]
    assert run.tool_calls == (ToolCall(name="a", arguments='{"q":[1]}'),)
    assert run.task == "café"


def test_bytes_nul_and_enormous_texts(build_sqlite: Build) -> None:
    broken = sa.text("CAST(X'61FF62' AS TEXT)")
    rows = [
        run_row(1, task=b"\xff\x00", final_response="a\x00b", execution_steps="x" * 5_000_000),
        run_row(2, task=broken, tool_calls=b"[]"),
    ]
    first, second = fetch(build_sqlite(rows)).runs
    assert (first.task, first.final_response) == ("\ufffd\ufffd", "a\ufffdb")
    assert len(first.execution_steps or "") == 5_000_000
    assert (second.task, second.tool_calls_invalid) == ("a\ufffdb", None)


def test_many_threads_at_once(build: Build) -> None:
    rows = [run_row(number, agent_id=number % 2 + 1) for number in range(1, 101)]
    source = build(rows)
    agents = [AGENT, Agent(id="2", name="other", environment="prod")] * 40
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda agent: fetch(source, agent, limit=50), agents))
    for agent, answer in zip(agents, found, strict=True):
        assert {run.agent_id for run in answer.runs} == {agent.id}
        assert len(answer.runs) == 50
