"""What setup keeps of schedules, pauses and parameters on a real server, and what it takes from prefect.yaml."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentScheduleUpdate,
    DeploymentUpdate,
    VariableUpdate,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from deployments.setup.deployed import Deployed
from deployments.setup.schedules import timing_on_server
from tasks.settings import read_settings

_WEEKLY = CronSchedule(cron="0 6 * * 1", timezone="UTC")
_NAMES = ("generate_report/nightly", "reconcile_reports/reconcile-reports", "generate_report/on-demand")


@pytest.fixture(scope="module", autouse=True)
def story(
    run_setup: Callable[..., Any], settings_in: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """After a setup, with the settings of a team."""
    with pytest.MonkeyPatch.context() as patch:
        settings_in(patch, tmp_path_factory.mktemp("schedules"))
        run_setup()
        yield


@pytest.fixture
def deploy(client: SyncPrefectClient, tmp_path: Path) -> Iterator[Callable[..., DeploymentResponse]]:
    """``deploy(schedules=[…], parameters={…})``: a deployment of its own, after a setup of a file with that."""
    (tmp_path / "own.py").write_text(
        'from prefect import flow\n\n\n@flow\ndef own(name: str = "", size: int = 0):\n    pass\n', encoding="utf-8"
    )
    file = tmp_path / "prefect.yaml"

    def make(**given: Any) -> DeploymentResponse:
        deployment = {
            "name": "changing",
            "description": "It changes.",
            "entrypoint": "own.py:own",
            "work_pool": {"name": "agent-report"},
            **given,
        }
        file.write_text(json.dumps({"pull": [{"step": {}}], "deployments": [deployment]}), encoding="utf-8")
        deployed = Deployed(file, read_settings())
        deployed.make(client)
        assert not [found for found in deployed.inspect(client) if found.is_due]
        return client.read_deployment_by_name("own/changing")

    yield make
    client.delete_deployment(client.read_deployment_by_name("own/changing").id)


def _timings(deployment: DeploymentResponse) -> dict[str, bool]:
    """Of the schedules on the server, and whether they are active."""
    return {timing_on_server(schedule): schedule.active for schedule in deployment.schedules}


def _forget(client: SyncPrefectClient, *names: str) -> None:
    """Earlier versions have no record."""
    variable = client.read_variable_by_name("agent_report_deployed")
    assert variable is not None
    assert isinstance(variable.value, dict)
    left = {name: record for name, record in variable.value.items() if name not in names}
    client.update_variable(VariableUpdate(name="agent_report_deployed", value=left))


def test_a_deployment_without_schedules_keeps_what_a_person_scheduled(
    client: SyncPrefectClient, run_setup: Callable[..., Any]
) -> None:
    deployment = client.read_deployment_by_name("generate_report/on-demand")
    (made,) = client.create_deployment_schedules(deployment.id, [(_WEEKLY, True)])
    # `up` starts nothing while setup finds something different.
    words = {found.what: word for word, found in run_setup()}
    kept = client.read_deployment_by_name("generate_report/on-demand").schedules
    client.delete_deployment_schedule(deployment.id, made.id)
    assert words["deployment generate_report/on-demand"] == "there"
    assert [schedule.schedule for schedule in kept] == [_WEEKLY]


def test_an_upgrade_keeps_what_a_person_paused_scheduled_and_set(
    client: SyncPrefectClient, run_setup: Callable[..., Any]
) -> None:
    for name in _NAMES:
        deployment = client.read_deployment_by_name(name)
        client.update_deployment(deployment.id, DeploymentUpdate(description="Older."))
    _forget(client, *_NAMES)
    nightly, reconcile, on_demand = (client.read_deployment_by_name(name) for name in _NAMES)
    client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, schedule=_WEEKLY)
    client.update_deployment_schedule(reconcile.id, reconcile.schedules[0].id, active=False)
    fewer = {"options": {"runs_per_agent": 5}}
    dropped = {"dropped": "which the flow no longer takes"}
    client.update_deployment(on_demand.id, DeploymentUpdate(enforce_parameter_schema=False, parameters=fewer | dropped))
    client.update_deployment(on_demand.id, DeploymentUpdate(paused=True))

    words = {found.what: word for word, found in run_setup()}
    details = {found.what: found.detail for _, found in run_setup(check=True)}
    nightly, reconcile, on_demand = (client.read_deployment_by_name(name) for name in _NAMES)
    (weekly,), (paused,) = nightly.schedules, reconcile.schedules
    client.delete_deployment_schedule(nightly.id, weekly.id)
    client.update_deployment_schedule(reconcile.id, paused.id, active=True)
    client.update_deployment(on_demand.id, DeploymentUpdate(parameters={}, paused=False))
    run_setup()

    assert {words[f"deployment {name}"] for name in _NAMES} == {"updated"}
    assert weekly.schedule == _WEEKLY
    assert "0 6 * * 1 UTC on the server, 0 2 * * * UTC in the file" in details[f"deployment {_NAMES[0]}"]
    assert not paused.active
    assert details[f"deployment {_NAMES[1]}"] == "its schedule is paused"
    assert (on_demand.parameters, on_demand.paused) == (fewer, True)
    assert details[f"deployment {_NAMES[2]}"] == "it is paused"
    # One that a person deletes is that of the file again.
    assert _timings(client.read_deployment_by_name(_NAMES[0])) == {"0 2 * * * UTC": True}


def test_a_schedule_that_changes_in_the_file_changes_and_stays_paused(
    client: SyncPrefectClient, deploy: Callable[..., DeploymentResponse]
) -> None:
    first = deploy(schedules=[{"cron": "0 1 * * *"}])
    client.update_deployment_schedule(first.id, first.schedules[0].id, active=False)
    client.create_deployment_schedules(first.id, [(_WEEKLY, True)])
    own = {"0 6 * * 1 UTC": True}
    changed = deploy(schedules=[{"cron": "0 3 * * *"}])
    assert _timings(changed) == own | {"0 3 * * * UTC": False}
    added = deploy(schedules=[{"cron": "0 3 * * *"}, {"cron": "0 4 * * *", "active": False}])
    assert _timings(added) == own | {"0 3 * * * UTC": False, "0 4 * * * UTC": False}
    # `active: false` is gone from the file, and so is the one that is paused: which one that is now is unknown.
    switched = deploy(schedules=[{"cron": "0 3 * * *"}, {"cron": "0 4 * * *"}])
    assert _timings(switched) == own | {"0 3 * * * UTC": False, "0 4 * * * UTC": True}
    fewer = deploy(schedules=[{"cron": "0 5 * * *"}])
    assert _timings(fewer) == own | {"0 5 * * * UTC": False}
    assert _timings(deploy()) == own


def test_parameters_that_the_file_no_longer_names_are_removed(
    client: SyncPrefectClient, deploy: Callable[..., DeploymentResponse]
) -> None:
    made = deploy(parameters={"name": "Nightly"})
    client.update_deployment(made.id, DeploymentUpdate(parameters={"name": "Nightly", "size": 3}))
    assert deploy(parameters={"name": "Nightly"}).parameters == {"name": "Nightly", "size": 3}
    assert deploy().parameters == {"size": 3}


def test_an_earlier_version_can_deploy_again_and_what_it_made_is_found(
    client: SyncPrefectClient, deploy: Callable[..., DeploymentResponse]
) -> None:
    schedules = [{"cron": "0 1 * * *", "parameters": {"size": 1}}, {"cron": "0 1 * * *", "parameters": {"size": 2}}]
    made = deploy(schedules=schedules)
    # It sends all schedules without slugs, which Prefect refuses where those on the server have one.
    again = [
        DeploymentScheduleUpdate(schedule=one.schedule, active=True, parameters=one.parameters)
        for one in made.schedules
    ]
    client.update_deployment(made.id, DeploymentUpdate(schedules=again))
    recreated = client.read_deployment_by_name("own/changing").schedules
    kept = deploy(schedules=schedules).schedules
    assert {one.id for one in kept} == {one.id for one in recreated}
    assert {one.id for one in kept}.isdisjoint(one.id for one in made.schedules)


def test_a_schedule_with_a_slug_of_its_own_is_that_of_the_file(
    client: SyncPrefectClient, deploy: Callable[..., DeploymentResponse]
) -> None:
    made = deploy()
    _forget(client, "own/changing")
    slugged = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 1 * * *", timezone="UTC"), slug="early")
    (early,) = client.create_deployment_schedules(made.id, [slugged])
    (kept,) = deploy(schedules=[{"cron": "0 1 * * *"}]).schedules
    (changed,) = deploy(schedules=[{"cron": "0 2 * * *"}]).schedules
    assert early.id == kept.id == changed.id
    assert timing_on_server(changed) == "0 2 * * * UTC"


@pytest.mark.parametrize("value", ["text", {"own/changing": {"schedules": 1}}, {}])
def test_an_unreadable_record_is_written_again(
    client: SyncPrefectClient, deploy: Callable[..., DeploymentResponse], value: Any
) -> None:
    first = deploy(schedules=[{"cron": "0 1 * * *"}])
    client.update_variable(VariableUpdate(name="agent_report_deployed", value=value))
    assert deploy(schedules=[{"cron": "0 1 * * *"}]).schedules == first.schedules
    assert _timings(deploy(schedules=[{"cron": "0 2 * * *"}])) == {"0 2 * * * UTC": True}
