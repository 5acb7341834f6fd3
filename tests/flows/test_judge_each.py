"""Runs judged each by itself, in the whole flow: what is asked for, counted at the endpoint, and what is stored."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

World = Any


def _kind(payload: dict[str, Any]) -> str:
    """What a request to the judge asks for: run, agent, team or issues."""
    schema = payload["response_format"]["json_schema"]["schema"]["properties"]
    if "executive_summary" in schema:
        return "team"
    return "agent" if "criteria" in schema else "run" if "runs" in schema else "issues"


def _payloads(world: World, since: int = 0) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in world.judge.requests[since:]]


def _asked(world: World, since: int = 0) -> Counter[str]:
    return Counter(map(_kind, _payloads(world, since)))


def _texts(world: World, kind: str) -> list[str]:
    return [payload["messages"][1]["content"] for payload in _payloads(world) if _kind(payload) == kind]


def _add_run(world: World, agent_id: int) -> str:
    """A new run of an agent, like its newest one that completed; its id."""
    with sqlite3.connect(world.folder / "source.db") as source:
        source.row_factory = sqlite3.Row
        newest = "status = 'completed' ORDER BY started_at DESC LIMIT 1"
        row = dict(source.execute(f"SELECT * FROM agent_runs WHERE agent_id = ? AND {newest}", (agent_id,)).fetchone())
        row |= {"id": source.execute("SELECT max(id) + 1 FROM agent_runs").fetchone()[0], "trace_id": None}
        names = ", ".join(f'"{name}"' for name in row)
        source.execute(f"INSERT INTO agent_runs ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    source.close()
    return str(row["id"])


def test_the_second_night_asks_for_new_runs_beside_agents_team_and_issues(make_world: Callable[..., World]) -> None:
    world = make_world()
    first = world.report(judge_runs="each", since="30d")
    assert (first["status"], first["error"]) == ("completed", None)
    runs = world.warehouse.load_runs(first["id"])
    finished = [run for run in runs if run["completed"] is not None]
    asked = _asked(world)
    assert (asked["run"], asked["agent"], asked["team"]) == (len(finished), 4, 1)
    assert {run["verdict"] for run in finished} <= {"yes", "no", "cannot_tell"}
    assert all(run["success_source"] == "judge" for run in finished if run["verdict"] in ("yes", "no"))
    agents = world.agents(first)
    assert all(row["score"] is not None and row["reasoning"] for row in agents.values() if row["runs_analyzed"])

    known = len(world.judge.requests)
    new = {_add_run(world, 1), _add_run(world, 1), _add_run(world, 2)}
    second = world.report_directly(judge_runs="each", since="30d")
    again = _asked(world, known)
    assert (again["run"], again["agent"], again["team"]) == (3, 2, 1)
    assert again["issues"] <= 1
    verdicts = {run["run_id"]: run["verdict"] for run in world.warehouse.load_runs(second["id"])}
    before = {run["run_id"]: run["verdict"] for run in finished}
    assert new <= verdicts.keys()
    assert {run_id: verdicts[run_id] for run_id in before} == before

    known = len(world.judge.requests)
    third = world.report_directly(judge_runs="each", since="30d")
    assert len(world.judge.requests) == known
    assert (third["status"], third["cost_usd"]) == ("completed", 0.0)


def test_a_run_is_shown_without_what_its_agent_said_on_the_way(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.report_directly(judge_runs="each", agents=["id:1"], runs_per_agent=2)
    texts = _texts(world, "run")
    assert texts
    for text in texts:
        assert "called a tool" in text
        assert "the agent said (claim)" not in text
        assert "Final response (claim):" in text
        assert "runs analysed" not in text
    (words,) = _texts(world, "agent")
    assert "## Verdicts on the runs, each judged by itself" in words


def test_without_verdicts_the_judge_scores_itself(make_world: Callable[..., World]) -> None:
    world = make_world()
    for options in ({"judge_runs": "off"}, {"scoring": "holistic"}):
        report = world.report_directly(**options, fresh=True)
        assert report["status"] == "completed"
        for row in world.agents(report).values():
            assert row["success_rate"] is None
        runs = world.warehouse.load_runs(report["id"])
        assert {run["verdict"] for run in runs} == {None}
        criteria = [row for row in world.warehouse.load_criteria(report["id"]) if row["agent_id"]]
        assert {row["runs_decided"] for row in criteria} == {None}
        assert any(row["score"] is not None for row in criteria)
    assert _asked(world)["run"] == 0


def test_verdicts_stay_when_the_words_on_an_agent_fail(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between two attempts there are seconds.
    monkeypatch.setenv("AGENT_REPORT_JUDGE_MAX_ATTEMPTS", "1")
    from deployments.demo.loopback import Response

    def respond(payload: dict[str, Any], request: Any) -> Response | None:
        return Response(body=b'{"choices": []}') if _kind(payload) == "agent" else None

    world = make_world(respond=respond)
    report = world.report_directly(judge_runs="each")
    for row in world.agents(report).values():
        if row["runs_analyzed"]:
            assert (row["status"], row["reasoning"]) == ("evaluated", None)
            assert row["success_rate"] is not None
            assert any("words on the agent are missing" in warning for warning in row["warnings"])


def test_a_run_that_cannot_be_judged_has_the_reason(make_world: Callable[..., World]) -> None:
    from deployments.demo.loopback import Response

    def respond(payload: dict[str, Any], request: Any) -> Response | None:
        runs = payload["response_format"]["json_schema"]["schema"]["properties"].get("runs")
        return Response(400, b'{"error": {"message": "no", "code": "refused"}}') if runs else None

    world = make_world(respond=respond)
    report = world.report_directly(judge_runs="each")
    runs = [run for run in world.warehouse.load_runs(report["id"]) if run["completed"] is not None]
    assert runs
    assert {run["verdict"] for run in runs} == {None}
    assert all(run["verdict_error"] for run in runs)
    agents = [row for row in world.agents(report).values() if row["runs_analyzed"]]
    assert {row["score"] for row in agents} == {None}
    assert {row["success_rate"] for row in agents} == {None}


def test_verdicts_that_were_paid_stay_when_judging_ends_early(make_world: Callable[..., World]) -> None:
    from deployments.demo.loopback import Response

    lock, asked = threading.Lock(), Counter[str]()

    def respond(payload: dict[str, Any], request: Any) -> Response | None:
        with lock:
            asked[_kind(payload)] += 1
            if _kind(payload) != "run" or asked["run"] <= 9:
                return None
        return Response(429, b'{"error": {"message": "no more", "code": "insufficient_quota"}}')

    world = make_world(respond=respond)
    report = world.report(judge_runs="each", max_concurrent_evals=2)
    assert report["status"] == "failed"
    runs = world.warehouse.load_runs(report["id"])
    assert sum(run["verdict"] is not None for run in runs) == 9
    judged = [row for row in world.agents(report).values() if row["status"] == "evaluated"]
    assert sum(row["verdicts"]["from_judge"] + row["verdicts"]["cannot_tell"] for row in judged) == 9
    ended = [row for row in judged if any("words on the agent are missing" in warning for warning in row["warnings"])]
    assert len(ended) == len(judged) - asked["agent"] > 0
