"""The tables beside those of reports, in SQL only: the ledger, comparisons, labels, decisions on issues."""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table

from tasks.warehouse.columns import Nested, Real, Text, UtcTime, Whole
from tasks.warehouse.nested import arrow_struct
from tasks.warehouse.owner import Owner
from tasks.warehouse.tables.parts import CITATION, Id, metadata, report_id

# SQL only. No foreign key: what was paid for outlives the report that it was paid for.
judge_calls = Table(
    "judge_calls",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("fingerprint", Text(), nullable=False, comment="Of all that went into the question."),
    Column(
        "status",
        Text(),
        nullable=False,
        comment="claimed, answered (paid), or unanswered: sent as far as is known, and what it cost is not known.",
    ),
    Column("outcome", Text(), comment="usable, unparseable, refused, length, content_filter, …; NULL while claimed."),
    Column("kind", Text(), nullable=False, comment="agent, team or issues."),
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
    Column("agent_id", Text(), comment="NULL for the team and for issues."),
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
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("baseline_id", Whole(), ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
    report_id(),
    Column("agent_id", Text(), comment="NULL for the team. Of an agent that is gone, the one in the baseline."),
    Column("agent_name", Text()),
    Column("baseline_name", Text(), comment="Of an agent that was renamed, the name it had."),
    Column("presence", Text(), nullable=False, comment="both, new, gone or renamed."),
    Column("metric", Text(), nullable=False, comment="overall, score, criterion:NAME, completion_rate, …"),
    Column("before", Real()),
    Column("after", Real()),
    Column("difference", Real(), comment="after - before"),
    Column("low", Real(), comment="Of the difference, 95%."),
    Column("high", Real(), comment="Of the difference, 95%."),
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
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("report_id", Whole(), nullable=False),
    Column("environment", Text(), nullable=False),
    Column("agent_id", Text(), nullable=False),
    Column("agent_name", Text()),
    Column("run_id", Text(), comment="NULL: of the agent as a whole."),
    Column("criterion", Text(), nullable=False, comment="(success): whether the run did its task."),
    Column("labeler", Text(), nullable=False),
    Column("score", Real(), comment="0 to 10; NULL when only passed was given."),
    Column("passed", sa.Boolean(), comment="As given, or whether score is at the threshold."),
    Column("note", Text()),
    Column("threshold", Real()),
    Column("judge_model", Text()),
    Column("judge_fingerprint", Text()),
    Column("judge_score", Real(), comment="Of the agent on this criterion, in the report."),
    Column("judge_passed", sa.Boolean()),
    Column("judge_on_run", sa.Boolean(), comment="judge_passed is the verdict on this run, not on the agent."),
    Column("drawn", sa.Boolean(), comment="The run was drawn at random; false: a person chose it. NULL: not noted."),
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

# No foreign key: a decision on an issue outlives the reports that saw it.
issue_decisions = Table(
    "issue_decisions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("environment", Text(), nullable=False),
    Column("issue_id", Text(), nullable=False),
    Column("decision", Text(), nullable=False, comment="closed, open or not_an_issue; the newest holds."),
    Column("decided_by", Text()),
    Column("note", Text()),
    Column("report_id", Whole(), comment="The newest report that had seen it."),
    Column("created_at", UtcTime(), nullable=False),
    Index("ix_issue_decisions_issue_id", "environment", "issue_id", "id"),
    sqlite_autoincrement=True,
)

run_verdicts = Table(
    "run_verdicts",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("environment", Text(), nullable=False),
    Column("agent_id", Text(), nullable=False),
    Column("run_id", Text(), nullable=False),
    Column("verdict", Text(), comment="The judge on success: yes, no or cannot_tell; NULL: no usable verdict."),
    Column("verdict_error", Text()),
    Column("checks", Nested(pa.map_(pa.string(), pa.string())), comment="pass, fail or cannot_tell by criterion."),
    Column("failure_mode", Text()),
    Column("failure_step", Text()),
    Column("verdict_evidence", Nested(pa.list_(pa.struct(CITATION)))),
    Column("judge_model", Text()),
    Column("judge_fingerprint", Text()),
    Column("cost_usd", Real(), comment="NULL: not known; 0: from the ledger."),
    Column("created_at", UtcTime(), nullable=False),
    Index("ix_run_verdicts_run_id", "environment", "agent_id", "run_id"),
    sqlite_autoincrement=True,
)
