"""Several agents read together are what each is when it is read alone, and one's failure is its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.sample import Sample, build_sample
from tasks.errors import RedactionError
from tasks.evidence.criterion_tally import CriterionTally
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.visitor import visit_runs
from tasks.redaction.redactor import Redactor
from tasks.sources.batch import NO_JAEGER, ReadFailure, Window, read_evidence, read_runs
from tasks.sources.jaeger.client import open_jaeger
from tasks.sources.sql.connection import make_read_only
from tasks.sources.sql.source import SqlSource

NOW = datetime.now(UTC)
WINDOW = Window(20, NOW + timedelta(days=1), None, "")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return build_sample(NOW, runs_per_agent=12)


@pytest.fixture
def source(sample: Sample, tmp_path: Path) -> Iterator[tuple[SqlSource, sa.Engine]]:
    path = tmp_path / "source.db"
    sample.write_sqlite(path)
    engine = sa.create_engine(f"sqlite:///{path}")
    yield SqlSource(make_read_only(engine)), sa.create_engine(f"sqlite:///{path}")
    engine.dispose()


def _read(source: SqlSource, agents: list[Agent], client: Any = None, hide: Redactor | None = None) -> list[Any]:
    runs = read_runs(source, agents, WINDOW, hide)
    return read_evidence(client, agents, runs, RunPrices({}), hide, now=NOW)


def test_a_batch_is_its_agents(source: tuple[SqlSource, sa.Engine], sample: Sample) -> None:
    reader, _ = source
    agents = reader.load_agents("demo", WINDOW)
    with SimulatedJaeger(sample.traces) as jaeger, open_jaeger(jaeger.url) as client:
        alone = [_read(reader, [agent], client, Redactor())[0] for agent in agents]
        before = len(jaeger.requests)
        together = _read(reader, agents, client, Redactor())
        # 14 agents of 12 runs: their ids fit into two URLs.
        assert sum("traceID=" in request for request in jaeger.requests[before:]) == 2
    assert all(isinstance(evidence, Evidence) for evidence in together)
    assert together == alone
    assert _read(reader, [], None) == []


def test_two_queries_a_batch(source: tuple[SqlSource, sa.Engine]) -> None:
    reader, _ = source
    agents = reader.load_agents("demo", WINDOW)
    read_runs(reader, agents, WINDOW, None)
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            statements.append(statement)

    sa.event.listen(reader._engine, "before_cursor_execute", note)
    read_runs(reader, agents, WINDOW, None)
    assert len(statements) == 2


def test_one_agent_without_a_readable_row_fails_alone(source: tuple[SqlSource, sa.Engine]) -> None:
    reader, engine = source
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE agent_runs SET started_at = 'no date' WHERE agent_id = 2"))
    agents = reader.load_agents("demo", WINDOW)
    found = _read(reader, agents)
    [failure] = [evidence for evidence in found if isinstance(evidence, ReadFailure)]
    assert found.index(failure) == [agent.id for agent in agents].index("2")
    assert "no date" in failure.reason


def test_a_row_that_fails_the_query_fails_its_own_agent(source: tuple[SqlSource, sa.Engine]) -> None:
    """SQLite's driver raises on text that is not UTF-8, and with it the query of the whole batch."""
    reader, engine = source
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE agent_runs SET task = CAST(x'ff41' AS TEXT) WHERE agent_id = 3"))
    agents = reader.load_agents("demo", WINDOW)
    found = dict(zip([agent.id for agent in agents], _read(reader, agents), strict=True))
    others = [evidence for number, evidence in found.items() if number != "3"]
    assert all(isinstance(evidence, Evidence) for evidence in others)


def test_a_text_that_cannot_be_redacted_fails_its_own_agent(source: tuple[SqlSource, sa.Engine]) -> None:
    reader, engine = source
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE agents SET prompt = 'poison' WHERE id = 4"))

    def hook(text: str) -> str:
        if text == "poison":
            raise ValueError(text)
        return text

    agents = reader.load_agents("demo", WINDOW)
    found = dict(zip([agent.id for agent in agents], _read(reader, agents, hide=Redactor({}, hook)), strict=True))
    assert found.pop("4") == ReadFailure("the redaction hook failed: ValueError")
    assert all(isinstance(evidence, Evidence) for evidence in found.values())
    with pytest.raises(RedactionError):
        Redactor({}, hook).redact("poison")


def test_an_error_that_is_not_ours_keeps_its_kind_and_loses_secrets() -> None:
    class Broken:
        def fetch_runs_of(self, agents: Any, window: Any) -> Any:
            return {"1": Unreadable()}

    class Unreadable:
        @property
        def runs(self) -> Any:
            raise ValueError("row sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z")

    broken: Any = Broken()
    agents = [Agent(id="1", name="a", environment="demo")]
    assert read_runs(broken, agents, WINDOW, Redactor()) == [ReadFailure("ValueError: row [api key]")]


def test_without_jaeger_every_trace_is_unavailable(source: tuple[SqlSource, sa.Engine]) -> None:
    reader, _ = source
    evidence = _read(reader, reader.load_agents("demo", WINDOW)[:1])[0]
    assert {(trace.state, trace.reason) for trace in evidence.traces.values()} == {("unavailable", NO_JAEGER)}


def test_computed_criteria_are_counted_over_every_run_of_a_window_and_shown_on_the_sample(
    source: tuple[SqlSource, sa.Engine], sample: Sample
) -> None:
    reader, engine = source
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE agent_runs SET final_response = 'jane@example.com' WHERE agent_id = 1"))
    [agent] = [agent for agent in reader.load_agents("demo", WINDOW) if agent.id == "1"]
    rubric = {
        "judged": Criterion(),
        "answers": Criterion(kind="response_matches", pattern="^jane@"),
        "calls": Criterion(kind="max_tool_calls", limit=100),
        "own": Criterion(kind="code", function="my:check"),
    }
    seen: list[Run] = []

    def check(run: Run) -> bool:
        seen.append(run)
        return run.final_response == "jane@example.com"

    window = replace(WINDOW, limit=4, since=NOW - timedelta(days=365))
    [found] = read_runs(
        reader,
        [agent],
        window,
        Redactor(),
        make_visitor=lambda agent: visit_runs(rubric, {"my:check": check}, Redactor().redact),
    )
    assert isinstance(found, AgentRuns)
    of_agent = [row for row in sample.runs if row["agent_id"] == 1 and row["status"] != "running"]
    finished = len([row for row in of_agent if row["completed_at"] is not None])
    assert found.population is not None
    assert len(found.runs) == 4 < found.population.runs == finished
    whole = CriterionTally(runs=finished, decided=finished, passed=finished, total=finished)
    assert found.tallies == {"answers": whole, "calls": whole, "own": whole}
    assert found.checks == {run.id: {"answers": 1.0, "calls": 1.0, "own": 1.0} for run in found.runs}
    # Redacted everywhere else; each run was shown once.
    assert {run.final_response for run in found.runs} == {"[e-mail address]"}
    assert len(seen) == finished
    assert {run.task for run in seen} >= {row["task"] for row in of_agent[:3]}
