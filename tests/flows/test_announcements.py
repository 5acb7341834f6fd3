"""What Prefect's automations hear of a report: one event of its end, one for every agent below its threshold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from deployments.demo.loopback import Response
from deployments.local.prefect_server import authorization
from deployments.local.runner import drain
from tasks.judge.rubric import Criteria, parse_criteria

_DESCRIPTION = "The answer solves the task."
KEY = "sk-planted-key-0123456789"


def _accuracy(threshold: float) -> Criteria:
    """One criterion for agents. Six runs decide only thresholds far from what they show."""
    accuracy = {"weight": 1.0, "description": _DESCRIPTION, "threshold": threshold}
    return parse_criteria({"default": {"accuracy": accuracy}})


def _events(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Our events about the report, the oldest first."""
    drain()
    body = {"filter": {"event": {"prefix": ["agent-report."]}, "order": "DESC"}, "limit": 50}
    headers = authorization(PREFECT_API_AUTH_STRING.value() or "")
    # The server writes events in batches, on a busy machine some time after they came.
    for _ in range(400):
        found = httpx.post(
            f"{PREFECT_API_URL.value()}/events/filter", json=body, headers=headers, trust_env=False
        ).json()["events"]
        # Ids begin again in every warehouse, those of flow runs do not.
        run = f"prefect.flow-run.{report['flow_run_id']}"
        ours = [event for event in found if run in [about["prefect.resource.id"] for about in event["related"]]]
        if any(event["event"] != "agent-report.agent-below-threshold" for event in ours):
            assert KEY not in json.dumps(found)
            return ours[::-1]
        time.sleep(0.1)
    raise AssertionError("no event came")


def test_the_end_of_a_report_names_the_agents_below_their_threshold(make_world: Callable[..., Any]) -> None:
    world = make_world()
    report = world.report(_accuracy(9.9))
    agents = world.agents(report)
    below = {name for name, row in agents.items() if row["status"] == "evaluated" and row["passed"] is False}
    assert below
    events = _events(report)
    (end,) = (event for event in events if event["event"] == "agent-report.completed")
    assert end["resource"]["prefect.resource.id"] == f"agent-report.report.{report['id']}"
    assert end["resource"]["agent-report.environment"] == "demo"
    assert end["resource"]["agent-report.needs-attention"] == "yes"
    assert set(end["payload"]["agents_below_threshold"]) == below
    assert end["payload"]["status"] == "completed"
    assert end["payload"]["team_score"] == round(report["team_score"], 9)
    assert end["payload"]["text"].startswith(f"Report {report['id']} on demo: completed; below their threshold: ")
    each = [event for event in events if event["event"] == "agent-report.agent-below-threshold"]
    assert {event["payload"]["agent_name"] for event in each} == below
    for event in each:
        row = agents[event["payload"]["agent_name"]]
        assert event["payload"]["score"] == round(row["score"], 9)
        assert event["payload"]["agent_id"] == row["agent_id"]
        assert all((criterion["score"] or 0) < criterion["threshold"] for criterion in event["payload"]["criteria"])
        assert event["payload"]["criteria"]


def test_a_report_in_which_all_pass_asks_for_nobodys_attention(make_world: Callable[..., Any]) -> None:
    world = make_world()
    report = world.report(_accuracy(2.0), agents=["id:1"])
    rows = [row for row in world.agents(report).values() if row["status"] == "evaluated"]
    assert [row["passed"] for row in rows] == [True]
    (end,) = _events(report)
    assert end["resource"]["agent-report.needs-attention"] == "no"
    assert end["payload"]["agents_below_threshold"] == []


def test_a_failed_report_says_why_without_what_nobody_may_see(make_world: Callable[..., Any]) -> None:
    def no_quota(*_: object) -> Response:
        error = {"error": {"message": f"no quota for {KEY}", "type": "insufficient_quota"}}
        return Response(429, json.dumps(error).encode())

    report = make_world(respond=no_quota).report()
    assert report["status"] == "failed"
    (end,) = _events(report)
    assert end["event"] == "agent-report.failed"
    assert end["resource"]["agent-report.needs-attention"] == "yes"
    assert "quota" in end["payload"]["error"]
    assert "failed (" in end["payload"]["text"]


def test_a_report_that_could_not_begin_is_announced_too(make_world: Callable[..., Any]) -> None:
    world = make_world()
    (world.folder / "source.db").write_bytes(b"no database")
    report = world.report()
    assert report["status"] == "failed"
    (end,) = _events(report)
    assert end["event"] == "agent-report.failed"
