"""The schema of the warehouse: every table and column, once. The DDL and the Parquet schema derive from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import Column, Table

from tasks.errors import WarehouseError
from tasks.warehouse.columns import Clean, Cleaned, Nested
from tasks.warehouse.tables.beside import (
    issue_decisions,
    judge_calls,
    labels,
    report_comparisons,
    reused_answers,
    run_verdicts,
)
from tasks.warehouse.tables.parts import metadata
from tasks.warehouse.tables.report import agent_report_details, criterion_scores, report_issues, report_runs, reports

__all__ = [
    "ENDED",
    "LEASE",
    "REPORT_TABLES",
    "agent_report_details",
    "arrow_schema",
    "arrow_type",
    "complete_rows",
    "criterion_scores",
    "issue_decisions",
    "judge_calls",
    "labels",
    "metadata",
    "report_comparisons",
    "report_issues",
    "report_runs",
    "reports",
    "reused_answers",
    "run_verdicts",
]

ENDED = ("completed", "failed", "cancelled")
"""The statuses in which a report has ended."""

LEASE = ("owner", "heartbeat")
"""Columns of ``reports`` that show which process works on it: NULL as soon as it has ended, and so in every file."""

REPORT_TABLES = {
    table.name: table for table in (reports, agent_report_details, criterion_scores, report_runs, report_issues)
}
"""The tables that make up a report, in SQL and Parquet alike."""


def arrow_type(column: Column[Any]) -> pa.DataType:
    """The Arrow type of a column: int64, float64, string, bool, timestamp[us, UTC], or its nested type.

    Raises:
        TypeError: for a type that no column of ours has.
    """
    if isinstance(column.type, Clean):
        return column.type.arrow_type
    if isinstance(column.type, sa.Boolean):
        return pa.bool_()
    if isinstance(column.type, sa.Integer):
        return pa.int64()
    raise TypeError(f"The column {column.name} has no Arrow type: {column.type!r}")


def arrow_schema(table: Table) -> pa.Schema:
    """The Parquet schema of ``table``: the same columns in the same order, nullable as in SQL."""
    fields = [pa.field(column.name, arrow_type(column), nullable=bool(column.nullable)) for column in table.columns]
    return pa.schema(fields)


def clean_nested(table: Table, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``rows`` of ``table`` with their nested values cleaned, once for SQL and Parquet, which both take the result.

    Raises:
        WarehouseError: for a value that does not fit.
    """
    types = {column.name: column.type for column in table.columns if isinstance(column.type, Nested)}
    return [
        {
            name: _cleaned(table, name, types[name], value) if value is not None and name in types else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _cleaned(table: Table, name: str, kind: Nested, value: Any) -> Cleaned:
    try:
        return Cleaned(kind.clean(value))
    except (TypeError, ValueError) as error:
        raise WarehouseError(f"{table.name}.{name} cannot be stored: {error}") from error


def complete_rows(table: Table, report_id: int, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``rows`` with every column of ``table``: absent ones are None, the report's id is filled in.

    Raises:
        WarehouseError: for a key that is no column, or rows of another report.
    """
    names = [column.name for column in table.columns]
    key = "id" if table is reports else "report_id"
    complete = []
    for row in rows:
        unknown = row.keys() - set(names)
        if unknown:
            raise WarehouseError(f"The table {table.name} has no column {', '.join(sorted(unknown))}.")
        if row.get(key) not in (None, report_id):
            raise WarehouseError(
                f"A row of report {row[key]} in {table.name} cannot be stored with report {report_id}."
            )
        complete.append({**{name: row.get(name) for name in names}, key: report_id})
    return complete
