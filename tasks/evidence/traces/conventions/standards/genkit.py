"""Genkit's trace attributes (``genkit:type``, ``genkit:input``, …)."""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, first_filled, first_text, json_object
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {
    "model": "llm",
    "embedder": "llm",
    "tool": "tool",
    "tool.v2": "tool",
    "flow": "agent",
}


def _kind(span: Span) -> SpanKind | None:
    marked = span.tags.get("genkit:type")
    if marked is None:
        return None
    subtype = span.tags.get("genkit:metadata:subtype") if marked == "action" else marked
    return _KINDS.get(str(subtype), "other")


def _failure(span: Span) -> str | None:
    tags = span.tags
    return as_text(tags.get("genkit:error")) or "error" if tags.get("genkit:state") == "error" else None


def _usage(span: Span) -> Usage:
    output = span.tags.get("genkit:output")
    if isinstance(output, str) and '"usage"' in output:
        return usage_of(json_object(output).get("usage"))
    return UNKNOWN_USAGE


def _agent(span: Span) -> AgentMark | None:
    return (
        AgentMark(name_of(as_text(span.tags.get("genkit:name")) or span.operation)) if _kind(span) == "agent" else None
    )


GENKIT = Convention(
    name="Genkit",
    marks=frozenset({"genkit:type", "genkit:input", "genkit:output", "genkit:state"}),
    kind=_kind,
    agent=_agent,
    tool_name=first_filled("genkit:name"),
    arguments=first_text("genkit:input"),
    result=first_text("genkit:output"),
    failure=_failure,
    model=first_filled("genkit:name"),
    usage=_usage,
)
