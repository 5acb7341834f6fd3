"""What the report's HTML page is made of: rows of the warehouse, and what was found out beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tasks.calibration.agreement import Agreement
from tasks.comparison.comparison import Comparison
from tasks.evidence.types import AgentId
from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow, RunRow
from tasks.wire.trace_pages import NO_PAGES, TracePages


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The team's or one agent's figures in one report; rates are 0 to 1, scores 0 to 10, None is not measured.

    ``comparable``: judged by the same judge against the same criteria as this report.
    """

    report_id: int
    created_at: datetime
    score: float | None
    completion_rate: float | None
    low: float | None
    high: float | None
    comparable: bool
    success_rate: float | None = None
    success_low: float | None = None
    success_high: float | None = None


@dataclass(frozen=True, slots=True)
class JudgingStats:
    """What the ledger records about one report: the answers paid for it, by outcome, and what they took.

    Times are seconds of single answers, None where there is none; ``attempts`` counts retries as well.
    """

    outcomes: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    avg_latency_seconds: float | None = None
    max_latency_seconds: float | None = None
    cached_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One report as a page. Rows are those of ``reports``, ``agent_report_details``, ``criterion_scores``,
    ``report_runs``; ``history`` is by agent id, that of the team under None, the oldest first, this report the last.

    Without ``comparison``, ``agreement`` or ``judging`` the page states that there is none; where an agreement could
    not be measured, ``agreement_error`` is the reason. ``trace_pages`` has no template when no trace can be linked.
    ``issues`` are rows of ``report_issues``, the most important first.
    """

    report: ReportRow
    agents: Sequence[AgentRow]
    criteria: Sequence[CriterionRow]
    runs: Sequence[RunRow]
    comparison: Comparison | None = None
    history: Mapping[AgentId | None, Sequence[HistoryPoint]] = field(default_factory=dict)
    agreement: Agreement | None = None
    agreement_error: str = ""
    judging: JudgingStats | None = None
    trace_pages: TracePages = NO_PAGES
    issues: Sequence[IssueRow] = ()
