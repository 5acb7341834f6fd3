"""Reports of a crashed run are marked failed as soon as their owner is known to be dead, and not before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Crashed, Running, State

from flows.reconcile_reports import reconcile_reports
from tasks.warehouse.owner import Owner

ELSEWHERE = Owner(host="another-host", pid=4711, process_started=1.0)


@flow
def _somebody() -> None:
    """A flow whose runs never run."""


def _run_in(state: State) -> str:
    with get_client(sync_client=True) as client:
        return str(client.create_flow_run(_somebody, state=state).id)


def _report(world: Any, state: State, silent_seconds: float) -> int:
    values = {
        "environment": "demo",
        "flow_run_id": _run_in(state),
        "owner": ELSEWHERE,
        "heartbeat": datetime.now(UTC) - timedelta(seconds=silent_seconds),
    }
    return int(world.warehouse.create_report(values))


def test_the_last_heartbeat_of_a_crashed_run_is_waited_for(make_world: Callable[..., Any]) -> None:
    world = make_world()
    crashed = _report(world, Crashed(), silent_seconds=56)
    running = _report(world, Running(), silent_seconds=50)
    assert reconcile_reports() == [crashed]
    row = world.warehouse.load_report(crashed)
    assert row["status"] == "failed"
    assert f"--report-id {crashed}" in row["error"]
    assert world.warehouse.load_report(running)["status"] == "pending"


def test_a_run_that_goes_on_is_not_waited_for(make_world: Callable[..., Any]) -> None:
    world = make_world()
    _report(world, Running(), silent_seconds=0)
    assert reconcile_reports() == []
