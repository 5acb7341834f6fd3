"""All runs of a window are scanned, whatever the source is, and a sample of them is read in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import RefusedError
from tasks.evidence.criterion_tally import CriterionTally, RunValues
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Population, Run
from tasks.redaction.redactor import Redactor
from tasks.sources.batch import ReadFailure, read_runs
from tasks.sources.files.opening import open_files
from tasks.sources.source import Scanned, Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

UNTIL = datetime(2026, 3, 8, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=7)
WINDOW = Window(20, UNTIL, SINCE, "")
AGENTS = [Agent(id="billing", name="billing", environment="prod"), Agent(id="desk", name="desk", environment="prod")]
RUNS = 600
SLIM = (
    "id",
    "agent_id",
    "status",
    "outcome",
    "left_out_for",
    "started_at",
    "completed_at",
    "duration_seconds",
    "error",
)
SLIM += ("input_tokens", "output_tokens", "total_tokens", "cost_usd", "model_name", "session_id", "succeeded")
COLUMNS = {
    **dict.fromkeys(("id", "agent", "environment", "status"), "text"),
    **dict.fromkeys(("started_at", "completed_at"), "{date}"),
    **dict.fromkeys(("task", "final_response", "error", "tool_calls", "model_name", "session_id", "messages"), "text"),
    **dict.fromkeys(("input_tokens", "output_tokens"), "integer"),
    "cost_usd": "{float}",
}


def make_rows() -> list[dict[str, Any]]:
    """Runs of two agents, from four days before the window to its end."""
    rows = []
    for number in range(RUNS):
        started = UNTIL - timedelta(minutes=26 * number + 1)
        failed, running = number % 9 == 0, number % 50 == 1
        error = f"HTTP 50{number % 2} from https://api/{number}" if failed else None
        if number % 90 == 0:
            error = "Traceback (most recent call last)\n" + "  a line of it\n" * 400 + f"ValueError: no seat {number}"
        rows.append(
            {
                "id": f"r{number}",
                "agent": "billing" if number % 4 else "desk",
                "environment": "prod",
                "status": "running" if running else "failed" if failed else "completed",
                "started_at": started,
                "completed_at": None if running else started + timedelta(seconds=number % 60),
                "task": f"task {number}",
                "final_response": f"answer {number}",
                "error": error,
                "tool_calls": json.dumps([{"name": "find", "arguments": {"n": number}}]),
                "model_name": "m" if number % 3 else None,
                "session_id": f"s{number // 6}" if number % 5 else None,
                "messages": None,
                "input_tokens": 100 + number if number % 7 else None,
                "output_tokens": 10,
                "cost_usd": number / 1000 if number % 7 == 0 else None,
            }
        )
    return rows


SIGNALS = [{"run_id": f"r{number}", "name": "outcome", "value": str(number % 3)} for number in range(0, RUNS, 5)]


def fill(engine: sa.Engine, date: str, floats: str) -> None:
    with engine.begin() as connection:
        columns = ", ".join(f"{name} {kind.format(date=date, float=floats)}" for name, kind in COLUMNS.items())
        connection.exec_driver_sql(f"CREATE TABLE runs ({columns})")
        connection.exec_driver_sql("CREATE TABLE signals (run_id text, name text, value text)")
        rows = make_rows()
        if date == "TEXT":
            rows = [
                {
                    **row,
                    "started_at": row["started_at"].isoformat(),
                    "completed_at": row["completed_at"] and row["completed_at"].isoformat(" "),
                }
                for row in rows
            ]
            rows[0]["started_at"] = str(rows[0]["started_at"]).replace("T", " ").replace("+00:00", "Z")
            rows[2]["started_at"] = str(int(make_rows()[2]["started_at"].timestamp()))
        connection.execute(sa.table("runs", *map(sa.column, COLUMNS)).insert(), rows)
        connection.execute(sa.table("signals", *map(sa.column, SIGNALS[0])).insert(), SIGNALS)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres", "lines"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlSource]:
    if request.param == "sqlite":
        fill(sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}"), "TEXT", "REAL")
        engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    elif request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        fill(sa.create_engine(url), "timestamptz", "double precision")
        engine = open_database(url)
    else:
        for name, rows in (("runs", make_rows()), ("signals", SIGNALS)):
            lines = (json.dumps(row, default=lambda value: value.isoformat()) + "\n" for row in rows)
            (tmp_path / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        engine = open_files(f"{tmp_path}/*.jsonl")
    with closing(SqlSource(engine, now=lambda: UNTIL + timedelta(days=1))) as found:
        yield found


def slim(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in SLIM if name != "error"} | {"error": bool(run.error)}


def all_runs(source: SqlSource, agent: Agent, window: Window = WINDOW) -> tuple[Run, ...]:
    found = source.fetch_runs_of([agent], Window(10_000, window.until, window.since, window.filter_model))[agent.id]
    assert isinstance(found, AgentRuns)
    return found.runs


def test_a_scan_has_every_run_of_the_window_as_its_row_has_it(source: SqlSource) -> None:
    scanned = [item.run for item in source.scan_runs(AGENTS, WINDOW) if isinstance(item, Scanned)]
    whole = [run for agent in AGENTS for run in all_runs(source, agent)]
    assert len(scanned) == len(whole) == 388
    by_id = {run.id: run for run in scanned}
    assert [slim(by_id[run.id]) for run in whole] == [slim(run) for run in whole]
    assert {run.succeeded for run in scanned} == {True, False, None}
    assert {run.task for run in scanned} == {None}


def test_a_scan_reads_more_columns_where_they_are_asked_for(source: SqlSource) -> None:
    items = source.scan_runs(AGENTS[:1], WINDOW, {"tool_calls", "final_response"})
    scanned = {item.run.id: item.run for item in items if isinstance(item, Scanned)}
    for run in all_runs(source, AGENTS[0]):
        assert scanned[run.id].tool_calls == run.tool_calls
        assert scanned[run.id].final_response == run.final_response


def test_a_scan_of_one_model_has_its_runs_alone(source: SqlSource) -> None:
    window = Window(20, UNTIL, SINCE, "m")
    scanned = {item.run.id for item in source.scan_runs(AGENTS, window) if isinstance(item, Scanned)}
    assert scanned == {run.id for agent in AGENTS for run in all_runs(source, agent, window)}
    assert 0 < len(scanned) < 388


def read(source: SqlSource, window: Window = WINDOW, hide: Redactor | None = None, **given: Any) -> list[AgentRuns]:
    found = read_runs(source, AGENTS, window, hide, **given)
    assert all(isinstance(runs, AgentRuns) for runs in found)
    return [runs for runs in found if isinstance(runs, AgentRuns)]


def test_a_population_is_what_a_plain_query_counts(source: SqlSource) -> None:
    for agent, found in zip(AGENTS, read(source), strict=True):
        rows = [row for row in make_rows() if row["agent"] == agent.id and row["started_at"] >= SINCE]
        finished = [row for row in rows if row["status"] != "running"]
        population = found.population
        assert isinstance(population, Population)
        assert population.runs == len(finished)
        assert population.failed == sum(row["status"] == "failed" for row in rows)
        assert population.unfinished == len(rows) - len(finished)
        assert population.left_out.statuses == ({"running": population.unfinished} if population.unfinished else {})
        tokens = [row["input_tokens"] + 10 for row in finished if row["input_tokens"] is not None]
        assert (population.total_tokens, population.runs_with_tokens) == (sum(tokens), len(tokens))
        costs = [row["cost_usd"] for row in finished if row["cost_usd"] is not None]
        assert population.total_cost_usd == pytest.approx(sum(costs))
        seconds = [(row["completed_at"] - row["started_at"]).total_seconds() for row in finished]
        assert population.avg_duration_seconds == pytest.approx(sum(seconds) / len(seconds))
        assert [day.runs for day in population.daily] == [
            sum(row["started_at"].date() == SINCE.date() + timedelta(days=day) for row in finished) for day in range(7)
        ]
        patterns = {pattern.pattern: pattern.count for pattern in population.failure_patterns}
        assert sum(patterns.values()) == population.failed
        assert patterns.keys() <= {"HTTP 500 from <url>", "HTTP 501 from <url>", "ValueError: no seat <n>"}


def test_a_sample_is_read_in_full_and_is_the_same_for_the_same_window(source: SqlSource) -> None:
    first = read(source)
    for found, agent in zip(first, AGENTS, strict=True):
        whole = {run.id: run for run in all_runs(source, agent)}
        assert len(found.runs) == 20
        assert [whole[run.id] for run in found.runs] == list(found.runs)
        assert [run.started_at for run in found.runs] == sorted((run.started_at for run in found.runs), reverse=True)
        assert sum(1 / found.inclusion[run.id] for run in found.runs) == pytest.approx(found.population.runs)  # type: ignore[union-attr]
        failed = {run.id for run in found.runs if run.outcome == "failed"}
        assert len(failed) >= 5
        assert {one for pattern in found.population.failure_patterns for one in pattern.run_ids} == failed  # type: ignore[union-attr]
    assert read(source) == first


def test_samples_of_windows_that_overlap_share_most_of_their_runs(source: SqlSource) -> None:
    day = timedelta(days=1)
    before = read(source, Window(20, UNTIL - day, SINCE - day, ""))
    for old, new in zip(before, read(source), strict=True):
        both = {run.id for run in old.runs} & {run.id for run in new.runs}
        # Of independent samples two runs would be in both; a seventh of the window is new.
        assert len(both) >= 12


def test_a_population_that_is_no_larger_than_the_sample_is_all_read(source: SqlSource) -> None:
    window = Window(500, UNTIL, SINCE, "")
    for found, agent in zip(read(source, window), AGENTS, strict=True):
        assert list(found.runs) == [run for run in all_runs(source, agent) if run.outcome != "unfinished"]
        assert found.inclusion == {}


def test_without_a_start_the_newest_are_read_as_they_are(source: SqlSource) -> None:
    window = Window(20, UNTIL, None, "")
    for found, agent in zip(read(source, window), AGENTS, strict=True):
        assert found == source.fetch_runs(agent, window)
        assert found.population is None


def test_figures_of_the_evidence_are_the_populations(source: SqlSource) -> None:
    found = read(source)[0]
    evidence = build_evidence(AGENTS[0], found, (), RunPrices({}))
    assert isinstance(evidence, Evidence)
    population = evidence.population
    assert population is not None
    metrics = evidence.metrics
    assert metrics.runs_analyzed == 20
    assert (metrics.runs_completed, metrics.runs_failed) == (population.completed, population.failed)
    assert metrics.completion_rate == population.completed / population.runs
    assert metrics.avg_duration_seconds == population.avg_duration_seconds
    assert metrics.total_tokens == population.total_tokens
    assert metrics.worst_run is not None
    assert f"of {population.failed} failures" in metrics.worst_run.reason
    # Of the sample.
    assert sum(tool.calls for tool in metrics.tool_usage) == 20


class Visitor:
    columns = frozenset({"tool_calls"})

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, ...]] = {}

    def visit(self, run: Run, cost_usd: float | None) -> None:
        assert run.id not in self.seen
        self.seen[run.id] = tuple(call.arguments or "" for call in run.tool_calls)

    def tallies(self) -> dict[str, CriterionTally]:
        return {"calls": CriterionTally(runs=len(self.seen))}

    def check_sample(self, runs: Sequence[tuple[Run, float | None]]) -> dict[str, RunValues]:
        return {run.id: {"calls": float(len(run.tool_calls))} for run, _ in runs}


@pytest.mark.parametrize("since", [SINCE, None])
def test_a_visitor_is_shown_every_finished_run_of_the_population(source: SqlSource, since: datetime | None) -> None:
    visitors: dict[str, Visitor] = {}

    def make(agent: Agent) -> Visitor:
        visitors[agent.id] = Visitor()
        return visitors[agent.id]

    window = Window(20, UNTIL, since, "")
    for agent, found in zip(AGENTS, read(source, window, make_visitor=make), strict=True):
        runs = all_runs(source, agent) if since else source.fetch_runs(agent, window).runs
        finished = [run for run in runs if run.outcome != "unfinished"]
        assert found.tallies == {"calls": CriterionTally(runs=len(finished))}
        assert found.checks == {run.id: {"calls": 1.0} for run in found.runs if run.outcome != "unfinished"}
        assert visitors[agent.id].seen == {run.id: (f'{{"n":{run.id[1:]}}}',) for run in finished}


def test_conversations_are_runs_where_they_are_asked_for(source: SqlSource) -> None:
    window = Window(10, UNTIL, SINCE, "", "session")
    for agent, found in zip(AGENTS, read(source, window), strict=True):
        whole = all_runs(source, agent)
        sessions = {run.session_id or run.id for run in whole}
        population = found.population
        assert population is not None
        assert population.runs + population.unfinished == len(sessions)
        assert len(found.runs) == 10
        for merged in found.runs:
            own = [run for run in whole if (run.session_id or run.id) == merged.id]
            assert len(merged.tool_calls) == len(own)
            assert merged.final_response == own[0].final_response
            assert merged.task == own[-1].task


def test_the_newest_conversations_are_read_without_a_start(source: SqlSource) -> None:
    window = Window(10, UNTIL, None, "", "session")
    (found, _) = read(source, window)
    assert found.population is None
    order: list[str] = []
    for run in reversed(all_runs(source, AGENTS[0], Window(1, UNTIL, None, ""))):
        if (run.session_id or run.id) not in order:
            order.append(run.session_id or run.id)
    assert [run.id for run in found.runs] == order[::-1][:10]


def test_a_session_id_that_is_personal_data_is_no_id(source: SqlSource) -> None:
    window = Window(3, UNTIL, SINCE, "", "session")
    hide = Redactor({}, lambda text: text.replace("s", "[word]"))
    (found, _) = read(source, window, hide)
    assert all(run.id.startswith(("session-", "[", "r")) for run in found.runs)
    assert set(found.inclusion) == {run.id for run in found.runs}


def build_sqlite(tmp_path: Path, statements: Sequence[str]) -> SqlSource:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'b.db'}")
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return SqlSource(open_database(f"sqlite:///{tmp_path / 'b.db'}"), now=lambda: UNTIL)


CREATE = "CREATE TABLE runs (id TEXT, agent TEXT, environment TEXT, status TEXT, started_at TEXT, error TEXT)"
Insert = Callable[..., str]


def insert(run_id: str, agent: str, started_at: str, error: str = "NULL") -> str:
    return f"INSERT INTO runs VALUES ('{run_id}', '{agent}', 'prod', 'failed', '{started_at}', {error})"


def test_dates_that_cannot_be_read_are_counted_and_fail_their_own_agent_where_there_are_no_others(
    tmp_path: Path,
) -> None:
    source = build_sqlite(
        tmp_path,
        [
            CREATE,
            insert("1", "billing", "no date"),
            insert("2", "billing", "2026-03-05 10:00:00"),
            insert("3", "billing", "2026-03-19 10:00:00"),
            insert("4", "desk", "no date"),
        ],
    )
    billing, desk = read_runs(source, AGENTS, WINDOW, None)
    assert isinstance(billing, AgentRuns)
    (warning,) = billing.warnings
    assert warning.endswith("run 1 has started_at 'no date', which is no date")
    assert (billing.unreadable, billing.future.count) == (1, 1)
    assert isinstance(desk, ReadFailure)
    assert "No run of desk can be read" in desk.reason


def test_an_agent_whose_readable_runs_are_before_the_window_is_no_failure(tmp_path: Path) -> None:
    source = build_sqlite(tmp_path, [CREATE, insert("1", "desk", "no date"), insert("2", "desk", "2025-03-05")])
    _, desk = read_runs(source, AGENTS, WINDOW, None)
    assert isinstance(desk, AgentRuns)
    assert (desk.runs, desk.unreadable) == ((), 1)


def test_errors_are_redacted_before_they_are_cut(tmp_path: Path) -> None:
    key = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
    error = "refused " + "x" * 480 + f" {key} and more"
    source = build_sqlite(tmp_path, [CREATE, insert("1", "billing", "2026-03-05", f"'{error}'")])
    found, _ = read_runs(source, AGENTS, WINDOW, Redactor())
    assert isinstance(found, AgentRuns)
    assert found.population is not None
    (pattern,) = found.population.failure_patterns
    assert "sk-proj" not in pattern.example + pattern.pattern
    assert pattern.example.endswith(" [api key] a")


def test_rows_that_come_twice_are_named(tmp_path: Path) -> None:
    rows = [insert(str(number % 4), "billing", "2026-03-05") for number in range(6)]
    found, _ = read_runs(build_sqlite(tmp_path, [CREATE, *rows]), AGENTS, WINDOW, None)
    assert isinstance(found, AgentRuns)
    assert found.warnings == ("2 rows have the id of another run of this agent, and the figures count both",)
    assert sorted(run.id for run in found.runs) == ["0", "1", "2", "3"]


def test_sessions_are_refused_where_there_are_none(tmp_path: Path) -> None:
    source = build_sqlite(tmp_path, [CREATE, insert("1", "billing", "2026-03-05")])
    source.check_unit("run")
    with pytest.raises(RefusedError, match=r"unit='session': the source .* has no column session_id"):
        source.check_unit("session")


def test_dates_of_other_zones_and_forms_at_the_windows_edge_are_in_it(tmp_path: Path) -> None:
    inside = [
        "2026-02-28T23:30:00-05:00",
        "2026-02-28 14:00:00 -1000 HST",
        "1772326800",
        "2026-03-01",
        "2026/3/1 00:00",
    ]
    outside = ["2026-03-01T01:00:00+02:00", "2026-02-28 23:59:59", "2026-02-26T01:00:00-12:00", "1772236800000"]
    rows = [insert(str(number), "billing", started) for number, started in enumerate([*inside, *outside])]
    source = build_sqlite(tmp_path, [CREATE, *rows])
    scanned = [item.run.id for item in source.scan_runs(AGENTS, WINDOW) if isinstance(item, Scanned)]
    assert sorted(scanned) == [str(number) for number in range(len(inside))]
