"""The deployments of prefect.yaml, and whether the server has them as the file defines them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from deployments.setup.deploy import deploy
from deployments.setup.deployment_file import Deployment, load_deployment_file
from deployments.setup.parameters import merge
from deployments.setup.piece import Found
from deployments.setup.schedules import compare, remark
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
        return [self._state(client, deployment) for deployment in self._file.deployments]

    def make(self, client: SyncPrefectClient) -> None:
        # Entrypoints, and the version of a clone, are those of the file's folder.
        with chdir(self._path.parent):
            for deployment in self._file.deployments:
                known = _read(client, deployment)
                if known is not None and not any(self._differences(client, deployment, known)):
                    continue
                try:
                    self._deploy(client, deployment, known)
                except Exception as error:
                    said = scrub(" ".join(f"{type(error).__name__}: {error}".split()))
                    raise DeployError(f"deployment {full_name(deployment)}: {said[:1000]}") from error

    def _deploy(self, client: SyncPrefectClient, deployment: Deployment, known: DeploymentResponse | None) -> None:
        pull = deployment.pull or self._file.pull
        deploy(deployment, pull, self._parameters(deployment, known), is_new=known is None)
        if known is not None:
            compare(deployment.schedules, known.schedules).apply(client, known)

    def _parameters(self, deployment: Deployment, known: DeploymentResponse | None) -> dict[str, Any]:
        return merge(deployment.parameters, known.parameters if known else {}, self._file.form_of(deployment))

    def _state(self, client: SyncPrefectClient, deployment: Deployment) -> Found:
        what = f"deployment {full_name(deployment)}"
        known = _read(client, deployment)
        if known is None:
            return Found(what, "missing")
        wrong = list(self._differences(client, deployment, known))
        if wrong:
            return Found(what, "different", f"in its {', '.join(wrong)}")
        return Found(what, "there", remark(deployment.schedules, known))

    def _differences(
        self, client: SyncPrefectClient, deployment: Deployment, known: DeploymentResponse
    ) -> Iterator[str]:
        limit, options = deployment.concurrency_limit, known.concurrency_options
        pairs: dict[str, tuple[Any, Any]] = {
            "description": (deployment.description, known.description),
            "tags": (sorted(deployment.tags), sorted(known.tags)),
            "entrypoint": (deployment.entrypoint, known.entrypoint),
            "parameters": (self._parameters(deployment, known), known.parameters),
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
        if compare(deployment.schedules, known.schedules):
            yield "schedules"
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


def _read(client: SyncPrefectClient, deployment: Deployment) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(full_name(deployment))
    except ObjectNotFound:
        return None
