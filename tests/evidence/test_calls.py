from __future__ import annotations

import json

import pytest

from tasks.evidence.calls import UNNAMED, parse_calls
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
