"""Reports on a server that is shared, as a team runs it: its limit, its end in the middle of a report, cancelling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.local.prefect_server import prefect_server, wait_until_healthy

_RUN = [sys.executable, "-m", "deployments.cli", "run", "demo", "--judge-model", "simulated-judge", "--json"]
# With the team's and the one for issues, these are nine questions.
_AGENTS = ["--agents", *(f"id:{number}" for number in range(1, 8))]


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

    def report(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        """A report in a process of its own."""
        environment = os.environ | {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.home / "user"), **variables}
        return subprocess.Popen(
            [*_RUN, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @staticmethod
    def printed(process: subprocess.Popen[str]) -> dict[str, Any]:
        """The report that a process made."""
        out, errors = process.communicate(timeout=200)
        assert out, errors
        report: dict[str, Any] = json.loads(out)["report"]
        return report

    def slots(self) -> int:
        """Slots of the tag's limit that are taken."""
        with self.client() as client:
            return client.read_global_concurrency_limit_by_name("tag:llm").active_slots


def _wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


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
def world(open_world: Callable[..., Any]) -> Any:
    """Answers take a second each."""
    return open_world(full=True, agent_seconds=1, team_seconds=1)


def test_two_reports_at_once_share_the_limit_and_neither_starves(team: Team, world: Any) -> None:
    # The same question at the same time is asked once: so the second looks at fewer runs.
    both = [team.report(*_AGENTS, "--runs-per-agent", count) for count in ("5", "4")]
    reports = [team.printed(process) for process in both]
    assert [report["status"] for report in reports] == ["completed"] * 2
    assert len(world.judge.requests) == 18
    assert world.judge.most_in_flight == 3
    # Alone it would take a third of the calls of both; a report that waits for the other to end takes all of them.
    begun = [report["generation_started_at"] for report in reports]
    ended = [report["generation_completed_at"] for report in reports]
    assert max(begun) < min(ended)
    assert team.slots() == 0


def test_a_server_that_is_gone_for_some_seconds_costs_no_report(team: Team, world: Any) -> None:
    process = team.report(*_AGENTS)
    _wait_until(lambda: len(world.judge.requests) >= 4)
    team.kill()
    time.sleep(2)
    team.start()
    report = team.printed(process)
    assert (report["status"], report["error"]) == ("completed", None)
    assert len(world.judge.requests) == 9


def test_a_server_that_stays_away_ends_the_report_clearly_and_it_can_be_taken_up(team: Team, world: Any) -> None:
    process = team.report(*_AGENTS, PREFECT_CLIENT_MAX_RETRIES="1")
    _wait_until(lambda: len(world.judge.requests) >= 4)
    team.kill()
    report = team.printed(process)
    assert process.returncode == 1
    assert report["status"] == "failed"
    assert "the Prefect API became unreachable" in report["error"]
    assert report["progress"] > 30
    paid = len(world.judge.requests)
    assert paid < 8
    team.start()
    again = team.printed(team.report("--report-id", str(report["id"])))
    assert again["status"] == "completed"
    assert len(world.judge.requests) == 9


def test_slots_of_calls_that_ended_while_the_server_was_down_are_free_again(team: Team) -> None:
    """At the latest when their leases of a minute expire; the tests before this one left some."""
    _wait_until(lambda: team.slots() == 0, 90)
