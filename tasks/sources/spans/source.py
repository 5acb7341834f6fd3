"""Traces alone as a source: agents, runs and their traces from the spans of one store."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tasks.errors import NotFoundError, SourceError
from tasks.evidence.ids import natural_key
from tasks.evidence.population.sampling import Chosen
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.types import Agent, AgentId, AgentRuns, FutureRuns, Run, RunId
from tasks.evidence.values import Redact
from tasks.options import RunUnit
from tasks.sources.contract.choosing import Choice, read_chosen, read_runs, read_scanned
from tasks.sources.contract.columns import SLIM
from tasks.sources.contract.environments import check_environment
from tasks.sources.contract.rows import Row, read_agent
from tasks.sources.contract.statuses import Statuses
from tasks.sources.found_traces import FoundTraces, RunKey, TraceLookup, run_key
from tasks.sources.source import Scanned, Skipped, SourceCounts, Window
from tasks.sources.spans.listing import LOOK_BACK, ListedAgent, Listing, list_runs
from tasks.sources.spans.notes import NoteStore
from tasks.sources.spans.runs import (
    TraceRun,
    build_agent_row,
    build_run_row,
    cut_trace_run,
    find_trace_runs,
)
from tasks.sources.spans.store import SpanStore
from tasks.wording.counts import counted

# Of a listing that only asks which environments there are.
_FEW_RUNS = 20
_SAME = timedelta(minutes=1)
# Traces that are asked for in one request where the store takes several.
_TRACES_AT_ONCE = 100


class TraceSource:
    """The agents and runs in the traces of ``store``. Any number of threads may use it at once.

    A window is listed once, by the first call that needs it; what is kept of it are the newest runs of each agent with
    the spans of their traces, until another window is asked for; one that ends up to a minute later is the same, as
    spans take that long to arrive. A window without ``since`` reaches ``look_back`` back (None: to the oldest trace).
    ``redact`` is applied to the values that messages quote. Runs that start after ``now()`` (aware) have wrong dates.
    ``notes`` are the store's own, where it has some.
    """

    def __init__(
        self,
        store: SpanStore,
        redact: Redact | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        look_back: timedelta | None = LOOK_BACK,
        notes: NoteStore | None = None,
    ) -> None:
        self._store = store
        self._notes = notes
        self._look_back = look_back
        self._redact = redact
        self._now = now
        self._lock = threading.Lock()
        self._listing: Listing | None = None

    def list_environments(self) -> list[str]:
        """The names of the environments in the traces that were listed, else in those of the last 30 days.

        Raises:
            SourceError: the store cannot be read, here as in the other methods.
        """
        return sorted(self._latest().environments)

    def counts(self) -> SourceCounts:
        """The agents of each environment, and how many of their newest runs were listed, as ``list_environments``."""
        agents: Counter[str] = Counter()
        runs: Counter[str] = Counter()
        for agent in self._latest().agents.values():
            agents[agent.environment] += 1
            runs[agent.environment] += len(agent.runs)
        return SourceCounts(agents, runs, is_whole=False)

    def load_agents(self, environment: str, window: Window) -> list[Agent]:
        """The agents of ``environment`` that have runs in ``window``, by id; none where no run is of its model.

        Raises:
            NotFoundError: there is no such environment in the window; the message lists those that there are.
        """
        listing = self._list(window, environment)
        known = sorted(listing.environments)
        if not known:
            without = counted(listing.without_runs, "trace")
            raise NotFoundError(
                f"there is no environment {environment!r}: in this time, no trace with an agent or an LLM call is in "
                f"{self._store.describe()} ({without} without)"
            )
        check_environment(environment, known)
        found = [agent for agent in listing.agents.values() if agent.environment == environment]
        names = Counter(agent.name for agent in found)
        agents = [_agent(agent, self._redact, is_shared=names[agent.name] > 1) for agent in found]
        return sorted(agents, key=lambda agent: natural_key(agent.id))

    def check(self) -> None:
        """Return when the store is there and takes the credentials."""
        self._store.check()

    def check_filter(self, filter_model: str) -> None:
        """Any model can be filtered by: that of a run is in its spans."""

    def check_unit(self, unit: RunUnit) -> None:
        """Sessions can be runs: that of a run is in its spans, where it has one."""

    def scan_runs(
        self, agents: Sequence[Agent], window: Window, columns: Collection[str] = ()
    ) -> Generator[Scanned | Skipped, None, None]:
        """Every run of ``agents``, which are of one environment, in ``window``; see ``Source``.

        They are kept from the listing; for ``columns`` beside those of every scan, their traces are asked for again.
        """
        if not agents:
            return
        listing = self._list(window, agents[0].environment)
        now, statuses = self._now(), Statuses()
        for agent in agents:
            if (listed := listing.agents.get(agent.id)) is None:
                continue
            yield from (Skipped(agent.id, listed.future.latest) for _ in range(listed.future.count))
            ordered = sorted(listed.slim.values(), key=lambda row: str(row.get("session_id") or ""))
            for start in range(0, len(ordered), _TRACES_AT_ONCE):
                rows = ordered[start : start + _TRACES_AT_ONCE]
                if not SLIM.issuperset(columns):
                    rows = list(self._whole_rows([(row["id"], row["trace_id"]) for row in rows]).values())
                for row in rows:
                    found = read_scanned(row, agent.id, window, now, statuses, self._redact)
                    if isinstance(found, Scanned):
                        yield found._replace(raw_id=found.run.trace_id)

    def fetch_chosen(
        self, agents: Sequence[Agent], chosen: Mapping[AgentId, Sequence[Chosen]], window: Window
    ) -> dict[AgentId, AgentRuns | SourceError]:
        """The whole runs that were ``chosen`` of a scan; their spans are kept beside those of the newest."""
        try:
            listing = self._list(window, agents[0].environment if agents else "")
            every = [run for agent in agents for run in chosen.get(agent.id, ())]
            rows = self._whole_rows([(run.run_id, run.raw_id) for run in every], keep=listing)
        except SourceError as error:
            return {agent.id: error for agent in agents}
        found: dict[AgentId, AgentRuns | SourceError] = {}
        for agent in agents:
            choice = Choice(chosen.get(agent.id, ()), 0, FutureRuns(), listing.warnings)
            found[agent.id] = read_chosen(agent, choice, rows, window.until, Statuses(), self._redact)
        return found

    def fetch_runs_of(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, AgentRuns | SourceError]:
        """The runs of each agent in ``window``, newest first; none for an agent that has none in it.

        A warning reports that a bound left out runs that may be the agent's.
        """
        try:
            listing = self._list(window)
        except SourceError as error:
            return {agent.id: error for agent in agents}
        return {agent.id: self._runs_of(agent, listing, window) for agent in agents}

    def trace_store(self) -> KeptTraces:
        """The spans of the runs that were listed; others are asked for."""
        with self._lock:
            runs = self._listing.runs if self._listing else {}
        return KeptTraces(self._store, runs)

    def note_store(self) -> NoteStore | None:
        """The store's own notes on traces, where it has some."""
        return self._notes

    def close(self) -> None:
        """Close the store, and forget the spans."""
        with self._lock:
            self._listing = None
        self._store.close()

    def _latest(self) -> Listing:
        with self._lock:
            listing = self._listing
        return listing or self._list(Window(_FEW_RUNS, self._now(), None, ""))

    def _list(self, window: Window, environment: str = "") -> Listing:
        with self._lock:
            listing = self._listing
            is_of_another = window.is_scanned and listing and environment not in ("", listing.environment)
            if listing is None or is_of_another or not _is_within(window, listing.window):
                # The spans of the one before are not kept beside it.
                self._listing = None
                listing = list_runs(
                    self._store, window, self._now(), environment=environment, look_back=self._look_back
                )
                self._listing = listing
            return listing

    def _whole_rows(self, wanted: Sequence[tuple[RunId, str]], keep: Listing | None = None) -> dict[RunId, Row]:
        """The rows of these runs, each with the id of its trace; ``keep`` gets those whose traces are asked for."""
        with self._lock:
            known = dict(self._listing.runs) if self._listing else {}
        runs = {run_id: known[run_id] for run_id, _ in wanted if run_id in known}
        missing = {run_id: trace_id for run_id, trace_id in wanted if run_id not in known}
        trace_ids = list(dict.fromkeys(missing.values()))
        for start in range(0, len(trace_ids), _TRACES_AT_ONCE):
            for spans in self._store.fetch(trace_ids[start : start + _TRACES_AT_ONCE]).values():
                runs |= {run.run_id: run for run in find_trace_runs(spans) if run.run_id in missing}
        if keep is not None:
            with self._lock:
                keep.runs.update(runs)
        return {run_id: build_run_row(run) for run_id, run in runs.items()}

    def _runs_of(self, agent: Agent, listing: Listing, window: Window) -> AgentRuns | SourceError:
        listed = listing.agents.get(agent.id)
        rows = [build_run_row(run) for run in listed.runs] if listed else []
        found = read_runs(rows, agent, window, self._now(), Statuses(), self._redact)
        if isinstance(found, SourceError):
            return found
        bounds = (listing.look_back,) if listing.look_back and len(rows) < window.limit else ()
        return found.model_copy(
            update={
                "future": listed.future if listed else FutureRuns(),
                "warnings": (*found.warnings, *listing.warnings, *bounds),
            }
        )


class KeptTraces:
    """The traces of runs that a listing kept, and of others by asking the store."""

    def __init__(self, store: SpanStore, runs: Mapping[RunId, TraceRun]) -> None:
        self._store = store
        self._runs = runs

    def find_traces(self, runs: Sequence[Run], *, now: datetime) -> FoundTraces:
        """The spans of all ``runs``, or why there are none; ``now`` (aware) decides which may still be on their way."""
        known = {run.id: self._runs[run.id] for run in runs if run.id in self._runs}
        lookups = {
            run_key(run): TraceLookup(found.trace_id, found.spans) for run in runs if (found := known.get(run.id))
        }
        missing = [run for run in runs if run.id not in known and run.trace_id]
        if missing:
            lookups.update(self._fetch(missing, known))

        def cut(tree: SpanTree, run: Run) -> tuple[SpanTree, int, int]:
            found = known.get(run.id)
            return (tree, 0, 0) if found is None else cut_trace_run(tree, found)

        return FoundTraces(lookups, cut=cut, store=self._store.describe(), now=now)

    def _fetch(self, runs: Sequence[Run], known: dict[RunId, TraceRun]) -> dict[RunKey, TraceLookup]:
        """The traces of ``runs``, whose places in them are added to ``known``."""
        trace_ids = list(dict.fromkeys(run.trace_id for run in runs if run.trace_id))
        try:
            fetched = self._store.fetch(trace_ids)
        except SourceError as error:
            return {run_key(run): TraceLookup(run.trace_id, reason=str(error), asked=False) for run in runs}
        for spans in fetched.values():
            known.update((found.run_id, found) for found in find_trace_runs(spans))
        return {run_key(run): TraceLookup(run.trace_id, fetched.get(run.trace_id or "", ())) for run in runs}


def _is_within(window: Window, listed: Window) -> bool:
    """Whether a listing of ``listed`` has the runs of ``window``, but for those that are not whole yet."""
    return (
        window.limit <= listed.limit
        and window.filter_model == listed.filter_model
        and window.unit == listed.unit
        and timedelta(0) <= window.until - listed.until <= _SAME
        and _starts_with(window.since, listed.since)
    )


def _starts_with(since: datetime | None, listed: datetime | None) -> bool:
    return since is listed if since is None or listed is None else timedelta(0) <= since - listed <= _SAME


def _agent(listed: ListedAgent, redact: Redact | None, *, is_shared: bool) -> Agent:
    """The agent as its newest run has it. A name that agents of several services share has the service with it."""
    row = build_agent_row(listed.runs[0]) if listed.newest else {}
    name = f"{listed.name} ({listed.service})" if is_shared and listed.service else listed.name
    return read_agent({**row, "id": listed.id, "name": name}, listed.environment, redact)
