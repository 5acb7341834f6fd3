from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.evidence.failures import find_error, group_failures, normalise_error
from tasks.evidence.types import Run, SpanCall, TelemetrySummary, ToolCall, Trace


def make_run(number: int, **values: Any) -> Run:
    fields = {"agent_id": "1", "status": "failed", "outcome": "failed", "started_at": datetime(2026, 1, 1, tzinfo=UTC)}
    return Run(id=str(number), **{**fields, **values})


def make_telemetry(**values: Any) -> TelemetrySummary:
    numbers = dict.fromkeys(("spans", "roots", "orphans", "depth", "llm_calls"), 0)
    seconds = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 0.0)
    return TelemetrySummary(**{**numbers, **seconds, **values})


@pytest.mark.parametrize(
    ("one", "other", "pattern"),
    [
        ("timed out after 30 s", "timed  out after\n12.5 s", "timed out after <n> s"),
        ("order ORD-8812 gone", "order ord_17 gone", "order <id> gone"),
        (
            "run 550e8400-e29b-41d4-a716-446655440000",
            "run 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "run <uuid>",
        ),
        ("no such file '/var/lib/a'", 'no such file "b c"', "no such file <text>"),
        ("cannot open /var/lib/pg/16384", "cannot open C:\\data\\x.txt", "cannot open <path>"),
        ("bad at 2026-01-02T03:04:05Z", "bad at 2026-11-12 13:14:15.123 +02:00", "bad at <time>"),
        ("GET https://a.example/x?id=1 failed", "GET http://b.example/y failed", "GET <url> failed"),
        ("sum 9f86d081ab wrong", "sum 0xdeadbeef wrong", "sum <hex> wrong"),
        ("mail to a.b@c.example bounced", "mail to x@y.example bounced", "mail to <email> bounced"),
    ],
)
def test_what_differs_from_run_to_run_goes(one: str, other: str, pattern: str) -> None:
    assert normalise_error(one) == normalise_error(other) == pattern


@pytest.mark.parametrize(
    "text",
    ["HTTP 500 from provider", "status code: 404", "500 Internal Server Error", "403 Forbidden", "SQLSTATE 42703"],
)
def test_status_codes_stay(text: str) -> None:
    assert normalise_error(text) == text


def test_apostrophes_and_slashes_within_words_are_no_quotes_and_paths() -> None:
    assert normalise_error("can't read/write, didn't try") == "can't read/write, didn't try"


def test_a_traceback_is_its_last_line() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: bad value 17\n'
    assert normalise_error(text) == "ValueError: bad value <n>"
    assert normalise_error("Traceback (most recent call last):\n" + "  x\n" * 5000 + "KeyError: 1") == "KeyError: <n>"


def test_a_pattern_is_short_whatever_the_text() -> None:
    assert len(normalise_error("word " * 100_000)) <= 200
    assert normalise_error("") == ""


def test_groups_are_sorted_by_count_then_pattern_with_ids_newest_first() -> None:
    runs = [make_run(9, error="b 1"), make_run(8, error="a 1"), make_run(7, error="c"), make_run(6, error="c")]
    found = group_failures(runs, {})
    assert [(one.pattern, one.count, one.run_ids, one.example) for one in found] == [
        ("c", 2, ("7", "6"), "c"),
        ("a <n>", 1, ("8",), "a 1"),
        ("b <n>", 1, ("9",), "b 1"),
    ]
    assert group_failures([], {}) == ()


def test_the_example_is_clipped() -> None:
    assert len(group_failures([make_run(1, error="x" * 9000)], {})[0].example) == 500


def test_where_an_error_comes_from() -> None:
    calls = (ToolCall(name="a", error="first"), ToolCall(name="b", error="last"), ToolCall(name="c"))
    span = SpanCall(name="t", start_seconds=0, duration_seconds=1, error="in span")
    trace = Trace(run_id="1", state="complete", telemetry=make_telemetry(error_messages=("x", "y"), tool_calls=(span,)))
    only_span = Trace(run_id="1", state="complete", telemetry=make_telemetry(tool_calls=(span,)))
    assert find_error(make_run(1, error="own", tool_calls=calls), trace) == "own"
    assert find_error(make_run(1, tool_calls=calls), trace) == "b: last"
    assert find_error(make_run(1), trace) == "y"
    assert find_error(make_run(1), only_span) == "t: in span"
    assert find_error(make_run(1, status="timeout"), None) == "timeout"
    assert find_error(make_run(1, status=" "), None) == "no status"
