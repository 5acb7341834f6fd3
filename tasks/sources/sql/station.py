"""CloudShip Station's tables, which are read by default."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection

from tasks.errors import SourceError
from tasks.evidence.ids import read_id
from tasks.evidence.types import Agent
from tasks.evidence.values import Redact, read_text
from tasks.sources.contract.columns import AGENT, names
from tasks.sources.contract.rows import read_agent
from tasks.sources.source import Window
from tasks.sources.sql.connection import describe
from tasks.sources.sql.relation import Relation, table_relation
from tasks.sources.sql.tables import count_by, distinct_names, rows_of

STATION = {
    "environments": ("id", "name"),
    "agents": ("id", "name", "environment_id"),
    "agent_runs": ("id", "agent_id", "status"),
}
"""The tables with the columns that are needed."""


class StationTables:
    """CloudShip Station's tables, or views with their names and columns."""

    steps: Relation | None = None
    signals: Relation | None = None

    def __init__(self, connection: Connection) -> None:
        self._environments, self._agents, self.runs = (
            table_relation(connection, name, {"agent": "agent_id"} if name == "agent_runs" else None)
            for name in STATION
        )
        relations = (self._environments, self._agents, self.runs)
        lacking = [
            f"{relation.what}.{key}" for relation in relations for key in STATION[relation.what] if key not in relation
        ]
        if not {"started_at", "completed_at"} & self.runs.names.keys():
            lacking.append("agent_runs.started_at")
        if lacking:
            raise SourceError(f"The source {describe(connection.engine.url)} has no column {', '.join(lacking)}")

    def environments(self, connection: Connection) -> list[str]:
        rows = connection.execute(self._environments.select(("name",)))
        return distinct_names(row[0] for row in rows)

    def count_runs(self, connection: Connection) -> Iterable[tuple[str, int]]:
        rows = rows_of(connection, self._environments.select(("id", "name")))
        names_of = {read_id(row["id"]): read_text(row["name"]) for row in rows}
        rows = rows_of(connection, self._agents.select(("id", "environment_id")))
        environment_of = {read_id(row["id"]): names_of.get(read_id(row["environment_id"])) for row in rows}
        for row in rows_of(connection, count_by(self.runs, ("agent",))):
            environment = environment_of.get(read_id(row["agent"]))
            if environment is not None:
                yield environment, int(row["count"])

    def agents(self, connection: Connection, environment: str, window: Window, redact: Redact | None) -> list[Agent]:
        rows = connection.execute(self._environments.select(("id", "name"))).mappings()
        ids = [row["id"] for row in rows if read_text(row["name"]) == environment]
        query = self._agents.select(names(AGENT)).where(self._agents.is_any_value("environment_id", ids))
        return [read_agent(row, environment, redact) for row in rows_of(connection, query)]

    def of_environment(self, environment: str) -> Iterable[ColumnElement[bool]]:
        return ()
