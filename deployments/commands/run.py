"""The body of ``agent-report run``: the flow with a live progress bar, then the report."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING

from deployments.terminal.console import complain, open_console
from deployments.terminal.invocation import process_seconds
from tasks.connecting import open_clients

if TYPE_CHECKING:
    from deployments.local.runner import Order


@open_clients()
def make_report(order: Order, *, as_json: bool = False, made: Callable[[int], None] = lambda report_id: None) -> int:
    """Run the flow for ``order`` with a live progress bar, print the report, and return the exit code.

    ``made`` is called with the report's id before it is printed.
    """
    from deployments.commands.show import show_report
    from deployments.local.runner import check_settings, prefect_api, run_report, running_report
    from deployments.terminal.progress_bar import live_progress

    report_id: int | None = None
    signal.signal(signal.SIGINT, _stop)
    try:
        with ExitStack() as stack:

            def begin() -> None:
                check_settings(order)
                stack.enter_context(live_progress(open_console(stderr=True), lambda: running_report(order)))

            with prefect_api(begin):
                report_id = run_report(order)
    except KeyboardInterrupt:
        pass
    if report_id is None:
        complain("Stopped", "no report was made")
        return 1
    made(report_id)
    report = show_report(report_id, as_json=as_json)
    if not as_json:
        from deployments.commands.page import print_place

        print_place(open_console(), report_id)
        open_console().print(_describe_time(report["generation_duration_seconds"]))
    return 0 if report["status"] == "completed" else 1


def _describe_time(report_seconds: float | None) -> str:
    from tasks.wording.durations import format_duration

    command = format_duration(process_seconds())
    if report_seconds is None:
        return f"The command took {command}."
    return f"The report took {format_duration(report_seconds)}, the whole command {command}."


def _stop(number: int, frame: FrameType | None) -> None:
    complain("Stopping", "waiting for judge calls in flight, which are already paid for")
    signal.default_int_handler(number, frame)
