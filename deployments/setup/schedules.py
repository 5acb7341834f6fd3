"""The schedules of a deployment: those of prefect.yaml, and what a person has changed in the UI, which is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from deployments.setup.deployment_file import Schedule

_MARK = "prefect.yaml-"


def mark(schedule: Schedule) -> str:
    """The slug of what setup creates: it names the content in the file, and stays when a person edits the schedule.

    Whether a schedule is active is left out: once it exists, that is decided in the UI.
    """
    content = json.dumps(schedule.model_dump(exclude={"active"}), sort_keys=True)
    return _MARK + sha256(content.encode()).hexdigest()[:12]


def build(schedule: Schedule) -> DeploymentScheduleCreate:
    """What Prefect creates of it."""
    return DeploymentScheduleCreate(
        schedule=_cron(schedule), active=schedule.active, parameters=schedule.parameters, slug=mark(schedule)
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes the server's schedules those of the file: only what has changed in the file since the last setup."""

    added: Sequence[Schedule] = ()
    removed: Sequence[DeploymentSchedule] = ()
    replaced: Sequence[tuple[DeploymentSchedule, Schedule]] = ()
    marked: Sequence[tuple[DeploymentSchedule, Schedule]] = ()
    """Equal to one of the file, but deployed by an earlier version or by Prefect itself."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.replaced or self.marked)

    def apply(self, client: SyncPrefectClient, deployment: DeploymentResponse) -> None:
        """Make them. A replaced schedule stays paused if it was."""
        for known, schedule in self.marked:
            client.update_deployment_schedule(deployment.id, known.id, slug=mark(schedule))
        for known, schedule in self.replaced:
            client.update_deployment_schedule(
                deployment.id,
                known.id,
                schedule=_cron(schedule),
                parameters=schedule.parameters,
                slug=mark(schedule),
            )
        for known in self.removed:
            client.delete_deployment_schedule(deployment.id, known.id)
        if self.added:
            client.create_deployment_schedules(deployment.id, [build(schedule) for schedule in self.added])


def compare(wanted: Sequence[Schedule], known: Sequence[DeploymentSchedule]) -> Changes:
    """What has changed in the file. Schedules that a person added, changed or paused are not in it."""
    ours = {schedule.slug: schedule for schedule in known if (schedule.slug or "").startswith(_MARK)}
    marks = {mark(schedule) for schedule in wanted}
    missing = [schedule for schedule in wanted if mark(schedule) not in ours]
    gone = [schedule for slug, schedule in ours.items() if slug not in marks]
    unmarked = {when(schedule): schedule for schedule in known if not schedule.slug}
    marked = [(unmarked[found], schedule) for schedule in missing if (found := _when(schedule)) in unmarked]
    if known and not ours and not marked:
        # A person has put others in the place of those of the file.
        return Changes()
    missing = [schedule for schedule in missing if _when(schedule) not in unmarked]
    both = min(len(gone), len(missing))
    return Changes(missing[both:], gone[both:], list(zip(gone, missing, strict=False)), marked)


def remark(wanted: Sequence[Schedule], known: DeploymentResponse) -> str:
    """What a person has changed of the file's schedules, in a few words."""
    # Both on purpose.
    if known.paused:
        return "it is paused"
    if not all(schedule.active for schedule in known.schedules):
        return "its schedule is paused"
    if wanted and {_when(schedule) for schedule in wanted} - {when(schedule) for schedule in known.schedules}:
        others = ", ".join(sorted(" ".join(when(schedule)) for schedule in known.schedules))
        return f"its schedule was changed on the server, to {others}; to get that of prefect.yaml, delete it there"
    return ""


def when(schedule: DeploymentSchedule) -> tuple[str, str]:
    """The cron expression and the time zone of a schedule on the server, as in the file."""
    found = schedule.schedule
    if isinstance(found, CronSchedule):
        return found.cron, found.timezone or "UTC"
    return type(found).__name__, getattr(found, "timezone", None) or "UTC"


def _when(schedule: Schedule) -> tuple[str, str]:
    return schedule.cron, schedule.timezone


def _cron(schedule: Schedule) -> CronSchedule:
    return CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
