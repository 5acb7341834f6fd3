"""The work pool, which also tells the runs of every deployment which blocks to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.deployment_file import POOL
from deployments.setup.piece import Found


class Pool:
    """The pool of this name, with ``environment`` among the variables that its runs get.

    One that is there keeps its type (docker, kubernetes) and everything else that somebody has set in it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        what = f"work pool {POOL}"
        pool = _read(client)
        if pool is None:
            return [Found(what, "missing")]
        known = _defaults(pool.base_job_template)
        wrong = [name for name, value in self._environment.items() if known.get(name) != value]
        if wrong:
            return [Found(what, "different", f"its runs get another {', '.join(wrong)}, or none")]
        if pool.is_paused:
            return [Found(what, "warning", "it is paused: no run starts until somebody resumes it")]
        return [Found(what, "there", f"of type {pool.type}")]

    def make(self, client: SyncPrefectClient) -> None:
        pool = _read(client)
        if pool is None:
            template = self._extended(ProcessWorker.get_default_base_job_template())
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        elif any(found.is_due for found in self.inspect(client)):
            template = pool.base_job_template or ProcessWorker.get_default_base_job_template()
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=self._extended(template)))

    def _extended(self, template: dict[str, Any]) -> dict[str, Any]:
        extended = deepcopy(template)
        if self._environment:
            properties = extended.setdefault("variables", {}).setdefault("properties", {})
            properties.setdefault("env", {"type": "object"})["default"] = _defaults(template) | self._environment
        return extended


def _read(client: SyncPrefectClient) -> WorkPool | None:
    try:
        return client.read_work_pool(POOL)
    except ObjectNotFound:
        return None


def _defaults(template: dict[str, Any]) -> dict[str, str]:
    env = template.get("variables", {}).get("properties", {}).get("env", {})
    return dict(env.get("default") or {})
