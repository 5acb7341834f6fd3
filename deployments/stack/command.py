"""The command ``agent-report up``: what runs, in which order, and what is said about it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.postgres import Postgres, prepare_postgres
from deployments.prefect_server import server_command, server_settings
from deployments.runner import reach_directly
from deployments.stack.child import Program
from deployments.stack.environment import (
    base_environment,
    client_environment,
    demo_settings,
    read_user_settings,
    setup_environment,
    worker_environment,
)
from deployments.stack.leftovers import end_marked, mark
from deployments.stack.port import free_port, listen, port_of
from deployments.stack.secret import keep_secret
from deployments.stack.supervisor import StoppedError, Supervisor, Wish, wish_by_signal
from deployments.terminal import one_line, open_console
from tasks.errors import RefusedError

POOL, WORKER = "agent-report", "agent-report-up"
_JAEGER_PORT, _JUDGE_PORT = 8766, 8767
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a stack, and where things are in it."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def home(self) -> Path:
        return self.folder / "prefect"

    @property
    def demo(self) -> Path:
        return self.folder / "demo"

    @property
    def secret(self) -> Path:
        return self.folder / "webhook-secret"

    @property
    def state(self) -> Path:
        return self.folder / "stack.json"


def run_up(*, demo: bool, folder: Path, port: int, webhook_port: int) -> int:
    """Run the stack in ``folder`` until Ctrl-C. The exit code.

    Raises:
        RefusedError: the folder is in use by another, or a setting is wrong.
        StackError: something does not start, or ends again and again; everything else was ended.
        PostgresError: the wheel is not installed, or its data cannot be made.
    """
    settings = {} if demo else read_user_settings()
    try:
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedError(f"--folder {folder} cannot be made: {error.strerror}") from None
    reach_directly(_LOOPBACK)
    console = open_console()
    with _lock(folder), wish_by_signal() as wish:
        try:
            _Stack(Place(folder), demo, settings, console, wish).run(port, webhook_port)
        except StoppedError:
            pass
    return 0


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise RefusedError(
                f"another `agent-report up` runs in {folder} (process {file.read().strip() or 'unknown'})"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


class _Stack:
    def __init__(self, place: Place, demo: bool, settings: dict[str, str], console: Console, wish: Wish) -> None:
        self._place = place
        self._demo = demo
        self._settings = settings
        self._console = console
        self._wish = wish
        self._mark = mark(place.folder, uuid.uuid4().hex)

    def _say(self, line: str) -> None:
        # A terminal that is gone is no reason to leave anything running.
        with suppress(OSError):
            self._console.print(one_line(line), soft_wrap=True)

    def run(self, port: int, webhook_port: int) -> None:
        place = self._place
        if left := end_marked(place.folder):
            self._say(f"Ended {left} processes that a stack in this folder had left")
        with ExitStack() as stack:
            listener = stack.enter_context(listen(port))
            if port_of(listener) != port:
                self._say(f"Port {port} is taken: the Prefect server is on {port_of(listener)}")
            receiver_port = free_port(webhook_port)
            if receiver_port != webhook_port:
                self._say(f"Port {webhook_port} is taken: the webhook receiver is on {receiver_port}")
            stack.callback(place.state.unlink, missing_ok=True)
            supervisor = stack.enter_context(Supervisor(place.logs, self._wish, self._say))
            stack.callback(lambda: self._say("Stopping"))
            self._start(supervisor, listener, receiver_port)
            supervisor.watch()

    def _start(self, supervisor: Supervisor, listener: Any, receiver_port: int) -> None:
        place = self._place
        place.home.mkdir(exist_ok=True)
        supervisor.start(self._keeper())
        self._say("Starting PostgreSQL, the Prefect server, a worker and the webhook receiver")
        server = prepare_postgres(place.folder / "postgres")
        postgres = supervisor.start(self._postgres(server))
        settings = dict(self._settings)
        settings.setdefault("AGENT_REPORT_PARQUET_URL", str(place.folder / "parquet"))
        waited = [postgres]
        if self._demo:
            jaeger, judge = free_port(_JAEGER_PORT), free_port(_JUDGE_PORT)
            services = f"http://{_LOOPBACK}:{jaeger}", f"http://{_LOOPBACK}:{judge}"
            settings |= demo_settings(place.demo, *services)
            waited.append(supervisor.start(self._demo_services(jaeger, judge)))
        supervisor.wait_until_ready(postgres)
        api = f"http://{_LOOPBACK}:{port_of(listener)}/api"
        database = server.database("prefect", "asyncpg")
        if "AGENT_REPORT_WAREHOUSE_BLOCK" not in settings:
            settings.setdefault("AGENT_REPORT_WAREHOUSE_URL", server.database("warehouse"))
        waited.append(supervisor.start(self._server(listener, api, database)))
        supervisor.wait_until_ready(*waited)
        self._say("Setting up the work pool, the limit and the deployments")
        supervisor.run(self._setup(api, settings))
        worker = supervisor.start(self._worker(api, settings))
        receiver = supervisor.start(self._receiver(api, settings, receiver_port))
        supervisor.wait_until_ready(worker, receiver)
        urls = {
            "ui": api.removesuffix("/api"),
            "api": api,
            "webhooks": f"http://{_LOOPBACK}:{receiver_port}/webhooks/reports",
        }
        self._write_state(supervisor, urls, settings)
        self._greet(urls, settings)

    def _program(self, name: str, command: list[str], environment: Mapping[str, str], **more: Any) -> Program:
        return Program(name, command, {**environment, **self._mark}, self._place.folder, **more)

    def _keeper(self) -> Program:
        folder, start = next(iter(self._mark.values())).rsplit("#", 1)
        command = _python("deployments.stack.keeper", folder, start)
        # Without the mark: it must not end itself.
        return Program(
            "keeper", command, base_environment(), self._place.folder, lambda _: True, stop_signal=None, stop_seconds=20
        )

    def _postgres(self, server: Postgres) -> Program:
        return self._program(
            "postgres",
            server.command,
            base_environment(),
            is_ready=lambda _: server.is_ready(),
            stop_signal=signal.SIGINT,
            stop_seconds=30,
            user=server.system_user,
        )

    def _server(self, listener: Any, api: str, database: str) -> Program:
        place = self._place
        return self._program(
            "server",
            server_command(listener, place.home),
            {**base_environment(), **server_settings(place.home, database), "PREFECT_UI_API_URL": api},
            is_ready=lambda _: _answers(f"{api}/ready"),
            descriptors=(listener.fileno(),),
        )

    def _demo_services(self, jaeger: int, judge: int) -> Program:
        return self._program(
            "demo",
            _python("deployments.demo.services", str(self._place.demo), str(jaeger), str(judge)),
            base_environment(),
            is_ready=lambda _: all(_answers(f"http://{_LOOPBACK}:{port}", ok=False) for port in (jaeger, judge)),
        )

    def _setup(self, api: str, settings: Mapping[str, str]) -> Program:
        environment = setup_environment(self._place.home, api, settings)
        return self._program("setup", _python("deployments.cli", "setup"), environment, is_ready=lambda _: True)

    def _worker(self, api: str, settings: Mapping[str, str]) -> Program:
        arguments = ["worker", "start", "--pool", POOL, "--type", "process", "--name", WORKER]
        return self._program(
            "worker",
            _python("prefect", *arguments),
            worker_environment(self._place.home, api, settings),
            is_ready=lambda since: _has_worker(api, since),
            stop_seconds=30,
        )

    def _receiver(self, api: str, settings: Mapping[str, str], port: int) -> Program:
        environment = client_environment(self._place.home, api, settings)
        if not environment.get("AGENT_REPORT_WEBHOOK_SECRETS"):
            environment["AGENT_REPORT_WEBHOOK_SECRETS"] = json.dumps([keep_secret(self._place.secret)])
        return self._program(
            "receiver",
            _python("deployments.cli", "webhook", "--port", str(port)),
            environment,
            is_ready=lambda _: _answers(f"http://{_LOOPBACK}:{port}/readyz"),
        )

    def _write_state(self, supervisor: Supervisor, urls: Mapping[str, str], settings: Mapping[str, str]) -> None:
        state = {**urls, "pid": os.getpid(), "parquet": settings["AGENT_REPORT_PARQUET_URL"]}
        self._place.state.write_text(json.dumps(state, indent=2) + "\n")

    def _greet(self, urls: Mapping[str, str], settings: Mapping[str, str]) -> None:
        table = Table.grid(padding=(0, 2))
        for name, value in {
            "Prefect UI": urls["ui"],
            "Prefect API": urls["api"],
            "Webhooks": urls["webhooks"],
            "Parquet": settings["AGENT_REPORT_PARQUET_URL"],
            "Logs": str(self._place.logs),
        }.items():
            table.add_row(Text(name, "bold"), one_line(value))
        with suppress(OSError):
            self._console.print(table)


def _python(module: str, *arguments: str) -> list[str]:
    # -P: modules that lie where the process runs are not ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def _answers(url: str, *, ok: bool = True) -> bool:
    try:
        status = httpx.get(url, timeout=1, trust_env=False).status_code
        return status == httpx.codes.OK or not ok
    except httpx.HTTPError:
        return False


def _has_worker(api: str, since: datetime) -> bool:
    """Whether the worker has been heard of since then."""
    body = {"workers": {"last_heartbeat_time": {"after_": since.isoformat()}}}
    try:
        answer = httpx.post(f"{api}/work_pools/{POOL}/workers/filter", json=body, timeout=1, trust_env=False)
        return answer.status_code == httpx.codes.OK and any(row["name"] == WORKER for row in answer.json())
    except httpx.HTTPError:
        return False
