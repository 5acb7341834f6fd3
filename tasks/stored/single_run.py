"""One run judged on demand: read from the source, judged by itself, stored for no report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.clients import current_clients
from tasks.errors import ConflictError, NotFoundError, SourceError
from tasks.evidence.types import Agent, AgentRuns, Run
from tasks.judge.budget import Budget
from tasks.judge.call_context import Spent
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.exchange import Judge
from tasks.judge.ledger import fingerprint
from tasks.judge.prompt.selection import label_runs
from tasks.judge.rubric import Criteria, resolve_rubrics, select_agents
from tasks.judge.runs.each import judge_run
from tasks.judge.runs.guidance import find_guidance
from tasks.judge.runs.verdict import RunVerdict
from tasks.options import ReportOptions
from tasks.report.plan import build_window
from tasks.sources.batch import ReadFailure, read_evidence
from tasks.sources.one_run import read_run
from tasks.warehouse.ledger.run_verdicts import write_run_verdict


@dataclass(frozen=True, slots=True)
class SingleVerdict:
    """The verdict on a run, and what it cost: None when that is not known, 0 when the answer came from the ledger.

    ``id`` is that of its row in ``run_verdicts``.
    """

    id: int
    environment: str
    agent: Agent
    run: Run
    verdict: RunVerdict
    judge_model: str
    cost_usd: float | None


def judge_single(
    environment: str, run_id: str, agent: str | None, criteria: Criteria, options: ReportOptions
) -> SingleVerdict:
    """Judge one finished run by itself, as ``judge_runs`` ``each`` does, and store the verdict.

    ``agent`` is a name or ``id:12``; None: the run's own. ``options`` are complete. What was paid for before is not
    paid for again, unless ``options.fresh``.

    Raises:
        RefusedError: no such environment, agent or run, several runs of this id, or a run that has not finished.
        AgentReportError: the source or the ledger cannot be read, or there is no judge to ask.
    """
    clients = current_clients()
    now = datetime.now(UTC)
    source, hide, prices = clients.source(), clients.redactor(), clients.prices()
    client = clients.judge_client(options)
    agents = source.load_agents(environment, build_window(options, now))
    asked = select_agents([agent] if agent else [], agents)
    found, runs = _only_one(run_id, environment, read_run(source, asked, run_id, now, hide))
    store = source.trace_store() or clients.jaeger(1)
    [evidence] = read_evidence(store, [found], [runs], prices, hide, now=now)
    if isinstance(evidence, ReadFailure):
        raise SourceError(f"run {run_id} cannot be read: {evidence.reason}")
    if not evidence.finished_runs:
        raise ConflictError(f"run {run_id} has not finished (status {runs.runs[0].status}): judge it when it has")
    judge = Judge(
        client=client,
        ledger=clients.ledger(),
        prices=prices,
        stop=StopSignal(),
        budget=Budget(options.max_report_cost_usd),
        scale=clients.token_scale(options),
        evidence_tokens=clients.settings.evidence_tokens,
        context_tokens=None if clients.settings.judge_evidence_tokens else clients.settings.judge_context_tokens,
        samples=options.judge_samples,
        fresh_since=now if options.fresh else None,
        guidance=find_guidance(clients.settings.judge_guidance),
    )
    [labelled_run] = label_runs(evidence)
    spent = Spent()
    rubric = resolve_rubrics(criteria, agents)[found.id]
    deadline = time.monotonic() + options.eval_timeout_seconds
    verdict = judge_run(judge, evidence.agent, labelled_run, rubric, deadline=deadline, spent=spent)
    cost = spent.cost_usd if spent.calls or spent.unknown else 0.0
    row_id = write_run_verdict(
        clients.warehouse().database,
        environment,
        found.id,
        verdict,
        judge_model=options.judge_model,
        judge_fingerprint=fingerprint(judge.settings() | {"criteria": criteria.model_dump(mode="json")}),
        cost_usd=cost,
    )
    return SingleVerdict(row_id, environment, evidence.agent, labelled_run.run, verdict, options.judge_model, cost)


def _only_one(run_id: str, environment: str, found: list[tuple[Agent, AgentRuns]]) -> tuple[Agent, AgentRuns]:
    if not found:
        raise NotFoundError(
            f"there is no run {run_id} in the environment {environment!r}, or it is not of the agent that --agent names"
        )
    if len(found) > 1:
        names = ", ".join(f"{agent.name} (id:{agent.id})" for agent, _ in found)
        raise ConflictError(f"run {run_id} is of several agents: {names}; name one with --agent")
    return found[0]
