"""Which agent is judged when, and what came of each."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.task_runners import ConcurrentTaskRunner

from tasks.bridge.prefect_api import api_answers
from tasks.bridge.quoting import quoted, unquoted
from tasks.errors import AgentReportError, PrefectApiError, scrub
from tasks.evaluating import evaluate_agent, evaluate_evidence, evaluate_team, judge_runs, judge_width, most_evaluations
from tasks.evidence.ids import random_place
from tasks.evidence.types import Agent, AgentId, Evidence, RunId
from tasks.judge.agent import judge_agent
from tasks.judge.call_context import Spent
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.runs.each import JudgedRuns, merge_judged
from tasks.judge.runs.verdict import RunVerdict
from tasks.reading import Reading
from tasks.report.build import Ending, ReportDraft
from tasks.report.plan import ReportPlan
from tasks.sources.batch import ReadFailure
from tasks.wording.counts import counted

# How long Prefect's API may be unreachable in the middle of a report, and how often a task run may get lost by that.
_OUTAGE_SECONDS = 30.0
_MOST_LOSSES = 3
# Runs that one task judges one after the other, where each is judged by itself.
_RUNS_OF_A_TASK = 4


class Ready(NamedTuple):
    """An agent that can be evaluated: its evidence or why there is none, and the task run that brought it."""

    agent: Agent
    evidence: Evidence | ReadFailure
    traced: PrefectFuture[Any] | None


class RunsDue(NamedTuple):
    """Runs of an agent that one task judges, each by itself."""

    ready: Ready
    run_ids: Sequence[RunId]


class EvaluationQueue:
    """Submits ``evaluate_agent`` as evidence arrives: as many at once as may ask the judge, and some more that prepare
    their questions.

    A task that waits in a runner for a slow trace would hold a slot, so agents wait here. The team's call needs all
    evidence and takes longest. With two rounds of agents left, or fewer, a slot is kept free for it, and no agent is
    ahead until it has asked; with more, it is next when all evidence is there, behind those that are ready.
    """

    def __init__(self, plan: ReportPlan, judge: Judge, draft: ReportDraft, judges: ConcurrentTaskRunner[Any]) -> None:
        self._plan = plan
        self._judge = judge
        self._draft = draft
        self._runner = judges
        self._width = judge_width(plan)
        self._most = most_evaluations(plan)
        self._events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._ready: deque[Ready] = deque()
        self._runs_due: deque[RunsDue] = deque()
        self._judged_runs: dict[AgentId, list[JudgedRuns]] = {}
        self._awaited_tasks: Counter[AgentId] = Counter()
        self._lost: Counter[AgentId | None] = Counter()
        self._missing: dict[str, str] = {}
        self._traced: list[PrefectFuture[Any]] = []
        self._expected = 0
        self._in_flight = 0
        self._team_is_due = bool(draft.chosen)
        self._team_held_slot = False
        self._logger = get_run_logger()

    def evaluate(self, readings: Sequence[Reading]) -> Iterator[int]:
        """Fill ``draft`` up; yields the number of agents that are done, whenever one more is.

        ``readings`` has every chosen agent once. When judging ends early, what has not started is left out; what is in
        flight is still waited for.
        """
        with (
            self._judge.stop.listening(lambda: self._events.put(None)),
            self._judge.slots.announcing_full(lambda: self._events.put(None)),
        ):
            try:
                yield from self._judge_all(readings)
            except BaseException:
                # The calls in flight are paid for and waited for in any case: what they answer is kept.
                self._judge.stop.end("cancelled", "the report was stopped")
                while self._in_flight:
                    if (event := self._events.get()) is not None:
                        event()
                self._keep_judged_runs()
                raise
        self._keep_judged_runs()
        self._judge.ledger.flush()
        if self._judge.stop.kind is not None:
            self._draft.ending = Ending(self._judge.stop.kind, self._judge.stop.reason or "")
            self._logger.warning("No further agent is judged: %s", self._judge.stop.reason)

    def _judge_all(self, readings: Sequence[Reading]) -> Iterator[int]:
        for reading in readings:
            self._expected += len(reading.agents)
            reading.evidence.add_done_callback(self._event(self._arrived, reading))
        begun = False
        while True:
            self._submit()
            if self._in_flight and not begun:
                begun = True
                yield len(self._draft.evaluations)
            if not (self._in_flight or self._awaits_evidence()):
                return
            done = len(self._draft.evaluations)
            if (event := self._events.get()) is not None:
                event()
            if len(self._draft.evaluations) > done:
                yield len(self._draft.evaluations)

    def _awaits_evidence(self) -> bool:
        # After a quota error the figures are still worth having; after a time-out or a cancel no one waits for them.
        return self._expected > 0 and self._judge.stop.kind not in ("timeout", "cancelled")

    def _event(self, handle: Callable[..., None], *args: Any) -> Callable[[PrefectFuture[Any]], None]:
        return lambda future: self._events.put(lambda: handle(*args, future))

    def _submit(self) -> None:
        self._notice_team_slot()
        while self._in_flight < self._most_in_flight() and self._judge.stop.kind is None:
            if self._team_is_due and not self._expected:
                self._submit_team()
            elif self._ready:
                self._submit_agent(self._ready.popleft())
            elif self._runs_due:
                self._submit_runs(self._runs_due.popleft())
            else:
                return
            self._in_flight += 1

    def _most_in_flight(self) -> int:
        left = self._in_flight + len(self._ready) + len(self._runs_due) + self._expected
        # The team's question takes longest to prepare: an agent that is ahead would take its slot.
        most = self._width if not self._team_held_slot and left <= 2 * self._width else self._most
        return most - 1 if self._expected and self._width > 1 else most

    def _notice_team_slot(self) -> None:
        """Note that the team has its slot, or is done: what is submitted from then on cannot take it."""
        # With every slot taken and no more in flight than slots, the team has one.
        all_hold = self._in_flight <= self._width and self._judge.slots.is_full
        if self._draft.team is not None or (not self._team_is_due and all_hold):
            self._team_held_slot = True

    def _submit_team(self) -> None:
        self._team_is_due = False
        known = self._draft.evidence
        parameters: dict[str, Any] = {
            "evidences": quoted([known[agent.id] for agent in self._draft.agents if agent.id in known]),
            "without_evidence": dict(self._missing),
            "plan": quoted(self._plan),
        }
        future = self._runner.submit(evaluate_team, parameters, wait_for=self._traced)
        future.add_done_callback(self._event(self._judged, None))

    def _submit_agent(self, ready: Ready) -> None:
        parameters: dict[str, Any] = {
            "agent": ready.agent,
            "evidence": quoted(ready.evidence),
            "rubric": quoted(self._draft.rubrics[ready.agent.id]),
            "plan": quoted(self._plan),
        }
        if (parts := self._judged_runs.get(ready.agent.id)) is not None:
            parameters["judged"] = quoted(merge_judged(parts))
        future = self._runner.submit(evaluate_agent, parameters, wait_for=[ready.traced] if ready.traced else [])
        future.add_done_callback(self._event(self._judged, ready))

    def _submit_runs(self, due: RunsDue) -> None:
        parameters = {
            "agent": due.ready.agent,
            "evidence": quoted(due.ready.evidence),
            "run_ids": list(due.run_ids),
            "rubric": quoted(self._draft.rubrics[due.ready.agent.id]),
            "plan": quoted(self._plan),
        }
        waits_for = [due.ready.traced] if due.ready.traced else []
        future = self._runner.submit(judge_runs, parameters, wait_for=waits_for)
        future.add_done_callback(self._event(self._runs_judged, due))

    def _runs_judged(self, due: RunsDue, future: PrefectFuture[Any]) -> None:
        """Keep the verdicts; with an agent's last ones it can be evaluated."""
        self._in_flight -= 1
        agent_id = due.ready.agent.id
        try:
            state = _final(future)
        except Exception as error:  # noqa: BLE001
            self._count_loss(agent_id, error)
            if self._judge.stop.kind is None:
                self._runs_due.append(due)
            return
        result = state.result(raise_on_failure=False) if state.is_final() else None
        if not isinstance(result, JudgedRuns):
            problem = describe_failure(future)
            spent = Spent()
            spent.lose(len(due.run_ids))
            result = JudgedRuns(tuple(RunVerdict(run_id, "", None, problem=problem) for run_id in due.run_ids), spent)
        self._judged_runs.setdefault(agent_id, []).append(result)
        self._awaited_tasks[agent_id] -= 1
        if not self._awaited_tasks[agent_id]:
            self._ready.append(due.ready)

    def _arrived(self, reading: Reading, traced: PrefectFuture[Any]) -> None:
        """The evidence of a batch, or why there is none."""
        self._expected -= len(reading.agents)
        # A task that waits for a failed one never starts.
        failed = next((future for future in (reading.runs, traced) if not _final(future).is_completed()), None)
        if failed is not None:
            failure = ReadFailure(describe_failure(failed))
            for agent in reading.agents:
                self._fail(Ready(agent, failure, None), failure)
        else:
            self._traced.append(traced)
            for agent, evidence in zip(reading.agents, unquoted(traced.result()), strict=True):
                self._take(Ready(agent, evidence, traced))
        if not self._expected:
            self._logger.info("Evidence is read: %s", describe_evidence(list(self._draft.evidence.values())))

    def _take(self, ready: Ready) -> None:
        agent, evidence = ready.agent, ready.evidence
        if isinstance(evidence, ReadFailure):
            self._fail(ready, evidence)
            return
        self._draft.evidence[agent.id] = evidence
        if evidence.finished_runs:
            if self._plan.options.judge_runs == "each":
                self._queue_runs(ready, [run.id for run in evidence.finished_runs])
            else:
                self._ready.append(ready)
            return
        # Nothing to ask, so no slot is taken for it.
        self._miss(agent, "no finished run")
        self._keep(judge_agent(self._judge, evidence, self._draft.rubrics[agent.id], timeout_seconds=1))

    def _queue_runs(self, ready: Ready, run_ids: Sequence[RunId]) -> None:
        # At random: should judging end early, those that were judged are a sample of all.
        order = sorted(run_ids, key=random_place)
        for start in range(0, len(order), _RUNS_OF_A_TASK):
            self._runs_due.append(RunsDue(ready, order[start : start + _RUNS_OF_A_TASK]))
            self._awaited_tasks[ready.agent.id] += 1

    def _keep_judged_runs(self) -> None:
        """Evaluate the agents whose runs were judged, by themselves, before judging ended: their verdicts are paid."""
        for agent_id, parts in self._judged_runs.items():
            judged = merge_judged(parts)
            if agent_id in self._draft.evaluations or not any(verdict.success for verdict in judged.verdicts):
                continue
            evidence, rubric = self._draft.evidence[agent_id], self._draft.rubrics[agent_id]
            self._keep(evaluate_evidence(self._judge, evidence, rubric, self._plan, judged))

    def _fail(self, ready: Ready, failure: ReadFailure) -> None:
        """Record the failure, and have the agent's task run show it: at once, as it takes no call of the judge."""
        self._miss(ready.agent, f"its runs could not be read ({failure.reason})")
        self._draft.keep_evaluation(ready.agent.id, Evaluation(ready.agent.id, "failed", error=failure.reason))
        self._ready.appendleft(ready)

    def _miss(self, agent: Agent, why: str) -> None:
        # Two agents may have one name.
        self._missing[agent.name if agent.name not in self._missing else f"{agent.name} (id {agent.id})"] = why

    def _judged(self, ready: Ready | None, future: PrefectFuture[Any]) -> None:
        self._in_flight -= 1
        agent = ready.agent if ready else None
        try:
            state = _final(future)
        except Exception as error:  # noqa: BLE001
            # What the task raises is in its state: this is Prefect, which could not take or give back the tag's slot.
            self._take_back(ready, error)
            return
        result = state.result(raise_on_failure=False) if state.is_final() else None
        if not isinstance(result, Evaluation):
            result = Evaluation(
                agent.id if agent else None,
                "failed",
                error=describe_failure(future),
                prompt_tokens=None,
                completion_tokens=None,
                cost_usd=None,
            )
        self._keep(result, agent)

    def _take_back(self, ready: Ready | None, error: Exception) -> None:
        """Queue what Prefect lost once more when its API answers again.

        That costs nothing twice: an answer that was paid for is in the ledger.
        """
        self._count_loss(ready.agent.id if ready else None, error)
        if self._judge.stop.kind is not None:
            return
        if ready is None:
            self._team_is_due, self._team_held_slot = True, False
        else:
            self._ready.append(ready)

    def _count_loss(self, lost: AgentId | None, error: Exception) -> None:
        self._lost[lost] += 1
        if self._judge.stop.kind is not None:
            return
        why = scrub(str(error) or type(error).__name__)
        if self._lost[lost] > _MOST_LOSSES:
            raise PrefectApiError(
                f"Prefect lost one task run {counted(self._lost[lost], 'time')}, the last time by: {why}"
            ) from error
        if not api_answers(within_seconds=_OUTAGE_SECONDS):
            raise PrefectApiError(
                f"the Prefect API became unreachable ({why}): when it is back, resume the report by its id"
            ) from error

    def _keep(self, evaluation: Evaluation, agent: Agent | None = None) -> None:
        if evaluation.agent_id is None:
            self._draft.team = evaluation
        else:
            self._draft.keep_evaluation(evaluation.agent_id, evaluation)
        if evaluation.status == "failed":
            whose = f"Agent {agent.name}" if agent else "The team's judgement"
            self._logger.warning("%s failed: %s", whose, evaluation.error)


def describe_evidence(evidences: Sequence[Evidence]) -> str:
    """How much there is to judge, in a line: runs, of how many agents, and in which state their traces are."""
    runs = sum(evidence.metrics.runs_analyzed for evidence in evidences)
    counts: Counter[str] = Counter()
    for evidence in evidences:
        counts.update(evidence.metrics.traces.model_dump())
    traces = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
    agents = sum(bool(evidence.finished_runs) for evidence in evidences)
    return f"{counted(runs, 'run')} of {counted(agents, 'agent')}; traces: {traces}"


def _final(future: PrefectFuture[Any]) -> State[Any]:
    # Until it has been waited for, a future asks the API for its state.
    future.wait()
    return future.state


def describe_failure(future: PrefectFuture[Any]) -> str:
    """Why a task run did not complete, in one line. Errors that are not ours lose what could be credentials."""
    state = _final(future)
    error = state.result(raise_on_failure=False) if state.is_final() else None
    if isinstance(error, AgentReportError):
        return str(error)
    if isinstance(error, BaseException):
        return scrub(f"{type(error).__name__}: {error}")
    return scrub(state.message or f"the task run ended as {state.name}")
