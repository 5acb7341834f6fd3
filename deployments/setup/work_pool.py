"""The work pool, which also sets the environment variables of the runs of every deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments.setup.names import POOL
from deployments.setup.piece import Found
from tasks.errors import ConfigurationError

VARIABLE = "agent_report_env"
"""The Prefect variable with the environment of the runs in a process pool: an object of names and values."""

_LOCKED = ("command", "env", "working_dir")
# A flow run's env is merged into an object that stands here, and replaces a job variable; a Prefect variable it cannot
# touch.
_ENV_NAME = f"prefect.variables.{VARIABLE}"
# Prefect wants every placeholder declared, also one that no job variable can fill.
_ENV_DECLARATION = {"type": "null", "title": "Environment", "description": f"The Prefect variable {VARIABLE}."}
_RUN_ENVIRONMENT = {
    # Without heartbeats a run whose machine is gone goes unnoticed. 30 s is the minimum that Prefect accepts.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # Two lines for each of some hundred task runs add nothing to what the task runs show.
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
}


class Pool:
    """The pool of this name, with ``environment`` among the variables that its runs get.

    A process pool is locked: job variables that set the command, the environment or the folder of a flow run are
    refused by the API or ignored by the worker, as the flow run may do all that its worker may. A pool of another type
    (docker, kubernetes) keeps everything that a person has set in it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _RUN_ENVIRONMENT | dict(environment)

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        what = f"work pool {POOL}"
        pool = _read(client)
        if pool is None:
            return [Found(what, "missing")]
        if pool.type == ProcessWorker.type and pool.base_job_template != _lock(pool.base_job_template):
            return [Found(what, "different", f"flow runs can set their {', '.join(_LOCKED)}")]
        known = _known(client, pool)
        wrong = [name for name, value in self._environment.items() if known.get(name) != value]
        if wrong:
            return [Found(what, "different", f"its runs get another {', '.join(wrong)}, or none")]
        if pool.is_paused:
            return [Found(what, "warning", "it is paused: no run starts until it is resumed")]
        return [Found(what, "there", f"of type {pool.type}")]

    def make(self, client: SyncPrefectClient) -> None:
        pool = _read(client)
        if pool is None:
            # First the variable: a pool without it can start no run.
            _write_variable(client, _read_variable(client) | self._environment)
            template = _lock(ProcessWorker.get_default_base_job_template())
            client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))
        elif pool.type == ProcessWorker.type:
            _write_variable(client, _known(client, pool) | self._environment)
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=_lock(pool.base_job_template)))
        else:
            template = deepcopy(pool.base_job_template)
            env = (
                template.setdefault("variables", {}).setdefault("properties", {}).setdefault("env", {"type": "object"})
            )
            env["default"] = _known(client, pool) | self._environment
            client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))


def _lock(template: Mapping[str, Any]) -> dict[str, Any]:
    """A process pool's template in which what was the default is fixed, and which takes no variable that it lacks.

    A locked one is returned as it is.
    """
    locked = deepcopy(dict(template)) or ProcessWorker.get_default_base_job_template()
    variables = locked.setdefault("variables", {})
    properties = variables.setdefault("properties", {})
    job = locked.setdefault("job_configuration", {})
    for name in ("command", "working_dir"):
        if "{{" in str(job.get(name)):
            job[name] = properties.get(name, {}).get("default")
    for name in _LOCKED:
        properties.pop(name, None)
    job["env"] = f"{{{{ {_ENV_NAME} }}}}"
    properties[_ENV_NAME] = dict(_ENV_DECLARATION)
    variables["additionalProperties"] = False
    return locked


def _known(client: SyncPrefectClient, pool: WorkPool) -> dict[str, str]:
    """The environment that the pool's runs get now, wherever an earlier version or a person has put it."""
    template = pool.base_job_template
    fixed = template.get("job_configuration", {}).get("env")
    default = template.get("variables", {}).get("properties", {}).get("env", {}).get("default") or {}
    if pool.type != ProcessWorker.type:
        return dict(default)
    known = _read_variable(client) | (fixed if isinstance(fixed, dict) else {}) | default
    for name, value in known.items():
        if "{{" in str(value):
            raise ConfigurationError(
                f"work pool {POOL}: {name} in its env is a template, which is no longer expanded: set it in the "
                "worker's environment instead"
            )
    return known


def _read(client: SyncPrefectClient) -> WorkPool | None:
    try:
        return client.read_work_pool(POOL)
    except ObjectNotFound:
        return None


def _read_variable(client: SyncPrefectClient) -> dict[str, Any]:
    variable = client.read_variable_by_name(VARIABLE)
    return dict(variable.value) if variable is not None and isinstance(variable.value, dict) else {}


def _write_variable(client: SyncPrefectClient, value: dict[str, Any]) -> None:
    if client.read_variable_by_name(VARIABLE) is None:
        client.create_variable(VariableCreate(name=VARIABLE, value=value))
    else:
        client.update_variable(VariableUpdate(name=VARIABLE, value=value))
