"""The command ``agent-report up``: what it starts, in which order, and what it prints."""

from __future__ import annotations

import os
import shlex
import socket
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from deployments.local.kept_secret import keep_secret
from deployments.local.postgres import Postgres, prepare_postgres
from deployments.local.prefect_server import reach_directly
from deployments.stack.environment import check_source, demo_settings, read_user_settings
from deployments.stack.leftovers import end_marked
from deployments.stack.place import Place, take_place
from deployments.stack.port import free_port, listen, port_of
from deployments.stack.programs import Programs
from deployments.stack.supervisor import StoppedError, Supervisor, shutdown_by_signal
from deployments.terminal.console import one_line, open_console
from deployments.terminal.invocation import printed_command
from tasks.errors import StackError, WarehouseError
from tasks.warehouse.owner import current_owner
from tasks.warehouse.sql import open_warehouse
from tasks.wording.counts import counted

_HOST = "127.0.0.1"
_JAEGER_PORT, _JUDGE_PORT = 8766, 8767
# What lets a report ask its judge: with none of them it is refused.
_LETS_IN = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "AGENT_REPORT_JUDGE_KEY_BLOCK",
    "AGENT_REPORT_JUDGE_HEADERS",
    "AGENT_REPORT_JUDGE_HEADERS_BLOCK",
    "AGENT_REPORT_JUDGE_ENTRA_SCOPE",
)


@dataclass(frozen=True, slots=True)
class _Stack:
    """A running stack: its addresses, and the settings of its flow runs."""

    place: Place
    api: str
    webhooks: str
    warehouse: str
    settings: dict[str, str]


def run_up(*, demo: bool, folder: Path, port: int, webhook_port: int) -> None:
    """Run the stack in ``folder`` until Ctrl-C.

    Raises:
        RefusedError: another runs in the folder, or a setting is wrong.
        SourceError: the source cannot be read.
        StackError: something does not start, or ends too often; everything else was stopped.
        PostgresError: the wheel is not installed, or its data cannot be created.
    """
    settings = None if demo else read_user_settings()
    if not demo:
        check_source()
    reach_directly(_HOST)
    console = open_console()

    def show(what: Text) -> None:
        # A terminal that is gone is no reason to leave anything running.
        with suppress(OSError):
            console.print(what, soft_wrap=True)

    def announce(line: str) -> None:
        show(one_line(line))

    with take_place(folder) as place, shutdown_by_signal() as shutdown, suppress(StoppedError), ExitStack() as context:
        if left := end_marked(place.folder):
            announce(f"Ended {counted(left, 'process', 'processes')} that an earlier stack in this folder had left")
        listener = context.enter_context(listen(port))
        if port not in (0, port_of(listener)):
            announce(f"Port {port} is taken: the Prefect server is on {port_of(listener)}")
        receiver_port = free_port(webhook_port)
        if webhook_port not in (0, receiver_port):
            announce(f"Port {webhook_port} is taken: the webhook receiver is on {receiver_port}")
        supervisor = context.enter_context(Supervisor(place.logs, shutdown, announce))
        context.callback(announce, "Stopping")
        stack = _start(supervisor, place, listener, _url(receiver_port), settings, announce)
        for line in (*_overview(stack), *_next_steps(stack)):
            show(line)
        supervisor.watch(lambda: place.write_state(_state(stack, supervisor)))


def _start(
    supervisor: Supervisor,
    place: Place,
    listener: socket.socket,
    webhooks: str,
    settings: dict[str, str] | None,
    announce: Callable[[str], None],
) -> _Stack:
    """Start everything in order, without ``settings`` with the demo's services, and return when all are ready."""
    api = f"{_url(port_of(listener))}/api"
    programs = Programs(place, uuid.uuid4().hex, api, keep_secret(place.password))
    announce("Starting PostgreSQL and the Prefect server, and setting it up")
    supervisor.start(programs.keeper())
    postgres = prepare_postgres(place.postgres)
    children = [supervisor.start(programs.postgres(postgres))]
    if settings is None:
        jaeger, judge = _url(free_port(_JAEGER_PORT)), _url(free_port(_JUDGE_PORT))
        settings = demo_settings(place.demo, jaeger, judge)
        children.append(supervisor.start(programs.demo(jaeger, judge)))
    supervisor.wait_until_ready(children[0])
    stack = _Stack(place, api, webhooks, *_warehouse(settings, place, postgres))
    children.append(supervisor.start(programs.server(listener, postgres.database("prefect", "asyncpg"))))
    # Its imports take as long as the server's; what it asks waits for the answer.
    supervisor.run(programs.setup(stack.settings))
    announce("Starting a worker and the webhook receiver")
    children.append(supervisor.start(programs.worker(stack.settings, announce)))
    children.append(supervisor.start(programs.receiver(stack.settings, webhooks)))
    try:
        # What a stack that was killed left unfinished: the events of its end died with it. Not as a run of the
        # deployment, whose one place may still be leased to a run that was killed.
        if not stack.warehouse or _has_unfinished(stack.warehouse):
            supervisor.run(programs.reconcile(stack.settings))
    except (StackError, WarehouseError) as error:
        announce(str(error))
    supervisor.wait_until_ready(*children)
    return stack


def _warehouse(settings: dict[str, str], place: Place, postgres: Postgres) -> tuple[str, dict[str, str]]:
    """The warehouse's URL (none where the user has another), and ``settings`` that lead to it."""
    settings = {"AGENT_REPORT_PARQUET_URL": str(place.parquet), **settings}
    if any(name in settings for name in ("AGENT_REPORT_WAREHOUSE_URL", "AGENT_REPORT_WAREHOUSE_BLOCK")):
        return "", settings
    url = postgres.database("warehouse")
    return url, {**settings, "AGENT_REPORT_WAREHOUSE_URL": url}


def _has_unfinished(url: str) -> bool:
    with closing(open_warehouse(url)) as warehouse:
        return bool(warehouse.load_unfinished())


def _url(port: int) -> str:
    return f"http://{_HOST}:{port}"


def _ui(stack: _Stack) -> str:
    return stack.api.removesuffix("/api")


def _state(stack: _Stack, supervisor: Supervisor) -> dict[str, object]:
    return {
        "pid": os.getpid(),
        # By it a stack that was killed is known: it leaves this file behind.
        "owner": current_owner().model_dump(),
        "children": {child.program.name: child.pid for child in supervisor.children},
        "ui": _ui(stack),
        "api": stack.api,
        "webhooks": stack.webhooks,
        "warehouse": stack.warehouse,
        "parquet": stack.settings["AGENT_REPORT_PARQUET_URL"],
    }


def _overview(stack: _Stack) -> list[Text]:
    """The addresses, each in a line that can be copied whole."""
    places = {
        "Prefect UI": _ui(stack),
        "UI password": f"the whole line in {stack.place.password}",
        "Prefect API": stack.api,
        "Webhooks": f"{stack.webhooks}/webhooks/reports",
        "Warehouse": stack.warehouse or "yours (AGENT_REPORT_WAREHOUSE_URL or AGENT_REPORT_WAREHOUSE_BLOCK)",
        "Parquet": stack.settings["AGENT_REPORT_PARQUET_URL"],
        "Logs": str(stack.place.logs),
    }
    width = max(map(len, places))
    return [Text.assemble((f"{name:{width}}  ", "bold"), one_line(value)) for name, value in places.items()]


def _next_steps(stack: _Stack) -> list[Text]:
    """What to do now, each in a line that can be copied whole."""
    environment = stack.settings.get("AGENT_REPORT_ENVIRONMENT", "ENVIRONMENT")
    steps = {
        "A report": f"in the UI: Deployments, on-demand, Run, and the environment {environment}",
        # The password stays in its file: what is printed is copied into chats and logs.
        "Or": f'PREFECT_API_AUTH_STRING="$(cat {shlex.quote(str(stack.place.password))})" '
        + printed_command(
            *("deployment", "run", "generate_report/on-demand", "-p", f"environment={environment}"),
            environment={"PREFECT_API_URL": stack.api},
            name="prefect",
        ),
    }
    if stack.warehouse:
        # With the folder, as `prune` would take another one's files for what is left of reports that are gone.
        places = {
            "AGENT_REPORT_WAREHOUSE_URL": stack.warehouse,
            "AGENT_REPORT_PARQUET_URL": stack.settings["AGENT_REPORT_PARQUET_URL"],
        }
        steps["All reports"] = printed_command("list", environment=places)
    if not stack.settings.get("AGENT_REPORT_WEBHOOK_SECRETS"):
        steps["Webhooks are signed with the secret in"] = str(stack.place.secret)
    lines = [Text()]
    if not any(stack.settings.get(name) for name in _LETS_IN):
        lines.append(one_line("There is no OPENAI_API_KEY: reports will be refused", "yellow"))
    lines += [Text.assemble(f"{name}: ", one_line(value)) for name, value in steps.items()]
    return [*lines, Text("Ctrl-C stops everything.")]
