"""What a span is (a call of an LLM or a tool, an agent, anything else) by the conventions that agents' spans follow.

Sources: OpenTelemetry's semantic conventions for generative AI and MCP, OpenInference, OpenLLMetry (Traceloop),
Genkit's trace attributes, and the spans that CloudShip Station writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

from tasks.evidence.traces.spans import Span

SpanKind = Literal["llm", "tool", "agent", "other"]

_OTEL = "OTel GenAI"
_OPENINFERENCE = "OpenInference"
_TRACELOOP = "Traceloop"
_GENKIT = "Genkit"
_STATION = "Station"
_MCP = "MCP"

_OTEL_KINDS: dict[str, SpanKind] = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embeddings": "llm",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "agent",
    "retrieval": "other",
}
_OPENINFERENCE_KINDS: dict[str, SpanKind] = {"LLM": "llm", "EMBEDDING": "llm", "TOOL": "tool", "AGENT": "agent"}
_TRACELOOP_KINDS: dict[str, SpanKind] = {"tool": "tool", "agent": "agent", "workflow": "agent"}
_GENKIT_KINDS: dict[str, SpanKind] = {
    "model": "llm",
    "embedder": "llm",
    "tool": "tool",
    "tool.v2": "tool",
    "flow": "agent",
}

_ARGUMENTS = (
    "gen_ai.tool.call.arguments",
    "gcp.vertex.agent.tool_call_args",
    "input.value",
    "tool.parameters",
    "traceloop.entity.input",
    "genkit:input",
)
_RESULTS = (
    "gen_ai.tool.call.result",
    "gcp.vertex.agent.tool_response",
    "output.value",
    "traceloop.entity.output",
    "genkit:output",
)
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
_CACHED_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_MOST_TOKENS = 10**12
_MODELS = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name")


class Classified(NamedTuple):
    """What a span is: ``name`` is the tool's for a tool, else None; ``convention`` is None when none applies."""

    kind: SpanKind
    convention: str | None = None
    name: str | None = None


class Usage(NamedTuple):
    """Tokens of one LLM call; None where its span does not say. Cached tokens are part of the input tokens."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


_OTHER = Classified("other")


def classify(span: Span) -> Classified:
    """What ``span`` is. Several conventions can apply; the one that says most about tools and LLM calls wins."""
    tags, operation = span.tags, span.operation
    if operation.startswith("__") and len(operation) > 2:
        return Classified("tool", _STATION, operation)
    named = tags.get("gen_ai.operation.name")
    if named is not None and (kind := _OTEL_KINDS.get(str(named))):
        return Classified(kind, _OTEL, _tool_name(span, "execute_tool ") if kind == "tool" else None)
    marked = tags.get("openinference.span.kind")
    if marked is not None:
        kind = _OPENINFERENCE_KINDS.get(str(marked).upper(), "other")
        return Classified(kind, _OPENINFERENCE, _tool_name(span) if kind == "tool" else None)
    marked = tags.get("traceloop.span.kind")
    if marked is not None:
        kind = _TRACELOOP_KINDS.get(str(marked), "other")
        return Classified(kind, _TRACELOOP, _tool_name(span) if kind == "tool" else None)
    if tags.get("llm.request.type") is not None:
        return Classified("llm", _TRACELOOP)
    marked = tags.get("genkit:type")
    if marked is not None:
        subtype = tags.get("genkit:metadata:subtype") if marked == "action" else marked
        kind = _GENKIT_KINDS.get(str(subtype), "other")
        return Classified(kind, _GENKIT, _tool_name(span) if kind == "tool" else None)
    if operation.startswith("tools/call ") or tags.get("mcp.method.name") == "tools/call":
        return Classified("tool", _MCP, _tool_name(span, "tools/call "))
    if tags.get("mcp.method.name") is not None:
        return Classified("other", _MCP)
    if operation in ("agent_execution_engine.execute", "dotprompt.execute"):
        return Classified("agent", _STATION)
    # Older instrumentations (call_llm of Google's ADK) give a model and its usage without saying what they do.
    if ("gen_ai.request.model" in tags or "gen_ai.response.model" in tags) and "gen_ai.tool.name" not in tags:
        return Classified("llm", _OTEL)
    if "gen_ai.tool.name" in tags:
        return Classified("tool", _OTEL, _tool_name(span))
    return _OTHER


def arguments(span: Span) -> str | None:
    """The arguments of a tool's span as text (JSON where it was), None when the span has none."""
    return _first_text(span.tags, _ARGUMENTS)


def result(span: Span) -> str | None:
    """The result of a tool's span as text (JSON where it was), None when the span has none."""
    return _first_text(span.tags, _RESULTS)


def usage(span: Span) -> Usage:
    """The tokens that an LLM's span says it took."""
    tags = span.tags
    found = Usage(_count(tags, _INPUT_TOKENS), _count(tags, _OUTPUT_TOKENS), _count(tags, _CACHED_TOKENS))
    output = tags.get("genkit:output")
    if found.input_tokens is None and found.output_tokens is None and isinstance(output, str) and '"usage"' in output:
        reported = _json_object(output).get("usage")
        if isinstance(reported, dict):
            return Usage(
                _count(reported, ("inputTokens",)),
                _count(reported, ("outputTokens",)),
                _count(reported, ("cachedContentTokens",)),
            )
    return found


def model(span: Span) -> str | None:
    """The model of an LLM's span, the one that answered before the one that was asked for."""
    for key in _MODELS:
        if value := span.tags.get(key):
            return str(value)
    if span.tags.get("genkit:type") is not None and (name := span.tags.get("genkit:name")):
        return str(name)
    return None


def error(span: Span, kind: SpanKind) -> str | None:
    """What went wrong in a span, None when nothing did.

    An exception event alone is an error in a span of an agent, a tool or an LLM only (elsewhere exceptions are often
    handled: a queue that is polled with a time-out), and not under an explicit status OK. An MCP result with
    ``isError`` is one although the span itself is fine.
    """
    tags = span.tags
    failed = span.error or tags.get("genkit:state") == "error" or bool(tags.get("error.type"))
    if kind != "other":
        failed = failed or (span.exception is not None and tags.get("otel.status_code") != "OK")
        failed = failed or bool(tags.get("exception.type") or tags.get("exception.message"))
    if not failed:
        return _tool_error(span) if kind == "tool" else None
    if span.exception:
        return span.exception
    for key in ("otel.status_description", "error.message", "exception.message", "genkit:error", "error.type"):
        if value := tags.get(key):
            return str(value)
    own = tags.get("error")
    if isinstance(own, str) and own.lower() not in ("true", "1", "yes"):
        return own
    status = tags.get("http.status_code") or tags.get("http.response.status_code")
    return f"HTTP {status}" if status else "error"


def same_tool(outer: str, inner: str) -> bool:
    """Whether a tool's span inside another one is the same call seen from further in (``tools/call X`` under ``X``).

    Frameworks put a prefix before the name a server knows: ``__X``, ``server_X``, ``server.X``, ``mcp__server__X``.
    """
    outer, inner = outer.strip("_"), inner.strip("_")
    if outer == inner:
        return True
    longer, shorter = (outer, inner) if len(outer) > len(inner) else (inner, outer)
    return bool(shorter) and longer.endswith(shorter) and longer[-len(shorter) - 1] in "_.-/:"


def _tool_name(span: Span, prefix: str = "") -> str:
    tags = span.tags
    for key in ("gen_ai.tool.name", "tool.name", "traceloop.entity.name", "genkit:name", "mcp.tool.name"):
        if value := tags.get(key):
            return str(value)
    return span.operation.removeprefix(prefix).strip() or "unnamed tool"


def _tool_error(span: Span) -> str | None:
    text = result(span)
    if text is None or '"isError"' not in text:
        return None
    answer = _json_object(text)
    if answer.get("isError") is not True:
        return None
    content = answer.get("content")
    parts = content if isinstance(content, list) else ()
    texts = [str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text")]
    return " ".join(texts) or "the tool's result says isError"


def _first_text(tags: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if key in tags and (value := tags[key]) is not None:
            return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return None


def _count(tags: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    for key in keys:
        if key not in tags:
            continue
        value = tags[key]
        if value is None or isinstance(value, bool):
            continue
        try:
            count = int(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if 0 <= count <= _MOST_TOKENS:
            return count
    return None


def _json_object(text: str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
