"""Deploys one deployment of prefect.yaml, as `prefect deploy` does, without a process that imports Prefect again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment

from deployments.setup.deployment_file import ConcurrencyLimit, Deployment, Step


class _PullSteps:
    """The steps by which a worker gets the flow; Prefect's deployments take them in the form of a storage."""

    pull_interval = None
    destination = Path()

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)

    def set_base_path(self, path: Path) -> None:
        """Nothing is fetched here."""

    async def pull_code(self) -> None:
        """Nothing is fetched here."""

    def to_pull_step(self) -> list[Step]:
        return self._steps


def deploy(deployment: Deployment, pull: Sequence[Step], parameters: Mapping[str, Any]) -> None:
    """Create it without its schedules, or update the one of its name and leave the schedules of that alone.

    The folder of prefect.yaml has to be the current one.
    """
    given: dict[str, Any] = {}
    if deployment.enforce_parameter_schema is not None:
        given["enforce_parameter_schema"] = deployment.enforce_parameter_schema
    made = RunnerDeployment.from_entrypoint(
        deployment.entrypoint,
        deployment.name,
        description=deployment.description,
        version=deployment.version,
        tags=deployment.tags,
        parameters=dict(parameters),
        paused=deployment.paused,
        concurrency_limit=_limit(deployment.concurrency_limit),
        triggers=[*deployment.triggers],
        work_pool_name=deployment.work_pool.name,
        work_queue_name=deployment.work_pool.work_queue_name,
        job_variables=deployment.work_pool.job_variables,
        **given,
    )
    made.storage = _PullSteps(pull)
    # Prefect sends what was set. Schedules that it gets replace all that there are, and the paused ones start again.
    made.model_fields_set.difference_update({"schedules"} if deployment.paused is not None else {"schedules", "paused"})
    made.apply()


def _limit(limit: ConcurrencyLimit | None) -> ConcurrencyLimitConfig | None:
    if limit is None:
        return None
    return ConcurrencyLimitConfig(
        limit=limit.limit,
        collision_strategy=ConcurrencyLimitStrategy(limit.collision_strategy),
        grace_period_seconds=limit.grace_period_seconds,
    )
