"""The types of evidence: agents, runs, traces, and what an agent's runs add up to. Times are UTC and aware."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from tasks.evidence.criterion_tally import CriterionTally, RunValues
from tasks.evidence.fact import Fact as Fact
from tasks.evidence.telemetry_types import CriticalPath as CriticalPath
from tasks.evidence.telemetry_types import RepeatedCall as RepeatedCall
from tasks.evidence.telemetry_types import SlowSpan as SlowSpan
from tasks.evidence.telemetry_types import SpanCall as SpanCall
from tasks.evidence.telemetry_types import TelemetrySummary as TelemetrySummary
from tasks.evidence.telemetry_types import WaterfallSpan as WaterfallSpan

TraceState = Literal["complete", "partial", "pending", "missing", "unavailable"]
"""complete: a root and no orphan · partial: spans are missing · pending: not there yet, the run is young · missing:
not found · unavailable: Jaeger could not be asked (or is not configured)."""

AgentId = str
"""The id of an agent as its source has it, as text; unique in its environment. See ``tasks.evidence.ids``."""

RunId = str
"""The id of a run as its source has it, as text; unique in its agent."""

Outcome = Literal["completed", "failed", "unfinished"]


class Agent(Fact):
    """One agent of an environment, as its row describes it. Columns that the source lacks are None."""

    id: AgentId
    name: str
    environment: str
    description: str | None = None
    prompt: str | None = None
    owner: str | None = None
    max_steps: int | None = None


class ToolCall(Fact):
    """A call of a tool as the run's row (not its trace) has it; arguments and result are text (JSON where it was)."""

    name: str
    arguments: str | None = None
    result: str | None = None
    error: str | None = None


class SourceCalls(Fact):
    """A run's tool calls as a report keeps them, the first ones in order; ``left_out`` counts the rest."""

    calls: tuple[ToolCall, ...] = ()
    left_out: int = 0


class Run(Fact):
    """One execution of an agent on a task."""

    id: RunId
    agent_id: AgentId
    status: str
    outcome: Outcome
    left_out_for: Literal["status", "unknown status", "end"] | None = Field(
        None, description="Why a run is unfinished: by its status, or because it ended after the report looks."
    )
    started_at: datetime
    completed_at: datetime | None = None
    duration_seconds: float | None = None
    task: str | None = None
    final_response: str | None = None
    expected: str | None = Field(None, description="What a correct answer holds; the agent was not shown it.")
    context: str | None = Field(None, description="What the agent was given beside its task.")
    error: str | None = None
    steps_taken: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cost_usd: float | None = Field(None, description="By the source; comes before the price list.")
    model_name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_calls_known: bool = Field(False, description="Whether the source records the calls, or that there were none.")
    tool_calls_invalid: str | None = Field(None, description="The column's text, when it was not what it should be.")
    execution_steps: str | None = Field(None, description="The column's text as it is.")
    messages: str | None = Field(None, description="The column's text as it is.")
    session_id: str | None = None
    parent_run_id: RunId | None = None
    trace_id: str | None = None
    version: str | None = None
    succeeded: bool | None = Field(None, description="Whether it did its task, by the source; not its status.")
    owner: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, by its row; None when that is unknown (it may still be running)."""
        if self.completed_at is not None:
            return self.completed_at
        try:
            return None if self.duration_seconds is None else self.started_at + timedelta(seconds=self.duration_seconds)
        except (OverflowError, ValueError):
            return None


class FutureRuns(Fact):
    """Runs that start in the future by their dates: how many, and the latest start; no runs, None."""

    count: int = 0
    latest: datetime | None = None


class Trace(Fact):
    """The state of one run's trace and, when there is one, its summary."""

    run_id: RunId
    state: TraceState
    trace_id: str | None = None
    telemetry: TelemetrySummary | None = None
    reason: str | None = Field(None, description="Why it is missing or unavailable.")


class TraceCounts(Fact):
    """How many of an agent's runs have a trace of each state."""

    complete: int = 0
    partial: int = 0
    pending: int = 0
    missing: int = 0
    unavailable: int = 0


class ToolUsage(Fact):
    """One tool over all analysed runs. ``duration_seconds`` is None when no trace timed it."""

    name: str
    calls: int
    errors: int
    duration_seconds: float | None = None


class FailurePattern(Fact):
    """Failures whose normalised error texts are the same, most frequent first."""

    pattern: str
    count: int
    run_ids: tuple[RunId, ...]
    example: str


class RunRef(Fact):
    """A run that stands out, and why."""

    run_id: RunId
    status: str
    reason: str
    duration_seconds: float | None = None


class AgentTelemetry(Fact):
    """Means over the runs with a complete or partial trace; None where there is none.

    A trace need not hold everything: the means and sums of LLM calls, of tool calls, of their times and of tokens are
    over as many runs as ``runs_with_llm_calls``, ``runs_with_tool_calls``, ``runs_with_tool_times`` and
    ``runs_with_tokens`` count.
    """

    runs_with_trace: int = 0
    runs_with_llm_calls: int = 0
    runs_with_tool_calls: int = 0
    runs_with_tool_times: int = 0
    runs_with_tokens: int = 0
    avg_wall_seconds: float | None = None
    avg_llm_seconds: float | None = None
    avg_tool_seconds: float | None = None
    avg_other_seconds: float | None = None
    avg_llm_calls: float | None = None
    avg_tool_calls: float | None = None
    runs_with_repeats: int = 0
    critical_path: CriticalPath | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    models: tuple[str, ...] = ()


class DayFigures(Fact):
    """The finished runs that started on one day (UTC, ``2026-11-28``). Means are None where nothing is known."""

    day: str
    runs: int
    completed: int
    avg_duration_seconds: float | None = None
    total_tokens: int | None = None
    total_cost_usd: float | None = None


class LeftOutRuns(Fact):
    """Runs of a window that are in no figure, by their statuses and by that no one has given a meaning; how many ended
    after the report looks, of which those that end in the future, and one of these."""

    statuses: dict[str, int] = Field(default_factory=dict)
    unknown_statuses: dict[str, int] = Field(default_factory=dict)
    ended_since: int = 0
    ending_later: int = 0
    example: str = ""


class Population(Fact):
    """All finished runs of a window, by what a scan reads of each: more than are read in full.

    ``runs`` counts the finished ones. Rates and means are over the runs where the value is known, None without any.
    ``succeeded`` and ``not_succeeded`` count the outcomes that the source has itself.
    """

    runs: int
    completed: int
    failed: int
    unfinished: int
    avg_duration_seconds: float | None = None
    p50_duration_seconds: float | None = None
    p95_duration_seconds: float | None = None
    avg_tokens: float | None = None
    runs_with_tokens: int = 0
    total_tokens: int | None = None
    avg_cost_usd: float | None = None
    total_cost_usd: float | None = None
    runs_with_cost: int = 0
    failure_patterns: tuple[FailurePattern, ...] = ()
    models: tuple[str, ...] = ()
    daily: tuple[DayFigures, ...] = ()
    succeeded: int = 0
    not_succeeded: int = 0
    left_out: LeftOutRuns = LeftOutRuns()


class AgentRuns(Fact):
    """The runs of one agent that are read in full, newest first, at most as many as asked for, and the figures of all
    runs of the window, where these are a sample. ``warnings`` are for the report."""

    runs: tuple[Run, ...] = ()
    future: FutureRuns = FutureRuns()
    unreadable: int = Field(0, description="Rows left out because a value in them could not be read.")
    warnings: tuple[str, ...] = ()
    redactions: dict[str, int] = Field(default_factory=dict, description="Placeholders in the texts, by label.")
    tallies: dict[str, CriterionTally] = Field(default_factory=dict, description="Of all finished runs, by criterion.")
    checks: dict[RunId, RunValues] = Field(default_factory=dict, description="What code found on the runs here.")
    population: Population | None = Field(None, description="None: the runs here are all that the report is about.")
    inclusion: dict[RunId, float] = Field(
        default_factory=dict, description="Probability with which a run was drawn, by run id; absent is 1."
    )


class VerdictCounts(Fact):
    """Where it is known from whether runs did their task: by the source's own outcome, or by the judge.

    ``cannot_tell``: the judge could not decide. ``unusable``: what it answered on the run could not be used.
    ``not_judged``: it was not asked.
    """

    from_source: int = 0
    from_judge: int = 0
    cannot_tell: int = 0
    unusable: int = 0
    not_judged: int = 0


class IssueRun(Fact):
    """A run that an issue was seen in."""

    agent_id: AgentId
    run_id: RunId


class Metrics(Fact):
    """What all of an agent's runs add up to. Rates are 0 to 1; None is not measured.

    ``runs_analyzed`` counts the finished runs that were read; ``runs_unfinished`` those that are left out. Where the
    runs that were read are a sample, counts, rates, durations, tokens, costs, models and patterns of failures are of
    the population; tools, traces, telemetry and the runs that stand out are of the sample.
    """

    runs_analyzed: int
    runs_completed: int
    runs_failed: int
    runs_unfinished: int
    completion_rate: float | None = None
    completion_rate_low: float | None = None
    completion_rate_high: float | None = None
    avg_duration_seconds: float | None = None
    p50_duration_seconds: float | None = None
    p95_duration_seconds: float | None = None
    avg_tokens: float | None = None
    runs_with_tokens: int = 0
    total_tokens: int | None = None
    avg_cost_usd: float | None = None
    total_cost_usd: float | None = None
    runs_with_cost: int = 0
    tool_usage: tuple[ToolUsage, ...] = ()
    failure_patterns: tuple[FailurePattern, ...] = ()
    best_run: RunRef | None = None
    worst_run: RunRef | None = None
    typical_run: RunRef | None = None
    traces: TraceCounts = TraceCounts()
    telemetry: AgentTelemetry = AgentTelemetry()
    models: tuple[str, ...] = ()

    @property
    def runs_in_population(self) -> int:
        """The finished runs that the figures are of: more than ``runs_analyzed`` where these are a sample."""
        return self.runs_completed + self.runs_failed


class Evidence(Fact):
    """Everything that is known of one agent for one report. ``costs_usd`` holds a run's cost where it is known."""

    agent: Agent
    runs: tuple[Run, ...]
    future: FutureRuns = FutureRuns()
    traces: dict[RunId, Trace] = Field(default_factory=dict, description="By run id.")
    costs_usd: dict[RunId, float] = Field(default_factory=dict, description="By run id; absent is unknown.")
    waterfalls: dict[RunId, tuple[WaterfallSpan, ...]] = Field(
        default_factory=dict, description="Of the typical and the worst run, by run id, where they have a trace."
    )
    metrics: Metrics
    population: Population | None = Field(None, description="None: the runs here are all that the report is about.")
    inclusion: dict[RunId, float] = Field(
        default_factory=dict, description="Probability with which a run was drawn, by run id; absent is 1."
    )
    tallies: dict[str, CriterionTally] = Field(default_factory=dict, description="Of all finished runs, by criterion.")
    checks: dict[RunId, RunValues] = Field(default_factory=dict, description="What code found on the runs here.")
    warnings: tuple[str, ...] = ()
    redactions: dict[str, int] = Field(
        default_factory=dict, description="Placeholders in all texts of the agent, by label; empty: none was found."
    )

    @property
    def finished_runs(self) -> tuple[Run, ...]:
        """The runs that were analysed, newest first."""
        return tuple(run for run in self.runs if run.outcome != "unfinished")

    def inclusion_of(self, run_id: RunId) -> float:
        """The probability with which this run came into the sample: 1 where all runs are read."""
        return self.inclusion.get(run_id, 1.0)
