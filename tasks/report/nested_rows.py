"""The types of nested columns in the rows of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

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


class VerdictCountsRow(TypedDict):
    """Runs by where it is known from whether they did their task."""

    from_source: int
    from_judge: int
    cannot_tell: int
    unusable: int
    not_judged: int


class DayFiguresRow(TypedDict):
    """The finished runs of one day."""

    day: str
    runs: int
    completed: int
    avg_duration_seconds: float | None
    total_tokens: int | None
    total_cost_usd: float | None


class IssueRunRow(TypedDict):
    """A run that an issue was seen in."""

    agent_id: AgentId
    run_id: RunId


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
