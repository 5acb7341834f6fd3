"""Reports on a server that is shared, as a team runs it: its limit, its end in the middle of a report, cancelling."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments.local.prefect_server import prefect_server, wait_until_healthy

# With the team's and the one for issues, these are nine questions.
_ORDER = ["--judge-model", "simulated-judge", "--agents", *(f"id:{number}" for number in range(1, 8))]
Run = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Team:
    """A team's server on a PostgreSQL database of its own, with a limit of three on the tag."""

    home: Path
    database: str
    password: str
    url: str = ""
    running: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start the server, the second time on the same port."""
        port = int(self.url.split(":")[2].split("/")[0]) if self.url else 0
        server = prefect_server(self.home, password=self.password, database_url=self.database, port=port)
        self.url = server.__enter__()
        self.running.append(server)
        wait_until_healthy(self.url, self.home)

    def kill(self) -> None:
        """End the server as a crash does, and let nothing answer on its port."""
        server = self.running.pop()
        for process in psutil.Process().children():
            if str(self.home) in process.cmdline():
                process.kill()
        server.__exit__(None, None, None)

    def client(self) -> SyncPrefectClient:
        """A client of its API."""
        return SyncPrefectClient(self.url, auth_string=self.password)

    def report(self, *options: str) -> subprocess.Popen[str]:
        """A report in a process of its own."""
        environment = os.environ | {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home / "user")}
        command = [sys.executable, "-m", "deployments.cli", "run", "demo", "--json", *options]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def slots(self) -> int:
        """Slots of the tag's limit that are taken."""
        with self.client() as client:
            return client.read_global_concurrency_limit_by_name("tag:llm").active_slots


def _wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def team(prefect_database: str, tmp_path_factory: pytest.TempPathFactory, api_password: str) -> Iterator[Team]:
    team = Team(tmp_path_factory.mktemp("team"), prefect_database, api_password)
    team.start()
    with team.client() as client:
        client.create_concurrency_limit(tag="llm", concurrency_limit=3)
    yield team
    for server in team.running:
        server.__exit__(None, None, None)


@pytest.fixture
def report_here(team: Team, run_here: Run, at_server: Callable[[str], AbstractContextManager[None]]) -> Iterator[Run]:
    """``run_here`` on the team's server, for reports of this process."""
    import flows.generate_report  # noqa: F401 - it takes seconds, in which another report could end

    with at_server(team.url):
        yield run_here


@pytest.fixture
def make_world(open_world: Callable[..., Any]) -> Callable[..., Any]:
    """Answers take a second each."""
    return lambda **judge: open_world(full=True, agent_seconds=1, team_seconds=1, **judge)


def _at_fourth(act: Callable[[], object]) -> Callable[[Any, Any], None]:
    """What a judge responds by who lets ``act`` begin with its fourth request, and goes on."""
    asked = itertools.count(1)

    def respond(payload: Any, request: Any) -> None:
        if next(asked) == 4:
            threading.Thread(target=act).start()

    return respond


def test_two_reports_at_once_share_the_limit_and_neither_starves(
    team: Team, report_here: Run, make_world: Callable[..., Any]
) -> None:
    lock = threading.Lock()

    def wait_for_both(payload: Any, request: Any) -> None:
        with lock:
            _wait_until(lambda: len(world.warehouse.list_reports()) == 2)

    world = make_world(respond=wait_for_both)
    # The same question at the same time is asked once: so the second looks at fewer runs.
    process = team.report(*_ORDER, "--runs-per-agent", "5")
    _wait_until(lambda: bool(world.judge.requests))
    reports = [report_here(*_ORDER, "--runs-per-agent", "4")[1]["report"]]
    out, errors = process.communicate(timeout=200)
    assert out, errors
    reports.append(json.loads(out)["report"])
    assert [report["status"] for report in reports] == ["completed"] * 2
    assert len(world.judge.requests) == 18
    assert world.judge.most_in_flight == 3
    # Alone it would take a third of the calls of both; a report that waits for the other to end takes all of them.
    begun = [report["generation_started_at"] for report in reports]
    ended = [report["generation_completed_at"] for report in reports]
    assert max(begun) < min(ended)
    assert team.slots() == 0


def test_a_server_that_is_gone_for_some_seconds_costs_no_report(
    team: Team, report_here: Run, make_world: Callable[..., Any]
) -> None:
    back = threading.Event()

    def restart() -> None:
        team.kill()
        time.sleep(2)
        team.start()
        back.set()

    world = make_world(respond=_at_fourth(restart))
    code, printed = report_here(*_ORDER)
    assert back.is_set()
    assert (code, printed["report"]["status"], printed["report"]["error"]) == (0, "completed", None)
    assert len(world.judge.requests) == 9


def test_a_server_that_stays_away_ends_the_report_clearly_and_it_can_be_taken_up(
    team: Team, report_here: Run, make_world: Callable[..., Any]
) -> None:
    world = make_world(respond=_at_fourth(team.kill))
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
        code, printed = report_here(*_ORDER)
    report = printed["report"]
    assert code == 1
    assert report["status"] == "failed"
    assert "the Prefect API became unreachable" in report["error"]
    assert report["progress"] > 30
    paid = len(world.judge.requests)
    assert paid < 8
    team.start()
    code, printed = report_here("--report-id", str(report["id"]))
    assert (code, printed["report"]["status"]) == (0, "completed")
    assert len(world.judge.requests) == 9


def test_slots_of_calls_that_ended_while_the_server_was_down_are_free_again(team: Team) -> None:
    """At the latest when their leases of a minute expire; the tests before this one left some."""
    _wait_until(lambda: team.slots() == 0, 90)
