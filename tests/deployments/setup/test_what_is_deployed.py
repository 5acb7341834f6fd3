"""What a real server returns after setup is what prefect.yaml states, and what is due is scheduled.

After test_setup, whose last setup has left everything as it should be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.events import emit_event

from deployments.local.runner import drain

_FILE = Path(__file__).parents[3] / "prefect.yaml"
_NAMES = ["nightly", "on-demand", "on-webhook", "reconcile-reports"]


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """The file as YAML reads it."""
    read: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def deployed(
    post: Callable[..., Any],
    run_setup: Callable[..., Any],
    settings_in: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the API returns, by name."""
    with pytest.MonkeyPatch.context() as patch:
        settings_in(patch, tmp_path_factory.mktemp("deployed"))
        run_setup()
    return {row["name"]: row for row in post("/deployments/filter")}


def test_there_are_these_and_no_others(content: dict[str, Any], deployed: dict[str, Any]) -> None:
    assert [row["name"] for row in content["deployments"]] == _NAMES
    assert sorted(deployed) == sorted(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_what_the_api_returns_is_what_the_file_states(
    content: dict[str, Any], deployed: dict[str, Any], post: Callable[..., Any], name: str
) -> None:
    written = next(row for row in content["deployments"] if row["name"] == name)
    row = deployed[name]
    for key in ("description", "tags", "entrypoint"):
        assert row[key] == written[key], key
    parameters = {"environment": "demo", "name": "Nightly"} if name == "nightly" else {}
    assert row["parameters"] == parameters
    assert row["work_pool_name"] == written["work_pool"]["name"] == "agent-report"
    assert row["job_variables"] == {}
    assert row["pull_steps"] == [{"deployments.clone.enter_clone": {"directory": ""}}]
    schedules = [(found["schedule"], found["active"]) for found in row["schedules"]]
    assert [(found["cron"], found["timezone"], active) for found, active in schedules] == [
        (schedule["cron"], schedule["timezone"], True) for schedule in written.get("schedules", [])
    ]
    limit = written.get("concurrency_limit")
    assert (row["global_concurrency_limit"] or {}).get("limit") == (limit["limit"] if limit else None)
    if limit:
        assert row["concurrency_options"]["collision_strategy"] == limit["collision_strategy"]
    assert row["enforce_parameter_schema"]
    known = row["parameter_openapi_schema"]["properties"]
    flow = {"environment", "name", "criteria", "options", "report_id"}
    assert set(known) == (set() if name == "reconcile-reports" else flow)
    owned = [found for found in post("/automations/filter") if _runs(found, row)]
    assert [(found["name"], found["description"]) for found in owned] == [
        (trigger["name"], trigger["description"]) for trigger in written.get("triggers", [])
    ]
    for trigger, automation in zip(written.get("triggers", []), owned, strict=True):
        assert automation["trigger"]["expect"] == trigger["expect"]
        assert automation["trigger"]["posture"] == "Reactive"
        (action,) = automation["actions"]
        assert action["type"] == "run-deployment"
        assert action["deployment_id"] == row["id"]
        assert action["parameters"] == trigger["parameters"]


def _runs(automation: dict[str, Any], deployment: dict[str, Any]) -> bool:
    """Whether the automation is a trigger of the deployment; the one that reconciles is none."""
    ids = {action.get("deployment_id") for action in automation["actions"]}
    return deployment["id"] in ids and automation["trigger"]["expect"] != ["prefect.flow-run.Crashed"]


def test_scheduled_runs_appear(
    deployed: dict[str, Any], post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    for name in ("nightly", "reconcile-reports"):

        def coming(name: str = name) -> Any:
            scheduled = {"deployment_id": {"any_": [deployed[name]["id"]]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
            return post("/flow_runs/filter", flow_runs=scheduled)

        runs = eventually(coming)
        assert len(runs) >= 2
        times = [run["expected_start_time"][11:16] for run in runs]
        assert all(time == "02:00" if name == "nightly" else time.endswith(":45") for time in times)
        assert runs[0]["parameters"] == deployed[name]["parameters"]


def test_an_event_orders_a_run_with_its_parameters_and_what_it_leaves_out_has_its_default(
    deployed: dict[str, Any], client: SyncPrefectClient, post: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    criteria = {"default": {"accuracy": {"weight": 1.5, "description": 'Says "right" things', "threshold": 6}}}
    full = {"environment": "demo", "name": "From elsewhere", "criteria": criteria, "options": {"runs_per_agent": 3}}
    # The flow itself refuses a run that comes with no environment.
    for payload in ({**full, "report_id": 7}, {"options": None}):
        emit_event("agent-report.requested", resource={"prefect.resource.id": "other.system"}, payload=payload)
    drain()
    of_it = {"deployment_id": {"any_": [deployed["on-webhook"]["id"]]}}
    runs = eventually(lambda: (found := post("/flow_runs/filter", flow_runs=of_it))[1:] and found)
    # No worker is here to run them, and none of those that come shall.
    for run in runs:
        client.delete_flow_run(run["id"])
    assert len(runs) == 2
    by_environment = {run["parameters"]["environment"]: run["parameters"] for run in runs}
    assert by_environment["demo"] == {**full, "report_id": 7}
    assert by_environment[""] == {"environment": "", "name": "", "criteria": {}, "options": {}, "report_id": None}
