"""The first schema: reports with their agents, criteria and runs, and the ledger of judge calls."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TIME = sa.DateTime(timezone=True)


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]


def _required(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names]


def _report_id() -> sa.Column[Any]:
    return sa.Column("report_id", sa.BigInteger(), sa.ForeignKey("reports.id", ondelete="CASCADE"), nullable=False)


def upgrade() -> None:
    _create_reports()
    _create_details()
    _create_criteria()
    _create_runs()
    _create_calls()


def _create_reports() -> None:
    op.create_table(
        "reports",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        *_columns(sa.Text(), "flow_run_id"),
        *_required(sa.Text(), "name", "environment"),
        *_columns(_JSON, "parameters"),
        *_columns(_TIME, "evidence_until"),
        *_required(sa.Text(), "status"),
        *_required(sa.BigInteger(), "progress"),
        *_columns(sa.Text(), "current_step"),
        *_columns(sa.Double(), "team_score"),
        *_columns(sa.Boolean(), "team_passed"),
        *_columns(sa.Text(), "team_reasoning", "team_error", "executive_summary"),
        *_columns(_JSON, "agent_reports"),
        sa.Column(
            "avg_agent_score", sa.Double(), comment="Mean over the evaluated agents only; NULL when there is none."
        ),
        *_columns(sa.Text(), "judge_model", "judge_fingerprint"),
        *_columns(sa.BigInteger(), "total_agents", "agents_evaluated", "agents_failed", "total_runs_analyzed"),
        *_columns(sa.BigInteger(), "citations_dropped", "prompt_tokens", "completion_tokens"),
        sa.Column("cost_usd", sa.Double(), comment="Of judging; NULL when a part of it is not known."),
        sa.Column(
            "known_cost_usd", sa.Double(), comment="The part of cost_usd that is known: judging cost at least this."
        ),
        sa.Column(
            "runs_cost_usd", sa.Double(), comment="Of the agents' own runs, as far as it is known; NULL: of none."
        ),
        sa.Column("runs_with_cost", sa.BigInteger(), comment="Over how many runs runs_cost_usd is."),
        *_columns(_JSON, "warnings"),
        *_columns(sa.Text(), "error"),
        *_required(_TIME, "created_at"),
        *_columns(_TIME, "generation_started_at", "generation_completed_at"),
        *_columns(sa.Double(), "generation_duration_seconds"),
        *_columns(_JSON, "owner"),
        *_columns(_TIME, "heartbeat"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reports_environment_id", "reports", ["environment", "id"])


def _create_details() -> None:
    op.create_table(
        "agent_report_details",
        _report_id(),
        *_required(sa.BigInteger(), "agent_id"),
        *_required(sa.Text(), "agent_name", "status"),
        *_columns(sa.Double(), "score"),
        *_columns(sa.Boolean(), "passed"),
        sa.Column("coverage", sa.Double(), comment="Share of the criteria's weight that was scored, 0 to 1."),
        *_columns(sa.Text(), "error", "reasoning"),
        *_columns(_JSON, "strengths", "weaknesses", "recommendations"),
        *_columns(sa.BigInteger(), "runs_analyzed", "runs_unfinished"),
        *_columns(_JSON, "run_ids"),
        *_columns(sa.Double(), "success_rate", "success_rate_low", "success_rate_high"),
        *_columns(sa.Double(), "avg_duration_seconds", "p95_duration_seconds", "avg_tokens", "avg_cost_usd"),
        sa.Column("total_cost_usd", sa.Double(), comment="Of the runs of which it is known."),
        *_columns(sa.BigInteger(), "runs_with_cost"),
        *_columns(_JSON, "tool_usage", "failure_patterns", "best_run", "worst_run", "traces", "telemetry_summary"),
        *_columns(_JSON, "contradictions"),
        *_columns(sa.BigInteger(), "citations_dropped"),
        sa.Column("suspicions", _JSON, comment="What looks like an attempt to influence the judge."),
        sa.Column("redactions", _JSON, comment="How much was redacted, by its label."),
        sa.Column("runs_shown", sa.BigInteger(), comment="How many runs the judge saw, of runs_analyzed."),
        sa.Column("sampling", sa.Text(), comment="Which runs the judge saw; NULL: all of them."),
        sa.Column("samples", sa.BigInteger(), comment="Judge answers that the scores are the means of."),
        *_columns(sa.BigInteger(), "prompt_tokens", "completion_tokens"),
        *_columns(sa.Double(), "judge_cost_usd"),
        *_columns(sa.Boolean(), "reused"),
        *_columns(_JSON, "warnings"),
        sa.PrimaryKeyConstraint("report_id", "agent_id", name="pk_agent_report_details"),
    )
    op.create_index("ix_agent_report_details_agent_id", "agent_report_details", ["agent_id", "report_id"])


def _create_criteria() -> None:
    op.create_table(
        "criterion_scores",
        _report_id(),
        sa.Column("agent_id", sa.BigInteger(), comment="NULL for the team."),
        *_required(sa.Text(), "criterion"),
        *_required(sa.Double(), "weight", "threshold"),
        sa.Column("score", sa.Double(), comment="NULL: not enough evidence."),
        *_columns(sa.Boolean(), "passed"),
        *_columns(sa.Text(), "reasoning"),
        *_columns(_JSON, "examples"),
        sa.Column("supported", sa.Boolean(), comment="At least one citation holds."),
        sa.Column("scores", _JSON, comment="Of every sample that scored it."),
        sa.Column("spread", sa.Double(), comment="Between the highest and the lowest of several samples."),
        sa.Column("unstable", sa.Boolean(), comment="The samples lie on both sides of the threshold."),
    )
    op.create_index(
        "uq_criterion_scores_agent", "criterion_scores", ["report_id", "agent_id", "criterion"], unique=True
    )
    team = sa.text("agent_id IS NULL")
    op.create_index(
        "uq_criterion_scores_team",
        "criterion_scores",
        ["report_id", "criterion"],
        unique=True,
        sqlite_where=team,
        postgresql_where=team,
    )
    op.create_index("ix_criterion_scores_agent_id", "criterion_scores", ["agent_id", "report_id"])


def _create_runs() -> None:
    op.create_table(
        "report_runs",
        _report_id(),
        *_required(sa.BigInteger(), "agent_id", "run_id"),
        *_required(sa.Text(), "status"),
        *_columns(_TIME, "started_at"),
        *_columns(sa.Double(), "duration_seconds"),
        *_columns(sa.BigInteger(), "tokens"),
        *_columns(sa.Double(), "cost_usd"),
        *_columns(sa.Text(), "model_name", "error", "trace_id", "trace_state"),
        *_columns(_JSON, "telemetry"),
        *_columns(sa.Text(), "task_excerpt", "response_excerpt"),
        sa.PrimaryKeyConstraint("report_id", "agent_id", "run_id", name="pk_report_runs"),
    )
    op.create_index("ix_report_runs_agent_id", "report_runs", ["agent_id", "run_id"])


def _create_calls() -> None:
    op.create_table(
        "judge_calls",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        *_required(sa.Text(), "fingerprint"),
        sa.Column("status", sa.Text(), nullable=False, comment="claimed or answered; answered is paid."),
        sa.Column(
            "outcome",
            sa.Text(),
            comment="usable, unparseable, refused, length, content_filter, …; NULL while claimed.",
        ),
        *_required(sa.Text(), "kind", "model"),
        *_columns(sa.Text(), "answer"),
        *_columns(sa.BigInteger(), "prompt_tokens", "completion_tokens", "cached_tokens"),
        *_columns(sa.Double(), "cost_usd", "latency_seconds"),
        *_columns(sa.BigInteger(), "attempts", "report_id"),
        sa.Column("agent_id", sa.BigInteger(), comment="NULL for the team."),
        sa.Column(
            "sample",
            sa.BigInteger(),
            nullable=False,
            comment="Number among the answers to the same question, from 0.",
        ),
        sa.Column("claimed_by", _JSON, comment="NULL once answered."),
        sa.Column("claimed_until", _TIME, comment="By the database's clock; NULL once answered."),
        sa.Column(
            "created_at", _TIME, nullable=False, comment="When the answer arrived; of a claim, when it was made."
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_judge_calls_fingerprint", "judge_calls", ["fingerprint", "id"])
    claimed = sa.text("status = 'claimed'")
    op.create_index(
        "uq_judge_calls_claimed",
        "judge_calls",
        ["fingerprint"],
        unique=True,
        sqlite_where=claimed,
        postgresql_where=claimed,
    )
    op.create_index("ix_judge_calls_report_id", "judge_calls", ["report_id"])
