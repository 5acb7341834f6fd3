"""With a worker: events and people start reports, killed ones are marked, and a missing limit is logged.

Each flow run here is a process of its own, with seconds of imports, so that each shows several things.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableUpdate
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.states import Cancelling, Running

from deployments.demo.jaeger import SimulatedJaeger
from deployments.demo.judge import SimulatedJudge, asked_schema
from deployments.demo.sample import build_sample
from deployments.local.runner import drain
from tasks.warehouse.sql import Warehouse, open_warehouse

KEY = "sk-planted-key-0123456789"
_MODEL = {"judge_model": "simulated-judge"}
_RECONCILE = "agent-report: reports of crashed runs are marked failed"
# Each wait has its own end; flow runs are processes, which take long to start on a busy machine.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Team:
    """A worker of a team, and what its runs work with."""

    folder: Path
    warehouse: Warehouse
    killed_run: UUID
    """A run of which a few heartbeats came, and no more."""

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def team(
    bare_server: str,
    client: SyncPrefectClient,
    run_setup: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Team]:
    """Source, warehouse and key come from the blocks that setup made: the worker itself has none of them."""
    folder = tmp_path_factory.mktemp("team")
    sample = build_sample(datetime.now(UTC), agents=4, runs_per_agent=4)
    sample.write_sqlite(folder / "source.db")
    warehouse_url = f"sqlite:///{folder / 'warehouse.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{folder / 'source.db'}")
        patch.setenv("AGENT_REPORT_WAREHOUSE_URL", warehouse_url)
        patch.setenv("OPENAI_API_KEY", KEY)
        # As in the modules before, so that nothing is deployed again.
        patch.setenv("AGENT_REPORT_ENVIRONMENT", "demo")
        run_setup()
    killed = _lose_a_run(client)
    with (
        SimulatedJudge(agent_seconds=0.05, team_seconds=0.05) as judge,
        SimulatedJaeger(sample.traces) as jaeger,
        (folder / "worker.log").open("wb") as log,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "DO_NOT_TRACK": "1",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": bare_server,
            "PREFECT_API_AUTH_STRING": os.environ["PREFECT_API_AUTH_STRING"],
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "AGENT_REPORT_PARQUET_URL": str(folder / "parquet"),
            "AGENT_REPORT_JAEGER_URL": jaeger.url,
            "OPENAI_BASE_URL": judge.base_url,
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "agent-report"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        yield Team(folder, open_warehouse(warehouse_url), killed)
        # With the runs that it is still at: by SIGTERM it would wait for them.
        processes = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes)


def _lose_a_run(client: SyncPrefectClient) -> UUID:
    deployment = client.read_deployment_by_name("generate_report/on-demand")
    run = client.create_flow_run_from_deployment(deployment.id, parameters={"environment": "demo"}, state=Running())
    # Several, as a real run has: the server looks out for them from a moment after the automation was made.
    for _ in range(3):
        emit_event(
            "prefect.flow-run.heartbeat",
            resource={"prefect.resource.id": f"prefect.flow-run.{run.id}"},
            related=[{"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"} for tag in run.tags],
        )
        time.sleep(1)
    drain()
    # It has no report: while this one is paused, no run starts to look for it.
    (reconcile,) = client.read_automations_by_name(_RECONCILE)
    client.pause_automation(reconcile.id)
    return run.id


@contextmanager
def _runs_ask(client: SyncPrefectClient, judge: SimulatedJudge) -> Iterator[None]:
    """Runs that start while the block runs ask this judge, as the pool's environment has it."""
    variable = client.read_variable_by_name("agent_report_env")
    assert variable is not None
    assert isinstance(variable.value, dict)
    name, before = variable.name, variable.value
    client.update_variable(VariableUpdate(name=name, value=before | {"OPENAI_BASE_URL": judge.base_url}))
    try:
        yield
    finally:
        client.update_variable(VariableUpdate(name=name, value=before))


def _state_of(client: SyncPrefectClient, run_id: UUID) -> str:
    state = client.read_flow_run(run_id).state
    return state.type.value if state else ""


def _end_of(client: SyncPrefectClient, run_id: UUID) -> str:
    state = _state_of(client, run_id)
    return state if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else ""


def _report_of(team: Team, run_id: UUID) -> dict[str, Any]:
    return next((row for row in team.warehouse.list_reports() if row["flow_run_id"] == str(run_id)), {})


def _messages(post: Callable[..., Any], run_id: UUID) -> str:
    rows = post("/logs/filter", logs={"flow_run_id": {"any_": [str(run_id)]}})
    return "\n".join(row["message"] for row in rows)


def _runs_of(client: SyncPrefectClient, post: Callable[..., Any], name: str) -> list[dict[str, Any]]:
    deployment = client.read_deployment_by_name(name)
    runs = post("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [str(deployment.id)]}})
    return sorted(runs, key=lambda run: str(run["created"]))


def _order_by_event(
    client: SyncPrefectClient, post: Callable[..., Any], eventually: Callable[..., Any], **payload: Any
) -> dict[str, Any]:
    """The flow run that an event with this payload starts."""
    before = len(_runs_of(client, post, "generate_report/on-webhook"))
    emit_event("agent-report.requested", resource={"prefect.resource.id": "other.system"}, payload=payload)
    drain()
    (run,) = eventually(lambda: _runs_of(client, post, "generate_report/on-webhook")[before:])
    return dict(run)


@dataclass
class Cancelled:
    """A report that was cancelled, by then; its judge still answers."""

    run_id: UUID
    judge: SimulatedJudge
    asked: int
    """How often, when the report recorded that it was cancelled."""
    row: dict[str, Any]


@pytest.fixture(scope="module")
def cancelled(team: Team, client: SyncPrefectClient, eventually: Callable[..., Any]) -> Iterator[Cancelled]:
    """Cancelled after two of its five calls on agents and team."""
    with SimulatedJudge(agent_seconds=1, team_seconds=1) as judge:
        with _runs_ask(client, judge):
            run: Any = run_deployment(
                "generate_report/on-demand",
                parameters={"environment": "demo", "options": {**_MODEL, "fresh": True, "max_concurrent_evals": 1}},
                timeout=0,
                as_subflow=False,
            )
            eventually(lambda: len(judge.requests) == 2)
        client.set_flow_run_state(run.id, Cancelling())
        row = eventually(lambda: (row := _report_of(team, run.id))["status"] == "cancelled" and row)
        yield Cancelled(run.id, judge, len(judge.requests), row)


def test_a_cancelled_report_asks_nothing_more(
    cancelled: Cancelled, client: SyncPrefectClient, post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    # One may have begun before the worker heard of it.
    assert cancelled.asked <= 3
    assert eventually(lambda: _end_of(client, cancelled.run_id)) == "CANCELLED"
    # All five calls on agents and team take five seconds: one more would have begun by now.
    time.sleep(1.5)
    assert len(cancelled.judge.requests) == cancelled.asked
    assert "stopped" in cancelled.row["error"]
    # The team has its call before the last agents.
    assert cancelled.row["agents_evaluated"] + (cancelled.row["team_score"] is not None) == cancelled.asked
    assert "limit on the tag" not in _messages(post, cancelled.run_id)


def test_an_event_takes_a_report_up_from_the_ledger_by_the_blocks_and_shows_no_secret(
    team: Team,
    cancelled: Cancelled,
    client: SyncPrefectClient,
    post: Callable[..., Any],
    eventually: Callable[..., Any],
) -> None:
    """The limit is missing meanwhile, of which the run warns once."""
    limit = client.read_global_concurrency_limit_by_name("tag:llm").limit
    client.delete_global_concurrency_limit_by_name("tag:llm")
    report_id = cancelled.row["id"]
    try:
        with _runs_ask(client, cancelled.judge):
            run = _order_by_event(client, post, eventually, environment="demo", report_id=report_id)
            run_id = UUID(run["id"])
            assert eventually(lambda: _end_of(client, run_id)) == "COMPLETED", team.log
    finally:
        client.upsert_global_concurrency_limit_by_name("tag:llm", limit)
    # Each agent and the team are paid for once, and the issues of all of them after the last.
    about_issues = ["issues" in asked_schema(json.loads(call.body))["properties"] for call in cancelled.judge.requests]
    assert about_issues == [False] * 5 + [True]
    kept = team.warehouse.load_report(report_id)
    assert kept is not None
    assert (kept["status"], kept["agents_evaluated"]) == ("completed", 4)
    # The log is whole a little after the run's end.
    log = eventually(lambda: (text := _messages(post, run_id)) and "Finished in state" in text and text)
    lines = [line for line in log.splitlines() if "limit on the tag llm" in line]
    assert len(lines) == 1
    assert "`prefect concurrency-limit create llm 1`" in lines[0]
    assert KEY not in team.log
    assert KEY not in str(post("/flow_runs/filter")) + str(post("/events/filter"))


def test_a_run_whose_heartbeat_is_missing_is_marked_crashed(
    team: Team, client: SyncPrefectClient, eventually: Callable[..., Any]
) -> None:
    # A minute and a half after the last one.
    assert eventually(lambda: _end_of(client, team.killed_run), every=3) == "CRASHED"
    state = client.read_flow_run(team.killed_run).state
    assert state is not None
    assert "No heartbeat" in str(state.message)


def test_a_killed_report_is_marked_failed_and_a_living_one_is_not(
    team: Team, client: SyncPrefectClient, post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    (reconcile,) = client.read_automations_by_name(_RECONCILE)
    client.resume_automation(reconcile.id)
    living = team.warehouse.create_report({"environment": "demo"})
    criteria = {"default": {"accuracy": {"weight": 1.5, "description": 'Says "right" things', "threshold": 6}}}
    options = {**_MODEL, "runs_per_agent": 3, "fail_fast": True, "agents": ["id:1", "id:2"]}
    order = {"environment": "demo", "name": "From elsewhere", "criteria": criteria, "options": options}
    with SimulatedJudge(agent_seconds=30, team_seconds=30) as slow, _runs_ask(client, slow):
        run = _order_by_event(client, post, eventually, **order)
        run_id = UUID(run["id"])
        eventually(lambda: slow.requests)
        os.kill(_report_of(team, run_id)["owner"]["pid"], signal.SIGKILL)
    assert eventually(lambda: _end_of(client, run_id)) == "CRASHED"
    # The automation runs the deployment, and that marks the report.
    report = eventually(lambda: (row := _report_of(team, run_id))["status"] == "failed" and row)
    assert "was killed or lost" in report["error"]
    assert f"--report-id {report['id']}" in report["error"]
    assert report["owner"] is None
    # It was the one that the event asked for.
    assert run["parameters"] == {**order, "report_id": None}
    asked = report["parameters"]
    assert (report["name"], asked["criteria"]["default"]) == ("From elsewhere", criteria["default"])
    assert asked["options"].items() >= options.items()
    # Who wants to hear of failed reports hears of this one as well.
    failed = {"event": {"name": ["agent-report.failed"]}}
    (event,) = eventually(lambda: post("/events/filter", filter=failed)["events"])
    assert event["payload"]["report_id"] == report["id"]
    assert event["resource"]["agent-report.needs-attention"] == "yes"
    kept = team.warehouse.load_report(living)
    assert kept is not None
    assert kept["status"] == "pending"
