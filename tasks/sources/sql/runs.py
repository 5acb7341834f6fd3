"""The source of agents and runs: three SQL tables (or views) of any database, read and never written.

Columns are taken as they are there; missing ones read as None. Every value is read raw, whatever type its column
claims: SQLite's claims mean nothing, and one odd date must not cost a whole agent.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Text,
    cast,
    column,
    inspect,
    literal,
    select,
    table,
    text,
)

from tasks.errors import NotFoundError, SourceError, UsageError
from tasks.evidence.ids import natural_key, quote_id, read_id
from tasks.evidence.left_out import is_future
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.types import Agent, AgentId, AgentRuns, FutureRuns, RunId
from tasks.evidence.values import Redact, quote_value, read_filled, read_text
from tasks.sources.sql.agent_ids import is_any_of
from tasks.sources.sql.connection import describe, make_read_only, open_source, reading
from tasks.sources.sql.oddities import describe_oddities
from tasks.sources.sql.rows import Row, read_agent, read_run

__all__ = ["Source", "make_read_only", "open_source"]

_ENVIRONMENTS = ("id", "name")
_AGENTS = ("id", "name", "environment_id", "description", "prompt", "max_steps")
_RUNS = (
    "id",
    "agent_id",
    "status",
    "started_at",
    "completed_at",
    "duration_seconds",
    "task",
    "final_response",
    "error",
    "steps_taken",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "model_name",
    "tool_calls",
    "execution_steps",
    "parent_run_id",
    "trace_id",
)
_NEEDED = {
    "environments": ("id", "name"),
    "agents": ("id", "name", "environment_id"),
    "agent_runs": ("id", "agent_id", "status"),
}
_KEYS = {"id", "agent_id", "environment_id", "parent_run_id"}
_IDS_AT_ONCE = 500
_SHOWN_CHARACTERS = 100
_MOST_KNOWN = 10
# PostgreSQL's type id of bytea.
_PG_BYTES = 17


class _Columns(NamedTuple):
    """The columns of one table: their names there and their types (PostgreSQL's ids), by their names in lower case."""

    names: Mapping[str, str]
    types: Mapping[str, object]


_Tables = Mapping[str, _Columns]
_known: weakref.WeakKeyDictionary[Engine, _Tables] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class Source:
    """Agents and runs of one database. Any number of threads may use it at once.

    ``engine`` should be one of ``open_source`` or ``make_read_only``. Which columns there are is asked once for each
    engine. ``redact`` is applied to the values that messages quote, not to what is read. Runs that start after
    ``now()`` (aware) have wrong dates.
    """

    def __init__(
        self,
        engine: Engine,
        redact: Redact | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._redact = redact
        self._now = now

    def list_environments(self) -> list[str]:
        """The names of the environments, sorted; errors as in ``load_agents``."""
        with reading(self._engine) as connection:
            rows = connection.execute(self._select(self._tables(connection), "environments", ("name",)))
            return sorted({name for row in rows.mappings() if (name := read_text(row["name"]))})

    def load_agents(self, environment: str) -> list[Agent]:
        """The agents of ``environment``, by id; empty when it has none.

        Raises:
            RefusedError: there is no such environment; the message lists (at most ten of) those that there are.
            SourceError: the database cannot be read, lacks a table or column that is needed, or an agent has no id.
        """
        with reading(self._engine) as connection:
            tables = self._tables(connection)
            rows = connection.execute(self._select(tables, "environments", _ENVIRONMENTS)).mappings().all()
            ids = [row["id"] for row in rows if read_text(row["name"]) == environment]
            if not ids:
                raise NotFoundError(_unknown(environment, [read_text(row["name"]) or "" for row in rows]))
            query = self._select(tables, "agents", _AGENTS)
            found = connection.execute(query.where(self._key(tables, "agents", "environment_id").in_(ids)))
            agents = [read_agent(row, environment, self._redact) for row in found.mappings()]
        return sorted(agents, key=lambda agent: natural_key(agent.id))

    def check(self) -> None:
        """Return when the source is there and has the tables that are needed.

        Raises:
            SourceError: as ``load_agents``.
        """
        with reading(self._engine) as connection:
            self._tables(connection)

    def check_filter(self, filter_model: str) -> None:
        """Refuse a model filter that the source cannot honour, before anything is read or paid.

        Raises:
            RefusedError: ``filter_model`` is given and the runs have no column ``model_name``.
            SourceError: as ``load_agents``.
        """
        if filter_model:
            with reading(self._engine) as connection:
                self._check_filter(self._tables(connection), filter_model)

    def fetch_runs(
        self, agent: Agent, *, limit: int, until: datetime, since: datetime | None, filter_model: str
    ) -> AgentRuns:
        """``fetch_runs_of`` one agent.

        Raises:
            RefusedError: as ``check_filter``.
            SourceError: the database cannot be read, or there are rows and none of them can be, naming one.
        """
        found = self.fetch_runs_of([agent], limit=limit, until=until, since=since, filter_model=filter_model)[agent.id]
        if isinstance(found, SourceError):
            raise found
        return found

    def fetch_runs_of(
        self, agents: Sequence[Agent], *, limit: int, until: datetime, since: datetime | None, filter_model: str
    ) -> dict[AgentId, AgentRuns | SourceError]:
        """The newest ``limit`` runs of each agent with ``since <= started_at <= until``, of one model if given.

        By agent id; an agent whose runs cannot be read has the error in their place. Newest first, equal times by id,
        the higher first. Two queries: dates in mixed formats do not sort in SQL, so the ids and dates of all the
        agents' runs are read first, then the rows of the chosen ones. A run without ``started_at`` goes by its
        ``completed_at``; one that ended after ``until`` counts as unfinished. Rows without a date that can be read are
        left out, counted and warned of; runs that start in the future are left out and counted.

        Args:
            until, since: aware times; ``since`` None is no bound.
            filter_model: ``model_name`` as it stands in the rows; empty is every model.

        Raises:
            RefusedError: as ``check_filter``.
        """
        try:
            return self._fetch_together(agents, limit, until, since, filter_model)
        except SourceError as error:
            if len(agents) == 1:
                return {agents[0].id: error}
        # One row that the driver cannot read fails a whole query: it is to cost its own agent only.
        found: dict[AgentId, AgentRuns | SourceError] = {}
        for agent in agents:
            found |= self.fetch_runs_of([agent], limit=limit, until=until, since=since, filter_model=filter_model)
        return found

    def _fetch_together(
        self, agents: Sequence[Agent], limit: int, until: datetime, since: datetime | None, filter_model: str
    ) -> dict[AgentId, AgentRuns | SourceError]:
        with reading(self._engine) as connection:
            tables = self._tables(connection)
            self._check_filter(tables, filter_model)
            query = self._select(tables, "agent_runs", ("id", "agent_id", "started_at", "completed_at"))
            key = self._key(tables, "agent_runs", "agent_id")
            pg_type = tables["agent_runs"].types["agent_id"]
            query = query.where(is_any_of(key, [agent.id for agent in agents], self._engine.dialect.name, pg_type))
            if filter_model:
                model = cast(column(tables["agent_runs"].names["model_name"]), Text)
                query = query.where(model == literal(filter_model, Text))
            entries: dict[AgentId, list[_Entry]] = {agent.id: [] for agent in agents}
            for row in connection.execute(query):
                agent_id = read_id(row._mapping["agent_id"])
                if agent_id in entries:
                    entries[agent_id].append(_entry(row._mapping))
            now = self._now()
            indexes = {agent.id: _choose(entries[agent.id], agent, since, until, now, self._redact) for agent in agents}
            rows = self._rows(
                connection,
                tables,
                [raw for index in indexes.values() if isinstance(index, _Index) for _, _, raw in index.chosen[:limit]],
            )
        return {agent.id: _agent_runs(agent, indexes[agent.id], rows, limit, until, self._redact) for agent in agents}

    def _rows(self, connection: Connection, tables: _Tables, ids: Sequence[Any]) -> dict[RunId, Row]:
        rows: dict[RunId, Row] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            query = self._select(tables, "agent_runs", _RUNS)
            query = query.where(self._key(tables, "agent_runs", "id").in_(ids[start : start + _IDS_AT_ONCE]))
            for row in connection.execute(query).mappings():
                if (run_id := read_id(row["id"])) is not None:
                    rows[run_id] = row
        return rows

    def _tables(self, connection: Connection) -> _Tables:
        with _lock:
            tables = _known.get(self._engine)
        if tables is None:
            tables = self._find_tables(connection)
            with _lock:
                _known[self._engine] = tables
        return tables

    def _find_tables(self, connection: Connection) -> _Tables:
        inspector = inspect(connection)
        where = describe(self._engine.url)
        absent = [name for name in _NEEDED if not inspector.has_table(name)]
        if absent:
            raise SourceError(f"The source {where} has no table or view {', '.join(absent)}")
        tables = {name: _columns(connection, name) for name in _NEEDED}
        lacking = [f"{name}.{key}" for name, keys in _NEEDED.items() for key in keys if key not in tables[name].names]
        if not {"started_at", "completed_at"} & tables["agent_runs"].names.keys():
            lacking.append("agent_runs.started_at")
        if lacking:
            raise SourceError(f"The source {where} has no column {', '.join(lacking)}")
        return tables

    def _select(self, tables: _Tables, name: str, wanted: Iterable[str]) -> Select[Any]:
        """The wanted columns that are there, under their own names; ids as they are, the others as raw as can be."""
        there = tables[name]
        columns: list[ColumnElement[Any]] = []
        for key in wanted:
            if key not in there.names:
                continue
            raw: ColumnElement[Any] = column(there.names[key])
            if self._engine.dialect.name == "postgresql" and key not in _KEYS and there.types[key] != _PG_BYTES:
                # Text is what no driver can stumble over: infinity as a date, JSON, domains, arrays.
                raw = cast(raw, Text)
            columns.append(raw.label(key))
        return select(*columns).select_from(table(name))

    def _key(self, tables: _Tables, name: str, key: str) -> ColumnElement[Any]:
        return column(tables[name].names[key])

    def _check_filter(self, tables: _Tables, filter_model: str) -> None:
        if filter_model and "model_name" not in tables["agent_runs"].names:
            raise UsageError(
                f"filter_model={filter_model!r}: the source {describe(self._engine.url)} has no column "
                "agent_runs.model_name, so its runs cannot be filtered by model; leave the filter out"
            )


class _Entry(NamedTuple):
    """A run in the index: its id as the database gave it, and the value that says when it started."""

    raw_id: Any
    started: Any


class _Index(NamedTuple):
    chosen: list[tuple[datetime, RunId, Any]]
    """Started at, id, and the id as the database gave it; newest first."""
    unreadable: int
    future: FutureRuns
    warnings: tuple[str, ...]


def _columns(connection: Connection, name: str) -> _Columns:
    # An empty result knows the names of a view's columns too, and has no types to be puzzled by.
    result = connection.execute(select(text("*")).select_from(table(name)).where(text("1 = 0")))
    description: Sequence[Sequence[Any]] = result.cursor.description
    return _Columns(
        names={str(entry[0]).lower(): str(entry[0]) for entry in description},
        types={str(entry[0]).lower(): entry[1] for entry in description},
    )


def _entry(row: Row) -> _Entry:
    started = row.get("started_at")
    return _Entry(row["id"], row.get("completed_at") if read_filled(started) is None else started)


def _choose(
    entries: Sequence[_Entry],
    agent: Agent,
    since: datetime | None,
    until: datetime,
    now: datetime,
    redact: Redact | None,
) -> _Index | SourceError:
    chosen: dict[RunId, tuple[datetime, RunId, Any]] = {}
    future: list[datetime] = []
    unreadable = 0
    example = ""
    for raw_id, started in entries:
        run_id, moment = read_id(raw_id), parse_moment(started)
        if run_id is None or moment is None:
            unreadable += 1
            example = example or _example(raw_id, run_id, started, redact)
        elif moment <= until and (since is None or moment >= since):
            chosen[run_id] = (moment, run_id, raw_id)
        elif moment > until and is_future(moment, now):
            future.append(moment)
    if unreadable and unreadable == len(entries):
        return SourceError(f"No run of {agent.name} can be read: {example}{_others(len(entries) - 1)}")
    warnings: tuple[str, ...] = ()
    if unreadable:
        rows_are = "1 row is" if unreadable == 1 else f"{unreadable} rows are"
        warnings = (f"{rows_are} left out because it is unknown when the run started: {example}",)
    return _Index(
        sorted(chosen.values(), key=lambda entry: (entry[0], natural_key(entry[1])), reverse=True),
        unreadable,
        FutureRuns(count=len(future), latest=max(future, default=None)),
        warnings,
    )


def _agent_runs(
    agent: Agent,
    index: _Index | SourceError,
    rows: Mapping[RunId, Row],
    limit: int,
    until: datetime,
    redact: Redact | None,
) -> AgentRuns | SourceError:
    if isinstance(index, SourceError):
        return index
    runs = [
        read_run(rows[run_id], agent, started_at, until)
        for started_at, run_id, _ in index.chosen[:limit]
        if run_id in rows
    ]
    return AgentRuns(
        runs=tuple(runs),
        future=index.future,
        unreadable=index.unreadable,
        warnings=(*index.warnings, *describe_oddities(runs, rows, redact)),
    )


def _example(raw_id: object, run_id: RunId | None, value: object, redact: Redact | None) -> str:
    if run_id is None:
        return "a run has no id"
    shown = quote_id(run_id, redact)
    if read_filled(value) is None:
        return f"run {shown} has no started_at"
    return f"run {shown} has started_at {quote_value(value, redact)}, which is no date"


def _others(count: int) -> str:
    return "" if count == 0 else " (and 1 more row likewise)" if count == 1 else f" (and {count} more rows likewise)"


def _unknown(environment: str, names: Sequence[str]) -> str:
    known = sorted({name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "…" for name in names})
    if not known:
        return f"there is no environment {environment!r}: the source has none"
    more = f" and {len(known) - _MOST_KNOWN} more" if len(known) > _MOST_KNOWN else ""
    return f"there is no environment {environment!r}; there is {', '.join(map(_show_name, known[:_MOST_KNOWN]))}{more}"


def _show_name(name: str) -> str:
    """In quotes where it would be read as another name: blanks at its ends are part of it."""
    return name if name == name.strip() and name.isprintable() else repr(name)
