"""Values of attributes come from anywhere: any type, cut, or hostile."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, filled, sound, usage_of
from tasks.evidence.traces.conventions.values import (
    as_text,
    count,
    dig,
    json_object,
    literal_list,
    literal_object,
    numbered,
    parse_json,
    unquoted,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a":1}', {"a": 1}),
        ('"{\\"a\\":1}"', {"a": 1}),
        (" [1]", [1]),
        ("{'a': 1}", None),
        ('"text"', None),
        ("text", None),
        ("{", None),
        ("", None),
        (None, None),
        ({"a": 1}, {"a": 1}),
        ("[" * 100_000, None),
    ],
)
def test_json_is_parsed_twice_at_most(value: object, expected: object) -> None:
    assert parse_json(value) == expected
    assert json_object(value) == (expected if isinstance(expected, dict) else {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{'a': None, 'b': [True]}", {"a": None, "b": [True]}),
        ('{"a":null}', {"a": None}),
        ({"a": 1}, {"a": 1}),
        ("{'a': 1", {}),
        ("{'a': open('x')}", {}),
        ("[1]", {}),
        ("{" * 5_000, {}),
        ("{'a': '" + "x" * 30_000 + "'}", {}),
        (7, {}),
    ],
)
def test_a_dict_as_python_writes_it(value: object, expected: dict[str, Any]) -> None:
    assert literal_object(value) == expected


def test_a_list_as_python_writes_it() -> None:
    assert literal_list("[{'a': None}]") == [{"a": None}]
    assert literal_list("{'a': None}") == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [('"a"', "a"), ("a", "a"), ('""', None), ("", None), (7, None), ('"a', '"a'), ('"[1]"', "[1]")],
)
def test_quotes_of_json_are_taken_off(value: object, expected: str | None) -> None:
    assert unquoted(value) == expected


def test_other_values() -> None:
    assert (as_text({"a": 1}), as_text(None), as_text("x")) == ('{"a":1}', None, "x")
    assert [count(value) for value in (3, "3", 3.0, True, -1, "x", None, float("inf"), 10**13, [])] == [3, 3, 3] + [
        None
    ] * 7
    assert (dig({"a": [{"b": 1}]}, "a", 0, "b"), dig({"a": []}, "a", 0), dig([], "a")) == (1, None, None)


def test_flattened_lists_are_put_together() -> None:
    tags = {
        "llm.messages.1.role": "b",
        "llm.messages.0.role": "a",
        "llm.messages.0.calls.10.name": "y",
        "llm.messages.0.calls.9.name": "x",
        "llm.messages": "not this",
        "llm.messagesX.0.role": "nor this",
    }
    assert numbered(tags, "llm.messages") == [{"role": "a", "calls": [{"name": "x"}, {"name": "y"}]}, {"role": "b"}]
    # An attribute that is a value and has others below keeps its value.
    assert numbered({"p.0": "v", "p.0.a": 1}, "p") == ["v"]
    assert numbered({"p.a": 1}, "p") == []


def test_a_name_of_thousands_of_parts_is_read_without_overflow() -> None:
    assert len(numbered({"p.0" + ".a" * 5_000: 1}, "p")) == 1


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(9, 3, 4)),
        (
            {
                "input_tokens": 9,
                "output_tokens": 3,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(9, 3, 4, 2),
        ),
        # Anthropic's own: the input leaves out what was read from the cache and written to it.
        (
            {"input_tokens": 4, "output_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1},
            Usage(9, 3, 4),
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 3,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
            },
            Usage(9, 3),
        ),
        ({"prompt_token_count": 9, "candidates_token_count": 3, "cached_content_token_count": 4}, Usage(9, 3, 4)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}, Usage(9, 3, None, 2)),
        ({"inputTokens": 9, "outputTokens": 3, "cacheReadInputTokens": 4}, Usage(9, 3, 4)),
        ({"input_tokens": 9, "output_tokens": 3, "input_token_details": {"cache_read": 4}}, Usage(9, 3, 4)),
        ({"prompt_tokens": "many", "completion_tokens": -1, "prompt_tokens_details": 7}, UNKNOWN_USAGE),
        ([], UNKNOWN_USAGE),
        (None, UNKNOWN_USAGE),
    ],
)
def test_usage_objects_of_any_provider(reported: object, usage: Usage) -> None:
    assert usage_of(reported) == usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(9, 0), Usage(9, 0)),
        (Usage(0, 0, 0, 0), UNKNOWN_USAGE),
        (Usage(0, None, 0), UNKNOWN_USAGE),
        (Usage(0, 3), Usage(None, 3)),
        (Usage(None, 3, 0), Usage(None, 3)),
        # No prompt has more cached tokens than tokens: the input leaves them out.
        (Usage(5, 3, 40), Usage(45, 3, 40)),
        (Usage(40, 3, 40), Usage(40, 3, 40)),
    ],
)
def test_what_cannot_be_is_unknown(usage: Usage, expected: Usage) -> None:
    assert sound(usage) == expected


def test_parts_are_filled_from_the_first_that_knows_them() -> None:
    assert filled([Usage(None, 3), Usage(9, 7), Usage(1, 1, 1)]) == Usage(9, 3, 1)
    assert filled([]) == UNKNOWN_USAGE
