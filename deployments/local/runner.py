"""Running the flow in this process: against the configured Prefect API, or a server of our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from deployments.garbage import freeze_imported
from deployments.local.prefect_server import (
    prefect_server,
    reach_directly,
    server_password,
    use_server,
    wait_until_healthy,
)
from tasks.connecting import open_clients
from tasks.errors import AgentReportError, PrefectServerError, RefusedError, scrub
from tasks.judge.rubric import Criteria
from tasks.report.rows import ReportRow
from tasks.settings import ReportOptions
from tasks.wire.route import describe_route
from tasks.wire.urls import refuse_ambiguous

_DRAIN_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Order:
    """One report as it was asked for on the command line."""

    environment: str
    name: str
    criteria: Criteria
    options: ReportOptions
    report_id: int | None


QUIET_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
"""For every process that uses Prefect: it sends no usage statistics."""


def quiet_prefect() -> None:
    """Keep Prefect's log off the terminal (it is in its UI); what went wrong is in the report. Before any import."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_FLOW_RUNS_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_TASK_RUNS_LEVEL", "CRITICAL")
    # A line for each of 300 task runs, sent to the API, adds nothing to what the task runs show.
    os.environ.setdefault("PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL", "WARNING")
    # Prefect's own threads log whole events when the API is unreachable for a moment; the report states the result.
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
    for name, value in QUIET_SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def prefect_api(meanwhile: Callable[[], object] = lambda: None) -> Iterator[None]:
    """The Prefect API that is configured, or that of a stack which runs in the current folder.

    Without either, a server of our own for as long as the block runs. ``meanwhile`` is called before the API is used,
    while such a server starts; what it raises ends the server.
    """
    from prefect.settings import PREFECT_API_URL

    from deployments.stack.beside import at_stack

    refuse_ambiguous(PREFECT_API_URL.value() or "", "PREFECT_API_URL")
    with at_stack() as is_stack:
        if PREFECT_API_URL.value():
            meanwhile()
            check_api()
            try:
                yield
            finally:
                if is_stack:
                    drain()
            return
    with _own_server(meanwhile):
        yield


@contextmanager
def _own_server(meanwhile: Callable[[], object]) -> Iterator[None]:
    from prefect.settings import PREFECT_HOME

    from tasks.bridge.llm_limit import server_of_its_own

    reach_directly("127.0.0.1")
    home = Path(PREFECT_HOME.value())
    with prefect_server(home) as url:
        meanwhile()
        # The imports take as long as the server needs to start; Prefect would import its engines at the first flow run,
        # and pyarrow pandas (0.4 s) when the report is written.
        import pandas  # noqa: F401
        import prefect.flow_engine
        import prefect.task_engine  # noqa: F401

        import flows.generate_report  # noqa: F401

        wait_until_healthy(url, home)
        freeze_imported()
        with use_server(url, server_password(home)), server_of_its_own():
            try:
                yield
            finally:
                drain()


def check_api() -> None:
    """Ask the configured Prefect API whether it is there.

    Raises:
        PrefectServerError: it is not, or takes nothing from us.
    """
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value() or ""
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise PrefectServerError(
            f"the Prefect API at {scrub(url)} cannot be used (PREFECT_API_URL){describe_route(url, os.environ)}: "
            f"{_in_short(problem)}"
        )


def check_configured_api() -> None:
    """``check_api``, where an API is configured; without one a report starts a server of its own."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        check_api()


def drain() -> None:
    """Send what Prefect still holds back: at exit, with the server gone, it would try for minutes."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=_DRAIN_SECONDS)
    EventsWorker.drain_all(timeout=_DRAIN_SECONDS)


@open_clients()
def run_report(order: Order) -> int | None:
    """Run the flow here and return the report's id, also when Ctrl-C stopped it; None when it left no report.

    Raises:
        RefusedError: what was asked for is wrong; nothing was paid for.
        AgentReportError: nothing could be made of it (the source or the warehouse cannot be reached).
    """
    from flows.generate_report import generate_report

    flow_runs: list[str] = []

    def note(flow: Any, flow_run: Any, state: Any) -> None:
        flow_runs.append(str(flow_run.id))

    try:
        state = generate_report.with_options(on_running=[note])(
            order.environment, order.name, order.criteria, order.options, order.report_id, return_state=True
        )
        result: Any = state.result(raise_on_failure=False)
    except KeyboardInterrupt:
        return _report_of(order, flow_runs)
    except httpx.TransportError as error:
        # The flow run's last state did not reach the API; the report is in the warehouse all the same.
        result = error
    if isinstance(result, int):
        return result
    if isinstance(result, RefusedError):
        raise result
    report_id = _report_of(order, flow_runs)
    if isinstance(result, Exception) and (report_id is None or not _has_ended(report_id)):
        raise result if isinstance(result, AgentReportError) else AgentReportError(_in_short(result)) from None
    return report_id


def _report_of(order: Order, flow_runs: Sequence[str]) -> int | None:
    return next((int(row["id"]) for row in _reports(order) if row["flow_run_id"] in flow_runs), None)


def _has_ended(report_id: int) -> bool:
    """Whether the report's row records how it ended; a warehouse that fails in the middle leaves one that does not."""
    from tasks.clients import current_clients
    from tasks.warehouse.schema import ENDED

    row = current_clients().warehouse().load_report(report_id)
    return row is not None and row["status"] in ENDED


def _in_short(error: BaseException) -> str:
    return scrub(f"{type(error).__name__}: {error}")


@open_clients()
def running_report(order: Order) -> ReportRow | None:
    """The row of the report that this process is making, or None before there is one."""
    return next((row for row in _reports(order) if row["owner"] and row["owner"]["pid"] == os.getpid()), None)


def _reports(order: Order) -> list[ReportRow]:
    from tasks.clients import current_clients

    warehouse = current_clients().warehouse()
    if order.report_id is not None:
        row = warehouse.load_report(order.report_id)
        return [row] if row else []
    return warehouse.list_reports(order.environment, limit=50)


@open_clients()
def check_settings(order: Order, *, judge: bool = True) -> None:
    """Refuse at once what would only be refused when Prefect has started.

    Raises:
        RefusedError: a wrong or missing setting, an unknown environment, agent or report, a filter that cannot be
            honoured, a criterion's function that there is not.
        SourceError: the source cannot be read.
    """
    from tasks.clients import current_clients
    from tasks.judge.criteria.function import load_functions
    from tasks.judge.rubric import resolve_rubrics, select_agents
    from tasks.report.plan import build_window
    from tasks.stored.reports import require_report

    clients = current_clients()
    options = clients.settings.options(order.options)
    source = clients.source()
    agents = source.load_agents(order.environment, build_window(options, datetime.now(UTC)))
    source.check_filter(options.filter_model)
    source.check_unit(options.unit)
    load_functions(resolve_rubrics(order.criteria, agents))
    select_agents(options.agents, agents)
    if order.report_id is not None:
        require_report(order.report_id)
    if judge:
        clients.warm_up(options)
