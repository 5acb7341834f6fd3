"""What becomes of task runs is told to a server of our own when the judge is all that is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.events.worker import EventsWorker
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from tasks.held_events import HeldEventsClient, events_held


def _states(of: str, api: str | None = None) -> list[str]:
    """The states of a flow run's task runs, as the server knows them; other threads have to name it."""
    with SyncPrefectClient(api or PREFECT_API_URL.value() or "", auth_string=PREFECT_API_AUTH_STRING.value()) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[of])))
    return [run.state_name or "" for run in runs]


def _arrive(of: str, number: int, api: str | None = None) -> bool:
    deadline = time.monotonic() + 30
    while _states(of, api).count("Completed") < number:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@task
def nothing() -> None:
    """Is told about, and does nothing."""


@flow
def three() -> str:
    """Three task runs; the flow run's id."""
    for _ in range(3):
        nothing()
    return str(flow_run.id)


@pytest.fixture
def shared(prefect_api: None) -> Iterator[None]:
    """As where the server is not our own."""
    EventsWorker.set_client_override(None)
    yield
    EventsWorker.set_client_override(HeldEventsClient)


@pytest.mark.usefixtures("prefect_api")
def test_what_is_held_is_told_in_the_end() -> None:
    with events_held() as send_events:
        run = three()
        time.sleep(1.5)
        assert _states(run) == []
        send_events()
        assert _arrive(run, 3)
    with events_held():
        run = three()
    assert _arrive(run, 3)


@pytest.mark.usefixtures("prefect_api")
def test_what_another_report_holds_stays_held() -> None:
    with events_held() as send_events, events_held():
        send_events()
        run = three()
        time.sleep(1.5)
        assert _states(run) == []
    assert _arrive(run, 3)


@pytest.mark.usefixtures("shared")
def test_nothing_is_held_where_others_look() -> None:
    with events_held():
        assert _arrive(three(), 3)


def test_a_report_tells_of_its_task_runs_while_it_waits_for_the_judge(make_world: Callable[..., Any]) -> None:
    known: list[Any] = []
    api = PREFECT_API_URL.value()

    def respond(payload: Any, request: Any) -> None:
        """The first who is asked has no answer until the server knows of all that was read."""
        if not known:
            known.append(None)
            run = world.warehouse.list_reports()[0]["flow_run_id"]
            known[:] = [len(_states(run, api)), _arrive(run, 28, api)]

    world = make_world(respond=respond)
    report = world.report(max_concurrent_evals=0)
    assert known == [0, True]
    # 14 agents' runs and traces, 13 judged, and the team.
    assert _arrive(report["flow_run_id"], 14 + 14 + 13 + 1)
