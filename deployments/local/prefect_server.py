"""A Prefect server of our own, for one command or for all: a subprocess, gone when its parent is, however that ends.

Prefect would start one by itself, but later (at the first flow), more slowly, and it outlives a killed parent.
"""

from __future__ import annotations

import base64
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from starlette.types import ASGIApp

from deployments.garbage import calm_collector
from deployments.local.host_guard import HostGuard
from deployments.local.kept_secret import keep_secret
from deployments.local.prefect_database import is_current, seed, template_file
from deployments.local.server_patches import count_slots_at_start, hint_retries, restrict_connections
from tasks.errors import PrefectServerError
from tasks.wire.route import NO_PROXY

if TYPE_CHECKING:
    import uvicorn

_START_SECONDS = 120.0
_END_SECONDS = 10.0
_LEASES = "deployments.local.slot_leases"


# What a server of one flow run has nothing to do for. The triggers alone take it 0.4 s to start.
_IDLE_SERVICES = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS", "SCHEDULER", "TRIGGERS")
}


def client_settings(url: str, password: str) -> dict[str, str]:
    """The variables that let a process use our server at ``url``, whatever the environment sets for Prefect's API."""
    return {
        "PREFECT_API_URL": url,
        "PREFECT_API_AUTH_STRING": password,
        # Our server asks for no token; a client that does not know that asks for one before each request.
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        # Headers and patience are for the server that the environment names: an Authorization would replace ours.
        "PREFECT_CLIENT_CUSTOM_HEADERS": "{}",
        "PREFECT_API_REQUEST_TIMEOUT": "60",
    }


@contextmanager
def use_server(url: str, password: str) -> Iterator[None]:
    """``client_settings`` for this process, while the block runs."""
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_REQUEST_TIMEOUT,
        PREFECT_API_URL,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
        PREFECT_CLIENT_CUSTOM_HEADERS,
        temporary_settings,
    )

    settings = (
        *(PREFECT_API_URL, PREFECT_API_AUTH_STRING, PREFECT_API_REQUEST_TIMEOUT),
        *(PREFECT_CLIENT_CSRF_SUPPORT_ENABLED, PREFECT_CLIENT_CUSTOM_HEADERS),
    )
    values = client_settings(url, password)
    with temporary_settings({setting: values[setting.name] for setting in settings}):
        yield


def authorization(password: str) -> dict[str, str]:
    """The header of a request to our server; only ``/api/health`` and ``/api/ready`` are answered without it."""
    return {"Authorization": f"Basic {base64.b64encode(password.encode()).decode()}"}


def without_prefect() -> dict[str, str]:
    """This process's environment without Prefect's settings, those of its log excepted."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT_") or name.startswith("PREFECT_LOGGING_")
    }


def server_password(home: Path) -> str:
    """The password of the servers that have their files in ``home``; made when there is none.

    Raises:
        PrefectServerError: its file cannot be read or written.
    """
    try:
        return keep_secret(password_file(home))
    except OSError as error:
        raise PrefectServerError(f"{password_file(home)} cannot be used: {error.strerror} (PREFECT_HOME)") from None


def password_file(home: Path) -> Path:
    """Where ``server_password`` is kept, for its owner alone."""
    return home / "agent-report-password"


def server_settings(home: Path, password: str, database_url: str = "") -> dict[str, str]:
    """The variables that make a Prefect server one of ours; without ``database_url`` it is on SQLite in ``home``."""
    settings = {
        "PREFECT_HOME": str(home.resolve()),
        # Not the user's profiles, which are about another server.
        "PREFECT_PROFILES_PATH": str(home.resolve() / "agent-report-profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # For the API and the events' sockets. Without it any page in a browser here, and any user, could run anything.
        "PREFECT_SERVER_API_AUTH_STRING": password,
        # The UI asks the server that it came from. It would ask port 4200 of this computer, whatever port we have.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "50",
    }
    if not database_url:
        if is_current(home, template_file()):
            # To find that there is nothing to migrate and no block type to register takes half a second of CPU time.
            settings["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "false"
            settings["PREFECT_API_BLOCKS_REGISTER_ON_START"] = "false"
        # It serves one flow run, of which the events need not be kept for a week.
        return settings | _IDLE_SERVICES | {"PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D"}
    return settings | {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
        # In memory, a restart of the server would leak the slots that were taken then.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES,
        # A task run that is denied a slot asks again after a second at the most, and not after ten.
        "PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    }


def server_command(listener: socket.socket, home: Path) -> list[str]:
    """What runs the server on ``listener``, which has to be passed on, until its standard input ends."""
    # -P: folders named tasks or flows where the command was called are not ours.
    return [sys.executable, "-P", "-m", "deployments.local.prefect_server", str(listener.fileno()), str(home.resolve())]


@contextmanager
def prefect_server(home: Path, *, password: str = "", database_url: str = "", port: int = 0) -> Iterator[str]:
    """A Prefect server with its files in ``home``; gives its API's URL at once, and ends it afterwards.

    Its password is ``server_password(home)`` unless another is given. Without ``database_url`` it is on SQLite, for
    this one process; a shared one needs PostgreSQL. Port 0: any free one.
    Call ``wait_until_healthy`` before using it: meanwhile imports can go on. The server ends itself when this process
    is gone, even if it was killed: it reads from a pipe that only this process holds open.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrefectServerError(f"the Prefect home {home} cannot be made: {error.strerror} (PREFECT_HOME)") from None
    password = password or server_password(home)
    if not database_url:
        seed(home, template_file())
    with socket.create_server(("127.0.0.1", port)) as listener, (home / "agent-report-server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own module, no input
            server_command(listener, home),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            env=without_prefect() | server_settings(home, password, database_url),
            # Prefect reads settings from files in the folder that it is started in, too.
            cwd=home,
            # Ctrl-C is for the command: it still needs its server to record that it was cancelled.
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    try:
        yield url
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def reach_directly(host: str) -> None:
    """Ask ``host`` without the proxy that the environment may name for everything else."""
    for name in NO_PROXY:
        hosts = [known for known in os.environ.get(name, "").split(",") if known]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, host]))


def wait_until_healthy(url: str, home: Path) -> None:
    """Return when the server answers.

    Raises:
        PrefectServerError: it ended, or did not answer within two minutes; its log is named.
    """
    deadline = time.monotonic() + _START_SECONDS
    # The listening socket is there from the start, so the first request simply waits for the server.
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=_START_SECONDS, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.ConnectError:
            # Only the server holds it open: there is no server any more.
            break
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise PrefectServerError(
        f"the embedded Prefect server did not start; its log is {home / 'agent-report-server.log'}"
    )


def _serve(descriptor: int, home: Path) -> None:
    calm_collector()
    parent = Parent()
    threading.Thread(target=parent.watch, daemon=True).start()
    # Two servers that start on one fresh home race in the migrations, and one of them fails.
    with (home / "agent-report-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        import uvicorn
        from prefect.server.api.server import create_app

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                fcntl.flock(lock, fcntl.LOCK_UN)

        app: ASGIApp = create_app()
        if os.environ.get("PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE") == _LEASES:
            app = count_slots_at_start(app)
        listener = socket.socket(fileno=descriptor)
        guarded = HostGuard(restrict_connections(hint_retries(app)), listener.getsockname()[1])
        config = uvicorn.Config(guarded, log_level="warning", timeout_graceful_shutdown=2)
        server = Server(config)
        parent.end_gracefully(server)
        server.run(sockets=[listener])
    # The interpreter takes half a second to end, for nothing.
    os._exit(0)


class Parent:
    """The process that started the server and holds its standard input open: when it is gone, so is the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: uvicorn.Server | None = None

    def end_gracefully(self, server: uvicorn.Server) -> None:
        """From now on, let ``server`` end by itself; until then, nothing had begun."""
        with self._lock:
            self._server = server

    def watch(self) -> None:
        """Wait for the parent's end, then end this process."""
        while os.read(0, 4096):
            pass
        with self._lock:
            if self._server is None:
                os._exit(0)
            # What became of the last task runs came in events: they are written down while it ends.
            self._server.should_exit = True
        time.sleep(_END_SECONDS)
        os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), Path(sys.argv[2]))
