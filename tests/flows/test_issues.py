"""Issues in the flow: one call after the last verdict, none where no run failed, and a report survives its failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from deployments.demo.judge import asked_schema, completion
from deployments.demo.loopback import Request, Response
from tasks.warehouse.parquet import read_parquet


def _is_issues(payload: dict[str, Any]) -> bool:
    return "issues" in asked_schema(payload).get("properties", {})


def _asked(world: Any) -> list[bool]:
    """Whether each request, in order, asked for issues."""
    return [_is_issues(json.loads(request.body)) for request in world.judge.requests]


def test_the_issues_are_asked_for_once_after_every_verdict_and_are_in_sql_and_parquet(
    make_world: Callable[..., Any],
) -> None:
    world = make_world()
    report = world.report()
    assert report["status"] == "completed", report["error"]
    assert report["issues_error"] is None
    assert report["issues_seconds"] > 0
    asked = _asked(world)
    assert asked.count(True) == 1
    assert asked[-1], "after all others"
    issues = world.warehouse.load_issues(report["id"])
    failing = [run for run in world.warehouse.load_runs(report["id"]) if run["succeeded"] is False]
    assert failing
    listed = {(run["agent_id"], run["run_id"]) for row in issues for run in row["runs"]}
    assert {(run["agent_id"], run["run_id"]) for run in failing} <= listed
    assert {row["origin"] for row in issues if row["issue_id"] != "other"} == {"judge"}
    assert {row["state"] for row in issues} <= {"new", "other"}
    stored = read_parquet(str(world.folder / "parquet"), "report_issues").to_pylist()
    assert {row["issue_id"] for row in stored} == {row["issue_id"] for row in issues}


def test_a_report_whose_issues_cannot_be_found_is_complete_and_groups_by_code(make_world: Callable[..., Any]) -> None:
    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        return Response(body=json.dumps(completion("They all fail.")).encode()) if _is_issues(payload) else None

    world = make_world(respond=respond)
    report = world.report_directly()
    assert report["status"] == "completed", report["error"]
    assert "could not be used" in report["issues_error"]
    issues = world.warehouse.load_issues(report["id"])
    assert issues
    assert {row["origin"] for row in issues} == {"code"}


def test_an_unchanged_report_has_the_issues_of_the_first_and_costs_nothing(make_world: Callable[..., Any]) -> None:
    world = make_world()
    first = world.report_directly()
    asked = len(world.judge.requests)
    second = world.report_directly()
    assert (len(world.judge.requests), second["cost_usd"]) == (asked, 0.0)
    rows = {row["issue_id"]: row for row in world.warehouse.load_issues(second["id"]) if row["issue_id"] != "other"}
    assert {row["state"] for row in rows.values()} == {"ongoing"}
    assert rows.keys() == {row["issue_id"] for row in world.warehouse.load_issues(first["id"])} - {"other"}
