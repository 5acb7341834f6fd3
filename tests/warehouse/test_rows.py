"""The row types of a report, compared with the schema of the warehouse."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow, RunRow
from tasks.warehouse.columns import FreeJson
from tasks.warehouse.schema import (
    REPORT_TABLES,
    agent_report_details,
    arrow_type,
    criterion_scores,
    report_issues,
    report_runs,
    reports,
)

_ROWS = {
    reports: ReportRow,
    agent_report_details: AgentRow,
    criterion_scores: CriterionRow,
    report_runs: RunRow,
    report_issues: IssueRow,
}
_SCALARS: dict[Any, pa.DataType] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}
_COLUMNS = [
    pytest.param(column, get_type_hints(row)[column.name], id=f"{table.name}.{column.name}")
    for table, row in _ROWS.items()
    for column in table.columns
    if column.name in get_type_hints(row)
]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        (known,) = (part for part in get_args(annotation) if part is not type(None))
        return known
    return annotation


def _arrow(annotation: Any) -> pa.DataType:
    annotation = _without_none(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if is_typeddict(annotation):
        return pa.struct([(name, _arrow(hint)) for name, hint in get_type_hints(annotation).items()])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Sequence:
        return pa.list_(_arrow(arguments[0]))
    assert (origin, arguments[0]) == (Mapping, str), annotation
    return pa.map_(pa.string(), _arrow(arguments[1]))


def test_every_table_of_a_report_has_a_row_type() -> None:
    assert {table.name for table in _ROWS} == REPORT_TABLES.keys()


@pytest.mark.parametrize(("table", "row"), _ROWS.items(), ids=lambda value: getattr(value, "name", ""))
def test_a_row_has_the_columns_of_its_table_in_their_order(table: sa.Table, row: type) -> None:
    assert list(get_type_hints(row)) == [column.name for column in table.columns]


@pytest.mark.parametrize(("column", "hint"), _COLUMNS)
def test_a_column_has_its_type_and_nullability(column: sa.Column[Any], hint: Any) -> None:
    assert (type(None) in get_args(hint)) == column.nullable
    if isinstance(column.type, FreeJson):
        assert _without_none(hint) == dict[str, Any]
    else:
        assert _arrow(hint) == arrow_type(column)
