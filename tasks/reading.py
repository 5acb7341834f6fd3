"""Tasks that read: agents, their runs, their traces. What goes on to other tasks is quoted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from prefect import unmapped
from prefect.futures import PrefectFuture
from prefect.task_runners import ConcurrentTaskRunner

from tasks.bridge.decorators import step
from tasks.bridge.quoting import quoted, unquoted
from tasks.clients import current_clients
from tasks.evidence.types import Agent, AgentId, AgentRuns, Evidence
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.function import load_functions
from tasks.judge.criteria.visitor import visit_runs
from tasks.report.plan import ReportPlan
from tasks.sources import batch
from tasks.sources.batch import ReadFailure
from tasks.sources.source import Window
from tasks.sources.turns import Turns

_MOST_AGENTS = 50
# Not a parameter of the tasks: it holds a lock.
_turns: ContextVar[Turns | None] = ContextVar("turns", default=None)
Rubrics = Mapping[AgentId, Mapping[str, Criterion]]
"""The criteria of each agent, by its id."""


@step("agents of {environment}")
def load_agents(environment: str, window: Window) -> list[Agent]:
    """The agents of ``environment`` by id; refused when it is unknown or the model filter cannot be honoured."""
    reader = current_clients().source()
    agents = reader.load_agents(environment, window)
    reader.check_filter(window.filter_model)
    reader.check_unit(window.unit)
    return agents


def _name(what: str, parameters: Mapping[str, Any]) -> str:
    agents: Sequence[Agent] = unquoted(parameters["agents"])
    more = f" and {len(agents) - 1} more" if len(agents) > 1 else ""
    return f"{what} of {agents[0].name}{more}"


def _runs_name(parameters: dict[str, Any]) -> str:
    return _name("runs", parameters)


def _traces_name(parameters: dict[str, Any]) -> str:
    return _name("traces", parameters)


@step(_runs_name)
def fetch_runs(
    agents: Sequence[Agent], rubrics: Rubrics, plan: ReportPlan, batch_number: int = 0
) -> list[AgentRuns | ReadFailure]:
    """The newest runs of each of ``agents`` up to ``evidence_until``, or a sample of a window's, redacted.

    The criteria of ``rubrics`` that code computes are counted over all runs as they go by. ``batch_number`` counts from
    0: of what has been read, the first batches are worked on first.
    """
    clients = current_clients()
    redactor = clients.redactor()
    functions = load_functions(rubrics)
    return quoted(
        batch.read_runs(
            clients.source(),
            agents,
            plan.window,
            redactor,
            prices=clients.prices(),
            make_visitor=lambda agent: visit_runs(rubrics[agent.id], functions, redactor.redact if redactor else str),
            turn=_turn(batch_number),
        )
    )


@step(_traces_name)
def fetch_traces(
    agents: Sequence[Agent], runs: Sequence[list[AgentRuns | ReadFailure]], plan: ReportPlan, batch_number: int = 0
) -> list[Evidence | ReadFailure]:
    """The traces of ``runs`` (in a list of one), and with them all that is known of each of ``agents``, redacted.

    ``batch_number`` is as for ``fetch_runs``.
    """
    clients = current_clients()
    store = clients.source().trace_store() or clients.jaeger(plan.options.max_concurrent_runs)
    evidence = batch.read_evidence(
        store,
        agents,
        unquoted(runs[0]),
        clients.prices(),
        clients.redactor(),
        now=plan.evidence_until,
        turn=_turn(batch_number),
    )
    return quoted(evidence)


@contextmanager
def taking_turns(plan: ReportPlan) -> Iterator[Turns | None]:
    """Tasks that are submitted within the block work on what they have read in the order of the batches.

    Yields their turns, or None without a limit of judge calls: there is no slot to fill early then, and what counts is
    when the last batch is there, for the team.
    """
    turns = Turns() if plan.judges_at_once else None
    token = _turns.set(turns)
    try:
        yield turns
    finally:
        _turns.reset(token)


def current_turns() -> Turns | None:
    """The turns of the block that this task was submitted in; None outside one."""
    return _turns.get()


def _turn(batch_number: int) -> Callable[[], AbstractContextManager[None]]:
    turns = current_turns()
    return nullcontext if turns is None else lambda: turns.take(batch_number)


class Reading(NamedTuple):
    """The futures of the runs and the evidence of a batch of agents."""

    agents: Sequence[Agent]
    runs: PrefectFuture[Any]
    evidence: PrefectFuture[Any]


def read_evidence(
    readers: ConcurrentTaskRunner[Any], agents: Sequence[Agent], rubrics: Rubrics, plan: ReportPlan
) -> list[Reading]:
    """``fetch_runs`` and ``fetch_traces`` mapped over batches of ``agents``, each of which has one of ``rubrics``."""
    with taking_turns(plan):
        return list(_map_batches(readers, agents, rubrics, plan))


def _map_batches(
    readers: ConcurrentTaskRunner[Any], agents: Sequence[Agent], rubrics: Rubrics, plan: ReportPlan
) -> Iterator[Reading]:
    width = plan.options.max_concurrent_runs
    batches = split_batches(agents, width)
    # A runner starts tasks in the order they came in: with the runs of all batches first, no evidence would be there
    # until the last runs are.
    for start in range(0, len(batches), width):
        group = batches[start : start + width]
        chosen = [quoted(agents) for agents in group]
        own = [quoted({agent.id: rubrics[agent.id] for agent in agents}) for agents in group]
        numbers = [*range(start, start + len(group))]
        parameters = {"agents": chosen, "plan": unmapped(quoted(plan)), "batch_number": numbers}
        runs = readers.map(fetch_runs, parameters | {"rubrics": own})
        # A future that is a parameter itself is asked after at the API by every task run, one in a list is not.
        waiting = [[future] for future in runs]
        evidence = readers.map(fetch_traces, parameters | {"runs": waiting})
        yield from map(Reading, group, runs, evidence)


def split_batches(agents: Sequence[Agent], width: int) -> list[Sequence[Agent]]:
    """``agents`` in as many batches as can be read at once (``width``), of at most 50 each; none, no batches."""
    size = min(_MOST_AGENTS, max(1, math.ceil(len(agents) / width)))
    return [agents[start : start + size] for start in range(0, len(agents), size)]
