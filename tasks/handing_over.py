"""The order in which agents are handed over to the judge, and what came of each."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.task_runners import ConcurrentTaskRunner

from tasks.counting import counted
from tasks.errors import AgentReportError, PrefectApiError, scrub
from tasks.evidence.types import Agent, Evidence
from tasks.judge.agent import judge_agent
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judging import evaluate_agent, evaluate_team, judge_width
from tasks.prefect_api import api_answers
from tasks.quoting import quoted, unquoted
from tasks.reading_ahead import LOOK_SECONDS, PAUSE_SECONDS, Readers, ReadingAhead, Standing
from tasks.report.build import Ending, Findings
from tasks.report.plan import ReportPlan
from tasks.sources import Reading

_TEAM_SLOT_SECONDS = 5.0
_TEAM_START_SECONDS = 0.15
_MANY = 20
# A hundred questions at once are put together in less.
_QUESTION_SECONDS = 3.0
# How long Prefect's API may be away in the middle of a report, and how often a task run may get lost by that.
_OUTAGE_SECONDS = 30.0
_MOST_LOSSES = 3


class Ready(NamedTuple):
    """An agent whose evidence is there, and the task run that brought it."""

    agent: Agent
    evidence: Evidence
    traced: PrefectFuture[Any]


class HandOver:
    """Hands agents over to ``evaluate_agent`` as their evidence arrives, never more at once than the LLM limit allows.

    A task that waits in a runner for a slow trace would hold a slot, and a team call at the end of the queue would
    cost its whole length: so agents wait here, and the team goes first as soon as the last evidence is in. Near the
    end a slot is kept for it meanwhile; and where there is a slot for everybody, the agents wait as well, as their
    judging would slow down the reading that the longest call of all is waiting for. Neither takes long: a slow trace
    must not idle what others could use.

    Each of ``when_quiet`` is called, at most once, when all evidence is in and the judge is all that is waited for.
    """

    def __init__(
        self,
        plan: ReportPlan,
        judge: Judge,
        findings: Findings,
        judges: ConcurrentTaskRunner[Any],
        when_quiet: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._plan = plan
        self._judge = judge
        self._findings = findings
        self._runner = judges
        self._when_quiet = list(when_quiet)
        self._width = judge_width(plan)
        self._ahead = ReadingAhead(self._width, plan.options.max_concurrent_runs)
        self._readers = Readers(plan.options.max_concurrent_runs)
        self._events: SimpleQueue[Callable[[], Evaluation | None] | None] = SimpleQueue()
        self._ready: deque[Ready] = deque()
        self._lost: Counter[int | None] = Counter()
        self._missing: dict[str, str] = {}
        self._read: list[PrefectFuture[Any]] = []
        self._chosen = 0
        self._expected = 0
        self._in_flight = 0
        self._team_is_due = bool(findings.chosen)
        self._team_started_at: float | None = None
        self._now = self._arrived_at = time.monotonic()
        self._handed_over_at = self._arrived_at
        self._kept_until = self._arrived_at + _TEAM_SLOT_SECONDS
        self._logger = get_run_logger()

    def evaluate(self, readings: Iterable[Reading]) -> Iterator[int]:
        """Fill ``findings`` up; yields the number of agents that are done, whenever one more is.

        ``readings`` has every chosen agent once; it may submit what it gives as it is asked for it. When judging ends
        early, what has not started is left out; what is in flight is still waited for.
        """
        coming = iter(readings)
        self._chosen = self._expected = len(self._findings.chosen_agents)
        with self._judge.stop.listening(lambda: self._events.put(None)):
            try:
                yield from self._judge_all(coming)
            except BaseException:
                # The calls in flight are paid for and waited for in any case: what they answer is kept.
                self._judge.stop.end("cancelled", "the report was stopped")
                while self._in_flight:
                    if (event := self._events.get()) is not None:
                        event()
                raise
        self._judge.ledger.settle()
        if self._judge.stop.kind is not None:
            self._findings.ending = Ending(self._judge.stop.kind, self._judge.stop.reason or "")
            self._logger.warning("No further agent is judged: %s", self._judge.stop.reason)

    def _judge_all(self, coming: Iterator[Reading]) -> Iterator[int]:
        begun = False
        while True:
            # One moment for the whole turn: what lets nothing be done now must also be what is waited for.
            self._now = time.monotonic()
            self._readers.look(self._now, time.process_time(), self._being_read)
            self._hand_over()
            if self._in_flight and not begun:
                begun = True
                yield len(self._findings.evaluations)
            if not (self._in_flight or self._awaits_evidence()):
                return
            # What has arrived goes before what could be asked for: the first agent is not to wait for the last.
            if (
                self._events.empty()
                and self._awaits_evidence()
                and not self._reads_enough()
                and (reading := next(coming, None)) is not None
            ):
                self._await(reading)
                continue
            event = self._next_event()
            evaluation = event() if event is not None else None
            if evaluation is not None and evaluation.agent_id is not None:
                yield len(self._findings.evaluations)

    def _await(self, reading: Reading) -> None:
        self._read.append(reading.evidence)
        reading.evidence.add_done_callback(self._event(self._arrived, reading.agent, reading.runs))

    def _next_event(self) -> Callable[[], Evaluation | None] | None:
        # When no slot is kept for the team any more, an agent may be waiting for it.
        waits = bool(self._ready) and self._expected > 0 and self._now < self._kept_until
        waits = waits or (self._awaits_evidence() and self._ahead.is_pausing(self._standing()))
        becomes_quiet = bool(self._when_quiet) and self._waits_for_the_judge()
        pause = LOOK_SECONDS if waits else PAUSE_SECONDS if becomes_quiet else None
        try:
            return self._events.get(timeout=_TEAM_START_SECONDS if self._lets_the_team_start() else pause)
        except Empty:
            # Those who were handed over last may still be putting their questions together; or the endpoint has them
            # wait, which is as quiet.
            asked = self._judge.client.gate.in_flight >= self._in_flight
            if becomes_quiet and (asked or time.monotonic() > self._handed_over_at + _QUESTION_SECONDS):
                while self._when_quiet:
                    self._when_quiet.pop(0)()
            return None

    def _waits_for_the_judge(self) -> bool:
        handed_over = not self._ready or self._in_flight == self._width
        return handed_over and not self._expected and not self._lets_the_team_start()

    def _awaits_evidence(self) -> bool:
        # After a quota error the figures are still worth having; after a time-out or a cancel nobody waits for them.
        return self._expected > 0 and self._judge.stop.kind not in ("timeout", "cancelled")

    def _reads_enough(self) -> bool:
        return self._judge.stop.kind is None and self._ahead.is_enough(self._standing())

    @property
    def _being_read(self) -> int:
        return len(self._read) - (self._chosen - self._expected)

    def _standing(self) -> Standing:
        return Standing(
            to_come=self._expected,
            being_read=self._being_read,
            at_once=self._readers.at_once,
            ready=len(self._ready),
            in_flight=self._in_flight,
            since_arrival=self._now - self._arrived_at,
            since_hand_over=self._now - self._handed_over_at,
        )

    def _event(self, handle: Callable[..., Evaluation | None], *args: Any) -> Callable[[PrefectFuture[Any]], None]:
        return lambda future: self._events.put(lambda: handle(*args, future))

    def _hand_over(self) -> None:
        while self._in_flight < self._width and self._judge.stop.kind is None:
            if (self._expected and self._is_kept_for_the_team()) or self._lets_the_team_start():
                return
            if self._team_is_due and not self._expected:
                self._team_is_due = False
                known = self._findings.evidence
                everything = [known[agent.id] for agent in self._findings.agents if agent.id in known]
                parameters: dict[str, Any] = {
                    "evidences": quoted(everything),
                    "without_evidence": dict(self._missing),
                    "plan": quoted(self._plan),
                }
                future = self._runner.submit(evaluate_team, parameters, wait_for=_done(self._read))
                future.add_done_callback(self._event(self._judged, None))
                if self._width > len(self._ready) > _MANY:
                    self._team_started_at = time.monotonic()
            elif self._ready:
                ready = self._ready.popleft()
                parameters = {
                    "agent": ready.agent,
                    "evidence": quoted(ready.evidence),
                    "rubric": quoted(self._findings.rubrics[ready.agent.id]),
                    "plan": quoted(self._plan),
                }
                future = self._runner.submit(evaluate_agent, parameters, wait_for=[ready.traced])
                future.add_done_callback(self._event(self._judged, ready))
            else:
                return
            self._in_flight += 1
            self._handed_over_at = time.monotonic()

    def _is_kept_for_the_team(self) -> bool:
        if self._now >= self._kept_until:
            return False
        if self._width > self._chosen:
            # All but one, whose asking for a slot of the tag spares the others the same: Prefect remembers the answer.
            return self._in_flight > 0 and self._now < self._arrived_at + PAUSE_SECONDS
        return self._in_flight == self._width - 1 > 0 and not self._ahead.are_many_left(self._standing())

    def _lets_the_team_start(self) -> bool:
        """Whether the team's call is being prepared, which a hundred agents' at the same moment would delay."""
        return self._team_started_at is not None and self._now < self._team_started_at + _TEAM_START_SECONDS

    def _arrived(self, agent: Agent, read: PrefectFuture[Any], traced: PrefectFuture[Any]) -> Evaluation | None:
        """The evidence of one agent, or the reason why there is none."""
        evaluation = self._take(agent, read, traced)
        if not self._expected:
            everything = self._findings.evidence.values()
            self._logger.info("Evidence is read: %s", describe_evidence(list(everything)))
        return evaluation

    def _take(self, agent: Agent, read: PrefectFuture[Any], traced: PrefectFuture[Any]) -> Evaluation | None:
        self._expected -= 1
        self._arrived_at = time.monotonic()
        for future in (read, traced):
            if not _final(future).is_completed():
                return self._unreadable(agent, future)
        evidence: Evidence = unquoted(traced.result())
        self._findings.evidence[agent.id] = evidence
        if evidence.finished_runs:
            self._ready.append(Ready(agent, evidence, traced))
            return None
        # Nothing to ask, so no slot is taken for it.
        self._miss(agent, "no finished run")
        evaluation = judge_agent(self._judge, evidence, self._findings.rubrics[agent.id], timeout_seconds=1)
        return self._keep(evaluation)

    def _miss(self, agent: Agent, why: str) -> None:
        # Two agents may have one name.
        self._missing[agent.name if agent.name not in self._missing else f"{agent.name} (id {agent.id})"] = why

    def _unreadable(self, agent: Agent, future: PrefectFuture[Any]) -> Evaluation:
        reason = describe_failure(future)
        self._miss(agent, f"its runs could not be read ({reason})")
        if self._plan.options.fail_fast:
            self._judge.stop.end("fail_fast", f"fail_fast: agent {agent.name} failed: {reason}")
        return self._keep(Evaluation(agent.id, "failed", error=reason), agent)

    def _judged(self, ready: Ready | None, future: PrefectFuture[Any]) -> Evaluation | None:
        self._in_flight -= 1
        agent = ready.agent if ready else None
        try:
            state = _final(future)
        except Exception as error:  # noqa: BLE001
            # What the task raises is in its state: this is Prefect, which could not take or give back the tag's slot.
            self._take_back(ready, error)
            return None
        result = state.result(raise_on_failure=False) if state.is_final() else None
        if isinstance(result, Evaluation):
            return self._keep(result, agent)
        evaluation = Evaluation(
            agent.id if agent else None,
            "failed",
            error=describe_failure(future),
            prompt_tokens=None,
            completion_tokens=None,
            cost_usd=None,
        )
        return self._keep(evaluation, agent)

    def _take_back(self, ready: Ready | None, error: Exception) -> None:
        """Let those whom Prefect lost be handed over once more when its API answers again.

        That costs nothing twice: an answer that was paid for is in the ledger.
        """
        lost = ready.agent.id if ready else None
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
                f"the Prefect API could not be reached any more ({why}): when it can be, take the report up by its id"
            ) from error
        if ready is None:
            self._team_is_due = True
        else:
            self._ready.append(ready)

    def _keep(self, evaluation: Evaluation, agent: Agent | None = None) -> Evaluation:
        if evaluation.agent_id is None:
            self._findings.team = evaluation
        else:
            self._findings.evaluations[evaluation.agent_id] = evaluation
        if evaluation.status == "failed":
            whose = f"Agent {agent.name}" if agent else "The team's judgement"
            self._logger.warning("%s failed: %s", whose, evaluation.error)
        return evaluation


def describe_evidence(evidences: Sequence[Evidence]) -> str:
    """How much there is to judge, in a line: runs, of how many agents, and in which state their traces are."""
    runs = sum(evidence.metrics.runs_analyzed for evidence in evidences)
    counts: Counter[str] = Counter()
    for evidence in evidences:
        counts.update(evidence.metrics.traces.model_dump())
    traces = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
    agents = sum(bool(evidence.finished_runs) for evidence in evidences)
    return f"{counted(runs, 'run')} of {counted(agents, 'agent')}; traces: {traces}"


def _done(futures: Sequence[PrefectFuture[Any]]) -> list[PrefectFuture[Any]]:
    """Those that completed: a task that waits for a failed one never starts."""
    return [future for future in futures if _final(future).is_completed()]


def _final(future: PrefectFuture[Any]) -> State[Any]:
    # Until somebody has waited for it, a future asks the API for its state.
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
