"""A stack that ``agent-report up --demo`` runs, in a folder of its own."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import sqlalchemy as sa

from deployments.local.prefect_server import authorization

_READY_SECONDS = 200.0
_REPORT_SECONDS = 120.0
_POLL_SECONDS = 0.5


class Up:
    """The command in its folder, which is started several times."""

    def __init__(self, command: Any) -> None:
        self.command = command
        self.folder: Path = command.folder / "agent-report-data" / "stack"
        self.printed = command.folder / "printed"
        self.process: subprocess.Popen[bytes] | None = None
        # One for all requests, as it takes longer to make than to use; each start has another address and password.
        self._client = httpx.Client()

    def start(self, *arguments: str) -> None:
        """Start it and wait until all is ready."""
        with self.printed.open("wb") as output:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("agent-report"), "up", "--demo", *arguments],
                cwd=self.command.folder,
                # What the user has set up for another Prefect and another source is not the stack's.
                env=self.command.environment(
                    PREFECT_API_URL="http://127.0.0.1:1/api",
                    PREFECT_API_AUTH_STRING="theirs",
                    PREFECT_SERVER_API_AUTH_STRING="theirs",
                    PREFECT_SERVER_CSRF_PROTECTION_ENABLED="true",
                    PREFECT_PROFILE="theirs",
                    PREFECT_SERVER_DATABASE_CONNECTION_URL="sqlite+aiosqlite:////nowhere/theirs.db",
                    AGENT_REPORT_SOURCE_URL="sqlite:////nowhere/theirs.db",
                    OPENAI_API_KEY="sk-theirs",
                    PGPORT="1",
                ),
                stdout=output,
                stderr=output,
            )
        pid = self.process.pid
        self.until(lambda: (self.folder / "stack.json").exists() and self.state["pid"] == pid, _READY_SECONDS)

    @property
    def text(self) -> str:
        """What it has printed since its last start."""
        return self.printed.read_text(encoding="utf-8")

    @property
    def state(self) -> dict[str, Any]:
        """What its file for other programs holds."""
        return dict(json.loads((self.folder / "stack.json").read_text()))

    def until(self, holds: Callable[[], bool], seconds: float = _REPORT_SECONDS) -> None:
        """Wait until it holds."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, self.explained
            assert time.monotonic() < deadline, self.explained
            time.sleep(_POLL_SECONDS)

    @property
    def explained(self) -> str:
        """What was printed and logged, for a test that fails."""
        logs = "".join(f"\n== {path.name}\n{path.read_text()[-2000:]}" for path in (self.folder / "logs").iterdir())
        return f"{self.text}\n{logs}"

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and wait for its end."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    @property
    def password(self) -> str:
        """What its Prefect server asks for."""
        return (self.folder / "prefect-password").read_text().strip()

    @property
    def api(self) -> httpx.Client:
        """Its Prefect server's API, with the password."""
        self._client.base_url = self.state["api"]
        self._client.headers.update(authorization(self.password))
        return self._client

    def order(self) -> str:
        """Have the worker make a report on few runs; the flow run's id."""
        found = self.api.get("/deployments/name/generate_report/on-demand").json()
        body = {"parameters": {"environment": "demo", "options": {"fresh": True, "runs_per_agent": 3}}}
        return str(self.post(f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the API answers."""
        response = self.api.post(path, json=body)
        response.raise_for_status()
        return response.json()

    def artifacts(self, flow_run: str, kind: str) -> list[Any]:
        """A flow run's artifacts of this type."""
        body = {"artifacts": {"flow_run_id": {"any_": [flow_run]}, "type": {"any_": [kind]}}}
        return list(self.post("/artifacts/filter", body))

    @contextmanager
    def runs_with(self, **variables: str) -> Iterator[None]:
        """Flow runs that start while the block runs get these variables, which the work pool's template reads."""
        path = "/variables/name/agent_report_env"
        before = self.api.get(path).json()["value"]
        self.api.patch(path, json={"value": before | variables}).raise_for_status()
        try:
            yield
        finally:
            self.api.patch(path, json={"value": before}).raise_for_status()

    def state_of(self, flow_run: str) -> str:
        """The type of its state."""
        return str(self.api.get(f"/flow_runs/{flow_run}").json()["state"]["type"])

    def completes(self, flow_run: str) -> None:
        """Wait until the flow run has ended, as it should."""
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        self.until(lambda: self.state_of(flow_run) in final)
        assert self.state_of(flow_run) == "COMPLETED", self.explained

    @property
    def statuses(self) -> list[str]:
        """The statuses of its reports, newest first, of the same in a row only one."""
        engine = sa.create_engine(self.state["warehouse"], poolclass=sa.NullPool)
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT status FROM reports ORDER BY id DESC")).scalars()
            return [status for status, _ in itertools.groupby(found)]

    def left(self) -> list[str]:
        """The processes that have to do with its folder, by their environment or their command line."""
        found = []
        for process in psutil.process_iter():
            try:
                known = f"{process.cmdline()} {process.environ()} {process.cwd()}"
                if str(self.folder) in known and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(str(process))
            except (psutil.Error, OSError):
                continue
        return found

    def wait_until_gone(self) -> None:
        """Wait until none of its processes is left, after it was killed."""
        deadline = time.monotonic() + 60
        while left := self.left():
            assert time.monotonic() < deadline, left
            time.sleep(_POLL_SECONDS)


@pytest.fixture(scope="module")
def up(make_command: Callable[[str], Any]) -> Iterator[Up]:
    """The stack of this module, of which nothing is left whatever happens."""
    # Not below pytest's own folder: as root PostgreSQL runs as another user, whom the next pytest would lock out.
    up = Up(replace(make_command("up"), folder=Path(tempfile.mkdtemp(prefix="up-")).resolve()))
    try:
        yield up
    finally:
        if up.process is not None and up.process.poll() is None:
            up.process.terminate()
            up.process.wait(60)
        shutil.rmtree(up.command.folder, ignore_errors=True)
