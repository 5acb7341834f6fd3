"""JSON as models write it: texts stay verbatim, what is broken is refused, hostile text is bounded in work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import UnusableAnswerError
from tasks.judge.parsing.objects import find_values
from tasks.judge.parsing.syntax import ValueReader

# Characters: enough that work which grows by its square would never end.
MANY = 100_000


def read(text: str) -> Any:
    found = ValueReader(text, 10 * len(text)).read(0)
    assert found is not None
    assert found[1] == len(text)
    return found[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'It said “x” and \"y\".'}", 'It said “x” and "y".'),
        ("{“a”: “It said \"x\", 'y' and `z`.”}", "It said \"x\", 'y' and `z`."),
        ('{"a": "It said “x”, then \'y\'.",}', "It said “x”, then 'y'."),
        ('{"a": "It said "x", then "y".",}', 'It said "x", then "y".'),
        ('{"a": "He wrote {"k": [1, "b"]} there",}', 'He wrote {"k": [1, "b"]} there'),
        ("{'a': 'line 1\nline 2\t\\n\\u00e9 \\ud83d\\ude00'}", "line 1\nline 2\t\né 😀"),
        (r"{'a': '\d+ C:\path \_x\_ \x41 \\ \/ \u12'}", "\\d+ C:\\path _x_ A \\ / \\u12"),
        ("{'a': 'http://x/y#z /* no comment */'}", "http://x/y#z /* no comment */"),
        ("{'a': ''}", ""),
        ("{'a': 'it''s'}", "it''s"),
        ("{a: [1, 2.5, -3, 'x', None, True, [], {},],}", [1, 2.5, -3, "x", None, True, [], {}]),
        ("{a: N/A}", "N/A"),
        ("{a: 08}", "08"),
        ("{a: 7_5}", "7_5"),
        ("{a: .5}", ".5"),
        ("{a: 7.}", "7."),
        ("{a: 0x8}", "0x8"),
        ("{a: 1 b 2}", "1 b 2"),
        ("{a: 'x' 'y'}", "x' 'y"),
    ],
)
def test_a_value_is_what_was_written(text: str, value: Any) -> None:
    assert read(text) == {"a": value}


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 1",
        "{'a': 'x",
        "{'a': 'x'",
        "{'a': [1, 2}",
        "{'a': {'b': 1}",
        "{'a' 1}",
        "{'a'}",
        "{'a', 'b'}",
        "{'a': }",
        "{'a': 1 'b': }",
        "{1: 2}",
        "{...}",
        "{'a': [1 2]]",
        "{'a': \\",
        "{'a': '\\",
        "{/*",
        "{'a': /* 1}",
        "{" * 60 + "}" * 60,
        "{a:" * 60 + "1" + "}" * 60,
    ],
)
def test_what_is_broken_is_no_value(text: str) -> None:
    assert ValueReader(text, 10 * len(text)).read(0) is None


def test_nothing_is_completed(make_answer: Any) -> None:
    text = str(make_answer())
    assert read(text) == make_answer()
    for end in range(len(text)):
        assert ValueReader(text[:end], 10 * len(text)).read(0) is None


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        "[{",
        '{"a":',
        "{'a':",
        '"',
        "'",
        '{"',
        "{'a': '",
        "{'a': 'b', ",
        "\\",
        '{\\"',
        "{/*",
        "{#\n",
        "{'a':'\n'",
        "“",
        "{a:[",
        "{a,",
        "{&quot;",
        "{'a': \",'",
        ",,",
        "{'a'\n",
    ],
)
def test_hostile_text_is_read_to_its_end(piece: str) -> None:
    for text in (piece * (MANY // len(piece)), "{'a': '" + piece * (MANY // len(piece))):
        try:
            values = find_values(text)
        except UnusableAnswerError:
            continue
        assert len(values) <= 50


def test_strict_json_is_left_to_the_standard_library() -> None:
    value = {"a": "x" * 1000, "b": [1, None, {"c": "\u201cd\u201d"}]}
    assert ValueReader(json.dumps(value), 0).read(0) == (value, len(json.dumps(value)))


@pytest.mark.parametrize("text", ["{" * 1_000_000, '"' * 1_000_000, '{"a": "' * 150_000, "{'a': '" * 150_000])
def test_a_megabyte_is_read_to_its_end(text: str) -> None:
    try:
        assert find_values(text) == []
    except UnusableAnswerError as error:
        assert "JSON object" in str(error)  # noqa: PT017
