"""What setup deployed last, by which the next setup knows what has changed in prefect.yaml since.

It is a Prefect variable: Prefect takes a deployment's labels only when it creates the deployment.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.client.schemas.responses import DeploymentResponse
from pydantic import BaseModel, ValidationError

VARIABLE = "agent_report_deployed"
"""The Prefect variable with the records of all deployments, by name. Without it setup keeps what differs."""


class ScheduleRecord(BaseModel, frozen=True):
    """A schedule of prefect.yaml."""

    id: UUID | None
    """Its schedule on the server; ``None`` while the server has others in its place."""
    digest: str
    active: bool


class Record(BaseModel, frozen=True):
    """What prefect.yaml defined of a deployment."""

    deployment: UUID
    parameters: tuple[str, ...]
    """The names of those that it set."""
    schedules: tuple[ScheduleRecord, ...]


class Records:
    """All that are on the server, read once."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        variable = client.read_variable_by_name(VARIABLE)
        self._exists = variable is not None
        value = variable.value if variable is not None else None
        self._records: dict[str, Any] = dict(value) if isinstance(value, dict) else {}

    def find(self, name: str, known: DeploymentResponse | None) -> Record | None:
        """That of the deployment of this name; none of one that was deleted since, and none that is unreadable."""
        try:
            record = Record.model_validate(self._records.get(name))
        except ValidationError:
            return None
        return record if known is not None and record.deployment == known.id else None

    def write(self, name: str, record: Record) -> None:
        """Replace that of the deployment of this name."""
        self._records[name] = record.model_dump(mode="json")
        if self._exists:
            self._client.update_variable(VariableUpdate(name=VARIABLE, value=self._records))
        else:
            self._client.create_variable(VariableCreate(name=VARIABLE, value=self._records))
            self._exists = True
