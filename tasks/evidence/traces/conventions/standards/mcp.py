"""The Model Context Protocol: https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/, and the spans of the MCP SDK and
of OpenLLMetry's instrumentation of it."""

from __future__ import annotations

from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.values import as_text, first_text
from tasks.evidence.traces.spans import Span

_CALL = "tools/call "


def _names(operation: str) -> bool:
    return operation.startswith(_CALL)


def _kind(span: Span) -> SpanKind | None:
    if span.tags.get("traceloop.span.kind") == "tool":
        return "tool"
    method = span.tags.get("mcp.method.name")
    if method == "tools/call" or (method is None and _names(span.operation)):
        return "tool"
    return "other" if method is not None else None


def _tool_name(span: Span) -> str | None:
    """The attribute's, else what the operation ends in: ``tools/call X``, ``MCP send tools/call X``."""
    for key in ("mcp.tool.name", "mcp.tool"):
        if value := span.tags.get(key):
            return as_text(value)
    _, found, name = span.operation.partition(_CALL)
    return name.strip() or None if found else None


MCP = Convention(
    name="MCP",
    marks=frozenset({"mcp.method.name"}),
    scopes=frozenset({"opentelemetry.instrumentation.mcp.instrumentation"}),
    names=_names,
    kind=_kind,
    tool_name=_tool_name,
    arguments=first_text("mcp.tool.arguments", "mcp.request.argument"),
    result=first_text("mcp.tool.result"),
)
