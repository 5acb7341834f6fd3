"""Automations: they mark killed runs crashed and the reports of crashed runs failed, and send
notifications."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, Posture
from prefect.exceptions import ObjectNotFound

from deployments.setup.names import TAG
from deployments.setup.piece import Found
from tasks.announcements import ATTENTION, COMPLETED, FAILED
from tasks.errors import ConfigurationError

RECONCILE = "reconcile_reports/reconcile-reports"
_RUNS = {"prefect.resource.id": "prefect.flow-run.*"}
# A tag stays what it is when a deployment is deleted and made again; its id does not.
_OURS = {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}


class _Automation(ABC):
    """One automation, identified by its name."""

    name: str

    @abstractmethod
    def _wanted(self, client: SyncPrefectClient) -> AutomationCore | str:
        """What it should be, or why it cannot be created."""

    def inspect(self, client: SyncPrefectClient) -> Sequence[Found]:
        return [self._state(client)]

    def _state(self, client: SyncPrefectClient) -> Found:
        what = f"automation {self.name!r}"
        known = client.read_automations_by_name(self.name)
        wanted = self._wanted(client)
        if not known:
            return Found(what, "missing", wanted if isinstance(wanted, str) else "")
        if isinstance(wanted, str):
            return Found(what, "different", wanted)
        wrong = [key for key in ("trigger", "actions", "enabled") if getattr(known[0], key) != getattr(wanted, key)]
        return Found(what, "different", f"in its {', '.join(wrong)}") if wrong else Found(what, "there")

    def make(self, client: SyncPrefectClient) -> None:
        wanted = self._wanted(client)
        if isinstance(wanted, str):
            raise ConfigurationError(f"automation {self.name!r}: {wanted}")
        known = client.read_automations_by_name(self.name)
        if known:
            client.update_automation(known[0].id, wanted)
        else:
            client.create_automation(wanted)


class MarkKilledRuns(_Automation):
    """Marks a run crashed when its heartbeat is missing: a killed process cannot report its own end."""

    name = "agent-report: killed runs are marked crashed"

    def _wanted(self, client: SyncPrefectClient) -> AutomationCore | str:
        ends = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
        return AutomationCore(
            name=self.name,
            description="A run whose heartbeat is missing for 90 s is gone.",
            enabled=True,
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *ends},
                match=_RUNS,
                match_related=_OURS,
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=90),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat for 90 s: the run was killed.")],
        )


class ReconcileCrashedRuns(_Automation):
    """Marks the report of a crashed run failed, whether the automation above, a worker or a person marked the run."""

    name = "agent-report: reports of crashed runs are marked failed"

    def _wanted(self, client: SyncPrefectClient) -> AutomationCore | str:
        try:
            deployment = client.read_deployment_by_name(RECONCILE)
        except ObjectNotFound:
            return f"there is no deployment {RECONCILE}"
        return AutomationCore(
            name=self.name,
            description=f"Runs {RECONCILE} when a run crashed.",
            enabled=True,
            trigger=EventTrigger(
                expect={"prefect.flow-run.Crashed"},
                match=_RUNS,
                match_related=_OURS,
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[RunDeployment(source="selected", deployment_id=deployment.id)],
        )


class Notify(_Automation):
    """Notifies a block of the user's choice (``type/name``) of reports that need attention."""

    name = "agent-report: somebody hears of failed reports and agents below their threshold"

    def __init__(self, block: str) -> None:
        self._block = block

    def _state(self, client: SyncPrefectClient) -> Found:
        if self._block or client.read_automations_by_name(self.name):
            return super()._state(client) if self._block else Found(f"automation {self.name!r}", "there")
        why = "no block is named: --notify slack-webhook/NAME, or AGENT_REPORT_NOTIFY_BLOCK"
        return Found(f"automation {self.name!r}", "skipped", why)

    def _wanted(self, client: SyncPrefectClient) -> AutomationCore | str:
        slug, slash, name = self._block.partition("/")
        if not (slug and slash and name):
            return f"{self._block!r} is not of the form type/name, such as slack-webhook/team"
        try:
            block = client.read_block_document_by_name(name, slug, include_secrets=False)
        except ObjectNotFound:
            return f"there is no block {self._block} on this Prefect server"
        if "notify" not in (block.block_schema.capabilities if block.block_schema else ()):
            return f"the block {self._block} sends no notifications"
        return AutomationCore(
            name=self.name,
            description="Sends one message for a report that failed, or that has agents below their threshold.",
            enabled=True,
            trigger=EventTrigger(
                expect={COMPLETED, FAILED},
                match={ATTENTION: "yes"},
                posture=Posture.Reactive,
                threshold=1,
                within=timedelta(0),
            ),
            actions=[
                SendNotification(
                    block_document_id=block.id,
                    subject="agent-report: {{ event.payload.environment }} {{ event.payload.status }}",
                    body="{{ event.payload.text }}\n{% if flow_run %}{{ flow_run | ui_url }}{% endif %}",
                )
            ],
        )
