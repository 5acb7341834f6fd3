"""The receiver's OpenAPI document. FastAPI cannot derive it: a body is read as bytes, as those are what is signed."""

from __future__ import annotations

from importlib import metadata
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from deployments.webhook.orders import ReportOrder
from deployments.webhook.problems import Problem

Part = dict[str, Any]
_REF = "#/components/schemas/{model}"
_NO_STORE: Part = {"description": "no-store", "schema": {"type": "string"}}
_RETRY: Part = {"description": "Seconds to wait before it is sent again.", "schema": {"type": "integer", "minimum": 1}}
_PROBLEMS = {
    400: "The body is not JSON that can be read, or headers contradict each other.",
    401: "No signature that holds; or its timestamp is more than 5 minutes off.",
    403: "An environment or a parameter that webhooks may not order.",
    404: "No flow run of this id was ordered here.",
    408: "The body did not arrive in time.",
    409: "The delivery's id was used before, for other parameters.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not uncompressed application/json in UTF-8.",
    422: "A parameter that the flow does not take; `errors` names it.",
    429: "Too many requests a minute, or too many without a signature that holds.",
    503: "Prefect or the warehouse cannot be reached, or Prefect lacks the deployment.",
}


class RunShown(BaseModel):
    """A flow run."""

    flow_run_id: UUID
    flow_run_name: str
    status: str = Field(description="Type of its state in Prefect, such as scheduled, running, completed, failed.")
    message: str = Field(description="The message of its state in Prefect, for example why the flow run failed.")
    api_url: str = Field(description="The flow run in Prefect's API.")
    ui_url: str = Field(description="The flow run in Prefect's UI.")


class Accepted(RunShown):
    """The flow run of a delivery: a new one, or the one that it was given the first time."""

    status_path: str = Field(description="Where this receiver shows its status and its report.")


class ReportShown(RunShown):
    """A flow run and its report, as `agent-report show --json` prints it."""

    report: dict[str, Any] | None = Field(description="The row of `reports`; null as long as there is none.")
    agents: list[dict[str, Any]] = Field(description="The rows of `agent_report_details`; empty until it is written.")
    issues: list[dict[str, Any]] = Field(description="The rows of `report_issues`; empty until it is written.")


class Answer(BaseModel):
    """A word."""

    status: str
    detail: str = ""


def build_document() -> Part:
    """The document, with every status, header and schema."""
    models: list[type[BaseModel]] = [ReportOrder, Accepted, ReportShown, Answer, Problem]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agent-report webhooks",
            "version": metadata.version("agent-report"),
            "description": "Signed requests order reports on teams of LLM agents.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/webhooks/reports": {"post": _order()},
            "/webhooks/reports/{flow_run_id}": {"get": _show()},
            "/healthz": {"get": _probe("healthz", "Whether the receiver runs.", [])},
            "/readyz": {"get": _probe("readyz", "Whether Prefect is reachable and has the deployment.", [503])},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "StandardWebhooks": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "v1, a comma, and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`"
                    " (standardwebhooks.com); several, separated by spaces.",
                },
                "GitHub": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Hub-Signature-256",
                    "description": "sha256= and the hexadecimal HMAC-SHA256 over the body.",
                },
            },
        },
    }


def _order() -> Part:
    return {
        "operationId": "order_report",
        "summary": "Order a report: run the deployment with these parameters.",
        "description": "Sent again with the same id, it gives the same flow run. With X-GitHub-Event the body is an "
        "event of GitHub: deployment_status or repository_dispatch.",
        "security": [{"StandardWebhooks": []}, {"GitHub": []}],
        "parameters": [
            _header("webhook-id", "Id of the delivery, without a full stop.", pattern=r"^[!-\-/-~]{1,200}$"),
            _header("webhook-timestamp", "Seconds since 1970, within 5 minutes.", pattern="^[0-9]{1,11}$"),
            _header("X-GitHub-Delivery", "Id of the delivery, as webhook-id is."),
            _header("X-GitHub-Event", "Kind of the event; without it the body holds the parameters."),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(ReportOrder)}}},
        "responses": {
            "200": _answer("An event of GitHub on which no report is made; `detail` explains why.", Answer),
            "202": _answer(
                "The flow run is created.",
                Accepted,
                {
                    "Location": {"description": "As status_path.", "schema": {"type": "string"}},
                    "Cache-Control": _NO_STORE,
                },
            ),
            **_problems([400, 401, 403, 408, 409, 413, 415, 422, 429, 503]),
        },
    }


def _show() -> Part:
    return {
        "operationId": "show_report",
        "summary": "The status of a flow run that was ordered here, and its report as far as there is one.",
        "description": "The empty body is signed, with the flow run's id as `webhook-id`.",
        "security": [{"StandardWebhooks": []}],
        "parameters": [
            {
                "name": "flow_run_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            },
            _header("webhook-id", "The flow run's id.", required=True, format="uuid"),
            _header("webhook-timestamp", "Seconds since 1970.", required=True, pattern="^[0-9]{1,11}$"),
        ],
        "responses": {
            "200": _answer("The flow run.", ReportShown, {"Cache-Control": _NO_STORE}),
            **_problems([400, 401, 404, 408, 413, 429, 503]),
        },
    }


def _probe(name: str, summary: str, problems: list[int]) -> Part:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": _answer("It is so.", Answer), **_problems(problems)},
    }


def _header(name: str, description: str, *, required: bool = False, **schema: str) -> Part:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _answer(description: str, model: type[BaseModel], headers: Part | None = None) -> Part:
    answer: Part = {"description": description, "content": {"application/json": {"schema": _ref(model)}}}
    return answer | ({"headers": headers} if headers else {})


def _problems(statuses: list[int]) -> Part:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> Part:
    headers: Part = {"Cache-Control": _NO_STORE}
    if status == 401:
        headers["WWW-Authenticate"] = {"description": "Names the scheme.", "schema": {"type": "string"}}
    if status in (429, 503):
        headers["Retry-After"] = _RETRY
    return {
        "description": _PROBLEMS[status],
        "headers": headers,
        "content": {"application/problem+json": {"schema": _ref(Problem)}},
    }


def _ref(model: type[BaseModel]) -> Part:
    return {"$ref": _REF.format(model=model.__name__)}
