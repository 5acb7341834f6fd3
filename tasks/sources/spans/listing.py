"""The runs of a window, listed once: of each agent the newest, with their traces; of all others a few columns."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.errors import SourceError
from tasks.evidence.left_out import is_future
from tasks.evidence.types import AgentId, FutureRuns, RunId
from tasks.sources.contract.columns import SLIM
from tasks.sources.contract.rows import Row
from tasks.sources.source import Window
from tasks.sources.spans.runs import TraceRun, build_run_row, find_trace_runs, read_model
from tasks.sources.spans.store import SpanStore, WarningStore

LOOK_BACK = timedelta(days=30)
"""How far a window without a start reaches back."""
MOST_TRACES = 50_000
"""So many are read at most, the newest as far as the store sorts them."""


@dataclass(slots=True)
class ListedAgent:
    """One agent with its newest runs in the window."""

    id: AgentId
    name: str
    environment: str
    service: str
    newest: list[tuple[datetime, RunId, TraceRun]] = field(default_factory=list)
    slim: dict[RunId, Row] = field(default_factory=dict)
    """Of every run in a window with a start, what a scan reads."""
    future: FutureRuns = field(default_factory=FutureRuns)

    @property
    def runs(self) -> list[TraceRun]:
        """The runs, newest first."""
        return [run for _, _, run in sorted(self.newest, key=lambda entry: entry[:2], reverse=True)]


@dataclass(frozen=True, slots=True)
class Listing:
    """What a window holds, with every run of ``environment``. ``environments`` are those of all its runs, whatever
    their model; ``without_runs`` counts the traces that have neither an agent nor an LLM call."""

    window: Window
    environment: str
    environments: frozenset[str]
    agents: dict[AgentId, ListedAgent]
    runs: dict[RunId, TraceRun]
    traces: int
    without_runs: int
    warnings: tuple[str, ...] = ()
    look_back: str = ""
    """The warning for an agent that has fewer runs than were asked for; empty where no run can be missing."""


def list_runs(
    store: SpanStore,
    window: Window,
    now: datetime,
    *,
    environment: str = "",
    look_back: timedelta | None = LOOK_BACK,
    most_traces: int = MOST_TRACES,
) -> Listing:
    """The newest runs of each agent in ``window``; every trace is asked for once, and only theirs are kept.

    Of every run of ``environment`` in a window with a start, or of sessions, what a scan reads is kept. A window
    without a start begins ``look_back`` before its end (None: with the oldest trace).

    Raises:
        SourceError: the store cannot be read.
    """
    since = window.since or (window.until - look_back if look_back is not None else None)
    agents: dict[AgentId, ListedAgent] = {}
    environments: set[str] = set()
    traces = without_runs = 0
    warnings: tuple[str, ...] = ()
    for spans in store.traces(since, window.until):
        if traces == most_traces:
            warnings = (
                f"{store.describe()} has more than {most_traces:,} traces in this time: runs in the others are not "
                "read; choose a shorter time (since)",
            )
            break
        traces += 1
        runs = find_trace_runs(spans)
        without_runs += not runs
        for run in runs:
            if window.since is None or run.started_at >= window.since:
                environments.add(run.environment)
            _add(agents, run, window, now, is_scanned=window.is_scanned and run.environment == environment)
    if isinstance(store, WarningStore):
        warnings += store.warnings
    found = _named({agent_id: agent for agent_id, agent in agents.items() if agent.newest or agent.future.count})
    kept = {run.run_id: run for agent in found.values() for run in agent.runs}
    bound = _look_back(store, window, since, found.values())
    return Listing(window, environment, frozenset(environments), found, kept, traces, without_runs, warnings, bound)


def _named(agents: dict[AgentId, ListedAgent]) -> dict[AgentId, ListedAgent]:
    """``agents`` without those that only runs in progress name, where their service has agents with a name."""
    places = {(run.environment, run.service) for agent in agents.values() for run in agent.runs if not run.is_waiting}
    return {
        agent_id: agent
        for agent_id, agent in agents.items()
        if not agent.newest
        or any(not run.is_waiting or (run.environment, run.service) not in places for run in agent.runs)
    }


def _add(agents: dict[AgentId, ListedAgent], run: TraceRun, window: Window, now: datetime, *, is_scanned: bool) -> None:
    agent = agents.get(run.agent_id)
    if agent is None:
        agent = agents[run.agent_id] = ListedAgent(run.agent_id, run.agent_name, run.environment, run.service)
    if run.started_at > window.until:
        if is_future(run.started_at, now):
            latest = max(run.started_at, agent.future.latest or run.started_at)
            agent.future = FutureRuns(count=agent.future.count + 1, latest=latest)
        return
    if window.since is not None and run.started_at < window.since:
        return
    if (
        is_scanned
        and run.run_id not in agent.slim
        and (not window.filter_model or read_model(run) == window.filter_model)
    ):
        row = build_run_row(run)
        agent.slim[run.run_id] = {name: value for name, value in row.items() if name in SLIM}
    entry = (run.started_at, run.run_id, run)
    if len(agent.newest) >= window.limit and entry[:2] <= agent.newest[0][:2]:
        return
    if any(run_id == run.run_id for _, run_id, _ in agent.newest):
        return
    if window.filter_model and read_model(run) != window.filter_model:
        return
    if len(agent.newest) < window.limit:
        heapq.heappush(agent.newest, entry)
    else:
        heapq.heapreplace(agent.newest, entry)


def _look_back(store: SpanStore, window: Window, since: datetime | None, agents: Collection[ListedAgent]) -> str:
    """The bound of a window that has none, where there are older traces and an agent that may have runs in them."""
    if since is None or window.since is not None or all(len(agent.newest) >= window.limit for agent in agents):
        return ""
    try:
        is_older = next(iter(store.traces(None, since)), None) is not None
    except SourceError:
        # What was asked for has been read: a store that takes no time so long ago fails no report.
        return ""
    if not is_older:
        return ""
    return f"Traces from before {since:%Y-%m-%d} are not read: give since to read older ones"
