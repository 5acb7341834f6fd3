"""Which tool calls of a run are known, and whether there were no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.known_calls import known_calls
from tasks.evidence.types import RepeatedCall, Run, SpanCall, TelemetrySummary, ToolCall, Trace

CALLS = (ToolCall(name="a", arguments='{"x": 1}'), ToolCall(name="b"))
TWICE = (ToolCall(name="a", arguments='{"x": 1, "y": 2}'), ToolCall(name="a", arguments='{"y":2,"x":1}'))


def trace(*names: str, state: str = "complete", **telemetry: Any) -> Trace:
    spans = tuple(SpanCall(name=name, start_seconds=0.0, duration_seconds=1.0) for name in names)
    values: dict[str, Any] = {"tool_calls": spans, "tool_calls_from": "spans"} | telemetry
    summary = TelemetrySummary(
        spans=3, roots=1, orphans=0, depth=1, wall_seconds=1, llm_seconds=None, tool_seconds=None, other_seconds=0,
        llm_calls=None, **values,
    )  # fmt: skip
    return Trace(run_id="1", state=state, telemetry=summary)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "found", "names", "is_whole", "has_repeats"),
    [
        ({}, None, [], False, None),
        ({"tool_calls_known": True}, None, [], True, False),
        ({"tool_calls": CALLS}, None, ["a", "b"], True, False),
        ({"tool_calls": TWICE}, None, ["a", "a"], True, True),
        ({"tool_calls": CALLS, "tool_calls_invalid": "[…"}, None, ["a", "b"], False, None),
        ({"tool_calls": TWICE, "tool_calls_invalid": "[…"}, None, ["a", "a"], False, True),
        # Of row and trace, the one that knows more.
        ({}, trace("a"), ["a"], True, False),
        ({}, trace("a", state="partial"), ["a"], False, None),
        ({}, trace("a", tool_calls_left_out=9), ["a"], False, None),
        ({}, trace("a", repeats=(RepeatedCall(name="a", arguments="1", calls=2),)), ["a"], True, True),
        ({}, trace(), [], True, False),
        ({}, trace(tool_calls_from=None), [], False, None),
        ({"tool_calls": CALLS}, trace("a", "b"), ["a", "b"], True, False),
        ({"tool_calls": CALLS}, trace("a", state="partial"), ["a", "b"], True, False),
        ({"tool_calls": CALLS[:1]}, trace("a", "c"), ["a", "c"], True, False),
        ({"tool_calls_known": True}, trace(tool_calls_from=None), [], True, False),
    ],
)
def test_calls_of_row_and_trace(
    fields: dict[str, Any],
    found: Trace | None,
    names: list[str],
    is_whole: bool,
    has_repeats: bool | None,
    make_run: Callable[..., Run],
) -> None:
    known = known_calls(make_run(1, **fields), found)
    assert ([call.name for call in known.calls], known.is_whole, known.has_repeats) == (names, is_whole, has_repeats)
