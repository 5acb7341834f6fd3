"""GitHub's events: which of them order a report, with which parameters, and that all the others do no harm."""

from __future__ import annotations

from typing import Any

import pytest

DEPLOYMENT = {
    "action": "created",
    "deployment_status": {"id": 1001, "state": "success", "environment": "production"},
    "deployment": {"id": 5, "environment": "production", "payload": {}, "sha": "abc"},
    "repository": {"id": 1},
}


def _deployment(**changes: Any) -> dict[str, Any]:
    body = {**DEPLOYMENT, "deployment_status": {**DEPLOYMENT["deployment_status"]}}
    body["deployment"] = {**DEPLOYMENT["deployment"], **changes.pop("deployment", {})}
    body["deployment_status"].update(changes)
    return body


def _parameters(deployed: Any, answer: Any) -> Any:
    assert answer.status_code == 202, answer.text
    return deployed.client.read_flow_run(answer.json()["flow_run_id"]).parameters


def test_a_deployment_that_succeeded_orders_a_report_once(receiver: Any, deployed: Any) -> None:
    wanted = {"agent_report": {"name": "after abc", "options": {"since": "12h"}}}
    body = _deployment(id=2001, deployment={"payload": wanted})
    answer = receiver.order_github(body, "deployment_status")
    assert _parameters(deployed, answer) == {"environment": "production", **wanted["agent_report"]}
    # The header is not signed: another one there is no other delivery.
    again = receiver.order_github(body, "deployment_status")
    assert again.json()["flow_run_id"] == answer.json()["flow_run_id"]
    other = receiver.order_github(_deployment(id=2002), "deployment_status")
    assert other.json()["flow_run_id"] != answer.json()["flow_run_id"]


def test_a_dispatch_orders_what_its_payload_states(receiver: Any, deployed: Any) -> None:
    body = {"action": "agent-report.requested", "client_payload": {"environment": "staging", "name": "x"}}
    answer = receiver.order_github(body, "repository_dispatch", delivery="d-1")
    assert _parameters(deployed, answer) == {"environment": "staging", "name": "x"}
    run = answer.json()["flow_run_id"]
    assert receiver.order_github(body, "repository_dispatch", delivery="d-1").json()["flow_run_id"] == run
    assert receiver.order_github(body, "repository_dispatch", delivery="d-2").json()["flow_run_id"] != run
    body["client_payload"] = {"environment": "staging", "delivery_id": "own-1"}
    runs = {receiver.order_github(body, "repository_dispatch").json()["flow_run_id"] for _ in range(2)}
    assert len(runs) == 1


def test_without_an_event_the_body_holds_the_parameters(receiver: Any, deployed: Any) -> None:
    assert _parameters(deployed, receiver.order_github({"environment": "staging"})) == {"environment": "staging"}


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("ping", {"zen": "Design for failure.", "hook_id": 1}),
        ("push", {"ref": "refs/heads/main"}),
        ("workflow_run", {"action": "completed"}),
        ("repository_dispatch", {"action": "something-else", "client_payload": {"environment": "staging"}}),
        ("deployment_status", _deployment(state="failure")),
        ("deployment_status", _deployment(deployment={"environment": "github-pages"})),
        ("deployment_status", _deployment(deployment={"environment": ["production"]})),
    ],
)
def test_other_events_are_answered_and_do_nothing(receiver: Any, deployed: Any, event: str, body: Any) -> None:
    before = len(deployed.runs())
    answer = receiver.order_github(body, event)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"
    assert answer.json()["detail"]
    assert len(deployed.runs()) == before


@pytest.mark.parametrize(
    ("event", "body", "status"),
    [
        ("repository_dispatch", {"action": "agent-report.requested"}, 422),
        ("repository_dispatch", {"action": "agent-report.requested", "client_payload": {"environment": "x"}}, 403),
        (
            "repository_dispatch",
            {"action": "agent-report.requested", "client_payload": {"environment": "staging", "delivery_id": 5}},
            422,
        ),
        ("deployment_status", {}, 422),
        ("deployment_status", {**DEPLOYMENT, "deployment_status": {"state": "success"}}, 422),
        ("deployment_status", _deployment(deployment={"payload": {"agent_report": "x"}}), 422),
        ("deployment_status", _deployment(deployment={"payload": {"agent_report": {"nmae": 1}}}), 422),
        ("deployment_status", _deployment(deployment={"payload": {"agent_report": {"environment": "secret"}}}), 403),
    ],
)
def test_an_event_of_ours_that_lacks_something_explains_what(receiver: Any, event: str, body: Any, status: int) -> None:
    answer = receiver.order_github(body, event)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_busy_repository_leaves_room_for_what_counts(deployed: Any, start_receiver: Any) -> None:
    settings = {"AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name, "AGENT_REPORT_WEBHOOK_DELIVERIES_PER_MINUTE": "1"}
    with start_receiver(deployed.api_url, **settings) as running:
        assert {running.order_github({"ref": "x"}, "push").status_code for _ in range(20)} == {200}
        assert running.order_github(_deployment(id=4001), "deployment_status").status_code == 202
        assert running.order_github(_deployment(id=4002), "deployment_status").status_code == 429


def test_deployments_order_nothing_as_long_as_no_environment_is_named(deployed: Any, start_receiver: Any) -> None:
    settings = {"AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name, "AGENT_REPORT_WEBHOOK_ENVIRONMENTS": "[]"}
    with start_receiver(deployed.api_url, **settings) as running:
        answer = running.order_github(_deployment(id=3001), "deployment_status")
        assert answer.json()["status"] == "ignored"
        assert "AGENT_REPORT_WEBHOOK_ENVIRONMENTS" in answer.json()["detail"]
