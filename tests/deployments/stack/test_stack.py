"""``agent-report up --demo`` as a user runs it: used, interrupted, killed piece by piece and killed as a whole.

The tests are one story, in this order, as each start of a stack takes a while.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deployments.local.prefect_server import authorization
from tasks.warehouse.frames import read_reports

_ui = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "make_screenshots.py"))
_READY_SECONDS = 200.0
_REPORT_SECONDS = 120.0


class Up:
    """The command in its folder, which is started several times."""

    def __init__(self, command: Any) -> None:
        self.command = command
        self.folder: Path = command.folder / "agent-report-data" / "stack"
        self.printed = command.folder / "printed"
        self.process: subprocess.Popen[bytes] | None = None

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
        """What its file for other programs says."""
        return dict(json.loads((self.folder / "stack.json").read_text()))

    def until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until it holds."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, self.explained
            assert time.monotonic() < deadline, self.explained
            time.sleep(0.1)

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
        return httpx.Client(base_url=self.state["api"], headers=authorization(self.password))

    def order(self) -> str:
        """Have the worker make a report; the flow run's id."""
        found = self.api.get("/deployments/name/generate_report/on-demand").json()
        body = {"parameters": {"environment": "demo", "options": {"fresh": True}}}
        return str(self.api.post(f"/deployments/{found['id']}/create_flow_run", json=body).json()["id"])

    def state_of(self, flow_run: str) -> str:
        """The type of its state."""
        return str(self.api.get(f"/flow_runs/{flow_run}").json()["state"]["type"])

    def completes(self, flow_run: str) -> None:
        """Wait until the flow run has ended, as it should."""
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        self.until(lambda: self.state_of(flow_run) in final, _REPORT_SECONDS)
        assert self.state_of(flow_run) == "COMPLETED", self.explained

    def reports(self) -> list[dict[str, Any]]:
        """The rows of the warehouse, newest first."""
        rows = read_reports(self.state["warehouse"]).sort_values("id", ascending=False).to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]

    @property
    def statuses(self) -> list[str]:
        """The statuses of its reports, newest first, of the same in a row only one."""
        return [status for status, _ in itertools.groupby(report["status"] for report in self.reports())]

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


def test_it_starts_on_another_port_where_its_own_is_taken(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up.start("--port", str(port), "--webhook-port", "0")
    state = up.state
    assert f"Port {port} is taken: the Prefect server is on " in up.text
    assert "Port 0" not in up.text
    for shown in (state["ui"], state["api"], f"{state['webhooks']}/webhooks/reports", state["warehouse"]):
        assert shown in up.text
    assert re.search(rf"AGENT_REPORT_PARQUET_URL={re.escape(state['parquet'])} \S*agent-report list", up.text)
    assert str(port) not in state["api"]
    # The page in the browser asks the API where it came from itself.
    assert httpx.get(f"{state['ui']}/ui-settings").json()["api_url"] == "/api"
    page = httpx.get(state["ui"], headers={"Accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, "<html" in page.text) == (200, True)
    settings = up.api.get("/admin/settings").json()["server"]
    assert settings["concurrency"]["lease_storage"] == "deployments.local.slot_leases"
    assert settings["tasks"]["tag_concurrency_slot_wait_seconds"] == 1
    assert settings["analytics_enabled"] is False


def test_every_place_is_printed_in_a_line_that_can_be_copied_whole(up: Up) -> None:
    lines = up.text.splitlines()
    assert f"Warehouse    {up.state['warehouse']}" in lines
    assert f"UI password  the whole line in {up.folder / 'prefect-password'}" in lines


@pytest.mark.parametrize(
    ("file", "holding"), [("webhook-secret", {"receiver"}), ("prefect-password", {"server", "worker", "receiver"})]
)
def test_a_secret_is_its_owners_alone_and_nowhere_else(up: Up, file: str, holding: set[str]) -> None:
    path = up.folder / file
    secret = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in up.text
    assert httpx.get(f"{up.state['webhooks']}/readyz").status_code == 200
    processes = [psutil.Process(up.state["pid"]), *psutil.Process(up.state["pid"]).children(recursive=True)]
    logs = [log.read_text() for log in (up.folder / "logs").iterdir()]
    for text in (up.text, *logs, *(" ".join(process.cmdline()) for process in processes)):
        assert secret not in text
    holders = {name for name, pid in up.state["children"].items() if secret in str(psutil.Process(pid).environ())}
    assert holders == holding


def test_who_has_not_the_password_is_turned_away(up: Up) -> None:
    assert httpx.get(f"{up.state['api']}/deployments/name/generate_report/on-demand").status_code == 401
    assert httpx.post(f"{up.state['api']}/events", json=[]).status_code == 401


def test_a_second_one_in_its_folder_is_refused(up: Up) -> None:
    ended = up.command.run("up", "--demo")
    assert ended.code == 2
    words = " ".join(ended.err.split())
    assert re.search(rf"another `\S*agent-report up` runs in {up.folder} \(process {up.state['pid']}\)", words)


def test_a_report_runs(up: Up) -> None:
    up.completes(up.order())
    (report,) = json.loads(up.command.run("list", "--json", AGENT_REPORT_WAREHOUSE_URL=up.state["warehouse"]).out)
    assert (report["status"], report["agents_evaluated"]) == ("completed", 13)
    assert (up.folder / "parquet" / "reports" / "demo" / f"{report['id']}.parquet").exists()


@pytest.mark.skipif(_ui["find_chromium"]() is None, reason="there is no Chromium on this machine")
def test_somebody_asks_for_a_report_in_a_browser_and_watches_it(up: Up) -> None:
    with _ui["open_browser"]() as page:
        _ui["log_in"](page, up.state["ui"], up.password)
        _ui["open_form"](page, up.state["ui"])
        _ui["fill_in"](page, "demo", "Weekly")
        # So that there is a middle in which to look.
        page.get_by_label("Judge calls at once").fill("2")
        run_url = _ui["submit"](page)
        _ui["open_artifact"](page, run_url, "progress")
        assert 1 <= _ui["wait_for_agents"](page, least=1) < 14
        _ui["open_artifact"](page, run_url, "markdown")
        report = page.inner_text("main")
    assert "Weekly" in report
    assert "Worst agents" in report
    up.completes(run_url.rpartition("/")[2])
    newest = up.reports()[0]
    assert (newest["name"], newest["status"], newest["agents_evaluated"]) == ("Weekly", "completed", 13)


def test_commands_in_its_folder_use_its_server(up: Up) -> None:
    """A report that is run beside it, with and without its URL, and setup."""
    known = psutil.Process(up.state["children"]["worker"]).environ()
    names = ("AGENT_REPORT_SOURCE_URL", "AGENT_REPORT_JUDGE_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY")
    settings = {name: known[name] for name in names}
    for variables in ({}, {"PREFECT_API_URL": up.state["api"]}):
        assert up.command.run("run", "demo", **settings, **variables).code == 0
    runs = up.api.post("/flow_runs/filter", json={}).json()
    beside = [run for run in runs if run["name"] == "report on demo" and run["deployment_id"] is None]
    assert [run["state"]["type"] for run in beside] == ["COMPLETED"] * 2
    checked = up.command.run("setup", "--check", AGENT_REPORT_ENVIRONMENT="demo")
    assert "work pool agent-report: of type process" in checked.out, checked.printed


def test_the_order_that_it_prints_works_as_printed(up: Up) -> None:
    (line,) = (line for line in up.text.splitlines() if line.startswith("Or: "))
    order = line.removeprefix("Or: ")
    ended = subprocess.run(order, shell=True, env=up.command.environment(), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = re.search(r"UUID: ([0-9a-f-]{36})", ended.stdout)
    assert found, ended.stdout
    up.completes(found[1])


def test_ctrl_c_ends_a_report_in_good_order_and_leaves_no_process(up: Up) -> None:
    up.order()
    up.until(lambda: up.reports()[0]["status"] == "generating_agents", _REPORT_SECONDS)
    assert up.left()

    assert up.end(signal.SIGINT) == 0

    assert not up.left()
    assert "Ending 1 flow run" in up.text
    assert "killed" not in up.text
    assert not (up.folder / "stack.json").exists()


def test_started_again_it_is_as_it_was(up: Up) -> None:
    secret = (up.folder / "webhook-secret").read_text()
    up.start("--port", "0", "--webhook-port", "0")
    assert (up.folder / "webhook-secret").read_text() == secret
    assert up.statuses == ["cancelled", "completed"]
    runs = up.api.post("/flow_runs/filter", json={"sort": "START_TIME_DESC"}).json()
    ended = [run["state"]["type"] for run in runs if run["name"] == "report on demo"]
    assert ended[0] == "CRASHED"
    assert set(ended[1:]) == {"COMPLETED"}


def test_what_is_killed_is_said_and_comes_back(up: Up) -> None:
    api = up.state["api"]
    before = up.state["children"]
    assert list(before) == ["keeper", "postgres", "demo", "server", "worker", "receiver"]
    for name, pid in before.items():
        os.kill(pid, signal.SIGKILL)
        said = f"{name} was killed (SIGKILL); its log is {up.folder / 'logs' / name}.log; it is started again\n"
        up.until(lambda said=said: said in up.text, 10)  # type: ignore[misc]
        if name == "postgres":
            # What comes after it would end once more without it.
            up.until(lambda: "postgres is back\n" in up.text, 60)
    for name, pid in before.items():
        up.until(lambda name=name: f"{name} is back\n" in up.text, 60)  # type: ignore[misc]
        assert up.state["children"][name] != pid
    assert up.text.count("started again") == len(before)
    assert up.state["api"] == api
    up.completes(up.order())
    assert up.reports()[0]["status"] == "completed"


def test_killed_itself_it_leaves_nothing_and_can_start_again(up: Up) -> None:
    assert len(up.left()) > 6
    up.order()
    up.until(lambda: up.reports()[0]["status"] == "generating_agents", _REPORT_SECONDS)
    up.end(signal.SIGKILL)
    deadline = time.monotonic() + 15
    while left := up.left():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)

    up.start("--port", "0", "--webhook-port", "0")
    # The report that it was at, too, has ended.
    up.until(lambda: up.statuses == ["failed", "completed", "cancelled", "completed"], 60)
    assert up.end(signal.SIGTERM) == 0
    assert not up.left()
