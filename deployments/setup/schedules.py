"""The schedules of a deployment: those of prefect.yaml, and what a person has changed in the UI, which is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from deployments.setup.deployment_file import Schedule
from deployments.setup.record import ScheduleRecord


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes the server's schedules those of the file: only what has changed in the file since the last setup."""

    added: Sequence[Schedule] = ()
    removed: Sequence[DeploymentSchedule] = ()
    edited: Sequence[tuple[DeploymentSchedule, Schedule]] = ()
    switched: Sequence[tuple[DeploymentSchedule, bool]] = ()
    """On or off, because ``active`` has changed in the file."""
    pauses_added: bool = False
    """A person has paused one that is removed, which one of the added may replace."""
    ids: Mapping[str, UUID] = field(default_factory=dict)
    """By the digest in the file, the schedules that the server has already."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.edited or self.switched)

    def apply(self, client: SyncPrefectClient, deployment: DeploymentResponse) -> Mapping[str, UUID]:
        """Make them. Returns ``ids`` with those of the added ones."""
        for known, schedule in self.edited:
            client.update_deployment_schedule(
                deployment.id, known.id, schedule=_cron(schedule), parameters=schedule.parameters
            )
        for known, active in self.switched:
            client.update_deployment_schedule(deployment.id, known.id, active=active)
        for known in self.removed:
            client.delete_deployment_schedule(deployment.id, known.id)
        made = dict(self.ids)
        for schedule in self.added:
            new = build(schedule)
            if self.pauses_added:
                new.active = False
            (created,) = client.create_deployment_schedules(deployment.id, [new])
            made[schedule.digest] = created.id
        return made


def build(schedule: Schedule) -> DeploymentScheduleCreate:
    """What Prefect creates of it. Without a slug: with one, an earlier version could not deploy again."""
    return DeploymentScheduleCreate(
        schedule=_cron(schedule), active=schedule.active, parameters=schedule.parameters, slug=None
    )


def compare(
    wanted: Sequence[Schedule], known: Sequence[DeploymentSchedule], recorded: Sequence[ScheduleRecord] | None
) -> Changes:
    """What has changed between ``recorded``, of the last setup (``None`` is unknown), and ``wanted``, of the file.

    Schedules that a person added, edited or paused are not in it.
    """
    last = recorded or ()
    by_id = {schedule.id: schedule for schedule in known}
    pairs = _pair(wanted, last)
    placed: dict[str, DeploymentSchedule] = {}
    edited, switched = [], []
    for schedule in wanted:
        before = pairs.get(schedule.digest)
        found = by_id.get(before.id) if before and before.id else None
        if before is None or found is None:
            continue
        placed[schedule.digest] = found
        if before.digest != schedule.digest and not _equal(schedule, found):
            edited.append((found, schedule))
        if before.active != schedule.active != found.active:
            switched.append((found, schedule.active))
    ours = {before.id: before for before in last if before.id is not None and before.id in by_id}
    kept = {schedule.id for schedule in placed.values()}
    removed = [by_id[id_] for id_ in ours if id_ not in kept]
    others = [schedule for schedule in known if schedule.id not in ours]
    for schedule in wanted:
        same = next((other for other in others if _equal(schedule, other)), None)
        if schedule.digest not in placed and same is not None:
            others.remove(same)
            placed[schedule.digest] = same
    missing = [schedule for schedule in wanted if schedule.digest not in placed]
    if recorded is None and len(missing) == len(others) == 1:
        # Most probably the file's schedule, and edited: earlier versions left no record.
        placed[missing.pop().digest] = others[0]
    # None of ours is left: a person, or another tool, has put others in their place.
    is_displaced = recorded is None or (bool(last) and not ours)
    displaced = {before.digest for before in last if is_displaced or before.id is None}
    added = [
        schedule for schedule in missing if not others or (recorded is not None and schedule.digest not in displaced)
    ]
    return Changes(
        added,
        removed,
        edited,
        switched,
        pauses_added=any(ours[schedule.id].active and not schedule.active for schedule in removed),
        ids={digest: schedule.id for digest, schedule in placed.items()},
    )


def _pair(wanted: Sequence[Schedule], last: Sequence[ScheduleRecord]) -> dict[str, ScheduleRecord]:
    """By digest, what each of ``wanted`` was at the last setup; in order if as many changed as are no longer there.

    With other numbers it is unknown which one changed: they are removed and added.
    """
    before = {record.digest: record for record in last}
    pairs = {schedule.digest: before[schedule.digest] for schedule in wanted if schedule.digest in before}
    changed = [schedule for schedule in wanted if schedule.digest not in pairs]
    gone = [record for record in last if record.digest not in pairs]
    if len(changed) == len(gone):
        pairs |= {schedule.digest: record for schedule, record in zip(changed, gone, strict=True)}
    return pairs


def describe_edits(wanted: Sequence[Schedule], known: DeploymentResponse, ids: Mapping[str, UUID]) -> str:
    """What is paused, and where the server's schedules differ from those of the file. ``ids`` as in ``Changes``."""
    found = []
    if known.paused:
        found.append("it is paused")
    if paused := sum(not schedule.active for schedule in known.schedules):
        total = len(known.schedules)
        several = f"{paused} of its {total} schedules {'is' if paused == 1 else 'are'} paused"
        found.append("its schedule is paused" if total == 1 else several)
    by_id = {schedule.id: schedule for schedule in known.schedules}
    placed = {digest: by_id[id_] for digest, id_ in ids.items()}
    found += [
        f"its schedule {timing_in_file(one)} is active, but not in prefect.yaml"
        for one in wanted
        if one.digest in placed and placed[one.digest].active and not one.active
    ]
    differing = [one for one in wanted if one.digest not in placed or not _equal(one, placed[one.digest])]
    if differing:
        there = [placed[one.digest] for one in differing if one.digest in placed]
        if len(there) < len(differing):
            there += [schedule for id_, schedule in by_id.items() if id_ not in ids.values()]
        on_server, in_file = sorted(map(timing_on_server, there)), sorted(map(timing_in_file, differing))
        which = f"{', '.join(on_server)} on the server, {', '.join(in_file)} in the file"
        if on_server == in_file:
            which = f"other parameters of the schedule {', '.join(in_file)}"
        restored, these = ("the schedule", "this one") if len(there) == 1 else ("those", "these")
        how = f"to restore {restored} in prefect.yaml, delete {these} in the UI and run setup"
        found.append(f"it differs from prefect.yaml: {which}; {how}")
    return "; ".join(found)


def timing_on_server(known: DeploymentSchedule) -> str:
    """When a schedule on the server is due: ``0 2 * * * UTC``."""
    timing = known.schedule
    if isinstance(timing, CronSchedule):
        what = timing.cron
    elif isinstance(timing, IntervalSchedule):
        what = _describe_interval(timing.interval)
    elif isinstance(timing, RRuleSchedule):
        what = " ".join(timing.rrule.split())
    else:
        what = type(timing).__name__
    return f"{what} {getattr(timing, 'timezone', None) or 'UTC'}"


def timing_in_file(schedule: Schedule) -> str:
    """The same of a schedule in the file."""
    return f"{schedule.cron} {schedule.timezone}"


def _describe_interval(interval: timedelta) -> str:
    seconds = interval.total_seconds()
    unit, length = next(
        (unit, length)
        for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
        if seconds % length == 0 or length == 1
    )
    count = seconds / length
    return f"every {unit}" if count == 1 else f"every {count:g} {unit}s"


def _equal(schedule: Schedule, known: DeploymentSchedule) -> bool:
    parameters = schedule.model_dump(mode="json")["parameters"]
    return timing_in_file(schedule) == timing_on_server(known) and parameters == known.parameters


def _cron(schedule: Schedule) -> CronSchedule:
    return CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
