"""What a report makes of the judge's verdict: kept, checked, paid once; and what never reaches the judge."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.judge import asked_schema, completion, is_team
from deployments.demo.loopback import Request, Response

Make = Callable[..., Any]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def _agent_of(payload: dict[str, Any]) -> str:
    return payload["messages"][1]["content"].partition("\n# Agent\n| ")[2].partition("\n")[0]


def _answer(payload: dict[str, Any]) -> dict[str, Any]:
    return derive_answer(payload["messages"][1]["content"], asked_schema(payload))


def _reply(content: str | None, **changes: Any) -> Response:
    return Response(body=json.dumps(completion(content, **({"usage": USAGE} | changes))).encode())


def _update(world: Any, statement: str, *values: Any) -> None:
    with sqlite3.connect(world.folder / "source.db") as source:
        source.execute(statement, values)
    source.close()


def test_no_new_runs_cost_nothing_and_a_changed_agent_costs_its_own_call_and_the_teams(make_world: Make) -> None:
    world = make_world()
    first = world.report_directly()
    asked = len(world.judge.requests)
    # Four agents, the team, and what to fix first.
    assert asked == 6
    second = world.report_directly()
    assert len(world.judge.requests) == asked
    assert (second["status"], second["cost_usd"], second["prompt_tokens"]) == ("completed", 0, 0)
    assert second["id"] != first["id"]
    assert second["team_score"] == first["team_score"]
    agents = world.agents(second)
    assert {row["reused"] for row in agents.values() if row["status"] == "evaluated"} == {True}
    assert {name: row["score"] for name, row in agents.items()} == {
        name: row["score"] for name, row in world.agents(first).items()
    }

    _update(
        world,
        "update agent_runs set final_response = 'Another answer.' where id = (select max(id) from agent_runs "
        "where status = 'completed' and agent_id = (select id from agents where name = 'sql-analyst'))",
    )
    third = world.report_directly()
    asked_again = [json.loads(request.body) for request in world.judge.requests[asked:]]
    about = ["team" if is_team(payload) else _agent_of(payload) or "issues" for payload in asked_again]
    assert sorted(name for name in about if name != "issues") == ["sql-analyst", "team"]
    assert [name for name, row in world.agents(third).items() if row["reused"] is False and row["score"]] == [
        "sql-analyst"
    ]


def _garbled(payload: dict[str, Any], score: str, success: str) -> str:
    return json.dumps(_answer(payload)).replace('"score": ', score).replace('"success": ', success)


WRONG: list[Callable[[dict[str, Any]], Response]] = [
    lambda payload: _reply("I would say a solid seven."),
    lambda payload: _reply(json.dumps(_answer(payload))[:-40], finish_reason="length"),
    lambda payload: _reply(None, refusal="I cannot judge this."),
    lambda payload: _reply("", finish_reason="content_filter"),
    lambda payload: _reply(_garbled(payload, '"score": 1', '"success": "perhaps", "s": ')),
    lambda payload: _reply(_garbled(payload, '"score": NaN, "s": ', '"success": NaN, "s": ')),
    lambda payload: _reply(f"```json\n{json.dumps(_answer(payload))}\n```"),
]


def test_wrong_answers_in_turn_never_become_a_number(make_world: Make) -> None:
    """Seven kinds in turn (the last, a fence, is none that harms) for three answers of ten; the others are right."""
    turns = itertools.count()

    def respond(payload: dict[str, Any], request: Request) -> Response | None:
        turn = next(turns)
        if turn % 10 >= 3:
            return _reply(json.dumps(_answer(payload)))
        return WRONG[(turn // 10 * 3 + turn % 10) % len(WRONG)](payload)

    world = make_world(full=True, respond=respond)
    report = world.report_directly()
    agents = world.agents(report)
    with sqlite3.connect(world.folder / "warehouse.db") as warehouse:
        calls = warehouse.execute("select outcome, prompt_tokens, status from judge_calls").fetchall()
    outcomes = [outcome for outcome, _, _ in calls]
    assert len(outcomes) == len(world.judge.requests)
    # One that was cut after its verdicts keeps them.
    assert set(outcomes) >= {"usable", "unparseable", "refused"}
    assert all(tokens == 1000 for _, tokens, _ in calls), "useless answers are paid for as well"
    assert report["prompt_tokens"] == 1000 * len(calls)
    right = {_agent_of(payload): _scores(payload) for payload in map(_payload, world.judge.requests)}
    evaluated = {row["agent_id"]: name for name, row in agents.items() if row["status"] == "evaluated"}
    assert len(evaluated) >= 10
    stored: dict[str, dict[str, float]] = {}
    for row in world.warehouse.load_criteria(report["id"]):
        if row["agent_id"] in evaluated:
            stored.setdefault(evaluated[row["agent_id"]], {})[row["criterion"]] = row["score"]
    counts = {row["agent_id"]: row["verdicts"] for row in agents.values() if row["verdicts"]}
    whole = {name for agent_id, name in evaluated.items() if not counts[agent_id]["unusable"]}
    assert len(whole) >= 8
    assert {name: stored[name] for name in whole} == {name: right[name] for name in whole}
    for agent_id in evaluated:
        assert sum(counts[agent_id].values()) == agents[evaluated[agent_id]]["runs_analyzed"]
    for row in agents.values():
        if row["status"] == "failed":
            assert row["score"] is None
            assert "could not be used" in row["error"]


def _payload(request: Request) -> dict[str, Any]:
    return dict(json.loads(request.body))


def _scores(payload: dict[str, Any]) -> dict[str, float]:
    """Ten times the share of the decided runs that pass each criterion."""
    answer = _answer(payload)
    checks = [run["checks"] for run in answer.get("runs", {}).values()]
    scores = {}
    for name in answer.get("criteria", {}) if checks else ():
        decided = [run[name] for run in checks if run[name] != "cannot_tell"]
        scores[name] = pytest.approx(10 * decided.count("pass") / len(decided))
    return scores


def test_citations_of_what_there_is_not_are_dropped_and_counted(make_world: Make) -> None:
    invented = [
        {"label": "R999", "quote": "status completed", "text": "There is no such run."},
        {"label": "R1", "quote": "words that no one ever wrote in this run", "text": "No one wrote it."},
    ]

    def respond(payload: dict[str, Any], request: Request) -> Response:
        answer = _answer(payload)
        for criterion in answer.get("criteria", {}).values():
            criterion["examples"] = invented
        for run in answer.get("runs", {}).values():
            run["evidence"] = [{"key": quote["label"], "quote": quote["quote"]} for quote in invented]
        if "runs" in answer:
            answer["contradictions"] = [
                {
                    "claim_label": "R1",
                    "claim_quote": "no one wrote this either",
                    "observation_label": "R1",
                    "observation_quote": "nor was this seen",
                    "text": "Made up.",
                }
            ]
        return _reply(json.dumps(answer))

    world = make_world(respond=respond)
    report = world.report_directly()
    rows = world.warehouse.load_criteria(report["id"])
    assert all(row["examples"] == [] and row["supported"] is False for row in rows)
    evaluated = [row for row in world.agents(report).values() if row["status"] == "evaluated"]
    for row in evaluated:
        assert row["citations_dropped"] == 2 * row["runs_analyzed"] + 2 * 3 + 1
    assert report["citations_dropped"] == sum(row["citations_dropped"] for row in evaluated) + 2 * 3
    assert all(not run["verdict_evidence"] for run in world.warehouse.load_runs(report["id"]))
    assert all("without a citation that holds" in " ".join(row["warnings"]) for row in evaluated)


def test_a_planted_key_and_address_reach_nobody(make_world: Make) -> None:
    key, address = "sk-proj-4fT9xQ2LmN8vR7bK3wZ6yH1cJ5dG0sPaE2uX", "maria.keller@example-shop.eu"
    world = make_world()
    _update(
        world,
        "update agent_runs set final_response = ?, task = ?, error = ?, tool_calls = ? where id in "
        "(select id from agent_runs where agent_id = (select id from agents where name = 'sql-analyst') "
        "order by id desc limit 3)",
        f"I used {key} and wrote to {address}.",
        f"Write to {address}, the key is {key}",
        f"401 for {key} of {address}",
        json.dumps([{"tool_name": "send", "input": {"to": address, "key": key}, "output": f"sent to {address}"}]),
    )
    report = world.report_directly()
    assert report["status"] == "completed"
    bodies = [request.body.decode() for request in world.judge.requests]
    assert any("[e-mail address]" in body for body in bodies)
    assert not [body for body in bodies if key in body or address in body]
    redactions = world.agents(report)["sql-analyst"]["redactions"]
    assert redactions["e-mail address"] >= 12
    assert redactions["api key"] >= 9
    marker = b"sql-analyst"
    seen = False
    for path in (path for path in world.folder.rglob("*") if path.is_file() and path.name != "source.db"):
        content = path.read_bytes()
        seen = seen or marker in content
        assert key.encode() not in content, path
        assert address.encode() not in content, path
    assert seen, "the search would find what is there"
