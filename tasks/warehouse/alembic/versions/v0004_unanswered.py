"""Calls to the judge that were never answered: what they can have cost at most, and the view that counts them.

The SQL stands here as it was: what tasks/warehouse/views/definitions.py becomes later is for later revisions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "What it can have cost at most, before that was known. NULL: not known."
    op.add_column("judge_calls", sa.Column("most_usd", sa.Double(), comment=comment))
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments.
        op.alter_column("judge_calls", "status", comment=_STATUS)
        # In its place: there may be views of others on it.
        op.get_bind().exec_driver_sql(f"CREATE OR REPLACE VIEW judge_costs AS\n{_JUDGE_COSTS}")
        return
    op.get_bind().exec_driver_sql("DROP VIEW judge_costs")
    # Not as text(): nothing in it is a parameter.
    op.get_bind().exec_driver_sql(f"CREATE VIEW judge_costs AS\n{_JUDGE_COSTS}")


_STATUS = "claimed, answered (paid), or unanswered: sent as far as is known, and what it cost is not known."
# The same on SQLite and PostgreSQL.
_JUDGE_COSTS = """\
WITH paid AS
(SELECT judge_calls.report_id AS report_id, judge_calls.kind AS kind, judge_calls.model AS model, sum(CASE WHEN
(judge_calls.status = 'answered') THEN 1 ELSE 0 END) AS calls, sum(CASE WHEN (judge_calls.status = 'answered')
THEN 1 ELSE 0 END) - sum(CASE WHEN (judge_calls.outcome = 'usable') THEN 1 ELSE 0 END) AS unusable_calls,
sum(CASE WHEN (judge_calls.status = 'unanswered') THEN 1 ELSE 0 END) AS unanswered_calls,
CAST(sum(judge_calls.prompt_tokens) AS BIGINT) AS prompt_tokens, CAST(sum(judge_calls.completion_tokens) AS
BIGINT) AS completion_tokens, CAST(sum(judge_calls.cached_tokens) AS BIGINT) AS cached_tokens, CASE WHEN
(count(judge_calls.cost_usd) = count(*)) THEN sum(judge_calls.cost_usd) END AS cost_usd,
sum(judge_calls.cost_usd) AS known_cost_usd, count(judge_calls.cost_usd) AS calls_with_cost, min(CASE WHEN
(judge_calls.status = 'answered') THEN judge_calls.created_at END) AS first_answer_at, max(CASE WHEN
(judge_calls.status = 'answered') THEN judge_calls.created_at END) AS last_answer_at
FROM judge_calls
WHERE judge_calls.status != 'claimed' GROUP BY judge_calls.report_id, judge_calls.kind, judge_calls.model)
SELECT reports.environment, paid.report_id, reports.name AS report_name, reports.status AS report_status,
reports.created_at AS report_created_at, paid.kind, paid.model, paid.calls AS calls, paid.unusable_calls AS
unusable_calls, paid.prompt_tokens AS prompt_tokens, paid.completion_tokens AS
completion_tokens, paid.cached_tokens AS cached_tokens, paid.cost_usd AS cost_usd,
paid.known_cost_usd AS known_cost_usd, paid.calls_with_cost AS calls_with_cost, paid.first_answer_at AS
first_answer_at, paid.last_answer_at AS last_answer_at, paid.unanswered_calls AS unanswered_calls
FROM paid LEFT OUTER JOIN reports ON reports.id = paid.report_id"""
