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
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

# With the team's and the one for issues, these are nine questions.
_ORDER = ["--judge-model", "simulated-judge", "--agents", *(f"id:{number}" for number in range(1, 8))]
Run = Callable[..., tuple[int, dict[str, Any]]]


def _report(server: Any, *options: str) -> subprocess.Popen[str]:
    """A report on ``server`` in a process of its own."""
    environment = os.environ | {"PREFECT_API_URL": server.api, "PREFECT_HOME": str(server.home / "user")}
    command = [sys.executable, "-m", "deployments.cli", "run", "demo", "--json", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _slots(server: Any) -> int:
    """Slots of the tag's limit that are taken."""
    with SyncPrefectClient(server.api, auth_string=server.password) as client:
        return client.read_global_concurrency_limit_by_name("tag:llm").active_slots


def _wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(autouse=True)
def _limit(team_server: Any) -> None:
    """Three on the tag; the slots that are taken stay so."""
    with SyncPrefectClient(team_server.api, auth_string=team_server.password) as client:
        client.upsert_global_concurrency_limit_by_name("tag:llm", 3)


@pytest.fixture
def report_here(
    team_server: Any, run_here: Run, at_server: Callable[[str], AbstractContextManager[None]]
) -> Iterator[Run]:
    """``run_here`` on the team's server, for reports of this process."""
    import flows.generate_report  # noqa: F401 - it takes seconds, in which another report could end

    with at_server(team_server.api):
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
    team_server: Any, report_here: Run, make_world: Callable[..., Any]
) -> None:
    lock = threading.Lock()

    def wait_for_both(payload: Any, request: Any) -> None:
        with lock:
            _wait_until(lambda: len(world.warehouse.list_reports()) == 2)

    world = make_world(respond=wait_for_both)
    # The same question at the same time is asked once: so the second looks at fewer runs.
    process = _report(team_server, *_ORDER, "--runs-per-agent", "5")
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
    assert _slots(team_server) == 0


# A person's own limit may be taken without a lease; the slots of a rate limit come back by themselves.
_LIMITS: dict[str, dict[str, float]] = {"tag:lost": {}, "mine": {}, "tag:rate": {"slot_decay_per_second": 1e-6}}


def _lose_slots(api: httpx.Client) -> str:
    """As when a server dies after it took slots and before it wrote who has them: of four one is leased; the lease."""
    for name, more in _LIMITS.items():
        api.post("/v2/concurrency_limits/", json={"name": name, "limit": 5} | more).raise_for_status()
    taken = api.post("/v2/concurrency_limits/increment-with-lease", json={"slots": 1, "names": ["tag:lost"]})
    for name in _LIMITS:
        api.patch(f"/v2/concurrency_limits/{name}", json={"active_slots": 4}).raise_for_status()
    return str(taken.json()["lease_id"])


def test_a_server_that_is_gone_for_some_seconds_costs_no_report_and_frees_the_slots_that_nobody_leases(
    team_server: Any,
    report_here: Run,
    make_world: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    api_headers: dict[str, str],
) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "WARNING")
    back, freed = threading.Event(), list[list[int]]()

    def restart() -> None:
        team_server.kill()
        time.sleep(2)
        team_server.start()
        freed.append([active(name) for name in _LIMITS])
        back.set()

    with httpx.Client(base_url=team_server.api, headers=api_headers, trust_env=False) as api:

        def active(name: str) -> int:
            return int(api.get(f"/v2/concurrency_limits/{name}").json()["active_slots"])

        lease = _lose_slots(api)
        world = make_world(respond=_at_fourth(restart))
        code, printed = report_here(*_ORDER)
        assert back.is_set()
        assert (code, printed["report"]["status"], printed["report"]["error"]) == (0, "completed", None)
        assert len(world.judge.requests) == 9

        assert freed == [[1, 4, 4]]
        given_back = {"lease_id": lease}
        api.post("/v2/concurrency_limits/decrement-with-lease", json=given_back).raise_for_status()
        assert active("tag:lost") == 0
        for name in _LIMITS:
            api.delete(f"/v2/concurrency_limits/{name}").raise_for_status()
    assert "tag:lost had 4 slots taken and 1 leased" in (team_server.home / "agent-report-server.log").read_text()


def test_a_server_that_stays_away_ends_the_report_clearly_and_it_can_be_taken_up(
    team_server: Any, report_here: Run, make_world: Callable[..., Any]
) -> None:
    world = make_world(respond=_at_fourth(team_server.kill))
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 1}):
        code, printed = report_here(*_ORDER)
    report = printed["report"]
    assert code == 1
    assert report["status"] == "failed"
    assert "the Prefect API became unreachable" in report["error"]
    assert report["progress"] > 30
    paid = len(world.judge.requests)
    assert paid < 8
    team_server.start()
    code, printed = report_here("--report-id", str(report["id"]))
    assert (code, printed["report"]["status"]) == (0, "completed")
    assert len(world.judge.requests) == 9


def test_slots_of_calls_that_ended_while_the_server_was_down_are_free_again(team_server: Any) -> None:
    """At the latest when their leases of a minute expire; the tests before this one left some."""
    _wait_until(lambda: _slots(team_server) == 0, 90)
