"""The command: what it refuses to start with, where it listens, what it logs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

SECRETS = {"AGENT_REPORT_WEBHOOK_SECRETS": json.dumps(["whsec_" + "bmV3" * 8])}
API_URL = "http://127.0.0.1:1/api"
API = {"PREFECT_API_URL": API_URL}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (API, "AGENT_REPORT_WEBHOOK_SECRETS"),
        ({**API, "AGENT_REPORT_WEBHOOK_SECRETS": "hunter2"}, "AGENT_REPORT_WEBHOOK_SECRETS"),
        ({**API, "AGENT_REPORT_WEBHOOK_SECRETS": '["hunter2"]'}, "AGENT_REPORT_WEBHOOK_SECRETS.0"),
        ({**API, "AGENT_REPORT_WEBHOOK_GITHUB_SECRETS": '["hunter2"]'}, "AGENT_REPORT_WEBHOOK_GITHUB_SECRETS.0"),
        (SECRETS, "PREFECT_API_URL"),
        ({**API, **SECRETS, "AGENT_REPORT_WEBHOOK_PARAMETERS": '["nmae"]'}, "'nmae'"),
        ({**API, **SECRETS, "AGENT_REPORT_WEBHOOK_DEPLOYMENT": "on-webhook"}, "AGENT_REPORT_WEBHOOK_DEPLOYMENT"),
        ({**API, **SECRETS, "AGENT_REPORT_WEBHOOK_DELIVERIES_PER_MINUTE": "0"}, "DELIVERIES_PER_MINUTE"),
    ],
)
def test_it_does_not_start_without_what_it_needs(
    run_here: Callable[..., Any], settings: dict[str, str], message: str
) -> None:
    with temporary_settings({PREFECT_API_URL: settings.get("PREFECT_API_URL")}):
        ended = run_here("webhook", "--port", "0", **settings)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("Refused: ")
    assert message in line
    assert "hunter2" not in line


def test_a_port_that_is_taken_is_reported(run_here: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, temporary_settings({PREFECT_API_URL: API_URL}):
        ended = run_here("webhook", "--port", str(listener.getsockname()[1]), **API, **SECRETS)
    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert "--port" in ended.err


def test_it_logs_what_became_of_deliveries_and_no_secret(process: Any) -> None:
    run = process.order({"environment": "production", "name": "private"}, delivery="msg_logged").json()["flow_run_id"]
    refused = process.order({"environment": "production"}, secret="whsec_" + "d3Jv" * 8)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"]
    # The answer to a later request: by then what was logged before has been read.
    for _ in range(100):
        process.http.get(process.url + "/healthz")
        log = "".join(process.log)
        if "msg_logged" in log and "unsigned" in log:
            break
    assert f"delivery msg_logged: flow run {run}" in log
    assert "refused with 401, unsigned" in log
    for secret in ("bmV3", "private", "v1,", "another-of-github"):
        assert secret not in log


def test_other_paths_and_methods_are_problems_too(receiver: Any) -> None:
    for method, path, status in [
        ("GET", "/", 404),
        ("GET", "/docs", 404),
        ("POST", "/webhooks/reports/", 404),
        ("GET", "/webhooks/reports", 405),
        ("DELETE", "/webhooks/reports", 405),
        ("BREW", "/webhooks/reports", 405),
        ("POST", "/healthz", 405),
    ]:
        answer = receiver.http.request(method, receiver.url + path)
        assert answer.status_code == status, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert answer.json()["detail"]
        assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "text/plain"}, b"{}", 415),
        ({}, b"x" * 70_000, 413),
        ({}, b"{", 400),
        ({}, b'{"environment": "a", "environment": "b"}', 400),
    ],
)
def test_each_refusal_has_one_shape(receiver: Any, headers: Any, body: bytes, status: int) -> None:
    answer = receiver.order(body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= set(problem)


def test_the_bounds_are_kept_and_honest_senders_are_served_in_a_flood(deployed: Any, start_receiver: Any) -> None:
    settings = {
        "AGENT_REPORT_WEBHOOK_DEPLOYMENT": deployed.name,
        "AGENT_REPORT_WEBHOOK_DELIVERIES_PER_MINUTE": "3",
        "AGENT_REPORT_WEBHOOK_READS_PER_MINUTE": "2",
        "AGENT_REPORT_WEBHOOK_FAILURES_PER_MINUTE": "2",
    }
    with start_receiver(deployed.api_url, **settings) as running:
        body = {"environment": "production"}
        wrong = [running.order(body, headers={"webhook-signature": "v1,AAAA"}) for _ in range(6)]
        assert [answer.status_code for answer in wrong] == [401, 401, 429, 429, 429, 429]
        assert int(wrong[-1].headers["retry-after"]) in range(1, 61)
        answers = [running.order(body, delivery=f"msg_{number}") for number in range(5)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
        assert int(answers[-1].headers["retry-after"]) in range(1, 61)
        run_id = answers[0].json()["flow_run_id"]
        assert [running.show(run_id).status_code for _ in range(3)] == [200, 200, 429]
    assert len([line for line in running.log if "unsigned" in line]) == 2
