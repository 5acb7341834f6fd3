"""What a signed delivery becomes: a flow run of the deployment, once, with the parameters that were sent."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.webhook.openapi import build_document
from deployments.webhook.orders import ReportOrder
from tasks.judge.criteria.criterion import FIELD_OF, KINDS
from tasks.judge.criteria.presets import station_rubric
from tasks.judge.rubric import Criteria

OLD = "whsec_" + "b2xk" * 8


def test_an_order_has_the_flows_parameters() -> None:
    from flows.generate_report import generate_report

    assert list(ReportOrder.model_fields) == list(inspect.signature(generate_report.fn).parameters)
    schema = ReportOrder.model_json_schema()
    assert schema["required"] == ["environment"]


def test_a_delivery_becomes_a_flow_run(receiver: Any, deployed: Any) -> None:
    body = {
        "environment": "production",
        "name": "Após o deploy",
        "criteria": {"team": {"goal": "Right answers"}, "agents": {"id:12": {"tone": {"weight": 2, "threshold": 9}}}},
        "options": {"since": "7d", "agents": ["id:12"], "max_report_cost_usd": 2},
    }
    answer = receiver.order(body)
    assert answer.status_code == 202, answer.text
    sent = answer.json()
    run = deployed.client.read_flow_run(sent["flow_run_id"])
    assert run.parameters == body
    assert run.state.is_scheduled()
    assert sent["status"] == "scheduled"
    assert sent["api_url"] == f"{deployed.api_url}/flow_runs/{run.id}"
    assert sent["ui_url"].endswith(f"/runs/flow-run/{run.id}")
    assert answer.headers["location"] == sent["status_path"] == f"/webhooks/reports/{run.id}"


def test_an_order_may_have_presets_and_criteria_of_every_kind(receiver: Any, deployed: Any) -> None:
    fields = {"limit": 30, "tools": ["look_up", "pay"], "pattern": "^ok", "function": "my_checks:is_right"}
    kinds = {kind: {"kind": kind, **({of: fields[of]} if (of := FIELD_OF.get(kind)) else {})} for kind in KINDS}
    answer = receiver.order({"environment": "staging", "criteria": {"default": "station", "agents": {"id:12": kinds}}})
    assert answer.status_code == 202, answer.text
    criteria = Criteria.model_validate(
        deployed.client.read_flow_run(answer.json()["flow_run_id"]).parameters["criteria"]
    )
    assert criteria.default == station_rubric()
    assert {name: criterion.kind for name, criterion in criteria.agents["id:12"].items()} == {k: k for k in KINDS}

    refused = receiver.order({"environment": "staging", "criteria": {"default": {"safe": {"kind": "tool_never"}}}})
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert "kind tool_never needs tools" in error["detail"]


def test_the_document_knows_the_kinds_and_what_each_needs() -> None:
    schema = build_document()["components"]["schemas"]["Criterion"]
    assert schema["properties"]["kind"]["enum"] == list(KINDS)
    needed = {
        kind: clause["then"]["required"]
        for clause in schema["allOf"]
        for kind in clause["if"]["properties"]["kind"]["enum"]
    }
    assert needed == {kind: [field] for kind, field in FIELD_OF.items()}


def test_a_replayed_delivery_is_the_same_flow_run(receiver: Any, deployed: Any) -> None:
    body = {"environment": "staging"}
    earlier = datetime.now(UTC) - timedelta(minutes=4)
    first = receiver.order(body, delivery="msg_replayed", at=earlier)
    before = len(deployed.runs())
    again = receiver.order(body, delivery="msg_replayed", at=earlier)
    # With a secret that was rotated meanwhile, too.
    later = receiver.order(body, delivery="msg_replayed", secret=OLD)
    assert {answer.status_code for answer in (first, again, later)} == {202}
    assert len({answer.json()["flow_run_id"] for answer in (first, again, later)}) == 1
    assert len(deployed.runs()) == before

    for body in ({"environment": "production"}, {"environment": "staging", "name": "Weekly"}):
        other = receiver.order(body, delivery="msg_replayed")
        assert other.status_code == 409
        assert first.json()["flow_run_id"] in other.json()["detail"]


def test_a_replay_that_leaves_a_parameter_out_orders_something_else(receiver: Any) -> None:
    body = {"environment": "staging", "options": {"since": "30d", "runs_per_agent": 5}}
    assert receiver.order(body, delivery="msg_bounded").status_code == 202
    shuffled = {"options": {"runs_per_agent": 5, "since": "30d"}, "environment": "staging"}
    assert receiver.order(shuffled, delivery="msg_bounded").status_code == 202
    assert receiver.order({"environment": "staging"}, delivery="msg_bounded").status_code == 409
    body["options"].pop("since")
    assert receiver.order(body, delivery="msg_bounded").status_code == 409


def test_another_delivery_is_another_flow_run(receiver: Any) -> None:
    body = {"environment": "staging"}
    first = receiver.order(body)
    assert receiver.order(body).json()["flow_run_id"] != first.json()["flow_run_id"]


def test_one_id_in_two_schemes_or_at_two_deployments_is_two_deliveries(
    receiver: Any, deploy: Any, start_receiver: Any
) -> None:
    body = {"environment": "staging"}
    other = deploy()
    with start_receiver(other.api_url, AGENT_REPORT_WEBHOOK_DEPLOYMENT=other.name) as second:
        answers = [
            receiver.order(body, delivery="same"),
            receiver.order_github(body, delivery="same"),
            second.order(body, delivery="same"),
        ]
        assert len({answer.json()["flow_run_id"] for answer in answers}) == 3
        # What one ordered is not the other's to show.
        assert second.show(answers[0].json()["flow_run_id"]).status_code == 404
        assert second.show(answers[2].json()["flow_run_id"]).status_code == 200


def test_a_restarted_receiver_knows_its_deliveries(deployed: Any, start_receiver: Any) -> None:
    runs = []
    for _ in range(2):
        with start_receiver(deployed.api_url, AGENT_REPORT_WEBHOOK_DEPLOYMENT=deployed.name) as running:
            runs.append(running.order({"environment": "staging"}, delivery="msg_restart").json()["flow_run_id"])
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "environment"),
        ({"environment": ""}, "environment"),
        ({"environment": 5}, "environment"),
        ({"environment": "production", "report_id": 0}, "report_id"),
        ({"environment": "production", "report_id": 2**31}, "report_id"),
        ({"environment": "production", "report_id": True}, "report_id"),
        ({"environment": "production", "nmae": "x"}, "nmae"),
        ({"environment": "production", "options": {"runs_per_agent": "20"}}, "options.runs_per_agent"),
        ({"environment": "production", "options": {"since": "yesterday"}}, "options.since"),
        ({"environment": "production", "options": {"agents": [None]}}, "options.agents"),
        ({"environment": "production", "options": {"agents": ["billing-bot", ""]}}, "options.agents"),
        ({"environment": "production", "options": {"judge_samples": None}}, "options.judge_samples"),
        ({"environment": "production", "criteria": {"default": {}}}, "criteria.default"),
        ({"environment": "production", "criteria": {"default": {"a": {"weight": -1}}}}, "criteria.default.a.weight"),
        # Prefect's server would render these.
        ({"environment": {"__prefect_kind": "jinja", "template": "{{ 1 }}"}}, "environment.__prefect_kind"),
        (
            {"environment": "production", "criteria": {"agents": {"__prefect_kind": {"a": {}}}}},
            "criteria.agents.__prefect_kind",
        ),
        (
            {"environment": "production", "options": {"agents": [{"__prefect_kind": "none"}]}},
            "options.agents.__prefect_kind",
        ),
    ],
)
def test_a_wrong_parameter_is_named(receiver: Any, deployed: Any, body: Any, field: str) -> None:
    before = len(deployed.runs())
    answer = receiver.order(body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert len(deployed.runs()) == before


def test_an_order_of_many_wrong_fields_is_answered_in_short(receiver: Any) -> None:
    answer = receiver.order({f"{'x' * 600}{number}": 1 for number in range(90)})
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


def test_only_what_is_allowed_can_be_ordered(receiver: Any, deployed: Any, start_receiver: Any) -> None:
    refused = receiver.order({"environment": "another"})
    assert refused.status_code == 403
    assert "production" not in refused.text
    allowed = json.dumps(["name", "options.since"])
    settings = {"AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name, "AGENT_REPORT_WEBHOOK_PARAMETERS": allowed}
    with start_receiver(deployed.api_url, AGENT_REPORT_WEBHOOK_ENVIRONMENTS="[]", **settings) as running:
        good = {"environment": "any", "name": "x", "options": {"since": "7d"}}
        assert running.order(good).status_code == 202
        bad = {**good, "report_id": 3, "criteria": {}, "options": {"since": "7d", "fresh": True, "judge_samples": 9}}
        answer = running.order(bad)
        assert answer.status_code == 403
        fields = [error["field"] for error in answer.json()["errors"]]
        assert fields == ["criteria", "report_id", "options.fresh", "options.judge_samples"]
