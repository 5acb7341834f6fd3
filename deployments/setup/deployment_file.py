"""prefect.yaml, validated strictly: Prefect ignores unknown keys, and deploys something that was not intended."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.events import DeploymentEventTrigger
from prefect.utilities.callables import ParameterSchema, parameter_schema_from_entrypoint
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from deployments.setup.names import POOL
from tasks.errors import ConfigurationError
from tasks.judge.rubric import describe_validation
from tasks.settings import Settings

_VARIABLE = re.compile(r"{{\s*\$(\w+)\s*}}")
Step = dict[str, dict[str, Any]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Schedule(_Strict):
    """When a deployment runs on its own."""

    cron: str
    timezone: str = "UTC"
    active: bool = True
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_a_cron(self) -> Self:
        CronSchedule(cron=self.cron, timezone=self.timezone)
        return self

    @property
    def digest(self) -> str:
        """Of its time and parameters, without what is not given: it stays when a later version has further keys."""
        content = self.model_dump(mode="json", exclude={"active"}, exclude_defaults=True)
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


class ConcurrencyLimit(_Strict):
    """How many runs of a deployment there are at once, and what happens to one more."""

    limit: Annotated[int, Field(ge=1)]
    collision_strategy: Annotated[str, Field(pattern="^(ENQUEUE|CANCEL_NEW)$")]
    grace_period_seconds: int | None = None


class WorkPool(_Strict):
    """The work pool of the runs, and their job variables."""

    name: str
    work_queue_name: str | None = None
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Trigger(DeploymentEventTrigger, extra="forbid"):
    """An event that starts a run of a deployment."""


class Deployment(_Strict):
    """One deployment of a flow."""

    name: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    entrypoint: str
    work_pool: WorkPool
    tags: list[str] = Field(default_factory=list)
    version: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    enforce_parameter_schema: bool | None = None
    schedules: list[Schedule] = Field(default_factory=list)
    concurrency_limit: ConcurrencyLimit | None = None
    paused: bool | None = None
    pull: list[Step] | None = None
    triggers: list[Trigger] = Field(default_factory=list)


class DeploymentFile(_Strict):
    """All of prefect.yaml. Keys that Prefect knows and this project does not use are refused too."""

    prefect_version: str | None = Field(None, alias="prefect-version")
    name: str | None = None
    pull: Annotated[list[Step], Field(min_length=1)]
    deployments: list[Deployment]
    _forms: dict[str, ParameterSchema] = PrivateAttr(default_factory=dict)

    def form_of(self, deployment: Deployment) -> dict[str, Any]:
        """The JSON schema of the parameters of its flow, from which the UI makes its form."""
        return self._forms[deployment.entrypoint].model_dump(mode="json", exclude_unset=True)


def template_variables(settings: Settings) -> dict[str, str]:
    """What ``{{ $NAME }}`` may name in the file: every setting that is one value and no secret."""
    values = {name: getattr(settings, name) for name in Settings.model_fields if not name.startswith("openai_")}
    return {
        f"AGENT_REPORT_{name.upper()}": str(value) for name, value in values.items() if isinstance(value, str | float)
    }


def load_deployment_file(path: Path, settings: Settings) -> DeploymentFile:
    """The deployments in ``path``, with ``{{ $NAME }}`` replaced by the settings' values.

    Raises:
        RefusedError: no such file, no YAML, a key that is unknown, a missing entrypoint, another work pool, a parameter
            that the flow does not have, a variable that is no setting; in one line that names key and value.
    """
    shown = path.name
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; it is in a clone of agent-report") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{shown} is not YAML: {' '.join(str(error).split())}") from None
    try:
        file = DeploymentFile.model_validate(_filled(content, template_variables(settings), shown))
    except ValidationError as error:
        raise ConfigurationError(f"{shown}: {describe_validation(error)}") from None
    names = [deployment.name for deployment in file.deployments]
    # Several deployments are of one flow, of which to find the parameters takes a tenth of a second.
    forms: dict[str, ParameterSchema] = {}
    for deployment in file.deployments:
        where = f"{shown}: deployment {deployment.name!r}:"
        if deployment.entrypoint not in forms:
            forms[deployment.entrypoint] = _read_form(deployment.entrypoint, path.parent, where)
        _check(deployment, forms[deployment.entrypoint].properties, where)
        if names.count(deployment.name) > 1:
            raise ConfigurationError(f"{shown}: deployment {deployment.name!r} is there twice")
    file._forms = forms
    return file


def _filled(value: Any, variables: Mapping[str, str], shown: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables, shown) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables, shown) for inner in value]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in variables:
            raise ConfigurationError(f"{shown}: {value!r}: {name} is no setting that can be filled in")
    return _VARIABLE.sub(lambda found: variables[found[1]], value)


def _read_form(entrypoint: str, folder: Path, where: str) -> ParameterSchema:
    """What the flow at ``entrypoint`` takes."""
    path, colon, function = entrypoint.rpartition(":")
    missing = f"{where} entrypoint: {entrypoint!r}"
    if not colon or not (folder / path).is_file():
        raise ConfigurationError(f"{missing}: there is no such file")
    try:
        return parameter_schema_from_entrypoint(f"{folder / path}:{function}")
    except ValueError:
        raise ConfigurationError(f"{missing}: there is no function {function!r} in it") from None


def _check(deployment: Deployment, known: Collection[str], where: str) -> None:
    if deployment.work_pool.name != POOL:
        raise ConfigurationError(f"{where} work_pool.name: {deployment.work_pool.name!r} is not {POOL!r}")
    given = [("parameters", deployment.parameters)]
    given += [(f"schedules.{i}.parameters", schedule.parameters) for i, schedule in enumerate(deployment.schedules)]
    given += [(f"triggers.{i}.parameters", trigger.parameters or {}) for i, trigger in enumerate(deployment.triggers)]
    for place, parameters in given:
        for name, value in parameters.items():
            if name not in known:
                raise ConfigurationError(f"{where} {place}.{name}: {value!r}: the flow has no such parameter")
    digests = [schedule.digest for schedule in deployment.schedules]
    for i, schedule in enumerate(deployment.schedules):
        if schedule.digest in digests[:i]:
            raise ConfigurationError(
                f"{where} schedules.{i}: {schedule.cron!r} ({schedule.timezone}) is there twice with the same "
                "parameters: remove one of them"
            )
