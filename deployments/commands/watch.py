"""Following a report in progress until it ends. Watching never changes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

from rich.progress import Progress

from deployments.commands.show import show_report
from deployments.terminal.console import one_line, open_console, print_json
from deployments.terminal.invocation import printed_command
from deployments.terminal.progress_bar import describe_step, open_bar
from tasks.connecting import open_clients
from tasks.errors import ReportAbandonedError, WarehouseError
from tasks.report.rows import ReportRow

INTERRUPTED = 130
_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
_SHOWN = ("id", "environment", "name", "status", "progress", "current_step", "error")


@open_clients()
def watch_report(report_id: int, *, as_json: bool) -> bool | None:
    """Follow the report to its end and print it; returns whether it completed, None after Ctrl-C.

    A live bar on a terminal, otherwise a line per step. As JSON: only a line per step.

    Raises:
        RefusedError: there is no such report.
        ReportAbandonedError: its process has ended, or the report was removed.
        WarehouseError: the warehouse stays unreachable.
    """
    console = open_console(stderr=True)
    with_bar = console.is_terminal and not as_json
    bar: AbstractContextManager[Progress | None] = open_bar(console) if with_bar else nullcontext()
    try:
        with bar as progress:
            task = None if progress is None else progress.add_task("", total=100)
            for row in _steps(report_id):
                if progress is not None and task is not None:
                    progress.update(task, completed=row["progress"], description=describe_step(row))
                else:
                    _print_step(row, as_json=as_json)
    except KeyboardInterrupt:
        again = printed_command("watch", report_id)
        console.print(one_line(f"Report {report_id} is still running: `{again}` resumes watching."), soft_wrap=True)
        return None
    ended = row if as_json else show_report(report_id, as_json=False)
    return bool(ended["status"] == "completed")


def _steps(report_id: int) -> Iterator[ReportRow]:
    """The report's row now and after every change, until the report ends."""
    from tasks.stored.reports import require_report
    from tasks.warehouse.schema import ENDED

    row, last = require_report(report_id), None
    while True:
        step = (row["status"], row["progress"], row["current_step"])
        if step != last:
            yield row
        if row["status"] in ENDED:
            return
        last = step
        if not _has_owner(row):
            # Its process may have finished the report since the row was read.
            row = _look(report_id)
            if row["status"] in ENDED or _has_owner(row):
                continue
            raise ReportAbandonedError(_abandoned(row))
        time.sleep(_POLL_SECONDS)
        row = _look(report_id)


def _look(report_id: int) -> ReportRow:
    """The current row; waits while the warehouse is briefly unreachable (a restart)."""
    from tasks.clients import current_clients

    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            row = current_clients().warehouse().load_report(report_id)
            break
        except WarehouseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
    if row is None:
        raise ReportAbandonedError(f"report {report_id} is gone: its request was refused, or it was removed")
    return row


def _has_owner(row: ReportRow) -> bool:
    """Whether a live process works on the report."""
    from tasks.warehouse.owner import Owner, is_alive

    return row["owner"] is not None and is_alive(Owner(**row["owner"]), row["heartbeat"], datetime.now(UTC))


def _abandoned(row: ReportRow) -> str:
    owner = row["owner"]
    gone = f"process {owner['pid']} on {owner['host']} has ended: " if owner else ""
    return (
        f"{gone}report {row['id']} is abandoned ({row['status']}, {row['progress']}%): "
        f"`{printed_command('run', row['environment'], '--report-id', row['id'])}` resumes it"
    )


def _print_step(row: ReportRow, *, as_json: bool) -> None:
    if as_json:
        print_json({name: row.get(name) for name in _SHOWN}, indent=None)
    else:
        line = f"{datetime.now(UTC):%H:%M:%S} {row['progress']:>3}%  {describe_step(row)}"
        open_console().print(line, markup=False, soft_wrap=True)
