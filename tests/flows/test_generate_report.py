"""The flow, end to end: what a report holds, what a fault costs, and what never is in it."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from deployments.demo.judge import completion, is_team
from deployments.demo.loopback import Request, Response
from tasks.warehouse.parquet import read_parquet


def _agent_of(payload: dict[str, Any]) -> str:
    return payload["messages"][1]["content"].partition("\n# Agent\n| ")[2].partition("\n")[0]


# With the slow judge there is time to make the file of the runs ahead.
@pytest.mark.parametrize("seconds", [0.05, 0.8])
def test_a_report_has_every_agent_and_sql_and_parquet_hold_the_same(
    make_world: Callable[..., Any], seconds: float
) -> None:
    world = make_world(agent_seconds=seconds, team_seconds=seconds)
    before = hashlib.sha256((world.folder / "source.db").read_bytes()).hexdigest()
    report = world.report()
    agents = world.agents(report)
    assert report["status"] == "completed", report["error"]
    assert report["progress"] == 100
    assert sorted(row["status"] for row in agents.values()) == ["evaluated"] * 4 + ["no_runs"]
    # The team's call, and one for issues.
    assert len(world.judge.requests) == 4 + 2
    assert len(world.jaeger.requests) <= 4 + 6
    assert report["team_score"] is not None
    assert report["cost_usd"] is None, "the simulated judge's price is unknown, and unknown is not 0"
    assert all(len(entry["summary"]) <= 200 for entry in report["agent_reports"].values())
    url = str(world.folder / "parquet")
    rows = {
        "reports": [report],
        "agent_report_details": world.warehouse.load_agents(report["id"]),
        "criterion_scores": world.warehouse.load_criteria(report["id"]),
        "report_runs": world.warehouse.load_runs(report["id"]),
    }
    for table, expected in rows.items():
        stored = [_plain(row) for row in read_parquet(url, table).to_pylist()]
        assert _sorted(stored) == _sorted([_plain(row) for row in expected]), table
    assert hashlib.sha256((world.folder / "source.db").read_bytes()).hexdigest() == before


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    plain = dict(row)
    for name in ("parameters", "judge_settings"):
        if isinstance(plain.get(name), str):
            plain[name] = json.loads(plain[name])
    for name in ("agent_reports", "redactions", "checks"):
        if isinstance(plain.get(name), list):
            plain[name] = dict(plain[name])
    return plain


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in rows)


def test_a_second_report_of_the_same_evidence_pays_for_nothing_when_taken_up(make_world: Callable[..., Any]) -> None:
    from flows.generate_report import generate_report

    world = make_world()
    report = world.report()
    asked = len(world.judge.requests)
    assert generate_report("demo", report_id=report["id"]) == report["id"]
    assert len(world.judge.requests) == asked
    again = world.warehouse.load_report(report["id"])
    assert again["team_score"] == report["team_score"]
    assert len(world.warehouse.load_agents(report["id"])) == 5
    # It is still what this report cost.
    assert sum(row["reused"] is True for row in world.agents(report).values()) == 0
    assert again["prompt_tokens"] == report["prompt_tokens"] > 0


def test_one_useless_judge_one_unreadable_agent_and_a_broken_jaeger(make_world: Callable[..., Any]) -> None:
    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        if not is_team(payload) and _agent_of(payload) == "sql-analyst":
            return Response(body=json.dumps(completion("I would say a solid seven.")).encode())
        return None

    world = make_world(respond=respond)
    with sqlite3.connect(world.folder / "source.db") as source:
        source.execute(
            "update agent_runs set started_at = 'soon', completed_at = 'later' "
            "where agent_id = (select id from agents where name = 'refund-desk')"
        )
    world.jaeger.fail_with = 500
    report = world.report()
    agents = world.agents(report)
    assert report["status"] == "completed"
    assert len(agents) == 5
    assert agents["sql-analyst"]["status"] == "failed"
    assert "not a JSON object" in agents["sql-analyst"]["error"]
    assert agents["sql-analyst"]["prompt_tokens"] == 2000, "both useless answers were paid for"
    assert agents["refund-desk"]["status"] == "failed"
    assert "'soon'" in agents["refund-desk"]["error"]
    assert all(agents[name]["score"] is None for name in ("sql-analyst", "refund-desk", "onboarding-guide"))
    assert report["agents_evaluated"] == 2
    scores = [row["score"] for row in agents.values() if row["status"] == "evaluated"]
    assert abs(report["avg_agent_score"] - sum(scores) / 2) < 1e-9
    assert any("Without traces" in warning for warning in report["warnings"])


def test_statuses_that_mean_nothing_here_fail_the_report_and_are_named(make_world: Callable[..., Any]) -> None:
    """Case ``unknown-status``: a source whose runs all have a status of their own."""
    world = make_world()
    with sqlite3.connect(world.folder / "source.db") as source:
        runs = source.execute("update agent_runs set status = 'wrapped_up'").rowcount
    report = world.report_directly(runs_per_agent=1000)
    assert report["status"] == "failed"
    assert f"wrapped_up ({runs})" in report["error"]
    assert any(f"wrapped_up ({runs})" in warning for warning in report["warnings"])
    agents = world.agents(report).values()
    assert {row["status"] for row in agents} == {"no_runs"}
    assert sum("no finished run; left out: wrapped_up (" in row["error"] for row in agents) == 4
    assert world.judge.requests == []


def test_a_quota_error_ends_the_judging(make_world: Callable[..., Any]) -> None:
    body = (
        b'{"error": {"message": "You exceeded your quota", "type": "insufficient_quota", "code": "insufficient_quota"}}'
    )
    world = make_world(respond=lambda payload, request: Response(429, body), agent_seconds=0.3)
    report = world.report(max_concurrent_evals=4)
    agents = world.agents(report)
    assert report["status"] == "failed"
    assert "quota" in report["error"]
    assert len(world.judge.requests) <= 4
    assert len(agents) == 5
    assert all(row["score"] is None for row in agents.values())


def test_fail_fast_starts_no_call_after_the_first_failure(make_world: Callable[..., Any]) -> None:
    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        return Response(400, b'{"error": {"message": "no"}}') if not is_team(payload) else None

    world = make_world(respond=respond)
    report = world.report(fail_fast=True, max_concurrent_evals=1)
    agents = world.agents(report)
    failed = [name for name, row in agents.items() if row["status"] == "failed"]
    assert report["status"] == "failed"
    assert len(failed) == 1
    assert failed[0] in report["error"]
    assert len([row for row in agents.values() if row["status"] == "not_started"]) >= 3
    assert len(world.judge.requests) == 1


def test_an_unknown_environment_leaves_no_row(make_world: Callable[..., Any]) -> None:
    from flows.generate_report import generate_report

    world = make_world()
    state = generate_report("nowhere", return_state=True)
    assert "nowhere" in str(state.result(raise_on_failure=False))
    assert world.warehouse.list_reports() == []
    assert world.judge.requests == []


def test_calls_in_flight_reach_the_limit_and_never_more(make_world: Callable[..., Any]) -> None:
    full = threading.Event()

    def respond(payload: dict[str, Any], request: Any) -> None:
        if world.judge.most_in_flight >= 3:
            full.set()
        assert full.wait(60)

    world = make_world(respond=respond)
    report = world.report(max_concurrent_evals=3)
    assert report["status"] == "completed"
    assert world.judge.most_in_flight == 3


def test_the_key_is_nowhere(make_world: Callable[..., Any]) -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-planted-key-0123456789"}}'
    world = make_world(respond=lambda payload, request: Response(401, body))
    report = world.report()
    assert report["status"] == "failed"
    for path in world.folder.rglob("*"):
        if path.is_file():
            assert b"sk-planted-key" not in path.read_bytes(), path


def test_a_judge_of_one_call_at_a_time_is_asked_one_call_at_a_time(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = make_world()
    with caplog.at_level(logging.WARNING):
        report = world.report(max_concurrent_evals=1, max_concurrent_runs=2)
    assert "dead-lock" not in caplog.text
    assert world.judge.most_in_flight == 1
    assert report["agents_evaluated"] == 4


def test_a_report_since_a_time_is_about_all_its_runs_and_reads_a_sample(make_world: Callable[..., Any]) -> None:
    world = make_world()
    with sqlite3.connect(world.folder / "source.db") as connection:
        counts = dict(
            connection.execute(
                "SELECT agent_id, count(*) FROM agent_runs WHERE status NOT IN ('running', 'cancelled') GROUP BY 1"
            ).fetchall()
        )
    report = world.report_directly(since="365d", runs_per_agent=3)
    assert report["status"] == "completed", report["error"]
    agents = world.agents(report)
    assert {
        int(row["agent_id"]): row["runs_in_population"] for row in agents.values() if row["runs_in_population"]
    } == counts
    assert report["runs_in_population"] == sum(counts.values())
    runs = world.warehouse.load_runs(report["id"])
    for row in agents.values():
        own = [run for run in runs if run["agent_id"] == row["agent_id"]]
        assert len(own) == row["runs_analyzed"] == min(3, row["runs_in_population"])
        assert sum(1 / run["inclusion_probability"] for run in own) == pytest.approx(row["runs_in_population"])
        assert sum(day["runs"] for day in row["daily"] or ()) == row["runs_in_population"]
    asked = "\n".join(request.body.decode() for request in world.judge.requests)
    assert "3 of 6 runs, drawn at random" in asked
