"""Attributes come from anywhere: no value of any of them, whatever its type, breaks the reading of a span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
import pytest

from benchmarks.span_reading import load_recordings
from tasks.evidence.traces.conventions import SpanReading, read
from tasks.evidence.traces.spans import Span, SpanEvent

# What shows the kind of a span stays as it is, or nothing else would be read.
_KEPT = frozenset(
    {
        "otel.scope.name",
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "openinference.span.kind",
        "traceloop.span.kind",
        "langfuse.observation.type",
        "langsmith.span.kind",
        "logfire.msg_template",
        "ai.operationId",
        "haystack.tool.name",
    }
)
_HOSTILE: tuple[Any, ...] = (
    7,
    -1.5,
    float("nan"),
    True,
    None,
    [],
    {},
    [None, 7, [], {"role": 7, "content": {"text": []}}],
    "",
    "{",
    "'",
    "[" * 2_000,
    '{"a":' * 500 + "1" + "}" * 500,
    "\x00\ud800",
    orjson.dumps(
        {key: [{key: key, "content": 7}] for key in ("messages", "choices", "usage", "output", "kwargs")}
    ).decode(),
    orjson.dumps(
        dict.fromkeys(("generations", "replies", "tool_calls", "parts", "status", "is_error", "token_usage", "call"), 7)
    ).decode(),
    '[{"message":null,"parts":{},"tool_calls":[7,{"function":[]}],"role":null,"type":{},"name":[]}]',
    "ToolCall(tool_name='",
)


@cache
def _shapes() -> tuple[Span, ...]:
    """A span of each kind and instrumentation in the recordings."""
    found: dict[tuple[str, ...], Span] = {}
    for recording in load_recordings():
        for span in recording.spans:
            kinds = tuple(str(span.tags.get(key)) for key in sorted(_KEPT - {"gen_ai.tool.name", "haystack.tool.name"}))
            found.setdefault((*kinds, span.operation.partition(" ")[0]), span)
    return tuple(found.values())


def _parts(found: SpanReading) -> Iterator[object]:
    yield found.error()
    yield from (found.arguments(), found.result(), found.call_id(), found.model(), found.response_id())
    yield from (found.usage(), found.totals(), found.finish_reason(), found.name)
    yield from (*found.input_messages(), *found.output_messages())


@pytest.mark.parametrize("value", _HOSTILE, ids=range(len(_HOSTILE)))
def test_no_value_breaks_the_reading(value: Any) -> None:
    assert len(_shapes()) > 100
    for span in _shapes():
        tags = {key: kept if key in _KEPT else value for key, kept in span.tags.items()}
        events = tuple(SpanEvent(event.name, dict.fromkeys(event.attributes, value)) for event in span.events)
        for part in _parts(read(replace(span, tags=tags, events=events))):
            assert part is None or isinstance(part, str | tuple)


@pytest.mark.parametrize("value", [7, [], {}, "", "nonsense"])
def test_no_mark_breaks_the_reading(value: Any) -> None:
    for span in _shapes():
        tags = {key: value if key in _KEPT else kept for key, kept in span.tags.items()}
        assert read(replace(span, tags=tags)).kind in ("llm", "tool", "agent", "other")
