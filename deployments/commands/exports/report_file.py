"""A report as a file for other programs: one JSON document, one table as CSV, or runs as JSON lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from deployments.labelling.csv_cell import guard
from deployments.terminal.console import Row, json_text
from deployments.terminal.out_file import refuse_existing, write_out
from tasks.connecting import open_clients
from tasks.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from deployments.commands.exports.dataset import WhichRuns
    from tasks.report.rows import ReportRow

Format = Literal["csv", "json"]
TableName = Literal["agents", "criteria", "runs", "issues", "reports"]

# Line feeds and tabs are text; the rest of the control characters moves cursors.
# So do those that turn the direction of text around; CSV has no escapes.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@open_clients()
def export_report(
    report_id: int,
    *,
    kind: Format | None,
    table: TableName | Literal["dataset"] | None,
    runs: WhichRuns | None,
    out: str,
    force: bool = False,
    byte_order_mark: bool = False,
) -> None:
    """Write a report to the file ``out``, or for ``-`` to stdout.

    A file that exists is replaced only with ``force``, and stays until the new one is whole.

    JSON is ``{"report": {…}, "agents": […], "criteria": […], "runs": […], "issues": […]}``, or with ``table`` an array
    of its rows. CSV is one table, by default the agents. The table ``dataset`` is ``runs`` (by default failing ones)
    as JSON lines, and has no other format.

    Raises:
        RefusedError: there is no such report, it is not done, the file exists, or it cannot be written.
    """
    from tasks.stored.reports import require_report
    from tasks.warehouse.schema import ENDED

    if table == "dataset" and kind is not None:
        raise UsageError("--table dataset is JSON lines: leave --format out")
    if table != "dataset" and kind is None:
        raise UsageError("--format is required: csv or json")
    if table != "dataset" and runs is not None:
        raise UsageError("--runs requires --table dataset")
    if byte_order_mark and kind != "csv":
        raise UsageError("--bom requires --format csv")
    if not force:
        refuse_existing(out, "--out")
    report = require_report(report_id)
    if report["status"] not in ENDED:
        raise ConflictError(
            f"report {report_id} is not finished ({report['status']}, {report['progress']}%): "
            f"`agent-report watch {report_id}` follows it"
        )
    if table == "dataset":
        content = _dataset(report, runs or "failing")
    elif kind == "json":
        content = _json(report, table)
    else:
        name = table or "agents"
        content = write_csv(_columns(name), _rows(report, name))
    text = ("\ufeff" if byte_order_mark else "") + content
    write_out(out, text.encode("utf-8", "replace"), "--out")


def _dataset(report: Row, runs: WhichRuns) -> str:
    from deployments.commands.exports.dataset import write_dataset
    from tasks.clients import current_clients

    return write_dataset(current_clients().warehouse(), cast("ReportRow", report), runs)


def _json(report: Row, table: TableName | None) -> str:
    if table is not None:
        return json_text(_rows(report, table)) + "\n"
    names: tuple[TableName, ...] = ("agents", "criteria", "runs", "issues")
    children: dict[str, Any] = {name: _rows(report, name) for name in names}
    return json_text({"report": report, **children}) + "\n"


def _rows(report: Row, table: TableName) -> Sequence[Row]:
    from tasks.clients import current_clients

    if table == "reports":
        return [report]
    warehouse = current_clients().warehouse()
    if table == "agents":
        return warehouse.load_agents(report["id"])
    if table == "issues":
        return warehouse.load_issues(report["id"])
    return warehouse.load_criteria(report["id"]) if table == "criteria" else warehouse.load_runs(report["id"])


def _columns(table: TableName) -> list[str]:
    from tasks.warehouse import schema

    tables = {
        "reports": schema.reports,
        "agents": schema.agent_report_details,
        "criteria": schema.criterion_scores,
        "runs": schema.report_runs,
        "issues": schema.report_issues,
    }
    return list(tables[table].columns.keys())


def write_csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows as CSV (RFC 4180, but lines end in a line feed) under a line of titles; no rows: the titles alone.

    NULL is an empty cell, as is an empty text; numbers are numbers, truth values true and false, times ISO, lists and
    structs JSON. Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    with io.StringIO(newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row[name]) for name in columns])
        return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    text = value if isinstance(value, str) else json_text(value, indent=None)
    return _CONTROLS.sub("\ufffd", guard(text))
