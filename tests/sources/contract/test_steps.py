"""Steps of a run: its tool calls and messages, where the run has none of its own."""

from __future__ import annotations

import json

from tasks.evidence.calls import parse_calls
from tasks.sources.contract.steps import fill_from_steps

_STEPS = [
    {"run_id": 1, "seq": 3, "kind": "tool", "name": "pay", "input": '{"eur": 5}', "error": "no card"},
    {"run_id": 1, "seq": "2", "kind": "TOOL", "name": "search", "input": {"q": 1}, "output": "two"},
    {"run_id": 1, "seq": 1, "kind": "message", "name": "user", "input": "Help me"},
    {"run_id": 1, "seq": 4, "kind": "llm", "name": "gpt", "input": "…", "output": "Done.", "error": "retried"},
    {"run_id": 1, "seq": 5, "kind": "message", "output": "Bye."},
    {"run_id": 1, "seq": 6, "kind": "message", "input": "Wait"},
    {"run_id": 1, "seq": 7, "kind": "guardrail", "output": "ignored"},
]


def test_steps_become_calls_and_messages() -> None:
    row = fill_from_steps({"id": 1}, _STEPS)
    calls, invalid = parse_calls(row["tool_calls"])
    assert invalid is None
    assert [(call.name, call.arguments, call.result, call.error) for call in calls] == [
        ("search", '{"q":1}', "two", None),
        ("pay", '{"eur": 5}', None, "no card"),
    ]
    assert json.loads(row["execution_steps"]) == [
        {"role": "user", "content": "Help me"},
        {"role": "assistant", "tool_calls": [{"name": "search"}]},
        {"role": "assistant", "tool_calls": [{"name": "pay"}]},
        {"role": "assistant", "content": "Done."},
        {"role": "environment", "content": "retried"},
        {"role": "assistant", "content": "Bye."},
        {"role": "user", "content": "Wait"},
    ]


def test_without_a_place_they_go_by_their_start() -> None:
    steps = [
        {"kind": "tool", "name": "c", "started_at": None},
        {"kind": "tool", "name": "b", "started_at": "2026-01-01T00:00:02Z"},
        {"kind": "tool", "name": "a", "started_at": 1767225601},
    ]
    row = fill_from_steps({}, steps)
    assert [call.name for call in parse_calls(row["tool_calls"])[0]] == ["a", "b", "c"]
    assert "execution_steps" not in row, "calls alone are in their order"


def test_what_the_run_has_itself_stays() -> None:
    row = {"tool_calls": "[]", "execution_steps": "own"}
    assert fill_from_steps(row, _STEPS) == row
    assert fill_from_steps({"tool_calls": " "}, []) == {"tool_calls": " "}
