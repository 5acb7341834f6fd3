"""Langfuse's SDKs: ``langfuse.observation.*``.

https://langfuse.com/integrations/native/opentelemetry#property-mapping
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import (
    as_text,
    count,
    first_count,
    first_filled,
    first_text,
    json_object,
    parse_json,
)
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {"generation": "llm", "embedding": "llm", "tool": "tool", "agent": "agent"}
_CACHED = ("input_cache_read", "input_cached_tokens", "cache_read_input_tokens", "input_cache_read_tokens")
_WRITTEN = ("input_cache_creation", "cache_creation_input_tokens", "input_cache_write")
_REASONING = ("output_reasoning", "output_reasoning_tokens")


def _kind(span: Span) -> SpanKind | None:
    return _KINDS.get(str(span.tags.get("langfuse.observation.type")), "other")


def _tool_name(span: Span) -> str | None:
    return span.operation


def _usage(span: Span) -> Usage:
    reported = json_object(span.tags.get("langfuse.observation.usage_details"))
    if "input" in reported or "output" in reported:
        return _buckets(reported)
    return usage_of(reported) if reported else UNKNOWN_USAGE


def _buckets(reported: Mapping[str, Any]) -> Usage:
    """Langfuse's own names: what was cached is a bucket beside the input, unless the total shows that it is inside."""
    given, made, cached = count(reported.get("input")), count(reported.get("output")), first_count(reported, _CACHED)
    reasoning = first_count(reported, _REASONING)
    apart = (cached or 0) + (first_count(reported, _WRITTEN) or 0)
    total = count(reported.get("total"))
    if given is not None and apart and total != given + (made or 0):
        given += apart
    return Usage(given, made, cached, reasoning)


def _failure(span: Span) -> str | None:
    if span.tags.get("langfuse.observation.level") != "ERROR":
        return None
    return as_text(span.tags.get("langfuse.observation.status_message")) or "error"


def _input_messages(span: Span) -> tuple[Message, ...]:
    given = parse_json(span.tags.get("langfuse.observation.input"))
    if isinstance(given, list):
        # LangChain's callback lists the tools' definitions among the messages.
        given = [item for item in given if not (isinstance(item, dict) and isinstance(item.get("content"), dict))]
    return read_messages(given)


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(span.tags.get("langfuse.observation.output"), "assistant")


def _agent(span: Span) -> AgentMark | None:
    """LangChain's callback marks graphs and the nodes in them as chains: the outermost is the agent."""
    marked = span.tags.get("langfuse.observation.type")
    if marked == "agent":
        return AgentMark(name_of(span.operation))
    return AgentMark(name_of(span.operation), True) if marked == "chain" else None


LANGFUSE = Convention(
    name="Langfuse",
    marks=frozenset({"langfuse.observation.type"}),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    arguments=first_text("langfuse.observation.input"),
    result=first_text("langfuse.observation.output"),
    failure=_failure,
    model=first_filled("langfuse.observation.model.name", "langfuse.observation.model"),
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
)
