"""What an event of GitHub asks for: the parameters of a report, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployments.webhook.orders import AllowList
from deployments.webhook.problems import ProblemError

DISPATCH_ACTION = "agent-report.requested"
_PAYLOAD_KEY = "agent_report"


@dataclass(frozen=True, slots=True)
class RequestedReport:
    """Parameters of a report. ``signed_id`` is an id of the delivery that the signature covers, or empty."""

    parameters: dict[str, Any]
    signed_id: str = ""


def read_event(event: str, body: dict[str, Any], allowed: AllowList) -> RequestedReport | str:
    """What ``event`` asks for, or why it asks for nothing: a webhook gets many kinds of events, and none is an error.

    Without an event the body holds the parameters, as in every other request.

    Raises:
        ProblemError: 422, where an event that is one of ours lacks what it needs.
    """
    if not event:
        return RequestedReport(body)
    if event == "repository_dispatch":
        return _read_dispatch(body)
    if event == "deployment_status":
        return _read_deployment(body, allowed)
    if event == "ping":
        return "The secret is right. Reports are made on deployment_status and repository_dispatch."
    return "No report is made on this event, only on deployment_status and repository_dispatch."


def _read_dispatch(body: dict[str, Any]) -> RequestedReport | str:
    if body.get("action") != DISPATCH_ACTION:
        return f"No report is made on this event_type, only on {DISPATCH_ACTION}."
    payload = body.get("client_payload")
    if not isinstance(payload, dict):
        raise ProblemError(422, 'Put the parameters into client_payload, such as {"environment": "production"}.')
    parameters = dict(payload)
    # GitHub signs the body only, and nothing in the body of this event is different every time.
    signed_id = parameters.pop("delivery_id", "")
    if not isinstance(signed_id, str) or len(signed_id) > 200:
        raise ProblemError(422, "client_payload.delivery_id must be a text of at most 200 characters.")
    return RequestedReport(parameters, f"dispatch:{signed_id}" if signed_id else "")


def _read_deployment(body: dict[str, Any], allowed: AllowList) -> RequestedReport | str:
    status, deployment = body.get("deployment_status"), body.get("deployment")
    if not isinstance(status, dict) or not isinstance(deployment, dict) or not isinstance(status.get("id"), int):
        raise ProblemError(422, "An event deployment_status needs deployment_status.id and deployment.")
    if status.get("state") != "success":
        return "No report is made until the deployment's state is success."
    environment = deployment.get("environment")
    # A repository deploys its documentation too: only what was named on purpose is reported on.
    if not isinstance(environment, str) or environment not in allowed.environments:
        return "No report is made on this environment: AGENT_REPORT_WEBHOOK_ENVIRONMENTS does not name it."
    payload = deployment.get("payload")
    wanted = payload.get(_PAYLOAD_KEY, {}) if isinstance(payload, dict) else {}
    if not isinstance(wanted, dict):
        raise ProblemError(422, f"deployment.payload.{_PAYLOAD_KEY} must be an object of the flow's parameters.")
    return RequestedReport({"environment": environment, **wanted}, f"deployment_status:{status['id']}")
