"""Which agent is judged when: a slow trace delays its own batch only, and the team is asked as soon as it can be."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from deployments.demo.judge import is_team
from deployments.demo.loopback import Request, Response
from deployments.demo.sample import Sample
from tasks.evidence.types import Agent
from tasks.reading import split_batches

AGENTS = [Agent(id=str(number), name=f"agent {number}", environment="demo") for number in range(1, 1201)]


@pytest.mark.parametrize(
    ("agents", "width", "batches", "largest"),
    [
        (0, 20, 0, 0),
        (14, 20, 14, 1),
        (20, 20, 20, 1),
        (21, 20, 11, 2),
        (100, 20, 20, 5),
        (1200, 20, 24, 50),
        (5, 1, 1, 5),
    ],
)
def test_batches_are_as_many_as_can_be_read_at_once(agents: int, width: int, batches: int, largest: int) -> None:
    split = split_batches(AGENTS[:agents], width)
    assert len(split) == batches
    assert max(map(len, split), default=0) == largest
    assert [agent for batch in split for agent in batch] == AGENTS[:agents]


def _subject(body: bytes) -> str:
    payload = json.loads(body)
    text: str = payload["messages"][1]["content"]
    return "team" if is_team(payload) else text.partition("\n# Agent\n| ")[2].partition("\n")[0]


@pytest.mark.parametrize(("width", "reads"), [(10, 20), (0, 20), (3, 2)])
def test_a_slow_trace_delays_its_own_batch_only(
    width: int, reads: int, make_world: Callable[..., Any], sample: Sample
) -> None:
    """The trace comes when all other batches have been asked about: were one of them to wait for it, it would not."""
    first = sample.agents[0]["id"]
    slow = next(run for run in sample.runs if run["trace_id"] and run["agent_id"] == first)
    size = max(map(len, split_batches(AGENTS[: len(sample.agents)], reads)))
    batch = {agent["name"] for agent in sample.agents[:size]}
    others = {agent["name"] for agent in sample.agents if any(run["agent_id"] == agent["id"] for run in sample.runs)}
    others -= batch
    arrived = threading.Event()
    asked: list[str] = []

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        asked.append(_subject(request.body))
        if others <= set(asked):
            arrived.set()
        return None

    world = make_world(respond=respond)
    world.jaeger.held = {slow["trace_id"]: arrived}
    report = world.report(max_concurrent_evals=width, max_concurrent_runs=reads)
    assert report["status"] == "completed"
    assert arrived.is_set()
    # The team's call waited for the slow batch, and for nothing else.
    assert set(asked[: len(others)]) == others
    assert "team" in asked[len(others) :]


@pytest.mark.parametrize("width", [3, 4])
def test_the_team_is_asked_before_the_agents_that_wait(width: int, make_world: Callable[..., Any]) -> None:
    """All evidence is there before the first agent's answer: the slot that was kept is the team's."""
    asked: list[str] = []
    evidence_is_read = threading.Event()

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        asked.append(_subject(request.body))
        if is_team(payload):
            evidence_is_read.set()
        # All slots but one are the agents' until the team has been asked.
        assert evidence_is_read.wait(60)
        return None

    world = make_world(respond=respond)
    report = world.report(max_concurrent_evals=width)
    assert report["status"] == "completed"
    assert asked.index("team") <= width - 1


@pytest.mark.parametrize("width", [4, 7])
def test_more_are_in_progress_than_may_ask(
    width: int, make_world: Callable[..., Any], api_headers: dict[str, str]
) -> None:
    """One more than four has its question ready, and four calls at once is the most that the judge gets.

    At seven at once all agents and the team are two rounds: one more has its question ready once the team has its slot.
    """
    from prefect.settings import PREFECT_API_URL

    # Of this report: the ends of earlier task runs may still be on their way to the server.
    own = {"name": {"like_": "evaluate "}, "start_time": {"after_": datetime.now(UTC).isoformat()}}
    running = {"task_runs": own | {"state": {"type": {"any_": ["RUNNING"]}}}}
    seen: list[int] = []
    looking = threading.Lock()

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        # Task runs are on the server some time after they began.
        deadline = time.monotonic() + 60
        with looking:
            while max(seen, default=0) <= width and time.monotonic() < deadline:
                seen.append(api.post("/task_runs/count", json=running).json())
                time.sleep(0.2)
        return None

    world = make_world(respond=respond, full=True)
    with httpx.Client(base_url=PREFECT_API_URL.value(), headers=api_headers, trust_env=False) as api:
        report = world.report(max_concurrent_evals=width)
    assert report["status"] == "completed"
    assert max(seen) == width + 1
    assert world.judge.most_in_flight == width


def test_an_agent_that_cannot_be_read_fails_alone_and_its_task_run_shows_why(
    make_world: Callable[..., Any], sample: Sample
) -> None:
    """Two agents a batch: the one beside it is evaluated."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    world = make_world()
    with sqlite3.connect(world.folder / "source.db") as connection:
        connection.execute("UPDATE agent_runs SET started_at = 'no date' WHERE agent_id = 1")
    report = world.report(max_concurrent_runs=3)
    agents = world.agents(report)
    failed = next(agent["name"] for agent in sample.agents if agent["id"] == 1)
    assert [name for name, row in agents.items() if row["status"] == "failed"] == [failed]
    assert sum(row["status"] == "evaluated" for row in agents.values()) == 3
    flow_run = FlowRunFilter(id=FlowRunFilterId(any_=[report["flow_run_id"]]))
    # The server records task runs by their events, which arrive a little later on a busy machine.
    deadline = time.monotonic() + 60
    kinds: list[str] = []
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            runs = client.read_task_runs(flow_run_filter=flow_run)
            kinds = [run.name.partition(" ")[0] for run in runs]
            found = [run for run in runs if run.name == f"evaluate {failed}" and run.state and run.state.is_final()]
            if found and kinds.count("runs") == kinds.count("traces") == 3:
                break
            time.sleep(0.2)
    assert kinds.count("runs") == kinds.count("traces") == 3
    [run] = found
    assert run.state is not None
    assert run.state.is_failed()
    assert "no date" in (run.state.message or "")
    assert agents[failed]["error"] == run.state.message
