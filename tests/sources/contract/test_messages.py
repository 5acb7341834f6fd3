"""A run's task, steps, tool calls and final response from its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.evidence.calls import parse_calls
from tasks.sources.contract.messages import fill_from_messages

_ARGUMENTS = '{"city":"Paris"}'
_CHAT = [
    {"role": "system", "content": "You are a clerk."},
    {"role": "user", "content": "What is the weather in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": _ARGUMENTS}}],
    },
    {"role": "tool", "tool_call_id": "a", "content": "12 degrees"},
    {"role": "assistant", "content": "It is 12 degrees."},
]
_LEGACY = [
    {"role": "user", "content": "What is the weather in Paris?"},
    {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": _ARGUMENTS}},
    {"role": "function", "name": "weather", "content": "12 degrees"},
    {"role": "assistant", "content": "It is 12 degrees."},
]
_RESPONSES = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is the weather in Paris?"}]},
    {"type": "reasoning", "id": "r", "summary": []},
    {"type": "function_call", "call_id": "a", "name": "weather", "arguments": _ARGUMENTS},
    {"type": "function_call_output", "call_id": "a", "output": "12 degrees"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is 12 degrees."}]},
]
_BLOCKS = [
    {"role": "user", "content": "What is the weather in Paris?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "12 degrees"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "It is 12 degrees."}]},
]
_SHAPES: dict[str, Any] = {
    "chat": _CHAT,
    "function_call": _LEGACY,
    "responses": _RESPONSES,
    "anthropic": _BLOCKS,
    "json text": json.dumps(_CHAT),
    "bytes": json.dumps(_CHAT).encode(),
    "encoded twice": json.dumps(json.dumps(_CHAT)),
    "a text for each message": [json.dumps(message) for message in _CHAT],
    "request and response": {"messages": _CHAT[:-1], "choices": [{"message": _CHAT[-1]}]},
    "input and output": {"input": "What is the weather in Paris?", "output": _RESPONSES[1:]},
    # As a struct of Parquet has them: every key in every message.
    "keys without values": [
        {"role": None, "content": None, "tool_calls": None, "tool_call_id": None, "function_call": None, **message}
        for message in _CHAT
    ],
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_task_response_and_calls_of_every_shape(shape: str) -> None:
    row = fill_from_messages({"id": "1", "messages": _SHAPES[shape]})

    calls, invalid = parse_calls(row["tool_calls"])
    assert (row["task"], row["final_response"]) == ("What is the weather in Paris?", "It is 12 degrees.")
    assert [(call.name, json.loads(call.arguments or ""), call.result, call.error) for call in calls] == [
        ("weather", {"city": "Paris"}, "12 degrees", None)
    ]
    assert invalid is None
    steps = json.loads(row["execution_steps"])
    assert [step["role"] for step in steps] == ["user", "assistant", "tool", "assistant"]
    assert (steps[2]["name"], steps[2]["content"]) == ("weather", "12 degrees")


def test_columns_of_its_own_stay() -> None:
    row = fill_from_messages({"task": "Own", "final_response": " ", "tool_calls": "[]", "messages": _CHAT})
    assert (row["task"], row["final_response"], row["tool_calls"]) == ("Own", "It is 12 degrees.", "[]")


def test_a_call_that_failed_has_an_error() -> None:
    failed = {"type": "tool_result", "tool_use_id": "a", "content": "no such city", "is_error": True}
    row = fill_from_messages({"messages": [*_BLOCKS[:2], {"role": "user", "content": [failed]}]})

    (call,), _ = parse_calls(row["tool_calls"])
    assert call.error == "no such city"
    assert json.loads(row["execution_steps"])[-1]["error"] is True


def test_what_a_user_writes_beside_results_is_kept() -> None:
    beside = [
        {"type": "tool_result", "tool_use_id": "a", "content": "12 degrees"},
        {"type": "text", "text": "And Rome?"},
    ]
    row = fill_from_messages({"messages": [*_BLOCKS[:2], {"role": "user", "content": beside}, _BLOCKS[3]]})

    steps = json.loads(row["execution_steps"])
    assert [(step["role"], step["content"]) for step in steps[2:]] == [
        ("tool", "12 degrees"),
        ("user", "And Rome?"),
        ("assistant", "It is 12 degrees."),
    ]
    assert (steps[1]["tool_calls"][0]["id"], steps[2]["tool_call_id"]) == ("a", "a")


def test_the_task_is_the_last_of_the_first_messages_of_a_user() -> None:
    talk = ["assistant: Hello, how can I help?", "user: Here is a text: …", "user: Sum it up", "assistant: Short"]
    messages = [dict(zip(("role", "content"), line.split(": ", 1), strict=True)) for line in talk]
    later = [{"role": "user", "content": "Thanks"}]
    row = fill_from_messages({"messages": messages + later})
    assert (row["task"], row["final_response"]) == ("Sum it up", "Short")


def test_a_conversation_that_ends_in_a_call_has_no_final_response() -> None:
    for end in (3, 4):
        assert "final_response" not in fill_from_messages({"messages": _CHAT[:end]})


@pytest.mark.parametrize(
    "value", [None, "", "Hello", "[]", "{}", "[1, null]", "[{", 7, [{"from": "human"}], "[" * 999 + "]" * 999]
)
def test_what_is_no_conversation_changes_nothing(value: object) -> None:
    row = {"id": "1", "task": None, "messages": value}
    assert fill_from_messages(row) == row
