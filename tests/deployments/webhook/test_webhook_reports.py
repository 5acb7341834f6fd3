"""Reading what was ordered: the run's status, the report as soon as there is one, and nothing of anybody else's."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.states import Failed

from tasks.warehouse.sql import open_warehouse


@pytest.fixture
def ordered(receiver: Any) -> dict[str, Any]:
    """A run that was just ordered."""
    answer = receiver.order({"environment": "production"})
    assert answer.status_code == 202
    shown: dict[str, Any] = answer.json()
    return shown


def test_a_run_without_a_report_has_a_status(receiver: Any, deployed: Any, ordered: dict[str, Any]) -> None:
    shown = receiver.show(ordered["flow_run_id"])
    assert shown.status_code == 200
    assert shown.json() == {
        **{key: ordered[key] for key in ordered if key != "status_path"},
        "report": None,
        "agents": [],
        "issues": [],
    }
    deployed.client.set_flow_run_state(
        ordered["flow_run_id"], Failed(message="no source at postgresql://me:hunter2@db"), force=True
    )
    shown = receiver.show(ordered["flow_run_id"])
    assert shown.json()["status"] == "failed"
    assert "no source" in shown.json()["message"]
    assert "hunter2" not in shown.text


def test_a_report_is_shown_as_the_command_shows_it(
    receiver: Any, ordered: dict[str, Any], tmp_path: Any, run_here: Callable[..., Any]
) -> None:
    url = receiver.warehouse_url
    warehouse = open_warehouse(url)
    run_id = ordered["flow_run_id"]
    first = warehouse.create_report({"environment": "production", "flow_run_id": run_id, "name": "erst"})
    assert receiver.show(run_id).json()["report"]["id"] == first
    # A run that was tried again has a report of its own for each; the newest counts.
    second = warehouse.create_report({"environment": "production", "flow_run_id": run_id, "name": "zweit 😀"})
    issue = {
        "issue_id": "a1",
        "title": "refunds without consent",
        "agent_ids": ["7"],
        "runs": [],
        "runs_affected": 3,
        "state": "new",
        "first_report_id": second,
        "origin": "judge",
    }
    warehouse.write_report(second, {"status": "completed"}, [], [], [], [issue])
    warehouse.close()
    shown = receiver.show(run_id).json()
    ended = run_here("show", str(second), "--json", AGENT_REPORT_WAREHOUSE_URL=url)
    assert {key: shown[key] for key in ("report", "agents", "issues")} == json.loads(ended.out)
    assert shown["report"]["name"] == "zweit 😀"
    assert [row["title"] for row in shown["issues"]] == ["refunds without consent"]


def test_what_was_not_ordered_here_is_not_shown(receiver: Any, deployed: Any) -> None:
    deployment = deployed.client.read_deployment_by_name(deployed.name)
    by_hand = deployed.client.create_flow_run_from_deployment(deployment.id, parameters={"environment": "production"})
    for run_id in (str(by_hand.id), str(uuid.uuid4()), "x", str(by_hand.id).upper(), by_hand.id.hex):
        assert receiver.show(run_id).status_code == 404, run_id


def test_a_read_is_signed_for_its_run_only(receiver: Any, ordered: dict[str, Any]) -> None:
    run_id = ordered["flow_run_id"]
    assert receiver.http.get(f"{receiver.url}/webhooks/reports/{run_id}").status_code == 401
    other = receiver.show(run_id, delivery=str(uuid.uuid4()))
    assert other.status_code == 401
    assert "flow run's id" in other.json()["detail"]
    assert receiver.show(run_id, at=datetime.now(UTC) - timedelta(minutes=6)).status_code == 401


def test_githubs_signature_does_not_read(receiver: Any, ordered: dict[str, Any]) -> None:
    """That of an empty body is the same for every run, and forever."""
    digest = hmac.new(b"a-secret-of-github-1", b"", hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": ordered["flow_run_id"]}
    assert receiver.http.get(receiver.url + ordered["status_path"], headers=headers).status_code == 401


def test_an_environment_that_is_no_longer_allowed_is_not_shown(
    deployed: Any, receiver: Any, ordered: dict[str, Any], start_receiver: Any
) -> None:
    settings = {"AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name, "AGENT_REPORT_WEBHOOK_ENVIRONMENTS": '["staging"]'}
    with start_receiver(deployed.api_url, **settings) as running:
        assert running.show(ordered["flow_run_id"]).status_code == 404


def test_a_warehouse_that_cannot_be_read_is_503(deployed: Any, ordered: dict[str, Any], start_receiver: Any) -> None:
    settings = {
        "AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name,
        "AGENT_REPORT_WAREHOUSE_URL": "postgresql://me:hunter2@127.0.0.1:1/none",
    }
    with start_receiver(deployed.api_url, **settings) as running:
        answer = running.show(ordered["flow_run_id"])
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert "hunter2" not in answer.text + "".join(running.log)
