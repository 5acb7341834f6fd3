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


@dataclass
class Team:
    """A team's server on a PostgreSQL of its own, with a limit of three on the tag, and its warehouse."""

    home: Path
    database: str
    world: Any
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
        """End the server as a crash does, and let nobody answer on its port."""
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

    def wait_for_calls(self, calls: int) -> None:
        """Return when the judge was asked so often."""
        _wait_until(lambda: len(self.world.judge.requests) >= calls)


def _wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def team(make_world: Callable[..., Any], prefect_database: str, tmp_path: Path, api_password: str) -> Iterator[Team]:
    world = make_world(agent_seconds=0.5, team_seconds=0.5)
    team = Team(tmp_path / "server", prefect_database, world, api_password)
    team.start()
    with team.client() as client:
        client.create_concurrency_limit(tag="llm", concurrency_limit=3)
    yield team
    for server in team.running:
        server.__exit__(None, None, None)


def test_two_reports_at_once_share_the_limit_and_neither_starves(team: Team) -> None:
    # The same question at the same time is asked once: so the second looks at fewer runs.
    both = [team.report("--runs-per-agent", "5"), team.report("--runs-per-agent", "4")]
    reports = [team.printed(process) for process in both]
    assert [report["status"] for report in reports] == ["completed"] * 2
    assert len(team.world.judge.requests) == 28
    assert team.world.judge.most_in_flight == 3
    # Alone it would take a third of the calls of both; a report that waits for the other to end takes all of them.
    begun = [report["generation_started_at"] for report in reports]
    ended = [report["generation_completed_at"] for report in reports]
    assert max(begun) < min(ended)
    assert team.slots() == 0


def test_a_server_that_is_gone_for_some_seconds_costs_no_report(team: Team) -> None:
    process = team.report()
    team.wait_for_calls(4)
    team.kill()
    time.sleep(2)
    team.start()
    report = team.printed(process)
    assert (report["status"], report["error"]) == ("completed", None)
    assert len(team.world.judge.requests) == 14
    # The slots of calls that ended while nobody could take them back are free when their lease of a minute ends.
    _wait_until(lambda: team.slots() == 0, 90)


def test_a_server_that_stays_away_ends_the_report_clearly_and_it_can_be_taken_up(team: Team) -> None:
    process = team.report(PREFECT_CLIENT_MAX_RETRIES="1")
    team.wait_for_calls(4)
    team.kill()
    report = team.printed(process)
    assert process.returncode == 1
    assert report["status"] == "failed"
    assert "the Prefect API could not be reached any more" in report["error"]
    assert report["progress"] > 30
    paid = len(team.world.judge.requests)
    assert paid < 14
    team.start()
    again = team.printed(team.report("--report-id", str(report["id"])))
    assert again["status"] == "completed"
    assert len(team.world.judge.requests) == 14
