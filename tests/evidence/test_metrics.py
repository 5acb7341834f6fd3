from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any

import pytest

from tasks.evidence.metrics import build_evidence, build_metrics, percentile, run_tokens
from tasks.evidence.prices import RunPrices, Tokens
from tasks.evidence.types import (
    Agent,
    AgentRuns,
    CriticalPath,
    Metrics,
    Population,
    RepeatedCall,
    Run,
    SpanCall,
    TelemetrySummary,
    ToolCall,
    ToolUsage,
    Trace,
    TraceCounts,
)
from tasks.statistics.intervals import wilson_interval

START = datetime(2026, 1, 1, tzinfo=UTC)
AGENT = Agent(id="1", name="billing-bot", environment="demo")
OUTCOMES = {"completed": "completed", "failed": "failed", "running": "unfinished"}


def make_run(number: int, status: str = "completed", **values: Any) -> Run:
    """A run of a number: the higher, the newer."""
    fields = {"agent_id": "1", "outcome": OUTCOMES[status], "started_at": START + timedelta(minutes=number)}
    return Run(id=str(number), status=status, **{**fields, **values})


def make_trace(number: int, state: str = "complete", **values: Any) -> Trace:
    numbers = dict.fromkeys(("spans", "roots", "orphans", "depth", "llm_calls"), 0) | {"tool_calls_from": "spans"}
    seconds = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 0.0)
    telemetry = TelemetrySummary(**{**numbers, **seconds, **values}) if state in ("complete", "partial") else None
    return Trace(run_id=str(number), state=state, telemetry=telemetry)


def span(name: str, seconds: float, error: str | None = None) -> SpanCall:
    return SpanCall(name=name, start_seconds=0, duration_seconds=seconds, error=error)


def metrics_of(runs: list[Run], traces: list[Trace] | None = None, costs: dict[str, float] | None = None) -> Metrics:
    return build_metrics(runs, {trace.run_id: trace for trace in traces or []}, costs or {})


def test_percentile_interpolates_between_the_nearest_values() -> None:
    assert percentile([4, 1, 3, 2], 0.95) == pytest.approx(3.85)
    assert percentile([7], 0.95) == 7
    assert percentile([], 0.95) is None
    values = [random.Random(1).uniform(0, 9) for _ in range(40)]
    assert percentile(values, 0.95) == pytest.approx(quantiles(values, n=20, method="inclusive")[-1])


def test_no_runs_at_all() -> None:
    evidence = build_evidence(AGENT, AgentRuns(), [], RunPrices())
    assert evidence.metrics == Metrics(runs_analyzed=0, runs_completed=0, runs_failed=0, runs_unfinished=0)
    assert (evidence.runs, evidence.traces, evidence.costs_usd) == ((), {}, {})


def test_only_unfinished_runs_are_like_none_but_counted() -> None:
    found = metrics_of([make_run(1, "running", duration_seconds=5, total_tokens=9)], [make_trace(1)])
    assert found == Metrics(runs_analyzed=0, runs_completed=0, runs_failed=0, runs_unfinished=1)


def test_counts_rates_and_means_are_over_finished_runs_where_known() -> None:
    runs = [
        make_run(5, "running", duration_seconds=1000, total_tokens=10**6, model_name="other"),
        make_run(4, duration_seconds=1, total_tokens=100, model_name="b"),
        make_run(3, "failed", duration_seconds=3, input_tokens=40, output_tokens=10, model_name="a"),
        make_run(2, model_name="a"),
        make_run(1),
    ]
    found = metrics_of(runs, costs={"4": 0.5, "3": 0.25, "5": 99})
    assert (found.runs_analyzed, found.runs_completed, found.runs_failed, found.runs_unfinished) == (4, 3, 1, 1)
    assert found.completion_rate == 0.75
    assert (found.completion_rate_low, found.completion_rate_high) == wilson_interval(3, 4)
    assert found.avg_duration_seconds == 2
    assert found.p95_duration_seconds == pytest.approx(2.9)
    assert (found.avg_tokens, found.total_tokens) == (75, 150)
    assert (found.avg_cost_usd, found.total_cost_usd, found.runs_with_cost) == (0.375, 0.75, 2)
    assert found.models == ("a", "b")


def test_where_tokens_come_from() -> None:
    complete = make_trace(1, input_tokens=70, output_tokens=7, cached_tokens=20)
    partial = make_trace(1, "partial", input_tokens=70, output_tokens=7)
    row = make_run(1, input_tokens=10, output_tokens=5)
    assert run_tokens(row, complete) == Tokens(10, 5, 15, 20)
    assert run_tokens(make_run(1, total_tokens=99), complete) == Tokens(70, 7, 99, 20)
    assert run_tokens(make_run(1, input_tokens=10), complete) == Tokens(70, 7, 77, 20)
    # Of a partial trace some tokens are missing: that is no count.
    assert run_tokens(make_run(1), partial) == Tokens()
    assert run_tokens(make_run(1, input_tokens=10), None) == Tokens(input=10)
    assert run_tokens(make_run(1, input_tokens=0, output_tokens=0), None).total == 0


def test_costs_are_each_runs_own() -> None:
    runs = (
        make_run(6, model_name="gpt-4o", input_tokens=1_000_000, output_tokens=0),
        make_run(5, model_name="gpt-4o-mini", input_tokens=1_000_000, output_tokens=0),
        make_run(4, model_name="inhouse-7b", input_tokens=1_000_000, output_tokens=0),
        make_run(3, model_name="gpt-4o"),
        make_run(2, "running", model_name="gpt-4o", input_tokens=1, output_tokens=1),
        make_run(1),
    )
    traces = [
        make_trace(3, input_tokens=0, output_tokens=100_000),
        make_trace(1, input_tokens=1_000_000, output_tokens=0, models=("gpt-4o",)),
    ]
    evidence = build_evidence(AGENT, AgentRuns(runs=runs), traces, RunPrices())
    assert evidence.costs_usd == pytest.approx({"6": 2.5, "5": 0.15, "3": 1.0, "1": 2.5})
    assert evidence.metrics.runs_with_cost == 4


def test_a_cost_of_the_source_comes_before_the_price_list() -> None:
    priced = {"model_name": "gpt-4o", "input_tokens": 1_000_000, "output_tokens": 0}
    runs = (make_run(3, cost_usd=0.5, **priced), make_run(2, cost_usd=0.0, **priced), make_run(1, **priced))
    evidence = build_evidence(AGENT, AgentRuns(runs=runs), [], RunPrices())
    assert list(evidence.costs_usd.values()) == pytest.approx([0.5, 0.0, 2.5])


def test_tokens_of_several_models_have_no_price() -> None:
    trace = make_trace(1, input_tokens=1, output_tokens=1, models=("gpt-4o", "gpt-4o-mini"))
    assert build_evidence(AGENT, AgentRuns(runs=(make_run(1),)), [trace], RunPrices()).costs_usd == {}


def test_tool_calls_count_once_from_the_trace_or_from_the_row() -> None:
    row = (ToolCall(name="search"), ToolCall(name="pay", error="HTTP 500"))
    runs = [
        make_run(3, tool_calls=row),
        make_run(2, tool_calls=row),
        make_run(1, "running", tool_calls=row),
    ]
    trace = make_trace(3, tool_calls=(span("search", 0.5), span("search", 0.25), span("pay", 2, "HTTP 500")))
    assert metrics_of(runs, [trace]).tool_usage == (
        ToolUsage(name="search", calls=3, errors=0, duration_seconds=0.75),
        ToolUsage(name="pay", calls=2, errors=2, duration_seconds=2),
    )
    assert metrics_of(runs[1:]).tool_usage == (
        ToolUsage(name="pay", calls=1, errors=1),
        ToolUsage(name="search", calls=1, errors=0),
    )


@pytest.mark.parametrize(
    "trace",
    [
        make_trace(1),
        make_trace(1, "missing"),
        make_trace(1, "partial", tool_calls=(span("search", 1),)),
        make_trace(1, tool_calls=(span("search", 1),), tool_calls_left_out=1),
    ],
)
def test_the_row_counts_when_the_trace_has_no_calls_or_lost_some(trace: Trace) -> None:
    run = make_run(1, tool_calls=(ToolCall(name="search"), ToolCall(name="pay")))
    usage = metrics_of([run], [trace]).tool_usage
    assert [(tool.name, tool.calls, tool.duration_seconds) for tool in usage] == [("pay", 1, None), ("search", 1, None)]


def test_a_complete_trace_counts_even_if_the_row_has_more() -> None:
    run = make_run(1, tool_calls=(ToolCall(name="search"), ToolCall(name="search")))
    assert metrics_of([run], [make_trace(1, tool_calls=(span("search", 1),))]).tool_usage[0].calls == 1


def test_best_is_the_fastest_success_without_a_tool_error() -> None:
    broken = (ToolCall(name="pay", error="x"),)
    runs = [
        make_run(5, "failed", duration_seconds=0.1, error="x"),
        make_run(4, duration_seconds=1, tool_calls=broken),
        make_run(3, duration_seconds=2),
        make_run(2, duration_seconds=2),
        make_run(1),
    ]
    best = metrics_of(runs, costs={"3": 0.5, "2": 0.4}).best_run
    assert best is not None
    assert (best.run_id, best.status, best.duration_seconds) == ("2", "completed", 2)
    assert best.reason == "the fastest success without a tool error"
    newest = metrics_of(runs).best_run
    assert newest is not None
    assert newest.run_id == "3"
    faulty = metrics_of(runs[:2]).best_run
    assert faulty is not None
    assert (faulty.run_id, faulty.reason) == ("4", "the fastest success with the fewest tool errors (1)")
    untimed = metrics_of(runs[4:]).best_run
    assert untimed is not None
    assert untimed.reason == "the newest success without a tool error"


def test_worst_is_the_newest_failure_of_the_most_frequent_pattern() -> None:
    runs = [
        make_run(5, "failed", error="rare"),
        make_run(4, "failed", error="timed out after 7 s"),
        make_run(3, "failed", error="timed out after 9 s"),
        make_run(2),
    ]
    found = metrics_of(runs)
    assert found.worst_run is not None
    assert found.worst_run.run_id == "4"
    assert found.worst_run.reason.endswith("(2 of 3 failures): timed out after <n> s")
    assert [pattern.count for pattern in found.failure_patterns] == [2, 1]
    assert found.failure_patterns[0].run_ids == ("4", "3")


def test_worst_without_a_failure() -> None:
    runs = [
        make_run(4, duration_seconds=1),
        make_run(3, duration_seconds=5),
        make_run(2, duration_seconds=9),
        make_run(1, duration_seconds=2, tool_calls=(ToolCall(name="pay", error="x"),)),
    ]
    with_error = metrics_of(runs).worst_run
    assert with_error is not None
    assert (with_error.run_id, with_error.reason) == ("1", "no run failed; the success with the most tool errors (1)")
    slowest = metrics_of(runs[:3]).worst_run
    assert slowest is not None
    assert (slowest.run_id, slowest.reason) == ("2", "no run failed and no tool call either; the slowest success")


def test_no_run_is_both_best_and_worst() -> None:
    same = [make_run(2, duration_seconds=3), make_run(1, duration_seconds=3)]
    found = metrics_of(same)
    assert found.best_run is not None
    assert found.worst_run is not None
    assert (found.best_run.run_id, found.worst_run.run_id) == ("2", "1")
    assert metrics_of(same[:1]).worst_run is None
    assert metrics_of([make_run(2), make_run(1)]).worst_run is None


def test_all_failed_has_no_best() -> None:
    found = metrics_of([make_run(1, "failed")])
    assert found.best_run is None
    assert found.worst_run is not None
    assert found.failure_patterns[0].pattern == "failed"
    assert (found.completion_rate, found.completion_rate_low) == (0.0, 0.0)


def test_traces_are_counted_by_state_one_for_each_run() -> None:
    runs = [make_run(number) for number in range(6, 0, -1)] + [make_run(0, "running")]
    states = ["complete", "complete", "partial", "pending", "missing"]
    traces = [make_trace(number, state) for number, state in enumerate(states, start=1)] + [make_trace(0)]
    # Run 6 has none: not being asked for is not being missing.
    assert metrics_of(runs, traces).traces == TraceCounts(complete=2, partial=1, pending=1, missing=1, unavailable=1)


def test_telemetry_is_the_mean_over_runs_with_a_trace() -> None:
    first = make_trace(
        1,
        wall_seconds=4,
        llm_seconds=2,
        tool_seconds=1,
        other_seconds=1,
        llm_calls=3,
        tool_calls=(span("a", 1),),
        tool_calls_left_out=2,
        repeats=(RepeatedCall(name="a", arguments="{}", calls=2),),
        critical_path=CriticalPath(llm_seconds=2, tool_seconds=1, other_seconds=1),
        input_tokens=10,
        models=("b",),
    )
    second = make_trace(2, "partial", wall_seconds=8, llm_calls=1, input_tokens=5, models=("a", "b"))
    runs = [make_run(number) for number in (3, 2, 1)] + [make_run(0, "running")]
    found = metrics_of(runs, [first, second, make_trace(3, "missing"), make_trace(0, wall_seconds=99)]).telemetry
    assert (found.runs_with_trace, found.avg_wall_seconds, found.avg_llm_seconds) == (2, 6, 1)
    assert (found.avg_tool_seconds, found.avg_other_seconds) == (0.5, 0.5)
    assert (found.avg_llm_calls, found.avg_tool_calls, found.runs_with_repeats) == (2, 1.5, 1)
    assert found.critical_path == CriticalPath(llm_seconds=1, tool_seconds=0.5, other_seconds=0.5)
    assert (found.input_tokens, found.output_tokens) == (15, None)
    assert found.models == ("b", "a")


def test_means_are_over_the_runs_whose_trace_records_it() -> None:
    known = {"llm_calls": 3, "llm_seconds": 4.0, "tool_seconds": 1.0, "tool_calls": (span("a", 1),), "input_tokens": 7}
    messages = {"tool_calls_from": "messages", "tool_calls": (span("a", 1), span("a", 1)), "tool_seconds": None}
    silent = {"llm_calls": None, "llm_seconds": None, "tool_seconds": None, "tool_calls_from": None}
    traces = [make_trace(1, **known), make_trace(2, **{**known, **messages}), make_trace(3, **silent)]
    found = metrics_of([make_run(number) for number in (3, 2, 1)], traces).telemetry
    assert (found.runs_with_trace, found.runs_with_llm_calls, found.runs_with_tool_calls) == (3, 2, 2)
    assert (found.avg_llm_calls, found.avg_llm_seconds, found.avg_tool_calls) == (3, 4, 1.5)
    assert (found.avg_tool_seconds, found.runs_with_tool_times) == (1, 1)
    assert (found.input_tokens, found.runs_with_tokens) == (14, 2)
    unknown = metrics_of([make_run(3)], traces[2:]).telemetry
    assert (unknown.avg_llm_calls, unknown.avg_llm_seconds, unknown.avg_tool_calls) == (None, None, None)
    assert (unknown.avg_tool_seconds, unknown.input_tokens, unknown.runs_with_tokens) == (None, None, 0)


def test_tokens_are_known_of_some_runs() -> None:
    found = metrics_of([make_run(2, total_tokens=50), make_run(1)])
    assert (found.avg_tokens, found.runs_with_tokens) == (50, 1)
    assert metrics_of([make_run(1)]).runs_with_tokens == 0


def test_the_best_run_is_not_praised_for_what_its_trace_does_not_show() -> None:
    best = metrics_of([make_run(1)], [make_trace(1, tool_calls_from="messages", tool_calls=(span("a", 1),))]).best_run
    assert best is not None
    assert "without a known tool error" in best.reason


def test_evidence_holds_what_belongs_to_the_agents_runs() -> None:
    runs = AgentRuns(runs=(make_run(2), make_run(1, "running")), unreadable=1, warnings=("1 row is left out",))
    evidence = build_evidence(AGENT, runs, [make_trace(2), make_trace(1), make_trace(77)], RunPrices())
    assert list(evidence.traces) == ["2", "1"]
    assert evidence.warnings == ("1 row is left out",)
    assert [run.id for run in evidence.finished_runs] == ["2"]


def test_the_same_input_in_another_order_of_traces_gives_the_same_evidence() -> None:
    rng = random.Random(3)
    runs = tuple(
        make_run(
            number,
            "failed" if number % 3 == 0 else "completed",
            duration_seconds=rng.uniform(0.1, 9),
            error=f"kind {'abc'[number % 2]} {number}" if number % 3 == 0 else None,
            model_name="gpt-4o",
            input_tokens=number,
            output_tokens=number,
        )
        for number in range(20, 0, -1)
    )
    traces = [make_trace(int(run.id), tool_calls=(span("b", 0.1), span("a", 0.3))) for run in runs]
    shuffled = rng.sample(traces, len(traces))
    one = build_evidence(AGENT, AgentRuns(runs=runs), traces, RunPrices())
    other = build_evidence(AGENT, AgentRuns(runs=runs), shuffled, RunPrices())
    assert one.model_dump_json() == other.model_dump_json()


def test_the_typical_run_has_the_median_duration_of_those_with_a_trace() -> None:
    runs = [make_run(number, duration_seconds=float(seconds)) for number, seconds in ((5, 9), (4, 1), (3, 5), (2, 3))]
    traced = [make_trace(number) for number in (5, 3, 2)]
    found = metrics_of(runs, traced).typical_run
    assert found is not None
    assert (found.run_id, found.duration_seconds) == ("3", 5.0)
    assert found.reason == "its duration is the median of the 3 runs with a trace"
    # Of two in the middle the shorter; without any trace, of all that are timed; unfinished ones count for no median.
    without = metrics_of([*runs, make_run(1, "running", duration_seconds=3.0)]).typical_run
    assert without is not None
    assert (without.run_id, without.reason) == ("2", "its duration is the median of the 4 runs that are timed")
    assert metrics_of([make_run(1)]).typical_run is None
    assert metrics_of([]).typical_run is None


def test_what_only_traces_know_of_a_sample_is_estimated_for_its_population() -> None:
    runs = tuple(make_run(number) for number in (3, 2, 1))
    traces = [make_trace(number, input_tokens=100 * number, output_tokens=0) for number in (3, 2, 1)]
    found = AgentRuns(
        runs=runs,
        population=Population(runs=30, completed=28, failed=2, unfinished=4),
        inclusion={"1": 0.5, "2": 0.5, "3": 0.1},
    )
    metrics = build_evidence(AGENT, found, traces, RunPrices({})).metrics
    # (100 * 2 + 200 * 2 + 300 * 10) / 14; how many there are in all is not known.
    assert metrics.avg_tokens == pytest.approx(3_600 / 14)
    assert (metrics.runs_with_tokens, metrics.total_tokens) == (3, None)
    assert (metrics.avg_cost_usd, metrics.runs_with_cost) == (None, 0)
    assert (metrics.runs_analyzed, metrics.runs_in_population, metrics.runs_unfinished) == (3, 30, 4)
