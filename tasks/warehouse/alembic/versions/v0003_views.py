"""The views for analysts, the answers that a report reused, and the comments that were missing.

The SQL stands here as it was: what tasks/warehouse/views/definitions.py becomes later is for later revisions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    for name, query in (_SQLITE if dialect == "sqlite" else _POSTGRESQL).items():
        # Not as text(): nothing in it is a parameter.
        op.get_bind().exec_driver_sql(f"CREATE VIEW {name} AS\n{query}")
    op.create_table(
        "reused_answers",
        _whole("report_id", "The report that paid nothing for it."),
        _whole("judge_call_id", "The answer, in judge_calls."),
        sa.PrimaryKeyConstraint("report_id", "judge_call_id", name="pk_reused_answers"),
    )
    op.create_index("ix_reused_answers_judge_call_id", "reused_answers", ["judge_call_id"])
    if dialect == "postgresql":  # SQLite keeps no comments.
        for place, comment in _COMMENTS.items():
            table, _, column = place.partition(".")
            op.alter_column(table, column, comment=comment)


def _whole(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False, comment=comment)


_SQLITE = {
    "latest_agent_scores": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, 1) = 0) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age,
coalesce(max(CASE WHEN (NOT (agent_report_details.status = 'failed' OR coalesce(agent_report_details.passed, 1)
= 0 OR agent_report_details.status IN ('no_runs', 'no_evidence'))) THEN agent_report_details.report_id END) OVER
(PARTITION BY reports.environment, agent_report_details.agent_id), 0) AS fine_in
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed' AND (agent_report_details.status NOT IN ('not_started', 'skipped_budget'))),
newest AS
(SELECT reports.environment AS environment, max(reports.id) AS report_id
FROM reports
WHERE reports.status = 'completed' GROUP BY reports.environment)
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.report_id = newest.report_id AS is_current, CASE WHEN (now.agent_id IS NULL) THEN 1 ELSE 0
END AS is_gone, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.success_rate,
agent_report_details.success_rate_low, agent_report_details.success_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model, reports.judge_fingerprint
FROM looks JOIN newest ON newest.environment = looks.environment JOIN agent_report_details ON
agent_report_details.report_id = looks.report_id AND agent_report_details.agent_id = looks.agent_id JOIN reports
ON reports.id = looks.report_id LEFT OUTER JOIN agent_report_details AS now ON now.report_id = newest.report_id
AND now.agent_id = looks.agent_id
WHERE looks.age = 1""",
    "agent_score_history": """\
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until, reports.name AS
report_name, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.success_rate,
agent_report_details.success_rate_low, agent_report_details.success_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model, reports.judge_fingerprint
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed'""",
    "criterion_history": """\
SELECT reports.environment, criterion_scores.agent_id, agent_report_details.agent_name,
criterion_scores.criterion, criterion_scores.report_id, reports.created_at AS report_created_at,
reports.evidence_until, criterion_scores.weight, criterion_scores.threshold, criterion_scores.score,
criterion_scores.passed, criterion_scores.supported, criterion_scores.spread, criterion_scores.unstable,
reports.judge_model, reports.judge_fingerprint
FROM criterion_scores JOIN reports ON reports.id = criterion_scores.report_id LEFT OUTER JOIN
agent_report_details ON agent_report_details.report_id = criterion_scores.report_id AND
agent_report_details.agent_id = criterion_scores.agent_id
WHERE reports.status = 'completed'""",
    "judge_costs": """\
WITH paid AS
(SELECT judge_calls.report_id AS report_id, judge_calls.kind AS kind, judge_calls.model AS model, count(*) AS
calls, count(*) - sum(CASE WHEN (judge_calls.outcome = 'usable') THEN 1 ELSE 0 END) AS unusable_calls,
CAST(sum(judge_calls.prompt_tokens) AS BIGINT) AS prompt_tokens, CAST(sum(judge_calls.completion_tokens) AS
BIGINT) AS completion_tokens, CAST(sum(judge_calls.cached_tokens) AS BIGINT) AS cached_tokens, CASE WHEN
(count(judge_calls.cost_usd) = count(*)) THEN sum(judge_calls.cost_usd) END AS cost_usd,
sum(judge_calls.cost_usd) AS known_cost_usd, count(judge_calls.cost_usd) AS calls_with_cost,
min(judge_calls.created_at) AS first_answer_at, max(judge_calls.created_at) AS last_answer_at
FROM judge_calls
WHERE judge_calls.status = 'answered' GROUP BY judge_calls.report_id, judge_calls.kind, judge_calls.model)
SELECT reports.environment, paid.report_id, reports.name AS report_name, reports.status AS report_status,
reports.created_at AS report_created_at, paid.kind, paid.model, paid.calls AS calls, paid.unusable_calls AS
unusable_calls, paid.prompt_tokens AS prompt_tokens, paid.completion_tokens AS completion_tokens,
paid.cached_tokens AS cached_tokens, paid.cost_usd AS cost_usd, paid.known_cost_usd AS known_cost_usd,
paid.calls_with_cost AS calls_with_cost, paid.first_answer_at AS first_answer_at, paid.last_answer_at AS
last_answer_at
FROM paid LEFT OUTER JOIN reports ON reports.id = paid.report_id""",
    "failing_agents": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, 1) = 0) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age,
coalesce(max(CASE WHEN (NOT (agent_report_details.status = 'failed' OR coalesce(agent_report_details.passed, 1)
= 0 OR agent_report_details.status IN ('no_runs', 'no_evidence'))) THEN agent_report_details.report_id END) OVER
(PARTITION BY reports.environment, agent_report_details.agent_id), 0) AS fine_in
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed' AND (agent_report_details.status NOT IN ('not_started', 'skipped_budget'))),
streak AS
(SELECT looks.environment AS environment, looks.agent_id AS agent_id, max(looks.report_id) AS report_id,
min(looks.report_id) AS since_id, count(*) AS reports
FROM looks
WHERE looks.report_id > looks.fine_in AND looks.failing = 1 GROUP BY looks.environment, looks.agent_id),
newest AS
(SELECT reports.environment AS environment, max(reports.id) AS report_id
FROM reports
WHERE reports.status = 'completed' GROUP BY reports.environment),
below AS
(SELECT criterion_scores.report_id AS report_id, criterion_scores.agent_id AS agent_id,
criterion_scores.criterion AS criterion, criterion_scores.score AS score, criterion_scores.threshold AS
threshold, count(*) OVER (PARTITION BY criterion_scores.report_id, criterion_scores.agent_id) AS criteria,
row_number() OVER (PARTITION BY criterion_scores.report_id, criterion_scores.agent_id ORDER BY
criterion_scores.threshold - criterion_scores.score IS NULL, criterion_scores.threshold - criterion_scores.score
DESC, criterion_scores.criterion) AS place
FROM criterion_scores JOIN streak ON criterion_scores.report_id = streak.report_id AND streak.agent_id =
criterion_scores.agent_id
WHERE coalesce(criterion_scores.passed, 0) = 0)
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.status, agent_report_details.score, agent_report_details.error,
agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.runs_analyzed, coalesce(below.criteria, 0) AS
criteria_not_passed, below.criterion AS worst_criterion, below.score AS worst_criterion_score, below.threshold
AS worst_criterion_threshold, streak.reports AS reports_failing, streak.since_id AS failing_since_report_id,
first.created_at AS failing_since
FROM streak JOIN newest ON newest.environment = streak.environment JOIN agent_report_details AS now ON
now.report_id = newest.report_id AND now.agent_id = streak.agent_id JOIN agent_report_details ON
agent_report_details.report_id = streak.report_id AND agent_report_details.agent_id = streak.agent_id JOIN
reports ON reports.id = streak.report_id JOIN reports AS first ON first.id = streak.since_id LEFT OUTER JOIN
below ON below.report_id = streak.report_id AND below.agent_id = streak.agent_id AND below.place = 1""",
}
_POSTGRESQL = {
    "latest_agent_scores": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, true) = false) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION
BY reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age,
coalesce(max(CASE WHEN (NOT (agent_report_details.status = 'failed' OR coalesce(agent_report_details.passed,
true) = false OR agent_report_details.status IN ('no_runs', 'no_evidence'))) THEN agent_report_details.report_id
END) OVER (PARTITION BY reports.environment, agent_report_details.agent_id), 0) AS fine_in
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed' AND (agent_report_details.status NOT IN ('not_started', 'skipped_budget'))),
newest AS
(SELECT reports.environment AS environment, max(reports.id) AS report_id
FROM reports
WHERE reports.status = 'completed' GROUP BY reports.environment)
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.report_id = newest.report_id AS is_current, CASE WHEN (now.agent_id IS NULL) THEN true ELSE
false END AS is_gone, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.success_rate,
agent_report_details.success_rate_low, agent_report_details.success_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model, reports.judge_fingerprint
FROM looks JOIN newest ON newest.environment = looks.environment JOIN agent_report_details ON
agent_report_details.report_id = looks.report_id AND agent_report_details.agent_id = looks.agent_id JOIN reports
ON reports.id = looks.report_id LEFT OUTER JOIN agent_report_details AS now ON now.report_id = newest.report_id
AND now.agent_id = looks.agent_id
WHERE looks.age = 1""",
    "agent_score_history": """\
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until, reports.name AS
report_name, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.success_rate,
agent_report_details.success_rate_low, agent_report_details.success_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model, reports.judge_fingerprint
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed'""",
    "criterion_history": """\
SELECT reports.environment, criterion_scores.agent_id, agent_report_details.agent_name,
criterion_scores.criterion, criterion_scores.report_id, reports.created_at AS report_created_at,
reports.evidence_until, criterion_scores.weight, criterion_scores.threshold, criterion_scores.score,
criterion_scores.passed, criterion_scores.supported, criterion_scores.spread, criterion_scores.unstable,
reports.judge_model, reports.judge_fingerprint
FROM criterion_scores JOIN reports ON reports.id = criterion_scores.report_id LEFT OUTER JOIN
agent_report_details ON agent_report_details.report_id = criterion_scores.report_id AND
agent_report_details.agent_id = criterion_scores.agent_id
WHERE reports.status = 'completed'""",
    "judge_costs": """\
WITH paid AS
(SELECT judge_calls.report_id AS report_id, judge_calls.kind AS kind, judge_calls.model AS model, count(*) AS
calls, count(*) - sum(CASE WHEN (judge_calls.outcome = 'usable') THEN 1 ELSE 0 END) AS unusable_calls,
CAST(sum(judge_calls.prompt_tokens) AS BIGINT) AS prompt_tokens, CAST(sum(judge_calls.completion_tokens) AS
BIGINT) AS completion_tokens, CAST(sum(judge_calls.cached_tokens) AS BIGINT) AS cached_tokens, CASE WHEN
(count(judge_calls.cost_usd) = count(*)) THEN sum(judge_calls.cost_usd) END AS cost_usd,
sum(judge_calls.cost_usd) AS known_cost_usd, count(judge_calls.cost_usd) AS calls_with_cost,
min(judge_calls.created_at) AS first_answer_at, max(judge_calls.created_at) AS last_answer_at
FROM judge_calls
WHERE judge_calls.status = 'answered' GROUP BY judge_calls.report_id, judge_calls.kind, judge_calls.model)
SELECT reports.environment, paid.report_id, reports.name AS report_name, reports.status AS report_status,
reports.created_at AS report_created_at, paid.kind, paid.model, paid.calls AS calls, paid.unusable_calls AS
unusable_calls, paid.prompt_tokens AS prompt_tokens, paid.completion_tokens AS completion_tokens,
paid.cached_tokens AS cached_tokens, paid.cost_usd AS cost_usd, paid.known_cost_usd AS known_cost_usd,
paid.calls_with_cost AS calls_with_cost, paid.first_answer_at AS first_answer_at, paid.last_answer_at AS
last_answer_at
FROM paid LEFT OUTER JOIN reports ON reports.id = paid.report_id""",
    "failing_agents": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, true) = false) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION
BY reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age,
coalesce(max(CASE WHEN (NOT (agent_report_details.status = 'failed' OR coalesce(agent_report_details.passed,
true) = false OR agent_report_details.status IN ('no_runs', 'no_evidence'))) THEN agent_report_details.report_id
END) OVER (PARTITION BY reports.environment, agent_report_details.agent_id), 0) AS fine_in
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed' AND (agent_report_details.status NOT IN ('not_started', 'skipped_budget'))),
streak AS
(SELECT looks.environment AS environment, looks.agent_id AS agent_id, max(looks.report_id) AS report_id,
min(looks.report_id) AS since_id, count(*) AS reports
FROM looks
WHERE looks.report_id > looks.fine_in AND looks.failing = 1 GROUP BY looks.environment, looks.agent_id),
newest AS
(SELECT reports.environment AS environment, max(reports.id) AS report_id
FROM reports
WHERE reports.status = 'completed' GROUP BY reports.environment),
below AS
(SELECT criterion_scores.report_id AS report_id, criterion_scores.agent_id AS agent_id,
criterion_scores.criterion AS criterion, criterion_scores.score AS score, criterion_scores.threshold AS
threshold, count(*) OVER (PARTITION BY criterion_scores.report_id, criterion_scores.agent_id) AS criteria,
row_number() OVER (PARTITION BY criterion_scores.report_id, criterion_scores.agent_id ORDER BY
criterion_scores.threshold - criterion_scores.score IS NULL, criterion_scores.threshold - criterion_scores.score
DESC, criterion_scores.criterion) AS place
FROM criterion_scores JOIN streak ON criterion_scores.report_id = streak.report_id AND streak.agent_id =
criterion_scores.agent_id
WHERE coalesce(criterion_scores.passed, false) = false)
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.status, agent_report_details.score, agent_report_details.error,
agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.runs_analyzed, coalesce(below.criteria, 0) AS
criteria_not_passed, below.criterion AS worst_criterion, below.score AS worst_criterion_score, below.threshold
AS worst_criterion_threshold, streak.reports AS reports_failing, streak.since_id AS failing_since_report_id,
first.created_at AS failing_since
FROM streak JOIN newest ON newest.environment = streak.environment JOIN agent_report_details AS now ON
now.report_id = newest.report_id AND now.agent_id = streak.agent_id JOIN agent_report_details ON
agent_report_details.report_id = streak.report_id AND agent_report_details.agent_id = streak.agent_id JOIN
reports ON reports.id = streak.report_id JOIN reports AS first ON first.id = streak.since_id LEFT OUTER JOIN
below ON below.report_id = streak.report_id AND below.agent_id = streak.agent_id AND below.place = 1""",
}

_COMMENTS = {
    "reports.flow_run_id": "Of the Prefect run that made it last.",
    "reports.parameters": "criteria and options, with every default filled in.",
    "reports.evidence_until": "Runs up to then were looked at.",
    "reports.status": "pending, generating_agents, generating_team, completed, failed or cancelled.",
    "reports.progress": "0 to 100; of a report that failed, how far it got.",
    "reports.team_score": "0 to 10; NULL: not scored.",
    "reports.team_passed": "Every criterion of the team scored, and at its threshold; NULL: none was scored.",
    "reports.team_error": "Why the team could not be judged.",
    "reports.agent_reports": "Score and summary by agent id.",
    "reports.total_agents": "Of the environment, whatever became of them.",
    "reports.total_runs_analyzed": "Finished runs of all agents.",
    "reports.citations_dropped": "Of the judge on the team: they did not hold.",
    "reports.prompt_tokens": "Of judging; NULL when a part is not known.",
    "reports.completion_tokens": "Of judging; NULL when a part is not known.",
    "reports.generation_duration_seconds": "From the first statement of the flow to the final commit.",
    "reports.owner": "The process that is making it; NULL once it has ended.",
    "reports.heartbeat": "The owner's last sign of life; NULL once it has ended.",
    "agent_report_details.status": "evaluated, no_evidence, no_runs, failed, not_started or skipped_budget.",
    "agent_report_details.score": "0 to 10, the weighted mean over the criteria that were scored; NULL: not scored.",
    "agent_report_details.passed": "Every criterion scored, and at its threshold; NULL: none was scored.",
    "agent_report_details.error": "Why it could not be evaluated.",
    "agent_report_details.runs_analyzed": "Finished runs, which every figure is of.",
    "agent_report_details.runs_unfinished": "Running or cancelled ones, left out of every figure.",
    "agent_report_details.success_rate": "Of the finished runs, 0 to 1.",
    "agent_report_details.success_rate_low": "95% interval (Wilson).",
    "agent_report_details.success_rate_high": "95% interval (Wilson).",
    "agent_report_details.runs_with_cost": "Over how many runs total_cost_usd is.",
    "agent_report_details.traces": "How many runs have a trace that is complete, partial, …",
    "agent_report_details.contradictions": "Claims of the agent that an observation contradicts.",
    "agent_report_details.citations_dropped": "Of the judge: they did not hold.",
    "agent_report_details.judge_cost_usd": "NULL: not known; 0: from the ledger.",
    "agent_report_details.reused": "The answer came from the ledger: nothing new had happened.",
    "criterion_scores.passed": "At the threshold; NULL: not scored.",
    "criterion_scores.examples": "What the judge cited, as far as it holds.",
    "report_runs.status": "As the source has it.",
    "report_runs.trace_state": "complete, partial, pending, missing or unavailable.",
    "judge_calls.fingerprint": "Of all that went into the question.",
    "judge_calls.kind": "agent or team.",
    "judge_calls.report_id": "The report that paid for it, which may be gone.",
}
