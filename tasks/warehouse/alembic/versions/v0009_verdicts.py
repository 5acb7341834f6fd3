"""Completion and success are two things; verdicts on runs, issues, and people's decisions on them.

What ``success_rate`` and ``succeeded`` were until now is what a run's status means: completion. The views' SQL is in
views_0009.py as it was: what tasks/warehouse/views/definitions.py becomes later is for later revisions.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from tasks.warehouse.alembic.views_0009 import POSTGRESQL, SQLITE

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    others = _take_down(connection) if is_sqlite else []
    for table, columns in _RENAMED.items():
        for before, after in columns.items():
            connection.exec_driver_sql(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
    if not is_sqlite:
        for view in ("latest_agent_scores", "agent_score_history", "failing_agents"):
            for before, after in _RENAMED["agent_report_details"].items():
                connection.exec_driver_sql(f"ALTER VIEW {view} RENAME COLUMN {before} TO {after}")
    for table, name, kind, comment in _COLUMNS:
        op.add_column(table, sa.Column(name, kind, comment=comment))
    op.execute("UPDATE report_comparisons SET metric = 'completion_rate' WHERE metric = 'success_rate'")
    _create_tables()
    # Not as text(): nothing in it is a parameter.
    for name, query in (SQLITE if is_sqlite else POSTGRESQL).items():
        # In its place: there may be views of others on it.
        connection.exec_driver_sql(f"CREATE {'' if is_sqlite else 'OR REPLACE '}VIEW {name} AS\n{query}")
    for statement in others:
        connection.exec_driver_sql(statement)
    if not is_sqlite:  # SQLite keeps no comments.
        for place, comment in _COMMENTS.items():
            table, column = place.split(".")
            op.alter_column(table, column, comment=comment)


def _take_down(connection: Connection) -> list[str]:
    """Drop all views and triggers of a SQLite file; the statements that make those of others again as they were.

    There a view finds columns by their names. Renaming a column would write the new name into some views of others and
    leave those on top of them broken, and one that was broken before would make it fail.
    """
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY type DESC, rowid"
    found = connection.exec_driver_sql(query).all()
    # Triggers first: with its view a trigger would be gone.
    for kind, name, _ in reversed(found):
        quoted = name.replace('"', '""')
        connection.exec_driver_sql(f'DROP {kind.upper()} "{quoted}"')
    return [statement for _, name, statement in found if name not in SQLITE]


_RENAMED = {
    "agent_report_details": {
        "success_rate": "completion_rate",
        "success_rate_low": "completion_rate_low",
        "success_rate_high": "completion_rate_high",
    },
    "report_runs": {"succeeded": "completed"},
}
_COLUMNS: tuple[tuple[str, str, Any, str | None], ...] = (
    ("labels", "judge_on_run", sa.Boolean(), "judge_passed is the verdict on this run, not on the agent."),
    ("labels", "drawn", sa.Boolean(), "The run was drawn at random; false: a person chose it. NULL: not noted."),
    ("reports", "runs_in_population", sa.BigInteger(), "Finished runs of all agents that the report is about."),
    ("reports", "completion_rate", sa.Double(), "Of the population: share of runs whose status is completed, 0 to 1."),
    ("reports", "success_rate", sa.Double(), "Share of runs that did their task, 0 to 1; NULL: not known of any."),
    ("reports", "success_rate_low", sa.Double(), "95% interval."),
    ("reports", "success_rate_high", sa.Double(), "95% interval."),
    ("reports", "verdicts", _JSON, "Runs by where their success is known from."),
    ("reports", "issues_error", sa.Text(), "Why the judge could not group failing runs into issues."),
    ("reports", "issues_seconds", sa.Double(), "Of the call that grouped them; NULL: none was made."),
    ("agent_report_details", "runs_in_population", sa.BigInteger(), "Finished runs that the report is about."),
    (
        "agent_report_details",
        "success_rate",
        sa.Double(),
        "Share of runs that did their task, 0 to 1; NULL: not known of any.",
    ),
    ("agent_report_details", "success_rate_low", sa.Double(), "95% interval."),
    ("agent_report_details", "success_rate_high", sa.Double(), "95% interval."),
    (
        "agent_report_details",
        "success_rate_shrunk",
        sa.Double(),
        "Empirical Bayes estimate, by which agents are ordered.",
    ),
    ("agent_report_details", "verdicts", _JSON, "Runs by where their success is known from."),
    ("agent_report_details", "daily", _JSON, "Figures of each day (UTC)."),
    ("agent_report_details", "p50_duration_seconds", sa.Double(), None),
    ("criterion_scores", "kind", sa.Text(), "judge, or what computed it, such as max_duration_seconds; NULL: judge."),
    ("criterion_scores", "score_low", sa.Double(), "95% interval; NULL: the judge's own score, which has none."),
    ("criterion_scores", "score_high", sa.Double(), "95% interval; NULL: the judge's own score, which has none."),
    ("criterion_scores", "runs_passed", sa.BigInteger(), "Runs that pass it, of runs_decided."),
    ("criterion_scores", "runs_decided", sa.BigInteger(), "Runs that pass or fail it; NULL: the judge's own score."),
    ("criterion_scores", "coverage", sa.Double(), "Share of the runs looked at that are decided, 0 to 1."),
    ("report_runs", "succeeded", sa.Boolean(), "Whether it did its task; NULL: not known."),
    ("report_runs", "success_source", sa.Text(), "source (its own outcome) or judge; NULL: succeeded is not known."),
    ("report_runs", "verdict", sa.Text(), "The judge on success: yes, no or cannot_tell; NULL: no usable verdict."),
    ("report_runs", "verdict_error", sa.Text(), "Why the judge's verdict on this run could not be used."),
    ("report_runs", "checks", _JSON, "pass, fail or cannot_tell by criterion."),
    ("report_runs", "failure_mode", sa.Text(), "What went wrong, in a few words of the judge."),
    ("report_runs", "failure_step", sa.Text(), "Label of the step where it may have gone wrong: a candidate."),
    ("report_runs", "verdict_evidence", _JSON, "Quotes that were verified."),
    ("report_runs", "unstable", sa.Boolean(), "Samples of the judge disagree on success."),
    (
        "report_runs",
        "inclusion_probability",
        sa.Double(),
        "With which it was drawn from the population; 1: all were read.",
    ),
    ("report_runs", "session_id", sa.Text(), None),
)
_COMMENTS = {
    "judge_calls.kind": "agent, team or issues.",
    "judge_calls.agent_id": "NULL for the team and for issues.",
    "report_comparisons.metric": "overall, score, criterion:NAME, completion_rate, …",
    "labels.criterion": "(success): whether the run did its task.",
    "reports.total_runs_analyzed": "Finished runs of all agents that were read in full.",
    "agent_report_details.passed": "true: every criterion passes; false: one fails for certain; NULL: "
    "too close to call, or no score.",
    "agent_report_details.runs_analyzed": "Finished runs that were read in full.",
    "agent_report_details.completion_rate": "Share of finished runs whose status is completed, 0 to 1.",
    "criterion_scores.score": "0 to 10: ten times the share of decided runs that pass. NULL: not enough runs.",
    "criterion_scores.passed": "true: at the threshold for certain; false: below it for certain; "
    "NULL: too close to call, or none.",
    "report_runs.completed": "By its status. NULL: not finished, and so left out of every figure.",
}


def _create_tables() -> None:
    op.create_table(
        "issue_decisions",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("issue_id", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False, comment="closed, open or not_an_issue; the newest holds."),
        sa.Column("decided_by", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("report_id", sa.BigInteger(), comment="The newest report that had seen it."),
        sa.Column("created_at", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_issue_decisions_issue_id", "issue_decisions", ["environment", "issue_id", "id"])
    op.create_table(
        "run_verdicts",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "verdict", sa.Text(), comment="The judge on success: yes, no or cannot_tell; NULL: no usable verdict."
        ),
        sa.Column("verdict_error", sa.Text()),
        sa.Column("checks", _JSON, comment="pass, fail or cannot_tell by criterion."),
        sa.Column("failure_mode", sa.Text()),
        sa.Column("failure_step", sa.Text()),
        sa.Column("verdict_evidence", _JSON),
        sa.Column("judge_model", sa.Text()),
        sa.Column("judge_fingerprint", sa.Text()),
        sa.Column("cost_usd", sa.Double(), comment="NULL: not known; 0: from the ledger."),
        sa.Column("created_at", _TIME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_run_verdicts_run_id", "run_verdicts", ["environment", "agent_id", "run_id"])
    op.create_table(
        "report_issues",
        sa.Column("report_id", sa.BigInteger(), sa.ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "issue_id",
            sa.Text(),
            nullable=False,
            comment="Stays from report to report while it is the same issue; other: failing runs that are in none.",
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), comment="What happens."),
        sa.Column("probable_cause", sa.Text(), comment="A guess of the judge."),
        sa.Column("recommendation", sa.Text(), comment="What to change."),
        sa.Column("agent_ids", _JSON, nullable=False),
        sa.Column("runs", _JSON, nullable=False, comment="Runs in which it was seen."),
        sa.Column("runs_affected", sa.BigInteger(), nullable=False),
        sa.Column("share", sa.Double(), comment="Estimated share of all runs, 0 to 1."),
        sa.Column("share_low", sa.Double(), comment="95% interval."),
        sa.Column("share_high", sa.Double(), comment="95% interval."),
        sa.Column("gain", sa.Double(), comment="By how much the team's success rate would rise without it, 0 to 1."),
        sa.Column("state", sa.Text(), nullable=False, comment="new, ongoing, back or gone; of the issue other: other."),
        sa.Column("first_report_id", sa.BigInteger(), nullable=False, comment="The report that saw it first."),
        sa.Column(
            "origin", sa.Text(), nullable=False, comment="judge, or code where failure modes were grouped without it."
        ),
        sa.PrimaryKeyConstraint("report_id", "issue_id", name="pk_report_issues"),
    )
    op.create_index("ix_report_issues_issue_id", "report_issues", ["issue_id", "report_id"])
