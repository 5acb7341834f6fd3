"""The programs of a stack: how each is started, and how to tell that it is ready."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from deployments.local.kept_secret import keep_secret
from deployments.local.postgres import Postgres
from deployments.local.prefect_server import authorization, client_settings, server_command, server_settings
from deployments.setup.names import POOL
from deployments.stack.child import Program
from deployments.stack.environment import base_environment, client_environment, setup_environment, worker_environment
from deployments.stack.leftovers import end_marked, find_marked, mark
from deployments.stack.place import Place
from tasks.wording.counts import counted

_WORKER = "agent-report-up"
_WORKER_PART = "worker"
# A judge call may take two minutes.
_FLOW_RUN_SECONDS = 150.0
_SECRETS = "AGENT_REPORT_WEBHOOK_SECRETS"


def _open_client() -> httpx.Client:
    # A connection is not kept: the process at its other end may be gone by the next time.
    return httpx.Client(timeout=1, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass(frozen=True, slots=True)
class Programs:
    """What runs in ``place``; ``start`` names this start of the stack.

    ``api`` is the Prefect server's API, and ``password`` its password. ``http`` asks whether children are ready,
    several times a second: a client takes longer to make than to use.
    """

    place: Place
    start: str
    api: str
    password: str = field(repr=False)
    http: httpx.Client = field(default_factory=_open_client, repr=False, compare=False)

    def keeper(self) -> Program:
        """Ends what is left when the stack is killed."""
        return Program(
            "keeper",
            _python("deployments.stack.orphan_cleanup", str(self.place.folder), self.start),
            # Without the mark, so that it does not end itself.
            base_environment(),
            self.place.folder,
            _at_once,
            stop_signal=None,
            stop_seconds=20,
        )

    def postgres(self, server: Postgres) -> Program:
        """The databases."""
        return Program(
            "postgres",
            server.command,
            self._marked(base_environment()),
            self.place.folder,
            lambda _: server.is_ready(),
            # Fast: SIGTERM would wait for the clients.
            stop_signal=signal.SIGINT,
            stop_seconds=30,
            user=server.system_user,
        )

    def server(self, listener: socket.socket, database: str) -> Program:
        """Prefect's server, on a socket that outlives it: requests during a restart wait for the next process."""
        settings = server_settings(self.place.home, self.password, database)
        return Program(
            "server",
            server_command(listener, self.place.home),
            self._marked({**base_environment(), **settings}),
            self.place.folder,
            lambda _: _answers(self.http, f"{self.api}/ready"),
            descriptors=(listener.fileno(),),
        )

    def demo(self, jaeger: str, judge: str) -> Program:
        """The demo's simulated services at these URLs, and its source."""
        ports = [url.rpartition(":")[2] for url in (jaeger, judge)]
        return Program(
            "demo",
            _python("deployments.demo.services", str(self.place.demo), *ports),
            self._marked(base_environment()),
            self.place.folder,
            lambda _: all(_answers(self.http, url, ok=False) for url in (jaeger, judge)),
            stop_signal=None,
        )

    def setup(self, settings: Mapping[str, str]) -> Program:
        """Creates the work pool, the limit and the deployments, and ends."""
        environment = self._marked(setup_environment(self.place.home, self._client, settings))
        return Program("setup", _python("deployments.cli", "setup"), environment, self.place.folder, _at_once)

    def reconcile(self, settings: Mapping[str, str]) -> Program:
        """Marks the reports failed whose process is gone, and ends."""
        environment = self._marked(worker_environment(self.place.home, self._client, settings))
        return Program("reconcile", _python("flows.reconcile_reports"), environment, self.place.folder, _at_once)

    def worker(self, settings: Mapping[str, str], announce: Callable[[str], None]) -> Program:
        """Runs flows, which inherit its environment."""
        arguments = ["worker", "start", "--pool", POOL, "--type", "process", "--name", _WORKER]
        return Program(
            "worker",
            _python("prefect", *arguments),
            self._marked(worker_environment(self.place.home, self._client, settings), _WORKER_PART),
            self.place.folder,
            lambda since: _has_worker(self.http, self.api, self.password, since),
            before_stop=lambda worker, hurry: self._end_flow_runs(worker, announce, hurry),
        )

    def _end_flow_runs(self, worker: int | None, announce: Callable[[str], None], hurry: Callable[[], bool]) -> None:
        # Asked to stop, the worker kills its flow runs at once. Asked themselves, while the server and the databases
        # are there, they keep paid answers and record their end. Meanwhile the worker must not start others.
        if worker is not None:
            os.kill(worker, signal.SIGSTOP)
        try:
            which = self.place.folder, self.start, _WORKER_PART
            if count := len(find_marked(*which, spare=worker)):
                announce(f"Ending {counted(count, 'flow run')}: waiting for judge calls in flight (Ctrl-C: at once)")
                end_marked(*which, spare=worker, seconds=_FLOW_RUN_SECONDS, hurry=hurry)
        finally:
            if worker is not None:
                os.kill(worker, signal.SIGCONT)

    def receiver(self, settings: Mapping[str, str], url: str) -> Program:
        """The webhook receiver at ``url``."""
        known = settings.get(_SECRETS) or json.dumps([keep_secret(self.place.secret, new_webhook_secret)])
        return Program(
            "receiver",
            _python("deployments.cli", "webhook", "--port", url.rpartition(":")[2]),
            self._marked({**client_environment(self.place.home, self._client, settings), _SECRETS: known}),
            self.place.folder,
            lambda _: _answers(self.http, f"{url}/readyz"),
            stop_seconds=15,
        )

    @property
    def _client(self) -> dict[str, str]:
        return client_settings(self.api, self.password)

    def _marked(self, environment: Mapping[str, str], part: str = "") -> dict[str, str]:
        return {**environment, **mark(self.place.folder, self.start, part)}


def new_webhook_secret() -> str:
    """A random one in the form of Standard Webhooks."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _python(module: str, *arguments: str) -> list[str]:
    # -P: modules that lie where the process runs are not ours.
    return [sys.executable, "-P", "-m", module, *arguments]


def _at_once(since: datetime) -> bool:
    return True


def _answers(http: httpx.Client, url: str, *, ok: bool = True) -> bool:
    try:
        status = http.get(url).status_code
    except httpx.HTTPError:
        return False
    return status == httpx.codes.OK or not ok


def _has_worker(http: httpx.Client, api: str, password: str, since: datetime) -> bool:
    url, body = (
        f"{api}/work_pools/{POOL}/workers/filter",
        {"workers": {"last_heartbeat_time": {"after_": since.isoformat()}}},
    )
    try:
        answer = http.post(url, json=body, headers=authorization(password))
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK and any(row["name"] == _WORKER for row in answer.json())
