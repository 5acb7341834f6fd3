"""The rows of a report, as the warehouse stores and returns them: a type for each table and each nested column.

``tests/warehouse/test_rows.py`` checks names, types and nullability against ``tasks.warehouse.schema``. A column is
``NotRequired`` where the warehouse fills it in when the row is written; rows that were read have every column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from tasks.evidence.types import AgentId, RunId


class AgentSummary(TypedDict):
    """An agent in ``reports.agent_reports``."""

    score: float | None
    summary: str | None


class OwnerRow(TypedDict):
    """The process that generates a report."""

    host: str | None
    pid: int | None
    process_started: float | None


class CitationRow(TypedDict):
    """A quotation of the evidence: from a run, from one of its spans, or from the figures (neither)."""

    run_id: RunId | None
    label: str | None
    span_id: str | None
    quote: str | None


class ExampleRow(CitationRow):
    """A citation and what the judge concludes from it."""

    text: str | None


class ContradictionRow(TypedDict):
    """A claim of the agent and the observation that contradicts it."""

    claim: CitationRow | None
    observation: CitationRow | None
    text: str | None


class SuspicionRow(TypedDict):
    """A passage of the evidence that looks like an attempt to influence the judge."""

    run_id: RunId | None
    place: str | None
    text: str | None


class ToolUsageRow(TypedDict):
    """One tool over all analyzed runs of an agent."""

    name: str
    calls: int
    errors: int
    duration_seconds: float | None


class FailurePatternRow(TypedDict):
    """Failures with the same normalized error."""

    pattern: str
    count: int
    run_ids: Sequence[RunId]
    example: str


class RunRefRow(TypedDict):
    """A run that stands out, and why."""

    run_id: RunId
    status: str
    reason: str
    duration_seconds: float | None


class TraceCountsRow(TypedDict):
    """The number of an agent's runs by the state of their trace."""

    complete: int
    partial: int
    pending: int
    missing: int
    unavailable: int


class CriticalPathRow(TypedDict):
    """Seconds of the critical path by kind of span."""

    llm_seconds: float
    tool_seconds: float
    other_seconds: float


class AgentTelemetryRow(TypedDict):
    """Means over an agent's runs that have a trace, and over how many of them each kind is known."""

    runs_with_trace: int
    runs_with_llm_calls: int
    runs_with_tool_calls: int
    runs_with_tool_times: int
    runs_with_tokens: int
    avg_wall_seconds: float | None
    avg_llm_seconds: float | None
    avg_tool_seconds: float | None
    avg_other_seconds: float | None
    avg_llm_calls: float | None
    avg_tool_calls: float | None
    runs_with_repeats: int
    critical_path: CriticalPathRow | None
    input_tokens: int | None
    output_tokens: int | None
    models: Sequence[str]


class SpanCallRow(TypedDict):
    """A tool call in a trace."""

    name: str
    start_seconds: float
    duration_seconds: float | None
    error: str | None
    arguments: str | None
    result: str | None
    span_id: str


class RepeatedCallRow(TypedDict):
    """A tool that was called with the same arguments more than once."""

    name: str
    arguments: str | None
    calls: int


class SlowSpanRow(TypedDict):
    """One of the spans with the most self time."""

    operation: str
    kind: str
    self_seconds: float


class TelemetryRow(TypedDict):
    """The summary of a run's trace."""

    spans: int
    roots: int
    orphans: int
    depth: int
    wall_seconds: float
    llm_seconds: float | None
    tool_seconds: float | None
    other_seconds: float
    llm_calls: int | None
    tool_calls_from: str | None
    tool_calls: Sequence[SpanCallRow]
    tool_calls_left_out: int
    errors: int
    error_messages: Sequence[str]
    repeats: Sequence[RepeatedCallRow]
    slowest: Sequence[SlowSpanRow]
    critical_path: CriticalPathRow
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    models: Sequence[str]
    conventions: Sequence[str]
    warnings: Sequence[str]


class WaterfallSpanRow(TypedDict):
    """A span of a waterfall."""

    name: str
    kind: str
    depth: int
    start_seconds: float
    duration_seconds: float
    error: bool


class ToolCallRow(TypedDict):
    """A tool call in the source's row of a run."""

    name: str
    arguments: str | None
    result: str | None
    error: str | None


class ToolCallsRow(TypedDict):
    """The first tool calls in the source's row of a run; ``left_out`` counts the rest."""

    calls: Sequence[ToolCallRow]
    left_out: int


class ReportRow(TypedDict):
    """A row of ``reports``."""

    id: NotRequired[int]
    flow_run_id: NotRequired[str | None]
    name: str
    environment: str
    parameters: NotRequired[dict[str, Any] | None]
    evidence_until: datetime | None
    status: str
    progress: NotRequired[int]
    current_step: str | None
    team_score: float | None
    team_passed: bool | None
    team_reasoning: str | None
    team_error: str | None
    executive_summary: str | None
    agent_reports: Mapping[str, AgentSummary] | None
    avg_agent_score: float | None
    judge_model: str | None
    judge_fingerprint: str | None
    judge_settings: dict[str, Any] | None
    total_agents: int | None
    agents_evaluated: int | None
    agents_failed: int | None
    total_runs_analyzed: int | None
    citations_dropped: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    known_cost_usd: float | None
    runs_cost_usd: float | None
    runs_with_cost: int | None
    warnings: Sequence[str] | None
    error: str | None
    created_at: NotRequired[datetime]
    generation_started_at: NotRequired[datetime | None]
    generation_completed_at: NotRequired[datetime | None]
    generation_duration_seconds: NotRequired[float | None]
    owner: NotRequired[OwnerRow | None]
    heartbeat: NotRequired[datetime | None]


class AgentRow(TypedDict):
    """A row of ``agent_report_details``."""

    report_id: NotRequired[int]
    agent_id: AgentId
    agent_name: str
    status: str
    score: float | None
    passed: bool | None
    coverage: float | None
    error: str | None
    reasoning: str | None
    strengths: Sequence[str] | None
    weaknesses: Sequence[str] | None
    recommendations: Sequence[str] | None
    runs_analyzed: int | None
    runs_unfinished: int | None
    run_ids: Sequence[RunId] | None
    success_rate: float | None
    success_rate_low: float | None
    success_rate_high: float | None
    avg_duration_seconds: float | None
    p95_duration_seconds: float | None
    avg_tokens: float | None
    runs_with_tokens: int | None
    avg_cost_usd: float | None
    total_cost_usd: float | None
    runs_with_cost: int | None
    tool_usage: Sequence[ToolUsageRow] | None
    failure_patterns: Sequence[FailurePatternRow] | None
    best_run: RunRefRow | None
    worst_run: RunRefRow | None
    typical_run: RunRefRow | None
    traces: TraceCountsRow | None
    telemetry_summary: AgentTelemetryRow | None
    contradictions: Sequence[ContradictionRow] | None
    citations_dropped: int | None
    suspicions: Sequence[SuspicionRow] | None
    redactions: Mapping[str, int] | None
    runs_shown: int | None
    sampling: str | None
    samples: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    judge_cost_usd: float | None
    reused: bool | None
    warnings: Sequence[str] | None


class CriterionRow(TypedDict):
    """A row of ``criterion_scores``; ``agent_id`` is None for the team."""

    report_id: NotRequired[int]
    agent_id: AgentId | None
    criterion: str
    weight: float
    threshold: float
    score: float | None
    passed: bool | None
    reasoning: str | None
    examples: Sequence[ExampleRow] | None
    supported: bool | None
    scores: Sequence[float] | None
    spread: float | None
    unstable: bool | None


class RunRow(TypedDict):
    """A row of ``report_runs``."""

    report_id: NotRequired[int]
    agent_id: AgentId
    run_id: RunId
    status: str
    succeeded: bool | None
    started_at: datetime | None
    duration_seconds: float | None
    tokens: int | None
    cost_usd: float | None
    model_name: str | None
    error: str | None
    trace_id: str | None
    trace_state: str | None
    telemetry: TelemetryRow | None
    waterfall: Sequence[WaterfallSpanRow] | None
    task_hash: str | None
    task_excerpt: str | None
    response_excerpt: str | None
    tool_calls: ToolCallsRow | None
