"""Frames for notebooks: the tables of the warehouse as pandas frames, from SQL or from Parquet.

Both give the same frame: integers as Int64, truth values as boolean, texts as string (``pd.NA`` is NULL), numbers as
float64 (NaN is NULL), times as ``datetime64[us, UTC]``, nested values as dicts and lists (None is NULL). A table
without rows has the same columns and dtypes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Column, Table

from tasks.errors import WarehouseError
from tasks.evidence.ids import natural_key
from tasks.warehouse.columns import Clean, FreeJson
from tasks.warehouse.engine import connect_database
from tasks.warehouse.migrations import is_current
from tasks.warehouse.parquet import read_parquet
from tasks.warehouse.schema import (
    REPORT_TABLES,
    agent_report_details,
    arrow_type,
    criterion_scores,
    report_issues,
    report_runs,
    reports,
)
from tasks.warehouse.views.definitions import VIEWS


def read_reports(warehouse_url: str, environment: str | None = None) -> pd.DataFrame:
    """One row per report, by id, of one environment or of all; also those that are not done yet (see ``status``).

    Raises:
        WarehouseError: when there is no warehouse at this URL, or it cannot be read. Nothing is created or changed.
    """
    return _read_sql(warehouse_url, reports, environment)


def read_agents(warehouse_url: str, environment: str | None = None) -> pd.DataFrame:
    """One row per report and agent, by report id and agent id. Raises like ``read_reports``."""
    return _read_sql(warehouse_url, agent_report_details, environment)


def read_criteria(warehouse_url: str, environment: str | None = None) -> pd.DataFrame:
    """One row per report, agent (NA: the team) and criterion, in that order. Raises like ``read_reports``."""
    return _read_sql(warehouse_url, criterion_scores, environment)


def read_runs(warehouse_url: str, environment: str | None = None) -> pd.DataFrame:
    """One row per report, agent and run that was read, in that order. Raises like ``read_reports``."""
    return _read_sql(warehouse_url, report_runs, environment)


def read_issues(warehouse_url: str, environment: str | None = None) -> pd.DataFrame:
    """One row per report and issue, by report id and issue id. Raises like ``read_reports``."""
    return _read_sql(warehouse_url, report_issues, environment)


def read_view(warehouse_url: str, name: str, environment: str | None = None) -> pd.DataFrame:
    """A view (``latest_agent_scores``, ``failing_agents``, …), of one environment or of all. Raises like
    ``read_reports``, and for a name that no view has."""
    if name not in VIEWS:
        raise WarehouseError(f"No view {name}: there are {', '.join(VIEWS)}.")
    view = VIEWS[name].table
    query = sa.select(view)
    if environment is not None:
        query = query.where(view.c.environment == environment)
    return _read_query(warehouse_url, view, query, ("environment", "agent_id", "report_id", "criterion"))


def read_parquet_table(url: str, table: str, environment: str | None = None) -> pd.DataFrame:
    """The frame of a table of a report (``reports``, ``agent_report_details``, ``report_issues``, …) from Parquet.

    Raises:
        WarehouseError: for an unknown table, or files that cannot be read.
    """
    stored = read_parquet(url, table, environment)
    columns = {}
    for column in REPORT_TABLES[table].columns:
        values: list[Any] = stored[column.name].to_pylist()
        if isinstance(column.type, Clean):
            values = [column.type.from_parquet(value) for value in values]
        columns[column.name] = values
    return _build_frame(REPORT_TABLES[table], columns)


def _read_sql(warehouse_url: str, table: Table, environment: str | None) -> pd.DataFrame:
    query = sa.select(table)
    if environment is not None:
        of_environment = sa.select(reports.c.id).where(reports.c.environment == environment)
        query = query.where(_report_key(table).in_(of_environment))
    return _read_query(
        warehouse_url, table, query, (_report_key(table).name, "agent_id", "criterion", "run_id", "issue_id")
    )


def _read_query(warehouse_url: str, table: Table, query: sa.Select[Any], order: Sequence[str]) -> pd.DataFrame:
    database = connect_database(warehouse_url, create=False)
    try:
        if not is_current(database):
            raise WarehouseError(
                f"The warehouse {database.shown} is empty or older than this version: any `agent-report` command on it "
                "brings it up to date."
            )
        with database.reading() as connection:
            rows = connection.execute(query).all()
    finally:
        database.close()
    names = [column.name for column in table.columns]
    places = [(name, names.index(name)) for name in order if name in names]
    rows = sorted(rows, key=lambda row: [_sort_key(name, row[index]) for name, index in places])
    return _build_frame(table, {name: [row[index] for row in rows] for index, name in enumerate(names)})


def _report_key(table: Table) -> Column[Any]:
    return table.c.id if table is reports else table.c.report_id


def _sort_key(name: str, value: Any) -> tuple[bool, Any]:
    """NULL comes first, as for the team; ids in their natural order, which no database has."""
    return value is not None, natural_key(value) if name in ("agent_id", "run_id") and value is not None else value


def _build_frame(table: Table, columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype=_dtype(table.c[name])) for name, values in columns.items()})


def _dtype(column: Column[Any]) -> Any:
    kind = arrow_type(column)
    if isinstance(column.type, FreeJson) or pa.types.is_nested(kind):
        return "object"
    if pa.types.is_timestamp(kind):
        return "datetime64[us, UTC]"
    if pa.types.is_floating(kind):
        return "float64"
    return {pa.int64(): "Int64", pa.bool_(): "boolean"}.get(kind, "string")
