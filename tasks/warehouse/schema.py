"""The schema of the warehouse: every table and column, once. The DDL and the Parquet schema derive from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from tasks.errors import WarehouseError
from tasks.evidence.types import (
    AgentTelemetry,
    FailurePattern,
    RunRef,
    SourceCalls,
    TelemetrySummary,
    ToolUsage,
    TraceCounts,
    WaterfallSpan,
)
from tasks.warehouse.columns import Clean, FreeJson, Nested, Real, Text, UtcTime, Whole
from tasks.warehouse.nested import arrow_struct
from tasks.warehouse.owner import Owner

ENDED = ("completed", "failed", "cancelled")
"""The statuses in which a report has ended."""

LEASE = ("owner", "heartbeat")
"""Columns of ``reports`` that say who is working on it: NULL as soon as it has ended, and so in every file."""

metadata = sa.MetaData()

# SQLite counts up by itself only in a column that is declared INTEGER, which is 64 bits wide there.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_texts = pa.list_(pa.string())
_agent_report = pa.struct([("score", pa.float64()), ("summary", pa.string())])
_citation: list[tuple[str, pa.DataType]] = [
    ("run_id", pa.string()),
    ("label", pa.string()),
    ("span_id", pa.string()),
    ("quote", pa.string()),
]
_example = pa.struct([*_citation, ("text", pa.string())])
_contradiction = pa.struct(
    [("claim", pa.struct(_citation)), ("observation", pa.struct(_citation)), ("text", pa.string())]
)
_suspicion = pa.struct([("run_id", pa.string()), ("place", pa.string()), ("text", pa.string())])


def _report_id() -> Column[int]:
    return Column("report_id", Whole(), ForeignKey("reports.id", ondelete="CASCADE"), nullable=False)


reports = Table(
    "reports",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("flow_run_id", Text(), comment="Of the Prefect run that made it last."),
    Column("name", Text(), nullable=False),
    Column("environment", Text(), nullable=False),
    Column("parameters", FreeJson(), comment="criteria and options, with every default filled in."),
    Column("evidence_until", UtcTime(), comment="Runs up to then were read."),
    Column(
        "status",
        Text(),
        nullable=False,
        comment="pending, generating_agents, generating_team, completed, failed or cancelled.",
    ),
    Column("progress", Whole(), nullable=False, comment="0 to 100; of a report that failed, how far it got."),
    Column("current_step", Text()),
    Column("team_score", Real(), comment="0 to 10; NULL: not scored."),
    Column(
        "team_passed",
        sa.Boolean(),
        comment="Every criterion of the team scored, and at its threshold; NULL: none was scored.",
    ),
    Column("team_reasoning", Text()),
    Column("team_error", Text(), comment="Why the team could not be judged."),
    Column("executive_summary", Text()),
    Column("agent_reports", Nested(pa.map_(pa.string(), _agent_report)), comment="Score and summary by agent id."),
    Column("avg_agent_score", Real(), comment="Mean over the evaluated agents only; NULL when there is none."),
    Column("judge_model", Text()),
    Column("judge_fingerprint", Text()),
    Column("judge_settings", FreeJson(), comment="What of the judge decides an answer; its fingerprint is of this."),
    Column("total_agents", Whole(), comment="Of the environment, whatever became of them."),
    Column("agents_evaluated", Whole()),
    Column("agents_failed", Whole()),
    Column("total_runs_analyzed", Whole(), comment="Finished runs of all agents."),
    Column("citations_dropped", Whole(), comment="Invalid citations of the judge, over the team and all agents."),
    Column("prompt_tokens", Whole(), comment="Of judging; NULL when a part is not known."),
    Column("completion_tokens", Whole(), comment="Of judging; NULL when a part is not known."),
    Column("cost_usd", Real(), comment="Of judging; NULL when a part of it is not known."),
    Column("known_cost_usd", Real(), comment="The part of cost_usd that is known: judging cost at least this."),
    Column("runs_cost_usd", Real(), comment="Of the agents' own runs, as far as it is known; NULL: of none."),
    Column("runs_with_cost", Whole(), comment="Over how many runs runs_cost_usd is."),
    Column("warnings", Nested(_texts)),
    Column("error", Text()),
    Column("created_at", UtcTime(), nullable=False),
    Column("generation_started_at", UtcTime()),
    Column("generation_completed_at", UtcTime()),
    Column("generation_duration_seconds", Real(), comment="From the first statement of the flow to the final commit."),
    Column("owner", Nested(arrow_struct(Owner)), comment="The process that is making it; NULL once it has ended."),
    Column("heartbeat", UtcTime(), comment="The owner's last sign of life; NULL once it has ended."),
    Index("ix_reports_environment_id", "environment", "id"),
    # An id that was given out is never given again, not even after its report was discarded.
    sqlite_autoincrement=True,
)

agent_report_details = Table(
    "agent_report_details",
    metadata,
    _report_id(),
    Column("agent_id", Text(), nullable=False),
    Column("agent_name", Text(), nullable=False),
    Column(
        "status",
        Text(),
        nullable=False,
        comment="evaluated, no_evidence, no_runs, failed, not_started or skipped_budget.",
    ),
    Column("score", Real(), comment="0 to 10, the weighted mean over the criteria that were scored; NULL: not scored."),
    Column("passed", sa.Boolean(), comment="Every criterion scored, and at its threshold; NULL: none was scored."),
    Column("coverage", Real(), comment="Share of the criteria's weight that was scored, 0 to 1."),
    Column("error", Text(), comment="Why it could not be evaluated."),
    Column("reasoning", Text()),
    Column("strengths", Nested(_texts)),
    Column("weaknesses", Nested(_texts)),
    Column("recommendations", Nested(_texts)),
    Column("runs_analyzed", Whole(), comment="Finished runs, which every figure is of."),
    Column("runs_unfinished", Whole(), comment="Running or cancelled ones, left out of every figure."),
    Column("run_ids", Nested(_texts)),
    Column("success_rate", Real(), comment="Of the finished runs, 0 to 1."),
    Column("success_rate_low", Real(), comment="95 % interval (Wilson)."),
    Column("success_rate_high", Real(), comment="95 % interval (Wilson)."),
    Column("avg_duration_seconds", Real()),
    Column("p95_duration_seconds", Real()),
    Column("avg_tokens", Real(), comment="Of the runs of which they are known."),
    Column("runs_with_tokens", Whole(), comment="Over how many runs avg_tokens is."),
    Column("avg_cost_usd", Real()),
    Column("total_cost_usd", Real(), comment="Of the runs of which it is known."),
    Column("runs_with_cost", Whole(), comment="Over how many runs total_cost_usd is."),
    Column("tool_usage", Nested(pa.list_(arrow_struct(ToolUsage)))),
    Column("failure_patterns", Nested(pa.list_(arrow_struct(FailurePattern)))),
    Column("best_run", Nested(arrow_struct(RunRef))),
    Column("worst_run", Nested(arrow_struct(RunRef))),
    Column("typical_run", Nested(arrow_struct(RunRef))),
    Column(
        "traces", Nested(arrow_struct(TraceCounts)), comment="How many runs have a trace that is complete, partial, …"
    ),
    Column("telemetry_summary", Nested(arrow_struct(AgentTelemetry))),
    Column(
        "contradictions",
        Nested(pa.list_(_contradiction)),
        comment="Claims of the agent that an observation contradicts.",
    ),
    Column("citations_dropped", Whole(), comment="Invalid citations of the judge."),
    Column("suspicions", Nested(pa.list_(_suspicion)), comment="What looks like an attempt to influence the judge."),
    Column("redactions", Nested(pa.map_(pa.string(), pa.int64())), comment="How much was redacted, by its label."),
    Column("runs_shown", Whole(), comment="How many runs the judge saw, of runs_analyzed."),
    Column("sampling", Text(), comment="Which runs the judge saw; NULL: all of them."),
    Column("samples", Whole(), comment="Judge answers that the scores are the means of."),
    Column("prompt_tokens", Whole()),
    Column("completion_tokens", Whole()),
    Column("judge_cost_usd", Real(), comment="NULL: not known; 0: from the ledger."),
    Column("reused", sa.Boolean(), comment="The answer came from the ledger: nothing new had happened."),
    Column("warnings", Nested(_texts)),
    PrimaryKeyConstraint("report_id", "agent_id", name="pk_agent_report_details"),
    Index("ix_agent_report_details_agent_id", "agent_id", "report_id"),
)

criterion_scores = Table(
    "criterion_scores",
    metadata,
    _report_id(),
    Column("agent_id", Text(), comment="NULL for the team."),
    Column("criterion", Text(), nullable=False),
    Column("weight", Real(), nullable=False),
    Column("threshold", Real(), nullable=False),
    Column("score", Real(), comment="NULL: not enough evidence."),
    Column("passed", sa.Boolean(), comment="At the threshold; NULL: not scored."),
    Column("reasoning", Text()),
    Column("examples", Nested(pa.list_(_example)), comment="What the judge cited, as far as it holds."),
    Column("supported", sa.Boolean(), comment="At least one citation holds."),
    Column("scores", Nested(pa.list_(pa.float64())), comment="Of every sample that scored it."),
    Column("spread", Real(), comment="Between the highest and the lowest of several samples."),
    Column("unstable", sa.Boolean(), comment="The samples lie on both sides of the threshold."),
    # A primary key cannot hold the team's NULL, and a unique index takes any number of NULLs: so there are two.
    Index("uq_criterion_scores_agent", "report_id", "agent_id", "criterion", unique=True),
    Index(
        "uq_criterion_scores_team",
        "report_id",
        "criterion",
        unique=True,
        sqlite_where=sa.text("agent_id IS NULL"),
        postgresql_where=sa.text("agent_id IS NULL"),
    ),
    Index("ix_criterion_scores_agent_id", "agent_id", "report_id"),
)

report_runs = Table(
    "report_runs",
    metadata,
    _report_id(),
    Column("agent_id", Text(), nullable=False),
    Column("run_id", Text(), nullable=False),
    Column("status", Text(), nullable=False, comment="As the source has it."),
    Column("succeeded", sa.Boolean(), comment="NULL: not finished, and so left out of every figure."),
    Column("started_at", UtcTime()),
    Column("duration_seconds", Real()),
    Column("tokens", Whole()),
    Column("cost_usd", Real()),
    Column("model_name", Text()),
    Column("error", Text()),
    Column("trace_id", Text()),
    Column("trace_state", Text(), comment="complete, partial, pending, missing or unavailable."),
    Column("telemetry", Nested(arrow_struct(TelemetrySummary))),
    Column("waterfall", Nested(pa.list_(arrow_struct(WaterfallSpan))), comment="Of the typical and the worst run."),
    Column("task_hash", Text(), comment="Of the whole task: the same task has the same."),
    Column("task_excerpt", Text()),
    Column("response_excerpt", Text()),
    Column(
        "tool_calls",
        Nested(arrow_struct(SourceCalls)),
        comment="As the source has them, in excerpts. NULL: it has none, or the trace has them.",
    ),
    PrimaryKeyConstraint("report_id", "agent_id", "run_id", name="pk_report_runs"),
    Index("ix_report_runs_agent_id", "agent_id", "run_id"),
)

# SQL only. No foreign key: what was paid for outlives the report that it was paid for.
judge_calls = Table(
    "judge_calls",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("fingerprint", Text(), nullable=False, comment="Of all that went into the question."),
    Column(
        "status",
        Text(),
        nullable=False,
        comment="claimed, answered (paid), or unanswered: sent as far as is known, and what it cost is not known.",
    ),
    Column("outcome", Text(), comment="usable, unparseable, refused, length, content_filter, …; NULL while claimed."),
    Column("kind", Text(), nullable=False, comment="agent or team."),
    Column("model", Text(), nullable=False),
    Column("answer", Text()),
    Column("prompt_tokens", Whole()),
    Column("completion_tokens", Whole()),
    Column("cached_tokens", Whole()),
    Column("cost_usd", Real()),
    Column("most_usd", Real(), comment="What it can have cost at most, before that was known. NULL: not known."),
    Column("latency_seconds", Real()),
    Column("attempts", Whole()),
    Column("report_id", Whole(), comment="The report that paid for it, which may be gone."),
    Column("agent_id", Text(), comment="NULL for the team."),
    Column("sample", Whole(), nullable=False, comment="Number among the answers to the same question, from 0."),
    Column("claimed_by", Nested(arrow_struct(Owner)), comment="NULL once answered."),
    Column("claimed_until", UtcTime(), comment="By the database's clock; NULL once answered."),
    Column("created_at", UtcTime(), nullable=False, comment="When the answer arrived; of a claim, when it was made."),
    Index("ix_judge_calls_fingerprint", "fingerprint", "id"),
    # At most one process pays for an answer.
    Index(
        "uq_judge_calls_claimed",
        "fingerprint",
        unique=True,
        sqlite_where=sa.text("status = 'claimed'"),
        postgresql_where=sa.text("status = 'claimed'"),
    ),
    Index("ix_judge_calls_report_id", "report_id"),
    sqlite_autoincrement=True,
)

# Which answers of other reports a report took from the ledger: as long as it is there, they stay (see retention.py).
reused_answers = Table(
    "reused_answers",
    metadata,
    Column("report_id", Whole(), nullable=False, autoincrement=False, comment="The report that paid nothing for it."),
    Column("judge_call_id", Whole(), nullable=False, autoincrement=False, comment="The answer, in judge_calls."),
    PrimaryKeyConstraint("report_id", "judge_call_id", name="pk_reused_answers"),
    Index("ix_reused_answers_judge_call_id", "judge_call_id"),
)

# SQL only, as is what follows: made after the reports' files were written.
report_comparisons = Table(
    "report_comparisons",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("baseline_id", Whole(), ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    _report_id(),
    Column("agent_id", Text(), comment="NULL for the team. Of an agent that is gone, the one in the baseline."),
    Column("agent_name", Text()),
    Column("baseline_name", Text(), comment="Of an agent that was renamed, the name it had."),
    Column("presence", Text(), nullable=False, comment="both, new, gone or renamed."),
    Column("metric", Text(), nullable=False, comment="overall, score, criterion:NAME, success_rate, …"),
    Column("before", Real()),
    Column("after", Real()),
    Column("difference", Real(), comment="after - before"),
    Column("low", Real(), comment="Of the difference, 95 %."),
    Column("high", Real(), comment="Of the difference, 95 %."),
    Column("p_value", Real(), comment="Corrected for the number of agents and metrics."),
    Column("detectable", Real(), comment="The smallest difference that could have been distinguished from noise."),
    Column("verdict", Text(), nullable=False, comment="better, worse, no_change or not_comparable."),
    Column("method", Text(), comment="How low, high and p_value were found."),
    Column("reason", Text(), comment="Why it is not comparable; of overall, what else to know."),
    Column("created_at", UtcTime(), nullable=False),
    Index("ix_report_comparisons_report_id", "report_id", "baseline_id"),
    Index("ix_report_comparisons_baseline_id", "baseline_id"),
    sqlite_autoincrement=True,
)

# No foreign key: labels outlive the report that they are about, so the judge's verdict stands here as well.
labels = Table(
    "labels",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("report_id", Whole(), nullable=False),
    Column("environment", Text(), nullable=False),
    Column("agent_id", Text(), nullable=False),
    Column("agent_name", Text()),
    Column("run_id", Text(), comment="NULL: of the agent as a whole."),
    Column("criterion", Text(), nullable=False),
    Column("labeler", Text(), nullable=False),
    Column("score", Real(), comment="0 to 10; NULL when only passed was given."),
    Column("passed", sa.Boolean(), comment="As given, or whether score is at the threshold."),
    Column("note", Text()),
    Column("threshold", Real()),
    Column("judge_model", Text()),
    Column("judge_fingerprint", Text()),
    Column("judge_score", Real(), comment="Of the agent on this criterion, in the report."),
    Column("judge_passed", sa.Boolean()),
    Column("created_at", UtcTime(), nullable=False),
    # One label a person and thing: labelled again, it is replaced. Two, since NULLs are never equal.
    Index(
        "uq_labels_run",
        *("report_id", "agent_id", "criterion", "labeler", "run_id"),
        unique=True,
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    ),
    Index(
        "uq_labels_agent",
        *("report_id", "agent_id", "criterion", "labeler"),
        unique=True,
        sqlite_where=sa.text("run_id IS NULL"),
        postgresql_where=sa.text("run_id IS NULL"),
    ),
    Index("ix_labels_environment", "environment", "criterion"),
    sqlite_autoincrement=True,
)

REPORT_TABLES = {table.name: table for table in (reports, agent_report_details, criterion_scores, report_runs)}
"""The tables that make up a report, in SQL and Parquet alike."""


def arrow_type(column: Column[Any]) -> pa.DataType:
    """The Arrow type of a column: int64, float64, string, bool, timestamp[us, UTC], or its nested type."""
    if isinstance(column.type, Clean):
        return column.type.arrow_type
    return pa.bool_() if isinstance(column.type, sa.Boolean) else pa.int64()


def arrow_schema(table: Table) -> pa.Schema:
    """The Parquet schema of ``table``: the same columns in the same order, nullable as in SQL."""
    fields = [pa.field(column.name, arrow_type(column), nullable=bool(column.nullable)) for column in table.columns]
    return pa.schema(fields)


def complete_rows(table: Table, report_id: int, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``rows`` with every column of ``table``: absent ones are None, the report's id is filled in.

    Raises:
        WarehouseError: for a key that is no column, or rows of another report.
    """
    names = [column.name for column in table.columns]
    key = "id" if table is reports else "report_id"
    complete = []
    for row in rows:
        unknown = row.keys() - set(names)
        if unknown:
            raise WarehouseError(f"The table {table.name} has no column {', '.join(sorted(unknown))}.")
        if row.get(key) not in (None, report_id):
            raise WarehouseError(
                f"A row of report {row[key]} in {table.name} cannot be stored with report {report_id}."
            )
        complete.append({**{name: row.get(name) for name in names}, key: report_id})
    return complete
