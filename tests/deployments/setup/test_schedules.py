"""Which schedules setup changes: those that changed in prefect.yaml, and none that a person changed."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

from deployments.setup.deployment_file import Schedule
from deployments.setup.schedules import Changes, build, compare

NIGHT, NOON = Schedule(cron="0 2 * * *"), Schedule(cron="0 12 * * *", timezone="Europe/Berlin")


def _made(written: Schedule, **changed: Any) -> DeploymentSchedule:
    """As setup created it, and as a person changed it since."""
    return DeploymentSchedule(**build(written).model_dump() | changed)


def _own(cron: str, **given: Any) -> DeploymentSchedule:
    """One that setup has not created."""
    return DeploymentSchedule(schedule=CronSchedule(cron=cron, timezone="UTC"), **given)


WEEKLY = CronSchedule(cron="0 6 * * 1", timezone="UTC")


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        ([NIGHT], [_made(NIGHT)]),
        ([NIGHT], [_made(NIGHT, active=False)]),
        ([NIGHT], [_made(NIGHT, schedule=WEEKLY)]),
        ([NIGHT], [_made(NIGHT, schedule=IntervalSchedule(interval=60))]),
        ([NIGHT.model_copy(update={"active": False})], [_made(NIGHT)]),
        ([NIGHT], [_made(NIGHT), _own("5 5 * * *"), _own("6 6 * * *", slug="mine")]),
        ([NIGHT], [_own("5 5 * * *")]),
        ([NIGHT], [_own("5 5 * * *", slug="mine")]),
        ([], [_own("5 5 * * *")]),
        ([], []),
    ],
)
def test_what_only_a_person_changed_stays(wanted: list[Schedule], known: list[DeploymentSchedule]) -> None:
    assert not compare(wanted, known)


def test_what_changed_in_the_file_is_changed() -> None:
    night, own = _made(NIGHT), _own("5 5 * * *")
    assert compare([NIGHT], []) == Changes(added=[NIGHT], removed=[], replaced=[], marked=[])
    assert compare([NIGHT, NOON], [night, own]).added == [NOON]
    assert compare([], [night, own]).removed == [night]
    assert compare([NOON], [night, own]).replaced == [(night, NOON)]


def test_one_of_an_earlier_version_that_equals_the_file_is_marked() -> None:
    older = _own("0 2 * * *", active=False)
    assert compare([NIGHT], [older]) == Changes(added=[], removed=[], replaced=[], marked=[(older, NIGHT)])
    assert compare([NIGHT, NOON], [older, _own("5 5 * * *")]) == Changes([NOON], [], [], [(older, NIGHT)])
