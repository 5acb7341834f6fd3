"""Which schedules setup changes: those that changed in prefect.yaml, and none that a person changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from deployments.setup.deployment_file import Schedule
from deployments.setup.record import ScheduleRecord
from deployments.setup.schedules import Changes, build, compare, describe_edits, timing_on_server

NIGHT, NOON = Schedule(cron="0 2 * * *"), Schedule(cron="0 12 * * *", timezone="Europe/Berlin")
LATER, WEEKLY = Schedule(cron="0 4 * * *"), Schedule(cron="0 6 * * 1")
NIGHT_OF_A = Schedule(cron="0 2 * * *", parameters={"environment": "a"})
NIGHT_OF_B = Schedule(cron="0 2 * * *", parameters={"environment": "b"})
OFF = NIGHT.model_copy(update={"active": False})
TIMING = CronSchedule(cron="0 6 * * 1", timezone="UTC")


def _on_server(schedule: Schedule, /, **changed: Any) -> DeploymentSchedule:
    """As Prefect has it, with what a person changed."""
    return DeploymentSchedule(**build(schedule).model_dump() | changed)


def _record(*pairs: tuple[Schedule, DeploymentSchedule | None]) -> list[ScheduleRecord]:
    """What the last setup recorded, and which schedule on the server was that of the file."""
    return [
        ScheduleRecord(id=known.id if known else None, digest=schedule.digest, active=schedule.active)
        for schedule, known in pairs
    ]


def _made(schedule: Schedule, /, **changed: Any) -> tuple[DeploymentSchedule, list[ScheduleRecord]]:
    """One that setup created, as a person changed it since, and its record."""
    known = _on_server(schedule, **changed)
    return known, _record((schedule, known))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"active": False},
        {"schedule": TIMING},
        {"schedule": IntervalSchedule(interval=60)},
        {"parameters": {"environment": "a"}},
        {"slug": "mine"},
    ],
)
def test_what_only_a_person_changed_stays(changed: dict[str, Any]) -> None:
    known, record = _made(NIGHT, **changed)
    own = _on_server(WEEKLY), _on_server(NOON, slug="mine")
    found = compare([NIGHT], [own[0], known, own[1]], record)
    assert not found
    assert found.ids == {NIGHT.digest: known.id}


def test_what_a_person_adds_to_a_deployment_without_schedules_stays() -> None:
    assert not compare([], [_on_server(WEEKLY)], [])
    assert not compare([], [_on_server(WEEKLY)], None)
    # Also when the file gets its first schedule.
    found = compare([NIGHT], [_on_server(WEEKLY)], [])
    assert (found.added, found.edited, found.removed) == ([NIGHT], [], [])


def test_what_changed_in_the_file_is_changed() -> None:
    night, record = _made(NIGHT)
    own = _on_server(WEEKLY)
    assert compare([NIGHT], [], None).added == [NIGHT]
    assert compare([NIGHT, NOON], [night, own], record).added == [NOON]
    assert compare([], [night, own], record).removed == [night]
    found = compare([NOON], [own, night], record)
    assert (found.edited, found.added, found.removed) == ([(night, NOON)], [], [])


@pytest.mark.parametrize("schedule", [TIMING, IntervalSchedule(interval=60)])
def test_a_schedule_that_a_person_edited_follows_the_file_once_it_changes_there(schedule: Any) -> None:
    night, record = _made(NIGHT, schedule=schedule, active=False)
    found = compare([LATER], [night], record)
    assert (found.edited, found.switched) == ([(night, LATER)], [])


def test_active_follows_the_file_only_where_it_changes_in_the_file() -> None:
    on, was_on = _made(NIGHT)
    off, was_off = _made(OFF)
    assert compare([OFF], [on], was_on).switched == [(on, False)]
    # `active: false` is removed from the file.
    assert compare([NIGHT], [off], was_off).switched == [(off, True)]
    paused, was_on = _made(NIGHT, active=False)
    resumed, was_off = _made(OFF, active=True)
    assert not compare([NIGHT], [paused], was_on)
    assert not compare([OFF], [resumed], was_off)


@pytest.mark.parametrize("order", [1, -1])
def test_two_that_change_at_once_keep_their_places_in_whatever_order_prefect_lists_them(order: int) -> None:
    night, noon = _on_server(NIGHT, active=False), _on_server(NOON)
    record = _record((NIGHT, night), (NOON, noon))
    found = compare([LATER, WEEKLY], [night, noon][::order], record)
    assert (found.edited, found.added, found.removed) == ([(night, LATER), (noon, WEEKLY)], [], [])


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("paused", [0, 1, None])
def test_where_one_changes_and_one_goes_what_a_person_paused_does_not_start(order: int, paused: int | None) -> None:
    known = [_on_server(schedule, active=i != paused) for i, schedule in enumerate((NIGHT, NOON))]
    found = compare([LATER], known[::order], _record((NIGHT, known[0]), (NOON, known[1])))
    assert (found.edited, found.added, found.removed) == ([], [LATER], known)
    assert found.pauses_added == (paused is not None)
    # What the file itself had switched off is no person's doing.
    found = compare([LATER, NOON, WEEKLY], [off := _on_server(OFF)], _record((OFF, off)))
    assert (found.removed, found.pauses_added) == ([off], False)


def test_an_order_in_the_file_is_no_change() -> None:
    night, noon = _on_server(NIGHT), _on_server(NOON)
    record = _record((NIGHT, night), (NOON, noon))
    assert not compare([NOON, NIGHT], [night, noon], record)
    assert compare([WEEKLY, NIGHT], [night, noon], record).edited == [(noon, WEEKLY)]


def test_without_a_record_each_of_the_file_is_found_once_with_its_parameters() -> None:
    of_b, of_a = _on_server(NIGHT_OF_B, active=False), _on_server(NIGHT_OF_A, slug="of-their-own")
    found = compare([NIGHT_OF_A, NIGHT_OF_B], [of_b, of_a], None)
    assert not found
    assert found.ids == {NIGHT_OF_A.digest: of_a.id, NIGHT_OF_B.digest: of_b.id}
    assert compare([NIGHT_OF_A, NIGHT_OF_B], [of_a], None).added == [NIGHT_OF_B]
    # The time is the same and the parameters are not.
    kept = compare([NIGHT], [of_a, of_b], None)
    assert not kept
    assert not kept.ids


def test_what_differs_without_a_record_stays_and_follows_the_next_change_in_the_file() -> None:
    older = _on_server(NIGHT)
    first = compare([LATER], [older], None)
    assert not first
    assert first.ids == {LATER.digest: older.id}
    assert not compare([LATER], [older], _record((LATER, older)))
    assert compare([WEEKLY], [older], _record((LATER, older))).edited == [(older, WEEKLY)]
    # Deleted, it is that of the file again.
    assert compare([LATER], [], _record((LATER, older))).added == [LATER]


def test_which_of_several_without_a_record_is_that_of_the_file_is_not_guessed() -> None:
    others = [_on_server(WEEKLY), _on_server(NIGHT)]
    first = compare([LATER], others, None)
    assert not first
    assert not first.ids
    assert not compare([LATER], others, _record((LATER, None)))
    # Beside one that was found, too.
    night, record = others[1], _record((NIGHT, others[1]), (LATER, None))
    assert not compare([NIGHT, LATER], [_on_server(NOON), night, others[0]], record)
    changed = compare([NOON], others, _record((LATER, None)))
    assert (changed.added, changed.edited, changed.removed) == ([NOON], [], [])
    assert compare([LATER], [], _record((LATER, None))).added == [LATER]


def test_one_that_a_person_deleted_comes_back_unless_others_are_in_its_place() -> None:
    night, noon, own = _on_server(NIGHT), _on_server(NOON), _on_server(WEEKLY)
    record = _record((NIGHT, night), (NOON, noon))
    assert compare([NIGHT, NOON], [noon, own], record).added == [NIGHT]
    assert not compare([NIGHT, NOON], [own], record)
    # What then changes in the file is not ignored.
    assert compare([NIGHT, LATER], [own], record).added == [LATER]
    assert compare([LATER], [own], _record((NIGHT, None))).added == [LATER]


def test_schedules_that_another_tool_created_again_are_found() -> None:
    again = _on_server(NIGHT, active=False)
    found = compare([NIGHT], [again], [ScheduleRecord(id=uuid4(), digest=NIGHT.digest, active=True)])
    assert not found
    assert found.ids == {NIGHT.digest: again.id}


def test_a_setup_that_ended_before_it_recorded_is_continued() -> None:
    changed, record = _made(NIGHT, schedule=CronSchedule(cron=LATER.cron, timezone="UTC"))
    added = _on_server(NOON)
    assert not compare([LATER], [changed], record)
    assert not compare([LATER, NOON], [_on_server(LATER), added], record)


def test_a_schedule_has_no_slug_with_which_an_earlier_version_cannot_deploy() -> None:
    assert build(NIGHT).slug is None


def _edits(
    wanted: Sequence[Schedule],
    known: Sequence[DeploymentSchedule],
    changes: Changes | None = None,
    paused: bool = False,
) -> str:
    deployment = DeploymentResponse.model_construct(schedules=list(known), paused=paused)
    return describe_edits(wanted, deployment, (compare(wanted, known, None) if changes is None else changes).ids)


def test_everything_that_differs_is_described_without_claiming_who_changed_it() -> None:
    assert _edits([NIGHT], [_on_server(NIGHT), _on_server(WEEKLY)]) == ""
    assert _edits([], [_on_server(WEEKLY)]) == ""
    known, record = _made(NIGHT, active=False, schedule=TIMING)
    restore = "to restore the schedule in prefect.yaml, delete this one in the UI and run setup"
    differs = f"it differs from prefect.yaml: 0 6 * * 1 UTC on the server, 0 2 * * * UTC in the file; {restore}"
    own = _on_server(NOON)
    assert _edits([NIGHT], [known], paused=True) == f"it is paused; its schedule is paused; {differs}"
    # Their own further one is not to be deleted.
    assert _edits([NIGHT], [own, known], compare([NIGHT], [own, known], record)) == (
        f"1 of its 2 schedules is paused; {differs}"
    )
    assert _edits([NIGHT], [_on_server(WEEKLY), own]) == (
        "it differs from prefect.yaml: 0 12 * * * Europe/Berlin, 0 6 * * 1 UTC on the server, 0 2 * * * UTC in "
        "the file; to restore those in prefect.yaml, delete these in the UI and run setup"
    )
    assert _edits([OFF], [_on_server(NIGHT)]) == "its schedule 0 2 * * * UTC is active, but not in prefect.yaml"
    assert _edits([OFF], [_on_server(OFF)]) == "its schedule is paused"
    assert _edits([NIGHT_OF_A], [_on_server(NIGHT_OF_B)]) == (
        f"it differs from prefect.yaml: other parameters of the schedule 0 2 * * * UTC; {restore}"
    )


@pytest.mark.parametrize(
    ("schedule", "described"),
    [
        (CronSchedule(cron="0 2 * * *"), "0 2 * * * UTC"),
        (IntervalSchedule(interval=timedelta(hours=1)), "every hour UTC"),
        (IntervalSchedule(interval=timedelta(minutes=90), timezone="Europe/Berlin"), "every 90 minutes Europe/Berlin"),
        (IntervalSchedule(interval=timedelta(days=2)), "every 2 days UTC"),
        (IntervalSchedule(interval=timedelta(seconds=1.5)), "every 1.5 seconds UTC"),
        (RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=2", timezone="UTC"), "FREQ=DAILY;BYHOUR=2 UTC"),
    ],
)
def test_every_kind_of_schedule_is_described_by_when_it_is_due(schedule: Any, described: str) -> None:
    assert timing_on_server(DeploymentSchedule(schedule=schedule)) == described
