"""Pydantic AI's own instrumentation, versions 1 to 6 of its format (``pydantic_ai/models/instrumented.py``).

Versions 1 and 2 name a tool's span "running tool" and write ``tool_arguments`` and ``tool_response``; version 1 writes
messages as events in JSON. Since version 3 all of it is OpenTelemetry's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_under
from tasks.evidence.traces.conventions.values import as_text, first_filled, first_text, parse_json
from tasks.evidence.traces.spans import Span


def _kind(span: Span) -> SpanKind | None:
    if "gen_ai.operation.name" in span.tags:
        return None
    if span.operation.startswith("running tool") and "gen_ai.tool.name" in span.tags:
        return "tool"
    # "running 2 tools" is around calls that have spans of their own.
    return "agent" if "agent_name" in span.tags else None


def _totals(span: Span) -> Usage:
    """Of a run: under a name of their own, or under the usual one beside the run's result."""
    tags = span.tags
    for prefix in ("gen_ai.aggregated_usage", "gen_ai.usage"):
        found = usage_under(
            tags,
            (f"{prefix}.input_tokens",),
            (f"{prefix}.output_tokens",),
            (f"{prefix}.cache_read.input_tokens", f"{prefix}.details.cache_read_tokens"),
            (f"{prefix}.details.reasoning_tokens",),
        )
        if found.known and "agent_name" in tags:
            return found
    return UNKNOWN_USAGE


def _events(span: Span) -> Iterator[dict[str, Any]]:
    events = parse_json(span.tags.get("events"))
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield event


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages([event for event in _events(span) if event.get("event.name") != "gen_ai.choice"])


def _output_messages(span: Span) -> tuple[Message, ...]:
    choices = [event for event in _events(span) if event.get("event.name") == "gen_ai.choice"]
    return read_messages([choice.get("message") for choice in choices], "assistant")


def _agent(span: Span) -> AgentMark | None:
    name = as_text(span.tags.get("agent_name"))
    return AgentMark(name) if name and "gen_ai.tool.name" not in span.tags else None


PYDANTIC_AI = Convention(
    name="Pydantic AI",
    scopes=frozenset({"pydantic-ai"}),
    kind=_kind,
    agent=_agent,
    arguments=first_text("tool_arguments"),
    result=first_text("tool_response"),
    model=first_filled("gen_ai.response.model", "gen_ai.request.model", "model_name"),
    totals=_totals,
    input_messages=_input_messages,
    output_messages=_output_messages,
)
