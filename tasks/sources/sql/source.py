"""The source of agents and runs in a database, by its tables or by a person's own queries: read and never written.

Columns are taken as they are there; absent ones read as None. Every value is read raw, whatever type its column claims:
SQLite's claims mean nothing, and one odd date must not cost a whole agent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, case, func, or_, select

from tasks.errors import SourceError, UsageError
from tasks.evidence.ids import natural_key, read_id
from tasks.evidence.population.sampling import Chosen
from tasks.evidence.timestamps import EPOCH
from tasks.evidence.types import Agent, AgentId, AgentRuns, FutureRuns, RunId
from tasks.evidence.values import Redact
from tasks.options import RunUnit
from tasks.sources.contract.choosing import Choice, Entry, choose, read_chosen, read_entry, read_scanned
from tasks.sources.contract.columns import RUN, SIGNAL, STEP, names
from tasks.sources.contract.environments import check_environment
from tasks.sources.contract.mapping import SourceMapping
from tasks.sources.contract.rows import Row
from tasks.sources.contract.signals import fill_from_signals
from tasks.sources.contract.steps import fill_from_steps
from tasks.sources.source import Scanned, Skipped, SourceCounts, Window
from tasks.sources.sql.connection import describe, reading
from tasks.sources.sql.contract_tables import find_tables
from tasks.sources.sql.relation import IDS_AT_ONCE, MAPPED, Relation
from tasks.sources.sql.scan import FROM_STEPS, scan_query, stream_rows
from tasks.sources.sql.tables import Tables, rows_of

_INDEX = ("id", "agent", "started_at", "completed_at")
# Each takes two connections of the ten of a pool, and reads as fast as the database gives.
_SCANS_AT_ONCE = 4


class SqlSource:
    """Agents and runs of one database. Any number of threads may use it at once.

    ``engine`` should be one of ``open_database`` or ``make_read_only``. Which tables and columns there are is asked
    once. ``redact`` is applied to the values that messages quote, not to what is read. Runs that start after ``now()``
    (aware) have wrong dates.
    """

    def __init__(
        self,
        engine: Engine,
        mapping: SourceMapping | None = None,
        redact: Redact | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._mapping = mapping or SourceMapping()
        self._redact = redact
        self._now = now
        # Threads that begin at the same time may ask twice; what they find is the same.
        self._found: Tables | None = None
        self._scans = threading.BoundedSemaphore(_SCANS_AT_ONCE)

    def note_store(self) -> None:
        """A database is only read."""

    def trace_store(self) -> None:
        """None: tables of runs hold no spans."""

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def list_environments(self) -> list[str]:
        """The names of the environments, in order.

        Raises:
            SourceError: the database cannot be read, or lacks a table or column that is needed.
        """
        with reading(self._engine) as connection:
            return self._tables(connection).environments(connection)

    def counts(self) -> SourceCounts:
        """The agents with runs, and the runs, of each environment; all of them, whatever their dates.

        Raises:
            SourceError: as ``list_environments``.
        """
        agents: Counter[str] = Counter()
        runs: Counter[str] = Counter()
        with reading(self._engine) as connection:
            for environment, count in self._tables(connection).count_runs(connection):
                agents[environment] += 1
                runs[environment] += count
        return SourceCounts(agents, runs, is_whole=True)

    def load_agents(self, environment: str, window: Window) -> list[Agent]:
        """The agents of ``environment``, by id; empty when it has none.

        Where there is no table of agents, those that runs of ``window`` name.

        Raises:
            RefusedError: there is no such environment; the message lists (at most ten of) those that there are.
            SourceError: as ``list_environments``, or an agent has no id.
        """
        with reading(self._engine) as connection:
            tables = self._tables(connection)
            check_environment(environment, tables.environments(connection))
            agents = tables.agents(connection, environment, window, self._redact)
        return sorted(agents, key=lambda agent: natural_key(agent.id))

    def check(self) -> None:
        """Return when the source is there and has the tables and columns that are needed.

        Raises:
            SourceError: as ``list_environments``.
        """
        with reading(self._engine) as connection:
            self._tables(connection)

    def check_filter(self, filter_model: str) -> None:
        """Refuse a model filter that the source cannot honour, before anything is read or paid.

        Raises:
            RefusedError: ``filter_model`` is given and the runs have no column ``model_name``.
            SourceError: as ``list_environments``.
        """
        if filter_model:
            with reading(self._engine) as connection:
                self._check_filter(self._tables(connection), filter_model)

    def check_unit(self, unit: RunUnit) -> None:
        """Refuse a unit that the source does not know, before anything is read or paid.

        Raises:
            RefusedError: ``unit`` is "session" and the runs have no column ``session_id``.
            SourceError: as ``list_environments``.
        """
        if unit == "session":
            with reading(self._engine) as connection:
                self._check_unit(self._tables(connection), unit)

    def scan_runs(
        self, agents: Sequence[Agent], window: Window, columns: Collection[str] = ()
    ) -> Generator[Scanned | Skipped, None, None]:
        """Every run of ``agents``, which are of one environment, in ``window``, in a single query that is streamed.

        Signals, and steps where ``columns`` need them, are read for some runs at once. See ``Source``.

        Raises:
            RefusedError: as ``check_filter`` and ``check_unit``.
            SourceError: the database cannot be read.
        """
        wanted = {agent.id for agent in agents}
        if not wanted:
            return
        now, statuses = self._now(), self._mapping.known_statuses
        with self._scans, reading(self._engine) as connection:
            tables = self._tables(connection)
            self._check_filter(tables, window.filter_model)
            self._check_unit(tables, window.unit)
            for rows in stream_rows(connection, scan_query(tables, agents, window, columns)):
                for row in self._filled(tables, rows, columns):
                    agent_id = read_id(row["agent"])
                    if agent_id in wanted:
                        found = read_scanned(row, agent_id, window, now, statuses, self._redact)
                        if found is not None:
                            yield found

    def fetch_chosen(
        self, agents: Sequence[Agent], chosen: Mapping[AgentId, Sequence[Chosen]], window: Window
    ) -> dict[AgentId, AgentRuns | SourceError]:
        """The whole rows of the runs that a scan found and that were ``chosen``, in that order; see ``Source``."""
        choices = {agent.id: Choice(chosen.get(agent.id, ()), 0, FutureRuns(), ()) for agent in agents}
        try:
            with reading(self._engine) as connection:
                return self._read_choices(connection, self._tables(connection), agents, choices, window)
        except SourceError as error:
            if len(agents) == 1:
                return {agents[0].id: error}
        return {agent.id: self.fetch_chosen([agent], chosen, window)[agent.id] for agent in agents}

    def fetch_runs(self, agent: Agent, window: Window) -> AgentRuns:
        """``fetch_runs_of`` one agent.

        Raises:
            RefusedError: as ``check_filter``.
            SourceError: the database cannot be read, or there are rows and none of them can be, naming one.
        """
        found = self.fetch_runs_of([agent], window)[agent.id]
        if isinstance(found, SourceError):
            raise found
        return found

    def fetch_runs_of(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, AgentRuns | SourceError]:
        """The newest runs of each of ``agents``, which are of one environment, in ``window``.

        By agent id; an agent whose runs cannot be read has the error in their place. Newest first, equal times by id,
        the higher first. Two queries: dates in mixed formats do not sort in SQL, so the ids and dates of the agents'
        runs are read first (only the newest, where the dates have a type that the database can compare), then the rows
        of the chosen ones. A run without ``started_at`` goes by its ``completed_at``; one that ended after the window
        counts as unfinished. Rows without a date that can be read are left out, counted and warned of; runs that start
        in the future are left out and counted.

        Raises:
            RefusedError: as ``check_filter``.
        """
        try:
            return self._fetch_together(agents, window)
        except SourceError as error:
            if len(agents) == 1:
                return {agents[0].id: error}
        # One row that the driver cannot read fails a whole query: it is to cost its own agent only.
        found: dict[AgentId, AgentRuns | SourceError] = {}
        for agent in agents:
            found |= self.fetch_runs_of([agent], window)
        return found

    def _fetch_together(self, agents: Sequence[Agent], window: Window) -> dict[AgentId, AgentRuns | SourceError]:
        with reading(self._engine) as connection:
            tables = self._tables(connection)
            self._check_filter(tables, window.filter_model)
            choices = self._choose(agents, self._entries(connection, tables, agents, window), window)
            if window.since is not None:
                # An agent whose runs began before the window can be read; they were left to the database.
                failed = [agent for agent in agents if isinstance(choices[agent.id], SourceError)]
                ever = self._entries(connection, tables, failed, replace(window, since=None, limit=1))
                choices |= self._choose(failed, ever, window)
            return self._read_choices(connection, tables, agents, choices, window)

    def _read_choices(
        self,
        connection: Connection,
        tables: Tables,
        agents: Sequence[Agent],
        choices: Mapping[AgentId, Choice | SourceError],
        window: Window,
    ) -> dict[AgentId, AgentRuns | SourceError]:
        rows = self._rows(connection, tables, agents, choices)
        return {
            agent.id: read_chosen(
                agent,
                choices[agent.id],
                rows[agent.id],
                window.until,
                self._mapping.known_statuses,
                self._redact,
            )
            for agent in agents
        }

    def _entries(
        self, connection: Connection, tables: Tables, agents: Sequence[Agent], window: Window
    ) -> dict[AgentId, list[Entry]]:
        entries: dict[AgentId, list[Entry]] = {agent.id: [] for agent in agents}
        if agents:
            for row in rows_of(connection, self._index(tables, agents, window)):
                agent_id = read_id(row["agent"])
                if agent_id in entries:
                    entries[agent_id].append(read_entry(row))
        return entries

    def _choose(
        self, agents: Sequence[Agent], entries: Mapping[AgentId, Sequence[Entry]], window: Window
    ) -> dict[AgentId, Choice | SourceError]:
        now = self._now()
        return {agent.id: choose(entries[agent.id], agent, window, now, self._redact) for agent in agents}

    def _index(self, tables: Tables, agents: Sequence[Agent], window: Window) -> Any:
        """Ids and dates of the agents' runs: all of them, or those that may be chosen and those with odd dates."""
        runs = tables.runs
        conditions = [runs.is_any_of("agent", [agent.id for agent in agents])]
        conditions += tables.of_environment(agents[0].environment)
        if window.filter_model:
            conditions.append(runs.is_text("model_name", window.filter_model))
        started = runs.started()
        if started is None:
            return runs.select(_INDEX).where(*conditions)
        first = runs.moment(max(window.since or EPOCH, EPOCH))
        is_within = started.between(first, runs.moment(window.until))
        # Of equal times all, as ids are put in order afterwards, and as many times as runs: a row can be there twice.
        place = func.dense_rank().over(
            partition_by=[runs.exact("agent"), case((is_within, 1), else_=0)], order_by=started.desc()
        )
        there = [name for name in _INDEX if name in runs]
        inner = (
            select(*(runs.raw(name).label(name) for name in there), is_within.label("is_within"), place.label("place"))
            .select_from(runs.of)
            .where(*conditions, or_(started.is_(None), started >= first, started < runs.moment(EPOCH)))
            .subquery("dated")
        )
        return select(*(runs.value(name, inner.c[name]) for name in there)).where(
            or_(inner.c.place <= window.limit, inner.c.is_within.is_(None), ~inner.c.is_within)
        )

    def _rows(
        self,
        connection: Connection,
        tables: Tables,
        agents: Sequence[Agent],
        choices: Mapping[AgentId, Choice | SourceError],
    ) -> dict[AgentId, dict[RunId, Row]]:
        """The rows of the chosen runs, with their steps and signals."""
        chosen = [run for choice in choices.values() if isinstance(choice, Choice) for run in choice.chosen]
        rows: dict[AgentId, dict[RunId, Row]] = {agent.id: {} for agent in agents}
        runs = tables.runs
        of_agents = [
            runs.is_any_of("agent", list(rows)),
            *tables.of_environment(agents[0].environment if agents else ""),
        ]
        for start in range(0, len(chosen), IDS_AT_ONCE):
            ids = [run.raw_id for run in chosen[start : start + IDS_AT_ONCE]]
            query = runs.select(names(RUN)).where(runs.is_any_value("id", ids), *of_agents)
            for row in rows_of(connection, query):
                run_id, agent_id = read_id(row["id"]), read_id(row["agent"])
                if run_id is not None and agent_id in rows:
                    rows[agent_id][run_id] = row
        run_ids = [run.run_id for run in chosen]
        steps = _by_run(connection, tables.steps, names(STEP), run_ids)
        signals = _by_run(connection, tables.signals, names(SIGNAL), run_ids)
        if steps or signals:
            for of_agent in rows.values():
                for run_id, row in of_agent.items():
                    row = fill_from_steps(row, steps.get(run_id, ()))
                    of_agent[run_id] = fill_from_signals(row, signals.get(run_id, ()))
        return rows

    def _filled(self, tables: Tables, rows: Sequence[Row], columns: Collection[str]) -> Iterator[Row]:
        """The rows of a scan with their signals and, where ``columns`` need them, their steps.

        By another connection: not every driver runs a second query while the rows of the first are streamed.
        """
        of_steps = tables.steps if FROM_STEPS.intersection(columns) else None
        if of_steps is None and tables.signals is None:
            yield from rows
            return
        run_ids = [run_id for row in rows if (run_id := read_id(row["id"])) is not None]
        with reading(self._engine) as connection:
            steps = _by_run(connection, of_steps, names(STEP), run_ids)
            signals = _by_run(connection, tables.signals, names(SIGNAL), run_ids)
        for row in rows:
            run_id = read_id(row["id"]) or ""
            yield fill_from_signals(fill_from_steps(row, steps.get(run_id, ())), signals.get(run_id, ()))

    def _tables(self, connection: Connection) -> Tables:
        found = self._found
        if found is None:
            found = self._found = find_tables(connection, self._mapping)
        return found

    def _check_filter(self, tables: Tables, filter_model: str) -> None:
        if filter_model and "model_name" not in tables.runs:
            runs = tables.runs
            where = f"the query runs in {MAPPED}" if runs.is_query else f"the source {describe(self._engine.url)}"
            column = "model_name" if runs.is_query else f"{runs.what}.model_name"
            raise UsageError(
                f"filter_model={filter_model!r}: {where} has no column {column}, so its runs cannot be filtered by "
                "model; leave the filter out"
            )

    def _check_unit(self, tables: Tables, unit: RunUnit) -> None:
        if unit == "session" and "session_id" not in tables.runs:
            runs = tables.runs
            where = f"the query runs in {MAPPED}" if runs.is_query else f"the source {describe(self._engine.url)}"
            raise UsageError(f"unit='session': {where} has no column session_id; give it one, or leave the unit out")


def _by_run(
    connection: Connection, relation: Relation | None, columns: Sequence[str], run_ids: Sequence[RunId]
) -> dict[RunId, list[Row]]:
    """The rows of ``relation`` that are of these runs, by the run's id."""
    found: dict[RunId, list[Row]] = {}
    if relation is None:
        return found
    for start in range(0, len(run_ids), IDS_AT_ONCE):
        wanted = relation.is_any_of("run_id", run_ids[start : start + IDS_AT_ONCE])
        for row in rows_of(connection, relation.select(columns).where(wanted)):
            if (run_id := read_id(row["run_id"])) is not None:
                found.setdefault(run_id, []).append(row)
    return found
