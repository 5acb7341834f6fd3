"""Station's tables, as its newest schema and one before it have them, in any SQLAlchemy database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
)
from sqlalchemy.types import TypeEngine, UserDefinedType

Columns = Literal["new", "old"]

NEWER_COLUMNS = frozenset({"error", "parent_run_id", "model_name", "trace_id"})
"""Columns of ``agent_runs`` that an older Station does not have."""

_ROWS_AT_ONCE = 100


class _Text(UserDefinedType[str]):
    """SQLite's DATETIME as Station declares it: any text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "DATETIME"


def write_station(
    engine: Engine,
    environments: Sequence[Mapping[str, Any]],
    agents: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    columns: Columns,
) -> None:
    """Creates the three tables in ``engine`` and fills them; dates are text in several formats on SQLite.

    Rows hold aware times. They are written with TIMESTAMP WITH TIME ZONE elsewhere.
    """
    as_text = engine.dialect.name == "sqlite"
    environment_table, agent_table, run_table = _tables(_Text() if as_text else DateTime(timezone=True), columns)
    with engine.begin() as connection:
        environment_table.metadata.create_all(connection)
        for table, rows in ((environment_table, environments), (agent_table, agents), (run_table, runs)):
            kept = [_row(table, row, position, as_text) for position, row in enumerate(rows)]
            for start in range(0, len(kept), _ROWS_AT_ONCE):
                connection.execute(insert(table), kept[start : start + _ROWS_AT_ONCE])


def write_moment(moment: datetime, style: int) -> str:
    """``moment`` (UTC, to the millisecond) as text, in one of four styles that Station's rows have had over time."""
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    plain = moment.astimezone(UTC)
    if style % 4 == 0:
        return plain.strftime("%Y-%m-%d %H:%M:%S") + fraction
    if style % 4 == 1:
        return plain.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
    if style % 4 == 2:
        # time.Time.String() of Go, with its monotonic clock.
        return plain.strftime("%Y-%m-%d %H:%M:%S") + fraction + " +0000 UTC m=+81.204417301"
    return moment.astimezone(timezone(timedelta(hours=2))).strftime("%Y-%m-%d %H:%M:%S") + fraction + "+02:00"


def _row(table: Table, row: Mapping[str, Any], position: int, as_text: bool) -> dict[str, Any]:
    kept = {column.name: row.get(column.name) for column in table.columns}
    if not as_text:
        return kept
    return {key: write_moment(value, position) if isinstance(value, datetime) else value for key, value in kept.items()}


def _tables(moment: TypeEngine[Any], columns: Columns) -> tuple[Table, Table, Table]:
    metadata = MetaData()
    environments = Table(
        "environments",
        metadata,
        Column("id", BigInteger, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("description", Text),
        Column("created_at", moment),
        Column("updated_at", moment),
    )
    agents = Table(
        "agents",
        metadata,
        Column("id", BigInteger, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("description", Text, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("max_steps", Integer, nullable=False),
        Column("environment_id", BigInteger, ForeignKey("environments.id"), nullable=False),
        Column("created_by", BigInteger),
        Column("model_id", BigInteger),
        Column("input_schema", Text),
        Column("output_schema", Text),
        Column("app", Text),
        Column("app_subtype", Text),
        Column("cron_schedule", Text),
        Column("created_at", moment),
        Column("updated_at", moment),
    )
    runs: list[Column[Any]] = [
        Column("id", BigInteger, primary_key=True),
        Column("agent_id", BigInteger, ForeignKey("agents.id"), nullable=False, index=True),
        Column("user_id", BigInteger),
        Column("task", Text, nullable=False),
        Column("final_response", Text, nullable=False),
        Column("steps_taken", Integer),
        Column("tool_calls", Text),
        Column("execution_steps", Text),
        Column("status", Text, nullable=False),
        Column("started_at", moment),
        Column("completed_at", moment),
        Column("input_tokens", BigInteger),
        Column("output_tokens", BigInteger),
        Column("total_tokens", BigInteger),
        Column("duration_seconds", Double),
        Column("model_name", Text),
        Column("tools_used", Integer),
        Column("debug_logs", Text),
        Column("error", Text),
        Column("parent_run_id", BigInteger),
        Column("trace_id", Text),
    ]
    kept = [column for column in runs if columns == "new" or column.name not in NEWER_COLUMNS]
    return environments, agents, Table("agent_runs", metadata, *kept)
