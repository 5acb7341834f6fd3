"""The deployments of prefect.yaml, and whether the server has them as the file defines them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from deployments.setup.deploy import deploy
from deployments.setup.deployment_file import Deployment, load_deployment_file
from deployments.setup.parameters import merge
from deployments.setup.piece import Found
from deployments.setup.record import Record, Records, ScheduleRecord
from deployments.setup.schedules import Changes, compare, describe_edits
from tasks.errors import DeployError, scrub
from tasks.settings import Settings


class Deployed:
    """Everything in ``path`` (prefect.yaml).

    Raises:
        RefusedError: as ``load_deployment_file``.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._file = load_deployment_file(path, settings)

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        records = Records(client)
        return [self._state(client, deployment, records) for deployment in self._file.deployments]

    def make(self, client: SyncPrefectClient) -> None:
        records = Records(client)
        # Entrypoints, and the version of a clone, are those of the file's folder.
        with chdir(self._path.parent):
            for deployment in self._file.deployments:
                known = _read(client, deployment)
                record = records.find(full_name(deployment), known)
                if known is not None and not any(self._differences(client, deployment, known, record)):
                    continue
                try:
                    self._deploy(client, deployment, known, record, records)
                except Exception as error:
                    reason = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
                    raise DeployError(f"deployment {full_name(deployment)}: {reason[:1000]}") from error

    def _deploy(
        self,
        client: SyncPrefectClient,
        deployment: Deployment,
        known: DeploymentResponse | None,
        record: Record | None,
        records: Records,
    ) -> None:
        name = full_name(deployment)
        deploy(deployment, deployment.pull or self._file.pull, self._parameters(deployment, known, record))
        made = known or client.read_deployment_by_name(name)
        ids = _compare(deployment, made, record).apply(client, made)
        records.write(name, _record(deployment, made, ids))

    def _parameters(
        self, deployment: Deployment, known: DeploymentResponse | None, record: Record | None
    ) -> dict[str, Any]:
        there = known.parameters if known else {}
        return merge(deployment.parameters, there, self._file.form_of(deployment), record.parameters if record else ())

    def _state(self, client: SyncPrefectClient, deployment: Deployment, records: Records) -> Found:
        what = f"deployment {full_name(deployment)}"
        known = _read(client, deployment)
        if known is None:
            return Found(what, "missing")
        record = records.find(full_name(deployment), known)
        wrong = list(self._differences(client, deployment, known, record))
        if wrong:
            return Found(what, "different", f"in its {', '.join(wrong)}")
        ids = _compare(deployment, known, record).ids
        return Found(what, "there", describe_edits(deployment.schedules, known, ids))

    def _differences(
        self, client: SyncPrefectClient, deployment: Deployment, known: DeploymentResponse, record: Record | None
    ) -> Iterator[str]:
        limit, options = deployment.concurrency_limit, known.concurrency_options
        pairs: dict[str, tuple[Any, Any]] = {
            "description": (deployment.description, known.description),
            "tags": (sorted(deployment.tags), sorted(known.tags)),
            "entrypoint": (deployment.entrypoint, known.entrypoint),
            "parameters": (self._parameters(deployment, known, record), known.parameters),
            # That of an earlier version of the flow lacks what has been added since.
            "form": (self._file.form_of(deployment), known.parameter_openapi_schema),
            "work pool": (deployment.work_pool.name, known.work_pool_name),
            "job variables": (deployment.work_pool.job_variables, known.job_variables),
            "pull steps": (deployment.pull or self._file.pull, known.pull_steps),
            "concurrency limit": (
                limit and (limit.limit, limit.collision_strategy),
                known.global_concurrency_limit
                and (known.global_concurrency_limit.limit, options.collision_strategy.value if options else "ENQUEUE"),
            ),
        }
        yield from (name for name, (wanted, found) in pairs.items() if wanted != found)
        changes = _compare(deployment, known, record)
        if changes:
            yield "schedules"
        elif record != _record(deployment, known, changes.ids):
            yield "record of prefect.yaml"
        if deployment.triggers and not self._has_triggers(client, deployment, known):
            yield "triggers"

    def _has_triggers(self, client: SyncPrefectClient, deployment: Deployment, known: DeploymentResponse) -> bool:
        found = {
            automation.name: automation
            for automation in client.read_resource_related_automations(f"prefect.deployment.{known.id}")
        }
        for trigger in deployment.triggers:
            trigger.set_deployment_id(known.id)
            wanted = trigger.as_automation()
            there = found.get(wanted.name)
            if there is None or any(
                getattr(there, key) != getattr(wanted, key) for key in ("trigger", "actions", "enabled")
            ):
                return False
        return True


def full_name(deployment: Deployment) -> str:
    """``flow/deployment``: every flow here is called as its function is."""
    return f"{deployment.entrypoint.rpartition(':')[2]}/{deployment.name}"


def _compare(deployment: Deployment, known: DeploymentResponse, record: Record | None) -> Changes:
    return compare(deployment.schedules, known.schedules, record.schedules if record else None)


def _record(deployment: Deployment, known: DeploymentResponse, ids: Mapping[str, UUID]) -> Record:
    return Record(
        deployment=known.id,
        parameters=tuple(sorted(deployment.parameters)),
        schedules=tuple(
            ScheduleRecord(id=ids.get(schedule.digest), digest=schedule.digest, active=schedule.active)
            for schedule in deployment.schedules
        ),
    )


def _read(client: SyncPrefectClient, deployment: Deployment) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name(deployment))
    except ObjectNotFound:
        return None
