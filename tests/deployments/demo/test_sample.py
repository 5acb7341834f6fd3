"""The sample fits together: rows, traces, dates and tokens, read with the project's own readers."""

from __future__ import annotations

import json
import re
import sqlite3
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.demo.sample import Sample, build_sample, load_team
from deployments.demo.station import NEWER_COLUMNS
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.traces.spans import parse_v1
from tasks.evidence.traces.telemetry import summarize
from tasks.evidence.types import Agent, AgentRuns, Evidence, Trace, TraceState
from tasks.sources.source import Window
from tasks.sources.sql.connection import open_database
from tasks.sources.sql.source import SqlSource

NOW = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)
WINDOW = Window(20, NOW, None, "")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return build_sample(NOW)


@pytest.fixture(scope="module")
def source(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> SqlSource:
    path = tmp_path_factory.mktemp("sample") / "station.db"
    sample.write_sqlite(path)
    return SqlSource(open_database(f"sqlite:///{path}"))


def fetch(source: SqlSource, agent: Agent) -> AgentRuns:
    return source.fetch_runs(agent, WINDOW)


@pytest.fixture(scope="module")
def evidence(sample: Sample, source: SqlSource) -> dict[str, Evidence]:
    """By agent's name, with each trace as complete, partial or missing."""
    spans = parse_v1(sample.traces)
    found: dict[str, Evidence] = {}
    for agent in source.load_agents(sample.environment, WINDOW):
        agent_runs = fetch(source, agent)
        traces = []
        for run in agent_runs.runs:
            own = spans.get(run.trace_id or "")
            telemetry = summarize(own) if own else None
            state: TraceState = "missing"
            if telemetry is not None:
                state = "complete" if telemetry.roots == 1 and telemetry.orphans == 0 else "partial"
            traces.append(Trace(run_id=run.id, state=state, trace_id=run.trace_id, telemetry=telemetry))
        found[agent.name] = build_evidence(agent, agent_runs, traces, RunPrices())
    return found


def test_fourteen_agents_and_twenty_runs_but_for_one(evidence: dict[str, Evidence]) -> None:
    runs = {name: len(one.runs) for name, one in evidence.items()}
    assert len(runs) == 14
    assert runs.pop("onboarding-guide") == 0
    assert set(runs.values()) == {20}


def test_agents_are_good_middling_and_failing(evidence: dict[str, Evidence]) -> None:
    rates = {
        name: one.metrics.completion_rate for name, one in evidence.items() if one.metrics.completion_rate is not None
    }
    assert sum(rate >= 0.95 for rate in rates.values()) >= 4
    assert sum(0.6 <= rate <= 0.8 for rate in rates.values()) >= 3
    assert sum(rate < 0.5 for rate in rates.values()) == 2
    assert rates["access-broker"] == 0.4


def test_failures_have_clear_patterns(evidence: dict[str, Evidence]) -> None:
    first = {name: one.metrics.failure_patterns[0] for name, one in evidence.items() if one.metrics.failure_patterns}
    assert "HTTP 500" in first["refund-desk"].pattern
    assert "permission denied" in first["access-broker"].pattern
    assert "timed out" in first["deploy-pilot"].pattern
    assert min(first[name].count for name in ("refund-desk", "access-broker", "deploy-pilot")) >= 4


def test_one_agent_loops_and_one_is_slow_and_expensive(evidence: dict[str, Evidence]) -> None:
    repeating = {name: one.metrics.telemetry.runs_with_repeats for name, one in evidence.items()}
    assert repeating["log-digger"] >= 10
    looping = [
        repeat.calls
        for one in evidence["log-digger"].traces.values()
        if one.telemetry
        for repeat in one.telemetry.repeats
    ]
    assert max(looping) >= 7
    others = [one.metrics for name, one in evidence.items() if name not in ("market-scout", "onboarding-guide")]
    slow = evidence["market-scout"].metrics
    assert slow.avg_duration_seconds is not None
    assert slow.avg_cost_usd is not None
    assert slow.avg_duration_seconds > 1.5 * max(other.avg_duration_seconds or 0 for other in others)
    assert slow.avg_cost_usd > 5 * max(other.avg_cost_usd or 0 for other in others)


def test_one_model_has_no_price(evidence: dict[str, Evidence]) -> None:
    unpriced = [name for name, one in evidence.items() if one.runs and one.metrics.avg_cost_usd is None]
    assert unpriced == ["ticket-router"]


def test_some_answers_claim_what_a_tool_denied(evidence: dict[str, Evidence]) -> None:
    def claims(name: str, answer: str, denial: str) -> int:
        return sum(
            run.outcome == "completed"
            and answer in (run.final_response or "")
            and any(denial in (call.result or "") for call in run.tool_calls)
            for run in evidence[name].runs
        )

    assert claims("invoice-matcher", "is **approved**", '"on_hold"') >= 3
    assert claims("refund-desk", "on its way", '"pending_review"') >= 1


def test_odd_rows(evidence: dict[str, Evidence]) -> None:
    running = evidence["backup-warden"].runs[0]
    assert (running.status, running.outcome, running.completed_at, running.total_tokens) == (
        "running",
        "unfinished",
        None,
        None,
    )
    assert [run.status for run in evidence["deploy-pilot"].runs].count("cancelled") == 1
    broken = [run for run in evidence["contract-reader"].runs if run.tool_calls_invalid is not None]
    assert len(broken) == 1
    assert len(evidence["contract-reader"].warnings) == 1
    assert [run.trace_id for run in evidence["release-notes"].runs].count(None) == 1


def test_dates_have_more_than_one_format_and_none_is_unreadable(
    source: SqlSource, sample: Sample, tmp_path: Path
) -> None:
    path = tmp_path / "a.db"
    sample.write_sqlite(path)
    with sqlite3.connect(path) as connection:
        texts = [row[0] for row in connection.execute("SELECT started_at FROM agent_runs")]
    shapes = Counter(re.sub(r"\d", "0", text) for text in texts)
    assert len(shapes) == 4
    by_id = {str(run["id"]): run["started_at"] for run in sample.runs}
    for agent in source.load_agents("demo", WINDOW):
        found = fetch(source, agent)
        assert found.unreadable == 0
        assert all(run.started_at == by_id[run.id] for run in found.runs)


def test_texts_are_as_long_as_real_ones(evidence: dict[str, Evidence]) -> None:
    sizes = []
    for one in evidence.values():
        for run in one.runs:
            calls = sum(len(f"{call.arguments}{call.result}{call.error}") for call in run.tool_calls)
            sizes.append((len(f"{run.task}{run.final_response}{run.execution_steps}") + calls) / 4)
    assert 600 <= statistics.median(sizes) <= 3000


def test_runs_of_an_agent_vary(evidence: dict[str, Evidence]) -> None:
    for name, one in evidence.items():
        assert len({run.task for run in one.runs}) >= min(len(one.runs), 10), name


def test_no_placeholder_is_left_over(sample: Sample) -> None:
    names = {name for agent in load_team() for name in agent["vars"]}
    text = json.dumps([sample.agents, sample.runs], default=str)
    assert [name for name in names if f"{{{name}}}" in text] == []


def test_traces_agree_with_their_runs(evidence: dict[str, Evidence]) -> None:
    compared = 0
    for one in evidence.values():
        for run in one.runs:
            trace = one.traces[run.id]
            telemetry = trace.telemetry
            if trace.state != "complete" or telemetry is None or run.outcome == "unfinished":
                continue
            compared += 1
            assert telemetry.wall_seconds == pytest.approx(run.duration_seconds, abs=0.002)
            assert (telemetry.input_tokens, telemetry.output_tokens) == (run.input_tokens, run.output_tokens)
            assert telemetry.llm_calls == run.steps_taken
            assert telemetry.models[-1].endswith(run.model_name or "?")
            if run.tool_calls_invalid is None:
                assert [
                    (call.name, (call.error or "").removeprefix("ToolError: ")) for call in telemetry.tool_calls
                ] == [(call.name, call.error or "") for call in run.tool_calls]
    assert compared > 200


def test_traces_start_with_their_runs(sample: Sample) -> None:
    starts = {run["trace_id"]: run["started_at"] for run in sample.runs}
    for trace in sample.traces:
        roots = [span for span in trace["spans"] if not span["references"]]
        for root in roots:
            if trace["traceID"] in starts:
                assert datetime.fromtimestamp(root["startTime"] / 1e6, UTC) == starts[trace["traceID"]]


def test_traces_are_mostly_complete_some_partial_some_missing(evidence: dict[str, Evidence]) -> None:
    counts = Counter(trace.state for one in evidence.values() for trace in one.traces.values())
    assert counts["complete"] >= 200
    assert 5 <= counts["partial"] <= 20
    assert 5 <= counts["missing"] <= 20


def test_all_conventions_are_there_and_two_instrumentations_overlap(
    sample: Sample, evidence: dict[str, Evidence]
) -> None:
    seen = {
        convention
        for one in evidence.values()
        for trace in one.traces.values()
        if trace.telemetry
        for convention in trace.telemetry.conventions
    }
    assert {"OTel GenAI", "OpenInference", "Genkit", "Station"} <= seen
    assert any(
        {"call_llm", "openai.chat"} <= {span["operationName"] for span in trace["spans"]} for trace in sample.traces
    )


def test_traces_have_a_believable_number_of_spans(sample: Sample) -> None:
    counts = [len(trace["spans"]) for trace in sample.traces]
    assert 8 <= statistics.median(counts) <= 25
    assert sum(8 <= count <= 25 for count in counts) / len(counts) > 0.85


def test_stations_outer_span_carries_the_run(sample: Sample) -> None:
    numbers = {run["trace_id"]: run["id"] for run in sample.runs}
    found = 0
    for trace in sample.traces:
        for span in trace["spans"]:
            tags = {tag["key"]: tag["value"] for tag in span["tags"]}
            if "run.id" in tags and trace["traceID"] in numbers:
                found += 1
                assert tags["run.id"] == str(numbers[trace["traceID"]])
                assert trace["processes"][span["processID"]]["serviceName"] == "station"
    assert found > 230


def test_the_same_seed_and_time_give_the_same_sample(sample: Sample) -> None:
    again = build_sample(NOW)
    assert (again.agents, again.runs, again.traces) == (sample.agents, sample.runs, sample.traces)
    assert build_sample(NOW, seed=8).runs != sample.runs


def test_everything_happened_before_now(sample: Sample) -> None:
    ends = [run["completed_at"] or run["started_at"] for run in sample.runs]
    assert max(ends) < NOW
    assert min(run["started_at"] for run in sample.runs) > NOW - timedelta(days=10)


def test_the_old_columns(sample: Sample, source: SqlSource, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    sample.write_sqlite(path, columns="old")
    with sqlite3.connect(path) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(agent_runs)")}
    assert not columns & NEWER_COLUMNS
    old = SqlSource(open_database(f"sqlite:///{path}"))
    blank: dict[str, Any] = dict.fromkeys(NEWER_COLUMNS)
    for agent in source.load_agents("demo", WINDOW):
        expected = [run.model_copy(update=blank) for run in fetch(source, agent).runs]
        assert list(fetch(old, agent).runs) == expected


def test_postgres_as_source_reads_the_same(sample: Sample, source: SqlSource, postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    sample.write(engine)
    engine.dispose()
    opened = open_database(postgres_url)
    other = SqlSource(opened)
    agents = source.load_agents("demo", WINDOW)
    assert other.load_agents("demo", WINDOW) == agents
    for agent in agents:
        assert fetch(other, agent) == fetch(source, agent)
    opened.dispose()


def test_a_file_is_not_written_over(sample: Sample, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="written to a new file"):
        sample.write_sqlite(path)
    assert path.read_text() == "mine"


def test_more_agents_are_variants_of_the_fourteen() -> None:
    large = build_sample(NOW, agents=30, runs_per_agent=3, idle=False)
    names = [agent["name"] for agent in large.agents]
    assert len(set(names)) == 30
    assert names[14:16] == ["billing-bot-2", "refund-desk-2"]
    assert names[28] == "billing-bot-3"
    assert Counter(run["agent_id"] for run in large.runs) == dict.fromkeys(range(1, 31), 3)
    assert len({run["trace_id"] for run in large.runs}) == 90
    tasks = {agent: [run["task"] for run in large.runs if run["agent_id"] == agent] for agent in (1, 15)}
    assert tasks[1] != tasks[15]


def test_few_agents_and_few_runs_have_nothing_odd() -> None:
    small = build_sample(NOW, agents=14, runs_per_agent=2, idle=False)
    assert {run["status"] for run in small.runs} <= {"completed", "failed", "timeout"}
    assert len(build_sample(NOW, agents=3).agents) == 3
