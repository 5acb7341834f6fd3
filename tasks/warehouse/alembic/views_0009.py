"""The views as revision 0009 makes them, by name, for each database."""

SQLITE = {
    "latest_agent_scores": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, 1) = 0 OR agent_report_details.status = 'evaluated' AND
agent_report_details.passed IS NULL AND agent_report_details.score IS NOT NULL AND lag(CASE WHEN
(agent_report_details.status = 'evaluated' AND agent_report_details.passed IS NULL AND
agent_report_details.score IS NOT NULL) THEN reports.judge_fingerprint END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id) =
reports.judge_fingerprint) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY reports.environment,
agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age, coalesce(max(CASE WHEN
(agent_report_details.passed = 1) THEN agent_report_details.report_id END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id), 0) AS fine_in
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
agent_report_details.coverage, agent_report_details.error, agent_report_details.completion_rate,
agent_report_details.completion_rate_low, agent_report_details.completion_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model,
reports.judge_fingerprint, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.success_rate_shrunk,
agent_report_details.runs_in_population
FROM looks JOIN newest ON newest.environment = looks.environment JOIN agent_report_details ON
agent_report_details.report_id = looks.report_id AND agent_report_details.agent_id = looks.agent_id JOIN reports
ON reports.id = looks.report_id LEFT OUTER JOIN agent_report_details AS now ON now.report_id = newest.report_id
AND now.agent_id = looks.agent_id
WHERE looks.age = 1""",
    "agent_score_history": """\
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until, reports.name AS
report_name, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.completion_rate,
agent_report_details.completion_rate_low, agent_report_details.completion_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model,
reports.judge_fingerprint, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.success_rate_shrunk,
agent_report_details.runs_in_population
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed'""",
    "criterion_history": """\
SELECT reports.environment, criterion_scores.agent_id, agent_report_details.agent_name,
criterion_scores.criterion, criterion_scores.report_id, reports.created_at AS report_created_at,
reports.evidence_until, criterion_scores.weight, criterion_scores.threshold, criterion_scores.score,
criterion_scores.passed, criterion_scores.supported, criterion_scores.spread, criterion_scores.unstable,
reports.judge_model, reports.judge_fingerprint, criterion_scores.kind, criterion_scores.score_low,
criterion_scores.score_high, criterion_scores.runs_passed, criterion_scores.runs_decided,
criterion_scores.coverage
FROM criterion_scores JOIN reports ON reports.id = criterion_scores.report_id LEFT OUTER JOIN
agent_report_details ON agent_report_details.report_id = criterion_scores.report_id AND
agent_report_details.agent_id = criterion_scores.agent_id
WHERE reports.status = 'completed'""",
    "failing_agents": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, 1) = 0 OR agent_report_details.status = 'evaluated' AND
agent_report_details.passed IS NULL AND agent_report_details.score IS NOT NULL AND lag(CASE WHEN
(agent_report_details.status = 'evaluated' AND agent_report_details.passed IS NULL AND
agent_report_details.score IS NOT NULL) THEN reports.judge_fingerprint END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id) =
reports.judge_fingerprint) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY reports.environment,
agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age, coalesce(max(CASE WHEN
(agent_report_details.passed = 1) THEN agent_report_details.report_id END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id), 0) AS fine_in
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
WHERE criterion_scores.passed = 0 OR criterion_scores.score IS NULL)
 SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.status, agent_report_details.score, agent_report_details.error,
agent_report_details.completion_rate, agent_report_details.completion_rate_low,
agent_report_details.completion_rate_high, agent_report_details.runs_analyzed, coalesce(below.criteria, 0) AS
criteria_not_passed, below.criterion AS worst_criterion, below.score AS worst_criterion_score, below.threshold
AS worst_criterion_threshold, streak.reports AS reports_failing, streak.since_id AS failing_since_report_id,
first.created_at AS failing_since, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, CASE WHEN (agent_report_details.status = 'failed') THEN 'not judged'
WHEN (agent_report_details.passed = 0) THEN 'fails' ELSE 'too close' END AS why
FROM streak JOIN newest ON newest.environment = streak.environment JOIN agent_report_details AS now ON
now.report_id = newest.report_id AND now.agent_id = streak.agent_id JOIN agent_report_details ON
agent_report_details.report_id = streak.report_id AND agent_report_details.agent_id = streak.agent_id JOIN
reports ON reports.id = streak.report_id JOIN reports AS first ON first.id = streak.since_id LEFT OUTER JOIN
below ON below.report_id = streak.report_id AND below.agent_id = streak.agent_id AND below.place = 1""",
    "open_issues": """\
WITH newest AS
(SELECT reports.environment AS environment, report_issues.issue_id AS issue_id, max(report_issues.report_id) AS
report_id
FROM report_issues JOIN reports ON reports.id = report_issues.report_id
WHERE reports.status = 'completed' AND report_issues.issue_id != 'other' GROUP BY reports.environment,
report_issues.issue_id),
decided AS
(SELECT issue_decisions.environment AS environment, issue_decisions.issue_id AS issue_id,
max(issue_decisions.id) AS id
FROM issue_decisions GROUP BY issue_decisions.environment, issue_decisions.issue_id)
 SELECT reports.environment, report_issues.issue_id, report_issues.title, report_issues.description,
report_issues.probable_cause, report_issues.recommendation, report_issues.agent_ids,
report_issues.runs_affected, report_issues.share, report_issues.share_low, report_issues.share_high,
report_issues.gain, report_issues.state, report_issues.origin, report_issues.report_id, reports.created_at AS
report_created_at, report_issues.first_report_id, first.created_at AS first_reported_at
FROM newest JOIN report_issues ON report_issues.report_id = newest.report_id AND report_issues.issue_id =
newest.issue_id JOIN reports ON reports.id = newest.report_id LEFT OUTER JOIN reports AS first ON first.id =
report_issues.first_report_id LEFT OUTER JOIN decided ON decided.environment = newest.environment AND
decided.issue_id = newest.issue_id LEFT OUTER JOIN issue_decisions ON issue_decisions.id = decided.id
WHERE report_issues.state != 'gone' AND (issue_decisions.id IS NULL OR issue_decisions.decision = 'open' OR
issue_decisions.report_id < report_issues.report_id)""",
}

POSTGRESQL = {
    "latest_agent_scores": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, true) = false OR agent_report_details.status = 'evaluated' AND
agent_report_details.passed IS NULL AND agent_report_details.score IS NOT NULL AND lag(CASE WHEN
(agent_report_details.status = 'evaluated' AND agent_report_details.passed IS NULL AND
agent_report_details.score IS NOT NULL) THEN reports.judge_fingerprint END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id) =
reports.judge_fingerprint) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY reports.environment,
agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age, coalesce(max(CASE WHEN
(agent_report_details.passed = true) THEN agent_report_details.report_id END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id), 0) AS fine_in
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
agent_report_details.coverage, agent_report_details.error, agent_report_details.completion_rate,
agent_report_details.completion_rate_low, agent_report_details.completion_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model,
reports.judge_fingerprint, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.success_rate_shrunk,
agent_report_details.runs_in_population
FROM looks JOIN newest ON newest.environment = looks.environment JOIN agent_report_details ON
agent_report_details.report_id = looks.report_id AND agent_report_details.agent_id = looks.agent_id JOIN reports
ON reports.id = looks.report_id LEFT OUTER JOIN agent_report_details AS now ON now.report_id = newest.report_id
AND now.agent_id = looks.agent_id
WHERE looks.age = 1""",
    "agent_score_history": """\
SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until, reports.name AS
report_name, agent_report_details.status, agent_report_details.score, agent_report_details.passed,
agent_report_details.coverage, agent_report_details.error, agent_report_details.completion_rate,
agent_report_details.completion_rate_low, agent_report_details.completion_rate_high,
agent_report_details.runs_analyzed, agent_report_details.avg_duration_seconds,
agent_report_details.p95_duration_seconds, agent_report_details.avg_tokens, agent_report_details.avg_cost_usd,
agent_report_details.judge_cost_usd, agent_report_details.reused, reports.judge_model,
reports.judge_fingerprint, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, agent_report_details.success_rate_shrunk,
agent_report_details.runs_in_population
FROM agent_report_details JOIN reports ON reports.id = agent_report_details.report_id
WHERE reports.status = 'completed'""",
    "criterion_history": """\
SELECT reports.environment, criterion_scores.agent_id, agent_report_details.agent_name,
criterion_scores.criterion, criterion_scores.report_id, reports.created_at AS report_created_at,
reports.evidence_until, criterion_scores.weight, criterion_scores.threshold, criterion_scores.score,
criterion_scores.passed, criterion_scores.supported, criterion_scores.spread, criterion_scores.unstable,
reports.judge_model, reports.judge_fingerprint, criterion_scores.kind, criterion_scores.score_low,
criterion_scores.score_high, criterion_scores.runs_passed, criterion_scores.runs_decided,
criterion_scores.coverage
FROM criterion_scores JOIN reports ON reports.id = criterion_scores.report_id LEFT OUTER JOIN
agent_report_details ON agent_report_details.report_id = criterion_scores.report_id AND
agent_report_details.agent_id = criterion_scores.agent_id
WHERE reports.status = 'completed'""",
    "failing_agents": """\
WITH looks AS
(SELECT reports.environment AS environment, agent_report_details.agent_id AS agent_id,
agent_report_details.report_id AS report_id, CASE WHEN (agent_report_details.status = 'failed' OR
coalesce(agent_report_details.passed, true) = false OR agent_report_details.status = 'evaluated' AND
agent_report_details.passed IS NULL AND agent_report_details.score IS NOT NULL AND lag(CASE WHEN
(agent_report_details.status = 'evaluated' AND agent_report_details.passed IS NULL AND
agent_report_details.score IS NOT NULL) THEN reports.judge_fingerprint END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id ORDER BY agent_report_details.report_id) =
reports.judge_fingerprint) THEN 1 ELSE 0 END AS failing, row_number() OVER (PARTITION BY reports.environment,
agent_report_details.agent_id ORDER BY agent_report_details.report_id DESC) AS age, coalesce(max(CASE WHEN
(agent_report_details.passed = true) THEN agent_report_details.report_id END) OVER (PARTITION BY
reports.environment, agent_report_details.agent_id), 0) AS fine_in
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
WHERE criterion_scores.passed = false OR criterion_scores.score IS NULL)
 SELECT reports.environment, agent_report_details.agent_id, agent_report_details.agent_name,
agent_report_details.report_id, reports.created_at AS report_created_at, reports.evidence_until,
agent_report_details.status, agent_report_details.score, agent_report_details.error,
agent_report_details.completion_rate, agent_report_details.completion_rate_low,
agent_report_details.completion_rate_high, agent_report_details.runs_analyzed, coalesce(below.criteria, 0) AS
criteria_not_passed, below.criterion AS worst_criterion, below.score AS worst_criterion_score, below.threshold
AS worst_criterion_threshold, streak.reports AS reports_failing, streak.since_id AS failing_since_report_id,
first.created_at AS failing_since, agent_report_details.success_rate, agent_report_details.success_rate_low,
agent_report_details.success_rate_high, CASE WHEN (agent_report_details.status = 'failed') THEN 'not judged'
WHEN (agent_report_details.passed = false) THEN 'fails' ELSE 'too close' END AS why
FROM streak JOIN newest ON newest.environment = streak.environment JOIN agent_report_details AS now ON
now.report_id = newest.report_id AND now.agent_id = streak.agent_id JOIN agent_report_details ON
agent_report_details.report_id = streak.report_id AND agent_report_details.agent_id = streak.agent_id JOIN
reports ON reports.id = streak.report_id JOIN reports AS first ON first.id = streak.since_id LEFT OUTER JOIN
below ON below.report_id = streak.report_id AND below.agent_id = streak.agent_id AND below.place = 1""",
    "open_issues": """\
WITH newest AS
(SELECT reports.environment AS environment, report_issues.issue_id AS issue_id, max(report_issues.report_id) AS
report_id
FROM report_issues JOIN reports ON reports.id = report_issues.report_id
WHERE reports.status = 'completed' AND report_issues.issue_id != 'other' GROUP BY reports.environment,
report_issues.issue_id),
decided AS
(SELECT issue_decisions.environment AS environment, issue_decisions.issue_id AS issue_id,
max(issue_decisions.id) AS id
FROM issue_decisions GROUP BY issue_decisions.environment, issue_decisions.issue_id)
 SELECT reports.environment, report_issues.issue_id, report_issues.title, report_issues.description,
report_issues.probable_cause, report_issues.recommendation, report_issues.agent_ids,
report_issues.runs_affected, report_issues.share, report_issues.share_low, report_issues.share_high,
report_issues.gain, report_issues.state, report_issues.origin, report_issues.report_id, reports.created_at AS
report_created_at, report_issues.first_report_id, first.created_at AS first_reported_at
FROM newest JOIN report_issues ON report_issues.report_id = newest.report_id AND report_issues.issue_id =
newest.issue_id JOIN reports ON reports.id = newest.report_id LEFT OUTER JOIN reports AS first ON first.id =
report_issues.first_report_id LEFT OUTER JOIN decided ON decided.environment = newest.environment AND
decided.issue_id = newest.issue_id LEFT OUTER JOIN issue_decisions ON issue_decisions.id = decided.id
WHERE report_issues.state != 'gone' AND (issue_decisions.id IS NULL OR issue_decisions.decision = 'open' OR
issue_decisions.report_id < report_issues.report_id)""",
}
