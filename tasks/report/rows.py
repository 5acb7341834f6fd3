"""The rows of a report, as the warehouse stores and returns them: a type for each table and each nested column.

``tests/warehouse/test_rows.py`` checks names, types and nullability against ``tasks.warehouse.schema``. A column is
``NotRequired`` where the warehouse fills it in when the row is written; rows that were read have every column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from tasks.evidence.types import AgentId, RunId
from tasks.report.nested_rows import (
    AgentSummary,
    AgentTelemetryRow,
    CitationRow,
    ContradictionRow,
    DayFiguresRow,
    ExampleRow,
    FailurePatternRow,
    IssueRunRow,
    OwnerRow,
    RunRefRow,
    SuspicionRow,
    TelemetryRow,
    ToolCallsRow,
    ToolUsageRow,
    TraceCountsRow,
    VerdictCountsRow,
    WaterfallSpanRow,
)

SUCCESS_QUESTION = "(success)"
"""In place of a criterion: whether the run did its task. No criterion can have this name."""


OTHER_ISSUE = "other"
"""In place of an issue's id: the failing runs of a report that are in none of its issues."""


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
    runs_in_population: int | None
    completion_rate: float | None
    success_rate: float | None
    success_rate_low: float | None
    success_rate_high: float | None
    verdicts: VerdictCountsRow | None
    issues_error: str | None
    issues_seconds: float | None
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
    runs_in_population: int | None
    runs_unfinished: int | None
    run_ids: Sequence[RunId] | None
    completion_rate: float | None
    completion_rate_low: float | None
    completion_rate_high: float | None
    success_rate: float | None
    success_rate_low: float | None
    success_rate_high: float | None
    success_rate_shrunk: float | None
    verdicts: VerdictCountsRow | None
    daily: Sequence[DayFiguresRow] | None
    avg_duration_seconds: float | None
    p50_duration_seconds: float | None
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
    kind: str | None
    weight: float
    threshold: float
    score: float | None
    score_low: float | None
    score_high: float | None
    runs_passed: int | None
    runs_decided: int | None
    coverage: float | None
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
    completed: bool | None
    succeeded: bool | None
    success_source: str | None
    verdict: str | None
    verdict_error: str | None
    checks: Mapping[str, str] | None
    failure_mode: str | None
    failure_step: str | None
    verdict_evidence: Sequence[CitationRow] | None
    unstable: bool | None
    inclusion_probability: float | None
    session_id: str | None
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


class IssueRow(TypedDict):
    """A row of ``report_issues``; the one with the id and the state ``other`` has the failing runs that are in none."""

    report_id: NotRequired[int]
    issue_id: str
    title: str
    description: str | None
    probable_cause: str | None
    recommendation: str | None
    agent_ids: Sequence[AgentId]
    runs: Sequence[IssueRunRow]
    runs_affected: int
    share: float | None
    share_low: float | None
    share_high: float | None
    gain: float | None
    state: str
    first_report_id: int
    origin: str
