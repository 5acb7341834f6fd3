from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.evidence.calls import UNNAMED, parse_calls, unnamed_keys
from tasks.evidence.types import ToolCall


@pytest.mark.parametrize("value", [None, "", "  ", "[]", "null", b"[]"])
def test_no_calls_and_nothing_wrong(value: object) -> None:
    assert parse_calls(value) == ((), None)


@pytest.mark.parametrize(
    "item",
    [
        {"tool_name": "search", "parameters": {"q": "ü", "n": 1}, "output": ["a"]},
        {"name": "search", "input": {"q": "ü", "n": 1}, "result": ["a"]},
        {"name": "search", "arguments": {"q": "ü", "n": 1}, "result": ["a"]},
        {"function": {"name": "search", "arguments": '{"q":"ü","n":1}'}, "output": '["a"]'},
    ],
)
def test_every_way_of_naming_the_parts(item: dict[str, object]) -> None:
    calls, invalid = parse_calls(json.dumps([item]))
    assert calls == (ToolCall(name="search", arguments='{"q":"ü","n":1}', result='["a"]'),)
    assert invalid is None


_SHAPES = json.loads((Path(__file__).parents[1] / "fixtures" / "tool_calls.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("shape", _SHAPES, ids=[shape["case"] for shape in _SHAPES])
def test_calls_are_read_as_sdks_and_frameworks_write_them(shape: dict[str, Any]) -> None:
    column = json.dumps(shape["column"])
    calls, invalid = parse_calls(column)
    assert [call.model_dump() for call in calls] == shape["calls"]
    assert invalid is None
    assert unnamed_keys(column) is None


@pytest.mark.parametrize(
    ("column", "keys"),
    [
        ([{"name": "a"}, {"fn": "b", "With": 1}], ("fn", "With")),
        ([{"output": 5}], ("output",)),
        ([{"name": {"first": "a"}}], ("name",)),
        ([{"name": " ", "input": 1}], ("name", "input")),
        ([{"functionCall": {"args": {}}}], ("functionCall",)),
        ([{"type": "function_call", "arguments": "{}"}], ("type", "arguments")),
        ([{"search_docs": {"q": "cats"}}], ("search_docs",)),
    ],
)
def test_the_keys_of_a_call_without_a_name_are_known(column: list[Any], keys: tuple[str, ...]) -> None:
    calls, invalid = parse_calls(json.dumps(column))
    assert calls[-1].name == UNNAMED
    assert invalid is None
    assert unnamed_keys(json.dumps(column)) == keys


@pytest.mark.parametrize(
    "column",
    [
        [{"role": "user", "content": "hello"}, {"role": "assistant", "content": [{"type": "text", "text": "hi"}]}],
        [{"type": "ai", "content": "hi"}, {"type": "message", "content": "hi"}, {"type": "text", "text": "hi"}],
        [{"role": "model", "parts": [{"text": "hi"}]}],
    ],
)
def test_words_are_no_calls(column: list[Any]) -> None:
    assert parse_calls(json.dumps(column)) == ((), None)


def test_many_results_without_ids_are_joined_in_order() -> None:
    """Each with its own call; in a time that grows with their number only."""
    calls = [{"functionCall": {"name": f"t{number % 7}", "args": {"n": number}}} for number in range(20_000)]
    results = [{"functionResponse": {"name": f"t{number % 7}", "response": {"n": number}}} for number in range(20_000)]
    found, _ = parse_calls(json.dumps(calls + results))
    assert len(found) == 20_000
    assert all(call.arguments == call.result for call in found)


def test_deep_nesting_ends() -> None:
    item: dict[str, Any] = {"name": "deep"}
    for _ in range(200):
        item = {"role": "assistant", "content": [{"tool_call": item}]}
    assert parse_calls(json.dumps([item])) == ((ToolCall(name=UNNAMED),), None)


def test_text_stays_as_it_is_and_missing_parts_are_none() -> None:
    calls, _ = parse_calls('[{"tool_name": "a", "output": "  done "}, {"output": 5}]')
    assert calls == (ToolCall(name="a", result="  done "), ToolCall(name=UNNAMED, result="5"))


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"error": "HTTP 500"}, "HTTP 500"),
        ({"error": {"code": 5}}, '{"code":5}'),
        ({"error": True, "output": "boom"}, "boom"),
        ({"error": True}, "error"),
        ({"isError": True, "output": "boom"}, "boom"),
        ({"is_error": True}, "error"),
        ({"error": ""}, None),
        ({"error": None}, None),
        ({"error": False}, None),
        ({"error": "  "}, None),
        ({"isError": False}, None),
    ],
)
def test_errors_of_a_call(item: dict[str, object], error: str | None) -> None:
    calls, _ = parse_calls(json.dumps([{"name": "a", **item}]))
    assert calls[0].error == error


@pytest.mark.parametrize(
    "text",
    ['[{"name": "a"', "not json", '{"name": "a"}', "7", "[" * 100_000, "[" + "1" * 5000 + "]", '{"a": "\\ud800"}'],
)
def test_what_is_no_array_is_kept_as_text(text: str) -> None:
    assert parse_calls(text) == ((), text)


def test_the_objects_of_a_mixed_array_are_taken_and_its_text_kept() -> None:
    text = '[{"name": "a"}, 7, null]'
    assert parse_calls(text) == ((ToolCall(name="a"),), text)


def test_an_array_encoded_twice_is_read() -> None:
    calls, invalid = parse_calls(json.dumps(json.dumps([{"name": "a"}])))
    assert [call.name for call in calls] == ["a"]
    assert invalid is None


def test_bytes_nul_and_lone_surrogates_do_not_get_through() -> None:
    calls, _ = parse_calls(b'[{"name": "a\\u0000", "output": "\\ud800"}]')
    assert calls == (ToolCall(name="a\ufffd", result="?"),)
