"""Metrics: what an agent's runs add up to. Pure and deterministic: the evidence is fingerprinted.

Everything is over the finished runs; the unfinished ones are only counted. No run at all gives zero counts, empty
tuples and None for every rate, mean and total. Where the runs are a sample of a population, its figures come first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from tasks.evidence.failures import group_failures
from tasks.evidence.population.overlay import use_population
from tasks.evidence.prices import RunPrices, Tokens
from tasks.evidence.types import (
    Agent,
    AgentRuns,
    AgentTelemetry,
    CriticalPath,
    Evidence,
    FailurePattern,
    Metrics,
    Population,
    Run,
    RunId,
    RunRef,
    TelemetrySummary,
    ToolUsage,
    Trace,
    TraceCounts,
)
from tasks.statistics.intervals import wilson_interval
from tasks.wording.counts import counted

_Number = TypeVar("_Number", int, float)


def build_evidence(
    agent: Agent,
    agent_runs: AgentRuns,
    traces: Sequence[Trace],
    prices: RunPrices,
    redactions: Mapping[str, int] | None = None,
) -> Evidence:
    """Everything that is known of ``agent``: its runs, their traces and costs, the metrics, the source's warnings.

    Traces of other runs are dropped. Costs are of the finished runs: the source's own, else where model, price and
    tokens are known. The texts come redacted; ``redactions`` counts their placeholders by label, by default those of
    the runs alone.
    """
    by_run = {trace.run_id: trace for trace in traces}
    kept = {run.id: by_run[run.id] for run in agent_runs.runs if run.id in by_run}
    costs = _costs(_finished(agent_runs.runs), kept, prices)
    metrics = build_metrics(agent_runs.runs, kept, costs, agent_runs.population)
    if agent_runs.population is not None:
        weights = {run.id: 1 / agent_runs.inclusion.get(run.id, 1.0) for run in agent_runs.runs}
        metrics = use_population(metrics, agent_runs.population, _weighted_means(agent_runs.runs, kept, costs, weights))
    return Evidence(
        agent=agent,
        runs=agent_runs.runs,
        future=agent_runs.future,
        traces=kept,
        costs_usd=costs,
        metrics=metrics,
        population=agent_runs.population,
        inclusion=agent_runs.inclusion,
        tallies=agent_runs.tallies,
        checks=agent_runs.checks,
        warnings=agent_runs.warnings,
        redactions=dict(agent_runs.redactions if redactions is None else redactions),
    )


def build_metrics(
    runs: Sequence[Run],
    traces: Mapping[RunId, Trace],
    costs_usd: Mapping[RunId, float],
    population: Population | None = None,
) -> Metrics:
    """The metrics of ``runs`` (newest first) with their traces and costs by run id; see the module for the empty case.

    Means are over the runs where the value is known, None where it is known of none. Patterns of failures are those of
    ``population``, where the runs are a sample of one.
    """
    finished = _finished(runs)
    failed = [run for run in finished if run.outcome == "failed"]
    completed = len(finished) - len(failed)
    low, high = wilson_interval(completed, len(finished)) or (None, None)
    durations = [run.duration_seconds for run in finished if run.duration_seconds is not None]
    tokens = [count for run in finished if (count := run_tokens(run, traces.get(run.id)).total) is not None]
    costs = [costs_usd[run.id] for run in finished if run.id in costs_usd]
    patterns = group_failures(failed, traces) if population is None else population.failure_patterns
    best = find_best_run(finished, traces, costs_usd)
    return Metrics(
        runs_analyzed=len(finished),
        runs_completed=completed,
        runs_failed=len(failed),
        runs_unfinished=len(runs) - len(finished),
        completion_rate=completed / len(finished) if finished else None,
        completion_rate_low=low,
        completion_rate_high=high,
        avg_duration_seconds=_mean(durations),
        p50_duration_seconds=percentile(durations, 0.5),
        p95_duration_seconds=percentile(durations, 0.95),
        avg_tokens=_mean(tokens),
        runs_with_tokens=len(tokens),
        total_tokens=sum(tokens) if tokens else None,
        avg_cost_usd=_mean(costs),
        total_cost_usd=math.fsum(costs) if costs else None,
        runs_with_cost=len(costs),
        tool_usage=_tool_usage(finished, traces),
        failure_patterns=patterns,
        best_run=best,
        worst_run=_worst_run(finished, traces, patterns, best),
        typical_run=_typical_run(finished, traces),
        traces=_trace_counts(finished, traces),
        telemetry=_agent_telemetry(finished, traces),
        models=_by_frequency(model for run in finished for model in _models(run, traces.get(run.id))),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The ``share`` (0 to 1) quantile with linear interpolation between the two nearest values; None without values.

    Definition 7 of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50
    (1996), 361-365: numpy's and pandas' default, so that who recomputes it from the rows finds the same number.
    """
    return quantile(sorted(values), share)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """``percentile`` of values that are in ascending order."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def run_tokens(run: Run, trace: Trace | None) -> Tokens:
    """The tokens of ``run``: its row's, else its trace's, when that is complete: of a partial one some are missing.

    The total is the row's, else input and output together where both are known. Cached tokens are known from a trace
    alone.
    """
    telemetry = trace.telemetry if trace is not None and trace.state == "complete" else None
    given, made = run.input_tokens, run.output_tokens
    if (given is None or made is None) and telemetry is not None:
        # Both or neither: what the two sources count need not be the same.
        given, made = telemetry.input_tokens, telemetry.output_tokens
    total = run.total_tokens
    if total is None and given is not None and made is not None:
        total = given + made
    return Tokens(given, made, total, telemetry.cached_tokens if telemetry else None)


def find_cost_usd(run: Run, prices: RunPrices) -> float | None:
    """What ``run`` cost by its row: the source's own cost, else by model and tokens; None where that is unknown."""
    return _costs([run], {}, prices).get(run.id)


def _weighted_means(
    runs: Sequence[Run],
    traces: Mapping[RunId, Trace],
    costs_usd: Mapping[RunId, float],
    weights: Mapping[RunId, float],
) -> dict[str, float | None]:
    """The mean tokens and cost of a population, estimated from a sample of it (Hájek); None where none is known."""
    finished = _finished(runs)
    tokens = {
        run.id: float(total) for run in finished if (total := run_tokens(run, traces.get(run.id)).total) is not None
    }
    found: dict[str, float | None] = {}
    for name, values in (("avg_tokens", tokens), ("avg_cost_usd", costs_usd)):
        weight = math.fsum(weights[run_id] for run_id in values)
        amount = math.fsum(weights[run_id] * value for run_id, value in values.items())
        found[name] = amount / weight if values else None
    return found


def _costs(runs: Iterable[Run], traces: Mapping[RunId, Trace], prices: RunPrices) -> dict[RunId, float]:
    costs: dict[RunId, float] = {}
    for run in runs:
        if run.cost_usd is not None:
            costs[run.id] = run.cost_usd
            continue
        trace = traces.get(run.id)
        models = _models(run, trace)
        # A trace of several models leaves open which tokens were whose.
        model = models[0] if len(models) == 1 else None
        cost = prices.cost_usd(model, run_tokens(run, trace), run.started_at)
        if cost is not None:
            costs[run.id] = cost
    return costs


def _tool_calls(run: Run, trace: Trace | None) -> list[tuple[str, bool, float | None]]:
    """Name, whether it failed, and seconds of each call, from the trace or from the row: both would count twice.

    The trace's, which are timed; the row's when the trace has none, or lacks spans and has fewer than the row.
    """
    telemetry = _telemetry(trace)
    spans = telemetry.tool_calls if telemetry else ()
    cut = trace is not None and (trace.state == "partial" or (telemetry and telemetry.tool_calls_left_out > 0))
    if spans and not (cut and len(run.tool_calls) > len(spans)):
        return [(span.name, span.error is not None, span.duration_seconds) for span in spans]
    return [(call.name, call.error is not None, None) for call in run.tool_calls]


def _tool_usage(runs: Iterable[Run], traces: Mapping[RunId, Trace]) -> tuple[ToolUsage, ...]:
    calls: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    seconds: dict[str, list[float]] = {}
    for run in runs:
        for name, failed, duration in _tool_calls(run, traces.get(run.id)):
            calls[name] += 1
            errors[name] += failed
            if duration is not None:
                seconds.setdefault(name, []).append(duration)
    return tuple(
        ToolUsage(
            name=name,
            calls=count,
            errors=errors[name],
            duration_seconds=math.fsum(seconds[name]) if name in seconds else None,
        )
        for name, count in sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    )


def find_best_run(
    runs: Sequence[Run], traces: Mapping[RunId, Trace], costs_usd: Mapping[RunId, float]
) -> RunRef | None:
    """The success with the fewest tool errors, then the fastest, the cheapest, the newest; None without a success."""

    def rank(run: Run) -> tuple[int, float, float]:
        duration = math.inf if run.duration_seconds is None else run.duration_seconds
        return _errors(run, traces), duration, costs_usd.get(run.id, math.inf)

    # min takes the first of equals, which is the newest.
    best = min((run for run in runs if run.outcome == "completed"), key=rank, default=None)
    if best is None:
        return None
    errors = _errors(best, traces)
    quality = "without a tool error" if errors == 0 else f"with the fewest tool errors ({errors})"
    telemetry = _telemetry(traces.get(best.id))
    if errors == 0 and not best.tool_calls and telemetry is not None and telemetry.tool_calls_from != "spans":
        # Messages state few errors, and a trace without them none.
        quality = "without a known tool error"
    pace = "the newest success" if best.duration_seconds is None else "the fastest success"
    return _ref(best, f"{pace} {quality}")


def _worst_run(
    runs: Sequence[Run], traces: Mapping[RunId, Trace], patterns: Sequence[FailurePattern], best: RunRef | None
) -> RunRef | None:
    """The newest failure of the most frequent pattern; if none failed, another success than the best: the one with the
    most tool errors, then the slowest, the newest. None where no run stands out: none finished, a single success, or
    successes of which neither errors nor durations are known."""
    by_id = {run.id: run for run in runs}
    # Of the failures of a population, not every kind is in its sample.
    for pattern in patterns:
        worst = next((by_id[run_id] for run_id in pattern.run_ids if run_id in by_id), None)
        if worst is not None:
            times = f"{pattern.count:,} of {sum(found.count for found in patterns):,} failures"
            return _ref(worst, f"the newest failure of the most frequent kind ({times}): {pattern.pattern}")
    others = [run for run in runs if best is None or run.id != best.run_id]
    worst_other = max(others, key=lambda run: (_errors(run, traces), run.duration_seconds or 0.0), default=None)
    if worst_other is None:
        return None
    if errors := _errors(worst_other, traces):
        return _ref(worst_other, f"no run failed; the success with the most tool errors ({errors})")
    if worst_other.duration_seconds is None:
        return None
    return _ref(worst_other, "no run failed and no tool call either; the slowest success")


def _typical_run(runs: Sequence[Run], traces: Mapping[RunId, Trace]) -> RunRef | None:
    """The run whose duration is the median (of two in the middle the shorter) among those with a trace; where there is
    no trace at all, among all. None where no duration is known."""
    timed = [run for run in runs if run.duration_seconds is not None]
    traced = [run for run in timed if _telemetry(traces.get(run.id)) is not None]
    ordered = sorted(traced or timed, key=lambda run: run.duration_seconds or 0.0)
    if not ordered:
        return None
    which = "with a trace" if traced else "that are timed"
    return _ref(
        ordered[(len(ordered) - 1) // 2], f"its duration is the median of the {counted(len(ordered), 'run')} {which}"
    )


def _ref(run: Run, reason: str) -> RunRef:
    return RunRef(run_id=run.id, status=run.status, reason=reason, duration_seconds=run.duration_seconds)


def _errors(run: Run, traces: Mapping[RunId, Trace]) -> int:
    return sum(failed for _, failed, _ in _tool_calls(run, traces.get(run.id)))


def _trace_counts(runs: Iterable[Run], traces: Mapping[RunId, Trace]) -> TraceCounts:
    """Traces by state, one for each run: one that was never asked for is unavailable."""
    counts: dict[str, int] = Counter(traces[run.id].state if run.id in traces else "unavailable" for run in runs)
    return TraceCounts(**counts)


def _agent_telemetry(runs: Iterable[Run], traces: Mapping[RunId, Trace]) -> AgentTelemetry:
    found = [summary for run in runs if (summary := _telemetry(traces.get(run.id))) is not None]
    if not found:
        return AgentTelemetry()
    given = _known(summary.input_tokens for summary in found)
    made = _known(summary.output_tokens for summary in found)
    llm_calls = _known(summary.llm_calls for summary in found)
    tool_calls = [
        len(summary.tool_calls) + summary.tool_calls_left_out
        for summary in found
        if summary.tool_calls_from or summary.tool_calls
    ]
    tool_times = _known(summary.tool_seconds for summary in found)
    return AgentTelemetry(
        runs_with_trace=len(found),
        runs_with_llm_calls=len(llm_calls),
        runs_with_tool_calls=len(tool_calls),
        runs_with_tool_times=len(tool_times),
        runs_with_tokens=sum(
            summary.input_tokens is not None or summary.output_tokens is not None for summary in found
        ),
        avg_wall_seconds=_mean([summary.wall_seconds for summary in found]),
        avg_llm_seconds=_mean(_known(summary.llm_seconds for summary in found)),
        avg_tool_seconds=_mean(tool_times),
        avg_other_seconds=_mean([summary.other_seconds for summary in found]),
        avg_llm_calls=_mean(llm_calls),
        avg_tool_calls=_mean(tool_calls),
        runs_with_repeats=sum(bool(summary.repeats) for summary in found),
        critical_path=CriticalPath(
            llm_seconds=_mean([summary.critical_path.llm_seconds for summary in found]) or 0.0,
            tool_seconds=_mean([summary.critical_path.tool_seconds for summary in found]) or 0.0,
            other_seconds=_mean([summary.critical_path.other_seconds for summary in found]) or 0.0,
        ),
        input_tokens=sum(given) if given else None,
        output_tokens=sum(made) if made else None,
        models=_by_frequency(model for summary in found for model in summary.models),
    )


def _telemetry(trace: Trace | None) -> TelemetrySummary | None:
    return trace.telemetry if trace is not None and trace.state in ("complete", "partial") else None


def _models(run: Run, trace: Trace | None) -> tuple[str, ...]:
    if run.model_name is not None:
        return (run.model_name,)
    telemetry = _telemetry(trace)
    return telemetry.models if telemetry else ()


def _known(values: Iterable[_Number | None]) -> list[_Number]:
    return [value for value in values if value is not None]


def _finished(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.outcome != "unfinished"]


def _mean(values: Sequence[float]) -> float | None:
    # fsum: the same numbers in another order give the same mean.
    return math.fsum(values) / len(values) if values else None


def _by_frequency(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
