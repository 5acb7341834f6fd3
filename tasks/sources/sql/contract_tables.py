"""Tables, views or a person's queries whose columns have the contract's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, inspect

from tasks.errors import SourceError
from tasks.evidence.ids import read_id
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.types import Agent, AgentId
from tasks.evidence.values import Redact, read_text
from tasks.sources.contract.choosing import read_entry
from tasks.sources.contract.columns import AGENT, ENVIRONMENT, RUN, SIGNAL, STEP, Column, names, required
from tasks.sources.contract.mapping import SourceMapping
from tasks.sources.contract.rows import read_agent
from tasks.sources.source import Window
from tasks.sources.sql.connection import describe
from tasks.sources.sql.relation import MAPPED, Relation, check_columns, query_relation, table_relation
from tasks.sources.sql.station import STATION, StationTables
from tasks.sources.sql.tables import Tables, count_by, distinct_names, rows_of, within

_OPTIONAL: Mapping[str, Sequence[Column]] = {
    "agents": AGENT,
    "environments": ENVIRONMENT,
    "steps": STEP,
    "signals": SIGNAL,
}


def find_tables(connection: Connection, mapping: SourceMapping) -> Tables:
    """The queries of ``mapping``, else Station's tables, else tables in the contract's names.

    Raises:
        ConfigurationError: a query is wrong.
        SourceError: there is nothing of the kind, a column that is needed is not there, or a query cannot be run.
    """
    if mapping.runs is not None:
        queries = {name: query for name in ("runs", *_OPTIONAL) if (query := getattr(mapping, name)) is not None}
        found = {name: query_relation(connection, name, query, mapping.where) for name, query in queries.items()}
        return ContractTables(found, mapping.environment)
    inspector = inspect(connection)
    there = {name for name in (*STATION, "runs", *_OPTIONAL) if inspector.has_table(name)}
    if "runs" in there and "agent_runs" not in there:
        return ContractTables(
            {name: table_relation(connection, name) for name in ("runs", *_OPTIONAL) if name in there}, None
        )
    absent = [name for name in STATION if name not in there]
    if absent:
        hint = "" if len(absent) < len(STATION) else f": write where your runs are in {MAPPED}"
        where = describe(connection.engine.url)
        raise SourceError(f"The source {where} has no table or view {', '.join(absent)}{hint}")
    return StationTables(connection)


class ContractTables:
    """Relations by the names of the mapping, ``runs`` and any others; see ``Tables``.

    Without ``agents``, the agents are those that runs name. ``environment`` is that of all runs, where it is no column.
    """

    def __init__(self, relations: Mapping[str, Relation], environment: str | None) -> None:
        self.runs = relations["runs"]
        self.steps, self.signals = relations.get("steps"), relations.get("signals")
        self._agents, self._environments = relations.get("agents"), relations.get("environments")
        self._environment = environment
        needed = [*required(RUN)]
        needed += [] if "completed_at" in self.runs else ["started_at"]
        needed += [] if environment is not None else ["environment"]
        check_columns(self.runs, needed, names(RUN), "environment")
        for name, columns in _OPTIONAL.items():
            if name in relations:
                check_columns(relations[name], required(columns), names(columns))

    def environments(self, connection: Connection) -> list[str]:
        if self._environment is not None:
            return [self._environment]
        relation = self._environments or self.runs
        return distinct_names(row[0] for row in connection.execute(relation.select(("environment",)).distinct()))

    def count_runs(self, connection: Connection) -> Iterable[tuple[str, int]]:
        columns = ("agent",) if self._environment is not None else ("environment", "agent")
        for row in rows_of(connection, count_by(self.runs, columns)):
            environment = self._environment or read_text(row["environment"])
            if environment is not None:
                yield environment, int(row["count"])

    def agents(self, connection: Connection, environment: str, window: Window, redact: Redact | None) -> list[Agent]:
        named = self._named(connection, environment, window)
        listed = self._listed(connection, environment, redact)
        return [*listed, *(agent for agent_id, agent in named.items() if agent_id not in {one.id for one in listed})]

    def of_environment(self, environment: str) -> Iterable[ColumnElement[bool]]:
        return () if self._environment is not None else (self.runs.is_text("environment", environment),)

    def _listed(self, connection: Connection, environment: str, redact: Redact | None) -> list[Agent]:
        """The agents of the table, of this environment by its column, else by all the runs that name them."""
        if self._agents is None:
            return []
        query = self._agents.select(names(AGENT))
        by_column = "environment" in self._agents and self._environment is None
        if by_column:
            query = query.where(self._agents.is_text("environment", environment))
        agents = {
            agent.id: agent for row in rows_of(connection, query) for agent in (read_agent(row, environment, redact),)
        }
        if by_column or self._environment is not None:
            return list(agents.values())
        ever = (
            self.runs.select(("agent",))
            .add_columns(self.runs.exact("agent").label("exact"))
            .where(*self.of_environment(environment))
            .distinct()
        )
        known = {read_id(row[0]) for row in connection.execute(ever)}
        return [agent for agent in agents.values() if agent.id in known]

    def _named(self, connection: Connection, environment: str, window: Window) -> dict[AgentId, Agent]:
        """The agents that runs of the window name."""
        query = self.runs.select(("agent", "started_at", "completed_at")).where(*self.of_environment(environment))
        if window.filter_model and "model_name" in self.runs:
            query = query.where(self.runs.is_text("model_name", window.filter_model))
        started = self.runs.started()
        if started is not None:
            query = self.runs.select(("agent",)).where(*self.of_environment(environment), *within(self.runs, window))
            query = query.add_columns(self.runs.exact("agent").label("exact")).distinct()
        found = {}
        for row in rows_of(connection, query):
            agent_id = read_id(row["agent"])
            if agent_id is not None and agent_id not in found and (started is not None or _is_within(row, window)):
                found[agent_id] = read_agent({"id": row["agent"]}, environment)
        return found


def _is_within(row: Mapping[str, Any], window: Window) -> bool:
    moment = parse_moment(read_entry({"id": None, **row}).started)
    return moment is not None and moment <= window.until and (window.since is None or moment >= window.since)
