"""Tasks that judge, both tagged ``llm``, and the judge of a report, whom they ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from tasks.bridge.decorators import step
from tasks.bridge.llm_limit import LLM_TAG
from tasks.clients import current_clients
from tasks.errors import WarehouseError
from tasks.evidence.types import Agent, Evidence, RunId
from tasks.judge.agent import judge_agent
from tasks.judge.budget import Budget, describe_unknown_price
from tasks.judge.criteria.computed import add_computed
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import load_functions
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.issues.judging import IssueSearch, judge_issues
from tasks.judge.rubric import resolve_rubrics, select_agents
from tasks.judge.runs.each import JudgedRuns, judge_each
from tasks.judge.runs.guidance import find_guidance
from tasks.judge.team import judge_team
from tasks.report.build import ReportDraft
from tasks.report.issues.failing_runs import find_failing_runs
from tasks.report.plan import ReportPlan
from tasks.sources.batch import ReadFailure
from tasks.warehouse.issues.known_issues import load_known_issues
from tasks.warehouse.ledger.patient_ledger import PatientLedger
from tasks.warehouse.patience import ENDING_SECONDS, OUTAGE_SECONDS
from tasks.wording.counts import counted

_UNBOUNDED = 1000
# Not a parameter of its tasks: it holds sockets and locks.
_judge: ContextVar[Judge] = ContextVar("judge")


@contextmanager
def judging(plan: ReportPlan) -> Iterator[Judge]:
    """The judge of one report. Its judging ends after ``report_timeout_seconds`` or when the block is left by an error.

    Raises:
        RefusedError: the judge cannot be asked (no key).
    """
    stop = StopSignal()
    clients = current_clients()
    ledger = PatientLedger(clients.ledger(), stop, clients.patience())
    judge = Judge(
        client=clients.judge_client(plan.options),
        ledger=ledger,
        prices=clients.prices(),
        stop=stop,
        scale=clients.token_scale(plan.options),
        evidence_tokens=clients.settings.evidence_tokens,
        # Where the tokens of evidence are set by themselves, they hold.
        context_tokens=None if clients.settings.judge_evidence_tokens else clients.settings.judge_context_tokens,
        samples=plan.options.judge_samples,
        report_id=plan.id,
        fresh_since=plan.fresh_since,
        guidance=find_guidance(clients.settings.judge_guidance),
        slots=RateLimiter(plan.judges_at_once),
    )
    judge = replace(judge, budget=Budget(plan.options.max_report_cost_usd, _spent_usd(plan, judge)))
    _warn_of_unknown_price(judge)
    seconds = plan.options.report_timeout_seconds
    timer = threading.Timer(
        seconds, judge.stop.end, ("timeout", f"the report's time of {seconds:g} s was up (report_timeout_seconds)")
    )
    timer.daemon = True
    timer.start()
    token = _judge.set(judge)
    try:
        yield judge
    except BaseException as error:
        judge.stop.end("cancelled", "the report was stopped")
        _flush(ledger, ENDING_SECONDS if isinstance(error, Exception) else OUTAGE_SECONDS)
        raise
    finally:
        timer.cancel()
        _judge.reset(token)


def _flush(ledger: PatientLedger, seconds: float) -> None:
    try:
        ledger.flush(seconds)
    except WarehouseError as error:
        # What brought us here is what to raise.
        get_run_logger().error("Paid answers are lost, as the warehouse is still unavailable: %s", error)


def _spent_usd(plan: ReportPlan, judge: Judge) -> float:
    """What the report has cost so far: all that its earlier processes can have spent, in calls that died with them."""
    if not plan.resumed:
        return 0.0
    ledger = current_clients().ledger()
    most_usd = judge.most_usd(judge.evidence_tokens)

    def look() -> float:
        ledger.lapse_claims(plan.id)
        # Where no price is known, one call that was not answered can have cost all that there was.
        return ledger.spent_usd(plan.id, plan.options.max_report_cost_usd if most_usd is None else most_usd)

    return current_clients().patience().keep_trying(look)


def _warn_of_unknown_price(judge: Judge) -> None:
    if judge.budget.limit_usd and judge.most_usd(0) is None:
        get_run_logger().warning(describe_unknown_price(judge.budget.limit_usd, judge.client.model))


def open_draft(draft: ReportDraft, plan: ReportPlan, agents: Sequence[Agent], judge: Judge) -> None:
    """Note which agents there are, which are judged, and what each is judged against.

    Raises:
        RefusedError: the criteria or the option ``agents`` name an agent that the environment does not have, or a
            criterion names a function that there is not.
    """
    chosen = select_agents(plan.options.agents, agents)
    draft.rubrics = resolve_rubrics(plan.criteria, agents)
    load_functions(draft.rubrics)
    draft.judge_settings = judge.settings()
    if (warning := current_clients().judge_warning(plan.options)) is not None:
        draft.warnings.append(warning)
        get_run_logger().warning(warning)
    if judge.guidance is not None:
        draft.warnings.append(judge.guidance.describe())
    get_run_logger().info(
        "Report %s on %s: %s agents, the newest %s runs of each%s, judged by %s, %s at once",
        plan.id,
        plan.environment,
        len(chosen),
        plan.options.runs_per_agent,
        f" since {plan.options.since}" if plan.options.since else "",
        plan.options.judge_model,
        plan.options.max_concurrent_evals or "all",
    )
    draft.redacted = current_clients().settings.redact
    draft.chosen = frozenset(agent.id for agent in chosen)
    draft.agents = agents


def judge_width(plan: ReportPlan) -> int:
    """Evaluations that may ask at once."""
    return plan.judges_at_once or _UNBOUNDED


def most_evaluations(plan: ReportPlan) -> int:
    """Evaluations in flight at the most; the threads of an unlimited report come as they are needed."""
    return plan.evaluations_at_once or _UNBOUNDED


def judge_threads(plan: ReportPlan) -> int:
    """Threads for them: with one alone Prefect warns of a dead-lock at every agent, which cannot be here."""
    return max(2, most_evaluations(plan))


def _runs_name(parameters: dict[str, Any]) -> str:
    return f"judge {counted(len(parameters['run_ids']), 'run')} of {parameters['agent'].name}"


@step(_runs_name, tags=[LLM_TAG])
def judge_runs(
    agent: Agent, evidence: Evidence, run_ids: Sequence[RunId], rubric: dict[str, Criterion], plan: ReportPlan
) -> JudgedRuns:
    """Verdicts on these runs of an agent, each judged by itself."""
    return judge_each(_judge.get(), evidence, run_ids, rubric, timeout_seconds=plan.options.eval_timeout_seconds)


@step("evaluate {agent.name}", tags=[LLM_TAG])
def evaluate_agent(
    agent: Agent,
    evidence: Evidence | ReadFailure,
    rubric: dict[str, Criterion],
    plan: ReportPlan,
    judged: JudgedRuns | None = None,
) -> Evaluation | State[Evaluation]:
    """One agent's evaluation, with the verdicts on its runs where these were ``judged`` each by itself. A failed one is
    a failed task run whose state holds it."""
    judge = _judge.get()
    if isinstance(evidence, ReadFailure):
        evaluation = Evaluation(agent.id, "failed", error=evidence.reason)
    else:
        evaluation = evaluate_evidence(judge, evidence, rubric, plan, judged)
    if evaluation.status == "failed" and plan.options.fail_fast:
        # Here and not where the result arrives: by then another call could have started.
        judge.stop.end("fail_fast", f"fail_fast: agent {agent.name} failed: {evaluation.error}")
    return _as_result(evaluation)


def evaluate_evidence(
    judge: Judge, evidence: Evidence, rubric: Mapping[str, Criterion], plan: ReportPlan, judged: JudgedRuns | None
) -> Evaluation:
    """What the judge and code find of one agent; after the end of judging, what the ``judged`` runs come to."""
    evaluation = judge_agent(
        judge,
        evidence,
        rubric,
        timeout_seconds=plan.options.eval_timeout_seconds,
        counts_runs=plan.options.counts_runs,
        judged=judged,
    )
    return add_computed(evaluation, rubric, evidence, load_functions({evidence.agent.id: rubric}))


@step("evaluate the team of {plan.environment}", tags=[LLM_TAG])
def evaluate_team(
    evidences: Sequence[Evidence], without_evidence: dict[str, str], plan: ReportPlan
) -> Evaluation | State[Evaluation]:
    """The team's evaluation, once every agent's evidence is there."""
    return _as_result(
        judge_team(
            _judge.get(),
            evidences,
            without_evidence,
            plan.criteria.team,
            timeout_seconds=plan.options.eval_timeout_seconds,
        )
    )


@step("find the issues of {plan.environment}", tags=[LLM_TAG])
def find_issues(plan: ReportPlan, draft: ReportDraft) -> IssueSearch:
    """What went wrong across runs and agents, once every verdict is there: one call, and none when no run failed or no
    agent could be judged."""
    clients, judge = current_clients(), _judge.get()
    known = clients.patience().keep_trying(
        lambda: load_known_issues(clients.warehouse().database, plan.environment, before=plan.id)
    )
    failing = find_failing_runs(draft.known_evidence, draft.evaluations)
    any_judged = any(evaluation.status == "evaluated" for evaluation in draft.evaluations.values())
    search = judge_issues(
        judge, failing, known, timeout_seconds=plan.options.eval_timeout_seconds, any_judged=any_judged
    )
    judge.ledger.flush()
    if search.error is not None:
        get_run_logger().warning("The issues are grouped without the judge: %s", search.error)
    elif search.seconds is not None:
        get_run_logger().info("The call for issues took %.1f s", search.seconds)
    return search


def _as_result(evaluation: Evaluation) -> Evaluation | State[Evaluation]:
    if evaluation.status != "failed":
        return evaluation
    return Failed(message=evaluation.error, data=evaluation)
