"""Comparisons of reports, people's labels, and what comparing and the page of a report need of a report."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _widen("reports", "judge_settings", _JSON, "What of the judge decides an answer; its fingerprint is of this.")
    _widen("agent_report_details", "typical_run", _JSON)
    _widen("report_runs", "succeeded", sa.Boolean(), "NULL: not finished, and so left out of every figure.")
    # What the source's status means, for the runs of earlier reports.
    op.execute(
        "UPDATE report_runs SET succeeded = (lower(trim(status)) = 'completed') "
        "WHERE lower(trim(status)) IN ('completed', 'failed', 'timeout', 'error')"
    )
    _widen("report_runs", "waterfall", _JSON, "Of the typical and the worst run.")
    _widen("report_runs", "task_hash", sa.Text(), "Of the whole task: the same task has the same.")
    _create_comparisons()
    _create_labels()


def _widen(table: str, name: str, kind: Any, comment: str | None = None) -> None:
    op.add_column(table, sa.Column(name, kind, comment=comment))


def _report(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), sa.ForeignKey("reports.id", ondelete="CASCADE"), nullable=False)


def _create_comparisons() -> None:
    op.create_table(
        "report_comparisons",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        _report("baseline_id"),
        _report("report_id"),
        sa.Column(
            "agent_id",
            sa.BigInteger(),
            comment="NULL for the team. Of an agent that is gone, the one in the baseline.",
        ),
        sa.Column("agent_name", sa.Text()),
        sa.Column("baseline_name", sa.Text(), comment="Of an agent that was renamed, the name it had."),
        sa.Column("presence", sa.Text(), nullable=False, comment="both, new, gone or renamed."),
        sa.Column("metric", sa.Text(), nullable=False, comment="overall, score, criterion:NAME, success_rate, …"),
        sa.Column("before", sa.Double()),
        sa.Column("after", sa.Double()),
        sa.Column("difference", sa.Double(), comment="after - before"),
        sa.Column("low", sa.Double(), comment="Of the difference, 95%."),
        sa.Column("high", sa.Double(), comment="Of the difference, 95%."),
        sa.Column("p_value", sa.Double(), comment="Corrected for the number of agents and metrics."),
        sa.Column("detectable", sa.Double(), comment="The smallest difference that could have been told from noise."),
        sa.Column("verdict", sa.Text(), nullable=False, comment="better, worse, no_change or not_comparable."),
        sa.Column("method", sa.Text(), comment="How low, high and p_value were found."),
        sa.Column("reason", sa.Text(), comment="Why it is not comparable; of overall, what else to know."),
        sa.Column("created_at", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_comparisons_report_id", "report_comparisons", ["report_id", "baseline_id"])
    op.create_index("ix_report_comparisons_baseline_id", "report_comparisons", ["baseline_id"])


def _create_labels() -> None:
    op.create_table(
        "labels",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_name", sa.Text()),
        sa.Column("run_id", sa.BigInteger(), comment="NULL: of the agent as a whole."),
        sa.Column("criterion", sa.Text(), nullable=False),
        sa.Column("labeler", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), comment="0 to 10; NULL when only passed was given."),
        sa.Column("passed", sa.Boolean(), comment="As given, or whether score is at the threshold."),
        sa.Column("note", sa.Text()),
        sa.Column("threshold", sa.Double()),
        sa.Column("judge_model", sa.Text()),
        sa.Column("judge_fingerprint", sa.Text()),
        sa.Column("judge_score", sa.Double(), comment="Of the agent on this criterion, in the report."),
        sa.Column("judge_passed", sa.Boolean()),
        sa.Column("created_at", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    of_agent = ["report_id", "agent_id", "criterion", "labeler"]
    for name, columns, where in (
        ("uq_labels_run", [*of_agent, "run_id"], sa.text("run_id IS NOT NULL")),
        ("uq_labels_agent", of_agent, sa.text("run_id IS NULL")),
    ):
        op.create_index(name, "labels", columns, unique=True, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_labels_environment", "labels", ["environment", "criterion"])
