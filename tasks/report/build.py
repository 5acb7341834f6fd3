"""The report as rows: what was seen and judged, put into the columns of the warehouse. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from tasks.evidence.left_out import LeftOut
from tasks.evidence.metrics import run_tokens
from tasks.evidence.types import Agent, Evidence, Run, SourceCalls, ToolCall
from tasks.judge.evaluation import Evaluation
from tasks.judge.ledger import Paid, fingerprint
from tasks.judge.prompt.citations import describe_dropped
from tasks.judge.rubric import Criterion
from tasks.report.plan import ReportPlan
from tasks.settings import SIMULATED_JUDGE_MODEL
from tasks.wording.counts import counted, was_were
from tasks.wording.shortening import clip_middle, cut

Row = dict[str, Any]
_EXCERPT_CHARACTERS = 600
_CALL_CHARACTERS = 200
_MOST_CALLS = 50


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended the judging before its time, and why.

    ``kind`` is endpoint, warehouse, fail_fast, timeout, cancelled or error.
    """

    kind: str
    reason: str


@dataclass(slots=True)
class ReportDraft:
    """Everything that was found out for a report, by agent id; empty at first, grows while the flow runs.

    An agent may be in ``evidence`` and not in ``evaluations`` (never judged), or the other way round (its runs could
    not be read, so that its evaluation is a failure).
    """

    agents: Sequence[Agent] = ()
    chosen: frozenset[int] = frozenset()
    rubrics: dict[int, dict[str, Criterion]] = field(default_factory=dict)
    judge_settings: dict[str, Any] = field(default_factory=dict)
    evidence: dict[int, Evidence] = field(default_factory=dict)
    evaluations: dict[int, Evaluation] = field(default_factory=dict)
    team: Evaluation | None = None
    ending: Ending | None = None
    warnings: list[str] = field(default_factory=list)
    redacted: bool = True

    @property
    def chosen_agents(self) -> list[Agent]:
        """The agents that this report looks at, by id; the others get a row all the same."""
        return [agent for agent in self.agents if agent.id in self.chosen]


@dataclass(frozen=True, slots=True)
class ReportRows:
    """The rows of one report; ``report`` lacks only the moments of its completion."""

    report: Row
    details: list[Row]
    criteria: list[Row]
    runs: list[Row]


def build_rows(plan: ReportPlan, findings: ReportDraft, paid: Mapping[int | None, Paid] | None = None) -> ReportRows:
    """Every agent of the environment has a row in ``details``, whatever happened to it.

    ``paid`` is what the ledger has on this report by agent id (None: the team's): what is reported is what was paid, by
    the report's earlier processes too.
    """
    paid = dict(paid or {})
    evaluations = {agent.id: _with_paid(_evaluation(agent, findings), paid.get(agent.id)) for agent in findings.agents}
    team = _with_paid(findings.team, paid.get(None)) if findings.team else None
    everyone: list[Evaluation] = [*evaluations.values(), *([team] if team else [])]
    # Of the team that was not judged again, and of agents that are gone.
    others: list[Paid] = [paid[agent_id] for agent_id in paid.keys() - {e.agent_id for e in everyone}]
    return ReportRows(
        report=_report(plan, findings, evaluations, everyone, others),
        details=[_detail(agent, evaluations[agent.id], findings.evidence.get(agent.id)) for agent in findings.agents],
        criteria=[row for evaluation in everyone for row in _criteria(evaluation)],
        runs=_runs(findings),
    )


def _runs(findings: ReportDraft) -> list[Row]:
    return [
        _run(evidence, run)
        for agent in findings.agents
        if (evidence := findings.evidence.get(agent.id)) is not None
        for run in evidence.runs
    ]


def _evaluation(agent: Agent, findings: ReportDraft) -> Evaluation:
    if (evaluation := findings.evaluations.get(agent.id)) is not None:
        return evaluation
    if agent.id not in findings.chosen:
        return Evaluation(agent.id, "not_started", error="not among the agents that this report was asked for")
    evidence = findings.evidence.get(agent.id)
    if evidence is not None and not evidence.finished_runs:
        return Evaluation(agent.id, "no_runs", error="no finished run")
    return Evaluation(agent.id, "not_started", error=findings.ending.reason if findings.ending else "not reached")


def _with_paid(evaluation: Evaluation, paid: Paid | None) -> Evaluation:
    """With what the ledger has; what the evaluation itself does not know stays unknown."""
    if paid is None:
        return evaluation
    return replace(
        evaluation,
        prompt_tokens=None if evaluation.prompt_tokens is None else paid.prompt_tokens,
        completion_tokens=None if evaluation.completion_tokens is None else paid.completion_tokens,
        cost_usd=None if evaluation.cost_usd is None else paid.cost_usd,
        known_cost_usd=paid.known_cost_usd,
    )


def _report(
    plan: ReportPlan,
    findings: ReportDraft,
    evaluations: Mapping[int, Evaluation],
    everyone: Sequence[Evaluation],
    others: Sequence[Paid],
) -> Row:
    scores = [e.score for e in evaluations.values() if e.status == "evaluated" and e.score is not None]
    statuses: Counter[str] = Counter(e.status for e in evaluations.values())
    status, error = _final_status(findings, evaluations)
    known_costs = [evidence.metrics.total_cost_usd for evidence in findings.evidence.values()]
    runs_costs = [cost for cost in known_costs if cost is not None]
    counted: list[Evaluation | Paid] = [*everyone, *others]
    team = findings.team
    judged = team is not None and team.status == "evaluated"
    steps = {"completed": "Completed", "failed": "Failed", "cancelled": "Cancelled"}
    # A report that failed keeps the progress that it had.
    progress = {"progress": 100} if status == "completed" else {}
    return progress | {
        "name": plan.name,
        "environment": plan.environment,
        "evidence_until": plan.evidence_until,
        "status": status,
        "current_step": steps[status],
        "team_score": team.score if team else None,
        "team_passed": team.passed if team else None,
        "team_reasoning": (team.reasoning or None) if team else None,
        "team_error": None if judged else _team_error(findings),
        "executive_summary": (team.executive_summary or None) if team else None,
        "agent_reports": {
            str(agent_id): {"score": e.score, "summary": cut(_reasoning(e) or e.error or "")}
            for agent_id, e in evaluations.items()
        },
        "avg_agent_score": sum(scores) / len(scores) if scores else None,
        "judge_model": plan.options.judge_model,
        "judge_fingerprint": fingerprint(findings.judge_settings | {"criteria": plan.criteria.model_dump(mode="json")}),
        "judge_settings": findings.judge_settings,
        "total_agents": len(findings.agents),
        "agents_evaluated": statuses["evaluated"],
        "agents_failed": statuses["failed"],
        "total_runs_analyzed": sum(e.metrics.runs_analyzed for e in findings.evidence.values()),
        "citations_dropped": sum(e.citations_dropped for e in everyone),
        "prompt_tokens": _total([e.prompt_tokens for e in counted]),
        "completion_tokens": _total([e.completion_tokens for e in counted]),
        "cost_usd": _total([e.cost_usd for e in counted]),
        "known_cost_usd": math.fsum(e.known_cost_usd for e in counted),
        "runs_cost_usd": math.fsum(runs_costs) if runs_costs else None,
        "runs_with_cost": sum(e.metrics.runs_with_cost for e in findings.evidence.values()),
        "warnings": _warnings(plan, findings, statuses),
        "error": error,
    }


def _final_status(findings: ReportDraft, evaluations: Mapping[int, Evaluation]) -> tuple[str, str | None]:
    ending = findings.ending
    if ending is not None and ending.kind == "cancelled":
        return "cancelled", ending.reason
    if ending is not None and ending.kind in ("endpoint", "warehouse", "fail_fast", "error"):
        return "failed", ending.reason
    had_runs = [e for e in evaluations.values() if e.status in ("failed", "not_started", "no_evidence")]
    had_runs = [e for e in had_runs if e.agent_id in findings.chosen]
    if had_runs and not any(e.status == "evaluated" for e in evaluations.values()):
        most, count = Counter(e.error or "the judge scored no criterion" for e in had_runs).most_common(1)[0]
        return "failed", f"no agent could be evaluated; of {count} of {counted(len(had_runs), 'agent')}: {most}"
    left_out = _left_out(findings)
    if left_out and not any(evidence.finished_runs for evidence in findings.evidence.values()):
        return "failed", f"no agent could be judged: {'; '.join(left_out.sentences())}"
    return "completed", None


def _left_out(findings: ReportDraft) -> LeftOut:
    left_out = LeftOut()
    for evidence in findings.evidence.values():
        left_out.add(evidence.runs)
    return left_out


def _team_error(findings: ReportDraft) -> str:
    team = findings.team
    if team is None:
        return findings.ending.reason if findings.ending else "there was no agent to judge"
    return team.error or "the judge found not enough evidence for any of the team's criteria"


def _not_judged(agents: int) -> str:
    return f"{counted(agents, 'agent')} {was_were(agents)} not judged"


def _warnings(plan: ReportPlan, findings: ReportDraft, statuses: Counter[str]) -> list[str]:
    warnings = list(findings.warnings)
    if not findings.agents:
        warnings.append(f"The environment {plan.environment!r} has no agents.")
    elif not any(evidence.runs for evidence in findings.evidence.values()) and not statuses["failed"]:
        narrowed = [
            f"{key}={value!r}"
            for key, value in (("since", plan.options.since), ("filter_model", plan.options.filter_model))
            if value
        ]
        of_those = f" with {' and '.join(narrowed)}" if narrowed else ""
        warnings.append(f"No agent has a run{of_those}.")
    warnings += _left_out(findings).sentences()
    if plan.options.judge_model == SIMULATED_JUDGE_MODEL:
        warnings.append("The judge was simulated: its scores follow from the figures, and no LLM has read the runs.")
    unavailable = sum(e.metrics.traces.unavailable for e in findings.evidence.values())
    if unavailable:
        reasons = Counter(
            trace.reason or "unknown"
            for evidence in findings.evidence.values()
            for trace in evidence.traces.values()
            if trace.state == "unavailable"
        )
        reason = reasons.most_common(1)[0][0] if reasons else "unknown"
        warnings.append(f"Without traces for {counted(unavailable, 'run')}: {reason}")
    if not findings.redacted:
        warnings.append("Nothing was redacted (AGENT_REPORT_REDACT is false): texts went to the judge as they are.")
    if statuses["skipped_budget"]:
        limit = plan.options.max_report_cost_usd
        warnings.append(f"{_not_judged(statuses['skipped_budget'])}: max_report_cost_usd is ${limit:g}")
    if findings.team is not None:
        # It has no row of its own for them, as an agent has.
        warnings += [f"The team's judgement: {warning}" for warning in findings.team.warnings]
        if dropped := findings.team.citations_dropped:
            warnings.append(f"The team's judgement: {describe_dropped(dropped)}")
    if findings.ending is not None and findings.ending.kind == "timeout":
        warnings.append(f"{_not_judged(statuses['not_started'])}: {findings.ending.reason}")
    return warnings


def _detail(agent: Agent, evaluation: Evaluation, evidence: Evidence | None) -> Row:
    row: Row = {
        "agent_id": agent.id,
        "agent_name": agent.name,
        "status": evaluation.status,
        "score": evaluation.score,
        "passed": evaluation.passed,
        "coverage": evaluation.coverage if evaluation.status in ("evaluated", "no_evidence") else None,
        "error": evaluation.error,
        "reasoning": _reasoning(evaluation),
        "strengths": list(evaluation.strengths),
        "weaknesses": list(evaluation.weaknesses),
        "recommendations": list(evaluation.recommendations),
        "contradictions": [asdict(contradiction) for contradiction in evaluation.contradictions],
        "citations_dropped": evaluation.citations_dropped,
        "suspicions": [asdict(suspicion) for suspicion in evaluation.suspicions],
        "runs_shown": evaluation.runs_shown,
        "sampling": evaluation.sampling or None,
        "samples": evaluation.samples,
        "prompt_tokens": evaluation.prompt_tokens,
        "completion_tokens": evaluation.completion_tokens,
        "judge_cost_usd": evaluation.cost_usd,
        "reused": evaluation.reused,
        "warnings": [*(evidence.warnings if evidence else ()), *evaluation.warnings],
    }
    if evidence is None:
        return row
    metrics = evidence.metrics
    same = (
        "runs_analyzed runs_unfinished success_rate success_rate_low success_rate_high avg_duration_seconds "
        "p95_duration_seconds avg_tokens avg_cost_usd total_cost_usd runs_with_cost"
    )
    row |= {name: getattr(metrics, name) for name in same.split()}
    dumped = metrics.model_dump(
        include={"tool_usage", "failure_patterns", "best_run", "worst_run", "typical_run", "traces", "telemetry"}
    )
    row["telemetry_summary"] = dumped.pop("telemetry")
    row["redactions"] = evidence.redactions
    return row | dumped | {"run_ids": [run.id for run in evidence.finished_runs]}


def _reasoning(evaluation: Evaluation) -> str | None:
    if evaluation.status == "failed":
        return f"Evaluation failed: {evaluation.error}"
    return evaluation.reasoning or None


def _criteria(evaluation: Evaluation) -> list[Row]:
    return [
        {
            "agent_id": evaluation.agent_id,
            "criterion": verdict.criterion,
            "weight": verdict.weight,
            "threshold": verdict.threshold,
            "score": verdict.score,
            "passed": verdict.passed,
            "reasoning": verdict.reasoning,
            "examples": [asdict(example.citation) | {"text": example.text} for example in verdict.examples],
            "supported": verdict.supported,
            "scores": list(verdict.scores),
            "spread": verdict.spread,
            "unstable": verdict.unstable,
        }
        for verdict in evaluation.verdicts
    ]


def _run(evidence: Evidence, run: Run) -> Row:
    trace = evidence.traces.get(run.id)
    return {
        "agent_id": evidence.agent.id,
        "run_id": run.id,
        "status": run.status,
        "succeeded": None if run.outcome == "unfinished" else run.outcome == "success",
        "started_at": run.started_at,
        "duration_seconds": run.duration_seconds,
        "tokens": run_tokens(run, trace).total,
        "cost_usd": evidence.costs_usd.get(run.id),
        "model_name": run.model_name,
        "error": clip_middle(run.error, _EXCERPT_CHARACTERS) or None,
        "trace_id": (trace.trace_id if trace else None) or run.trace_id,
        "trace_state": trace.state if trace else None,
        "telemetry": trace.telemetry if trace else None,
        "waterfall": evidence.waterfalls.get(run.id),
        "task_hash": sha256(run.task.encode(errors="replace")).hexdigest() if run.task else None,
        "task_excerpt": clip_middle(run.task, _EXCERPT_CHARACTERS) or None,
        "response_excerpt": clip_middle(run.final_response, _EXCERPT_CHARACTERS) or None,
        # With a trace they are in its telemetry.
        "tool_calls": None if trace and trace.telemetry and trace.telemetry.tool_calls else _source_calls(run),
    }


def _source_calls(run: Run) -> SourceCalls | None:
    if not run.tool_calls:
        return None
    kept = [
        ToolCall(
            name=clip_middle(call.name, _CALL_CHARACTERS),
            arguments=clip_middle(call.arguments, _CALL_CHARACTERS) or None,
            result=clip_middle(call.result, _CALL_CHARACTERS) or None,
            error=clip_middle(call.error, _CALL_CHARACTERS) or None,
        )
        for call in run.tool_calls[:_MOST_CALLS]
    ]
    return SourceCalls(calls=tuple(kept), left_out=len(run.tool_calls) - len(kept))


def _total(values: Sequence[float | None]) -> float | None:
    """The sum, None when any part is unknown: an unknown cost is never 0."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
