"""The report as rows: what was seen and judged, put into the columns of the warehouse. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from tasks.evidence.left_out import LeftOut
from tasks.evidence.types import Agent, AgentId, Evidence
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.evaluation import Evaluation
from tasks.judge.issues.judging import IssueSearch
from tasks.judge.ledger import Paid, fingerprint
from tasks.judge.prompt.citations import describe_dropped
from tasks.judge.runs.success import KnownSuccess, Verdicts, read_success
from tasks.report.agent_rows import agent_reasoning, build_agent_row, build_criterion_rows, build_run_row
from tasks.report.doubts import doubt_judge, doubt_successes
from tasks.report.figures import Figures, join_completion, read_figures
from tasks.report.issues.issue_rows import IssueScene, build_issue_rows
from tasks.report.nested_rows import VerdictCountsRow
from tasks.report.plan import ReportPlan
from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow, RunRow
from tasks.report.success import add_counts, estimate_team_success, shrink_success
from tasks.settings import SIMULATED_JUDGE_MODEL
from tasks.statistics.estimate import Estimate
from tasks.wording.counts import counted, was_were
from tasks.wording.shortening import cut

_Number = TypeVar("_Number", int, float)


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
    chosen: frozenset[AgentId] = frozenset()
    rubrics: dict[AgentId, dict[str, Criterion]] = field(default_factory=dict)
    judge_settings: dict[str, Any] = field(default_factory=dict)
    evidence: dict[AgentId, Evidence] = field(default_factory=dict)
    evaluations: dict[AgentId, Evaluation] = field(default_factory=dict)
    run_rows: dict[AgentId, list[RunRow]] = field(default_factory=dict)
    """The rows of runs of every agent whose evaluation was kept."""
    team: Evaluation | None = None
    ending: Ending | None = None
    issues: IssueSearch | None = None
    warnings: list[str] = field(default_factory=list)
    redacted: bool = True

    def keep_evaluation(self, agent_id: AgentId, evaluation: Evaluation) -> None:
        """Keep an agent's evaluation, and make the rows of its runs: most of the report's rows, made while other agents
        are judged."""
        self.evaluations[agent_id] = evaluation
        if agent_id in self.evidence:
            self.run_rows[agent_id] = _build_run_rows(self.evidence[agent_id], evaluation)

    @property
    def chosen_agents(self) -> list[Agent]:
        """The agents that this report looks at, by id; the others get a row all the same."""
        return [agent for agent in self.agents if agent.id in self.chosen]

    @property
    def known_evidence(self) -> list[Evidence]:
        """The evidence that there is, in the order of the agents."""
        return [self.evidence[agent.id] for agent in self.agents if agent.id in self.evidence]


@dataclass(frozen=True, slots=True)
class TeamFigures:
    """The figures of every agent whose runs were read, and what is known of the success of these runs."""

    figures: Mapping[AgentId, Figures]
    success: Mapping[AgentId, KnownSuccess]

    @property
    def success_rate(self) -> Estimate:
        """The share of all runs that did their task, each agent counted by its runs; of no known run, None."""
        return estimate_team_success(self.success.values())


@dataclass(frozen=True, slots=True)
class ReportRows:
    """The rows of one report; ``report`` lacks only the moments of its completion."""

    report: ReportRow
    details: list[AgentRow]
    criteria: list[CriterionRow]
    runs: list[RunRow]
    issues: list[IssueRow] = field(default_factory=list)


def build_rows(plan: ReportPlan, draft: ReportDraft, paid: Mapping[AgentId | None, Paid] | None = None) -> ReportRows:
    """Every agent of the environment has a row in ``details``, whatever happened to it.

    ``paid`` is what the ledger has on this report by agent id (None: the team's): what is reported is what was paid, by
    the report's earlier processes too.
    """
    paid = dict(paid or {})
    evaluations = {agent.id: _with_paid(_evaluation(agent, draft), paid.get(agent.id)) for agent in draft.agents}
    # Sums of floats follow the order: not that in which evidence arrived.
    in_order = [(agent.id, draft.evidence[agent.id]) for agent in draft.agents if agent.id in draft.evidence]
    figures = {agent_id: read_figures(evidence) for agent_id, evidence in in_order}
    success = {agent_id: read_success(evidence, _run_verdicts(draft, agent_id)) for agent_id, evidence in in_order}
    team = _with_paid(draft.team, paid.get(None)) if draft.team else None
    everyone: list[Evaluation] = [*evaluations.values(), *([team] if team else [])]
    # Of the team that was not judged again, and of agents that are gone.
    others: list[Paid] = [paid[agent_id] for agent_id in paid.keys() - {e.agent_id for e in everyone}]
    expected = shrink_success(success)
    runs = _runs(draft)
    of_agent: dict[AgentId, list[RunRow]] = {}
    for run in runs:
        of_agent.setdefault(run["agent_id"], []).append(run)
    details = []
    for agent in draft.agents:
        evidence, known = draft.evidence.get(agent.id), success.get(agent.id)
        row = build_agent_row(agent, evaluations[agent.id], evidence, figures.get(agent.id), known)
        row["success_rate_shrunk"] = expected.get(agent.id)
        if doubt := doubt_successes(of_agent.get(agent.id, ())):
            row["warnings"] = [*(row["warnings"] or ()), doubt]
        details.append(row)
    together = TeamFigures(figures, success)
    report = _report(plan, draft, evaluations, together, everyone, others)
    if doubt := doubt_judge(runs):
        report["warnings"] = [doubt, *(report["warnings"] or ())]
    return ReportRows(
        report=report,
        details=details,
        criteria=[row for evaluation in everyone for row in build_criterion_rows(evaluation)],
        runs=runs,
        issues=_issues(plan, draft, evaluations),
    )


def _issues(plan: ReportPlan, draft: ReportDraft, evaluations: Mapping[AgentId, Evaluation]) -> list[IssueRow]:
    if draft.issues is None:
        return []
    agents = {agent.id for agent in draft.agents}
    evidences = draft.known_evidence
    return build_issue_rows(IssueScene(plan.id, plan.environment, agents, evidences, evaluations), draft.issues)


def _runs(draft: ReportDraft) -> list[RunRow]:
    rows: list[RunRow] = []
    for agent in draft.agents:
        if (own := draft.run_rows.get(agent.id)) is not None:
            rows += own
        elif (evidence := draft.evidence.get(agent.id)) is not None:
            rows += _build_run_rows(evidence, draft.evaluations.get(agent.id))
    return rows


def _build_run_rows(evidence: Evidence, evaluation: Evaluation | None) -> list[RunRow]:
    verdicts = _verdicts_of(evaluation)
    computed = evaluation.run_checks if evaluation else {}
    return [build_run_row(evidence, run, verdicts.get(run.id), computed.get(run.id)) for run in evidence.runs]


def _run_verdicts(draft: ReportDraft, agent_id: AgentId) -> Verdicts:
    return _verdicts_of(draft.evaluations.get(agent_id))


def _verdicts_of(evaluation: Evaluation | None) -> Verdicts:
    return {verdict.run_id: verdict for verdict in evaluation.run_verdicts} if evaluation else {}


def _evaluation(agent: Agent, draft: ReportDraft) -> Evaluation:
    if (evaluation := draft.evaluations.get(agent.id)) is not None:
        return evaluation
    if agent.id not in draft.chosen:
        return Evaluation(agent.id, "not_started", error="not among the agents that this report was asked for")
    evidence = draft.evidence.get(agent.id)
    if evidence is not None and not evidence.finished_runs:
        return Evaluation(agent.id, "no_runs", error="no finished run")
    return Evaluation(agent.id, "not_started", error=draft.ending.reason if draft.ending else "not reached")


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
    draft: ReportDraft,
    evaluations: Mapping[AgentId, Evaluation],
    together: TeamFigures,
    everyone: Sequence[Evaluation],
    others: Sequence[Paid],
) -> ReportRow:
    scores = [e.score for e in evaluations.values() if e.status == "evaluated" and e.score is not None]
    statuses: Counter[str] = Counter(e.status for e in evaluations.values())
    status, error = _final_status(draft, evaluations)
    success = together.success_rate
    verdicts = add_counts(found.counts for found in together.success.values())
    known_costs = [found.measured.total_cost_usd for found in together.figures.values()]
    runs_costs = [cost for cost in known_costs if cost is not None]
    counted: list[Evaluation | Paid] = [*everyone, *others]
    team = draft.team
    judged = team is not None and team.status == "evaluated"
    steps = {"completed": "Completed", "failed": "Failed", "cancelled": "Cancelled"}
    row: ReportRow = {
        "name": plan.name,
        "environment": plan.environment,
        "evidence_until": plan.evidence_until,
        "status": status,
        "current_step": steps[status],
        "team_score": team.score if team else None,
        "team_passed": team.passed if team else None,
        "team_reasoning": (team.reasoning or None) if team else None,
        "team_error": None if judged else _team_error(draft),
        "executive_summary": (team.executive_summary or None) if team else None,
        "agent_reports": {
            agent_id: {"score": e.score, "summary": cut(agent_reasoning(e) or e.error or "")}
            for agent_id, e in evaluations.items()
        },
        "avg_agent_score": sum(scores) / len(scores) if scores else None,
        "judge_model": plan.options.judge_model,
        "judge_fingerprint": fingerprint(draft.judge_settings | {"criteria": plan.criteria.model_dump(mode="json")}),
        "judge_settings": draft.judge_settings,
        "total_agents": len(draft.agents),
        "agents_evaluated": statuses["evaluated"],
        "agents_failed": statuses["failed"],
        "total_runs_analyzed": sum(e.metrics.runs_analyzed for e in draft.evidence.values()),
        "runs_in_population": sum(found.runs for found in together.figures.values()),
        "completion_rate": join_completion(together.figures.values()).value,
        "success_rate": success.value,
        "success_rate_low": success.low,
        "success_rate_high": success.high,
        "verdicts": cast(VerdictCountsRow, verdicts.model_dump()),
        "issues_error": draft.issues.error if draft.issues else None,
        "issues_seconds": draft.issues.seconds if draft.issues else None,
        "citations_dropped": sum(e.citations_dropped for e in everyone),
        "prompt_tokens": _total([e.prompt_tokens for e in counted]),
        "completion_tokens": _total([e.completion_tokens for e in counted]),
        "cost_usd": _total([e.cost_usd for e in counted]),
        "known_cost_usd": math.fsum(e.known_cost_usd for e in counted),
        "runs_cost_usd": math.fsum(runs_costs) if runs_costs else None,
        "runs_with_cost": sum(
            found.measured.runs_with_cost
            for found in together.figures.values()
            if found.measured.total_cost_usd is not None
        ),
        "warnings": _warnings(plan, draft, statuses),
        "error": error,
    }
    # A failed report keeps the progress it had reached.
    if status == "completed":
        row["progress"] = 100
    return row


def _final_status(draft: ReportDraft, evaluations: Mapping[AgentId, Evaluation]) -> tuple[str, str | None]:
    ending = draft.ending
    if ending is not None and ending.kind == "cancelled":
        return "cancelled", ending.reason
    if ending is not None and ending.kind in ("endpoint", "warehouse", "fail_fast", "error"):
        return "failed", ending.reason
    had_runs = [e for e in evaluations.values() if e.status in ("failed", "not_started", "no_evidence")]
    had_runs = [e for e in had_runs if e.agent_id in draft.chosen]
    if had_runs and not any(e.status == "evaluated" for e in evaluations.values()):
        most, count = Counter(e.error or "the judge scored no criterion" for e in had_runs).most_common(1)[0]
        return "failed", f"no agent could be evaluated; of {count} of {counted(len(had_runs), 'agent')}: {most}"
    left_out = _left_out(draft)
    if left_out and not any(evidence.finished_runs for evidence in draft.evidence.values()):
        return "failed", f"no agent could be judged: {'; '.join(left_out.sentences())}"
    return "completed", None


def _left_out(draft: ReportDraft) -> LeftOut:
    left_out = LeftOut()
    for evidence in draft.evidence.values():
        left_out.add_evidence(evidence)
    return left_out


def _team_error(draft: ReportDraft) -> str:
    team = draft.team
    if team is None:
        return draft.ending.reason if draft.ending else "there was no agent to judge"
    return team.error or "the judge found not enough evidence for any of the team's criteria"


def _not_judged(agents: int) -> str:
    return f"{counted(agents, 'agent')} {was_were(agents)} not judged"


def _warnings(plan: ReportPlan, draft: ReportDraft, statuses: Counter[str]) -> list[str]:
    warnings = list(draft.warnings)
    if not draft.agents:
        warnings.append(f"The environment {plan.environment!r} has no agents.")
    elif (
        not any(e.runs or e.metrics.runs_unfinished or e.future.count for e in draft.evidence.values())
        and not statuses["failed"]
    ):
        narrowed = [
            f"{key}={value!r}"
            for key, value in (("since", plan.options.since), ("filter_model", plan.options.filter_model))
            if value
        ]
        of_those = f" with {' and '.join(narrowed)}" if narrowed else ""
        warnings.append(f"No agent has a run{of_those}.")
    warnings += _left_out(draft).sentences()
    if plan.options.judge_model == SIMULATED_JUDGE_MODEL:
        warnings.append("The judge was simulated: its scores follow from the figures, and no LLM has read the runs.")
    unavailable = sum(e.metrics.traces.unavailable for e in draft.evidence.values())
    if unavailable:
        reasons = Counter(
            trace.reason or "unknown"
            for evidence in draft.evidence.values()
            for trace in evidence.traces.values()
            if trace.state == "unavailable"
        )
        reason = reasons.most_common(1)[0][0] if reasons else "unknown"
        warnings.append(f"Without traces for {counted(unavailable, 'run')}: {reason}")
    if not draft.redacted:
        warnings.append("Nothing was redacted (AGENT_REPORT_REDACT is false): texts went to the judge as they are.")
    if statuses["skipped_budget"]:
        limit = plan.options.max_report_cost_usd
        warnings.append(f"{_not_judged(statuses['skipped_budget'])}: max_report_cost_usd is ${limit:g}")
    if draft.team is not None:
        # It has no row of its own for them, as an agent has.
        warnings += [f"The team's judgement: {warning}" for warning in draft.team.warnings]
        if dropped := draft.team.citations_dropped:
            warnings.append(f"The team's judgement: {describe_dropped(dropped)}")
    if draft.issues is not None and (dropped := draft.issues.keys_dropped):
        warnings.append(f"The issues: {counted(dropped, 'key')} of the judge named nothing that it was shown")
    if draft.ending is not None and draft.ending.kind == "timeout":
        warnings.append(f"{_not_judged(statuses['not_started'])}: {draft.ending.reason}")
    return warnings


def _total(values: Sequence[_Number | None]) -> _Number | None:
    """The sum; None when any part is unknown, since an unknown cost is never 0."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
