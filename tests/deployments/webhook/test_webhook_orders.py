"""What a signed delivery becomes: a flow run of the deployment, once, with the parameters that were sent."""

from __future__ import annotations

import inspect
import time
from typing import Any

from deployments.webhook.orders import ReportOrder


def test_an_order_has_the_flows_parameters() -> None:
    from flows.generate_report import generate_report

    assert list(ReportOrder.model_fields) == list(inspect.signature(generate_report.fn).parameters)
    schema = ReportOrder.model_json_schema()
    assert schema["required"] == ["environment"]


def test_a_delivery_becomes_a_flow_run_within_two_seconds(receiver: Any, deployed: Any) -> None:
    began = time.monotonic()
    body = {
        "environment": "production",
        "name": "Após o deploy",
        "criteria": {"team": {"goal": "Right answers"}, "agents": {"id:12": {"tone": {"weight": 2, "threshold": 9}}}},
        "options": {"since": "7d", "agents": ["id:12"], "max_report_cost_usd": 2},
    }
    answer = receiver.order(body)
    took = time.monotonic() - began
    assert answer.status_code == 202, answer.text
    assert took < 2
    sent = answer.json()
    run = deployed.client.read_flow_run(sent["flow_run_id"])
    assert run.parameters == body
    assert run.state.is_scheduled()
    assert sent["status"] == "scheduled"
    assert sent["api_url"] == f"{deployed.api_url}/flow_runs/{run.id}"
    assert sent["ui_url"].endswith(f"/runs/flow-run/{run.id}")
    assert answer.headers["location"] == sent["status_path"] == f"/webhooks/reports/{run.id}"
