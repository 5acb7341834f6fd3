"""OpenInference (Arize Phoenix): https://arize-ai.github.io/openinference/spec/semantic_conventions.html."""

from __future__ import annotations

from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.langchain import result_id
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import Usage, usage_of, usage_under
from tasks.evidence.traces.conventions.values import (
    as_text,
    dig,
    first_filled,
    first_text,
    json_object,
    numbered,
    parse_json,
)
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {"LLM": "llm", "EMBEDDING": "llm", "TOOL": "tool", "AGENT": "agent"}
_LLAMA_INDEX = "openinference.instrumentation.llama_index"
_DSPY = "openinference.instrumentation.dspy"
_HAYSTACK = "openinference.instrumentation.haystack"
# Without their results: what a wrapper adds to a tool's own arguments.
_CALL_KEYS = {"args", "kwargs", "sanitize_inputs_outputs"}


def _kind(span: Span) -> SpanKind | None:
    marked = span.tags.get("openinference.span.kind")
    if marked is None:
        return None
    kind = _KINDS.get(str(marked).upper(), "other")
    scope = span.tags.get("otel.scope.name")
    if kind == "llm" and scope == _LLAMA_INDEX and "._prepare_chat" in span.operation:
        # Puts the request together; the call is a span of its own.
        return "other"
    if kind == "llm" and scope == _HAYSTACK and "Generator" not in span.operation:
        # Any component that it does not know is marked so, a prompt's builder too.
        return "other"
    if kind == "tool" and scope == _DSPY and _method_of(span.operation) == "finish":
        # How dspy's ReAct ends its loop.
        return "other"
    return kind


def _tool_name(span: Span) -> str | None:
    if value := span.tags.get("tool.name"):
        return as_text(value)
    return _method_of(span.operation)


def _method_of(operation: str) -> str | None:
    """What a method that calls a tool belongs to: dspy names its spans ``book.__call__`` and ``book.acall``."""
    name = operation.removesuffix(".__call__").removesuffix(".acall")
    return name if name != operation else None


def _arguments(span: Span) -> str | None:
    """The input, without the wrapper of a Python call around it; ``tool.parameters`` can be the tool's schema."""
    value = span.tags.get("input.value")
    if value is None:
        return as_text(span.tags.get("tool.parameters"))
    text = as_text(value)
    if text is not None and '"kwargs"' in text:
        called = json_object(text)
        if called.keys() <= _CALL_KEYS and isinstance(called.get("kwargs"), dict) and not called.get("args"):
            return as_text(called["kwargs"])
    return text


def usage(span: Span) -> Usage:
    """The span's token counts, else those in the provider's answer."""
    found = usage_under(
        span.tags,
        ("llm.token_count.prompt",),
        ("llm.token_count.completion",),
        ("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        ("llm.token_count.completion_details.reasoning",),
    )
    if found.known:
        return found
    return usage_of(json_object(span.tags.get("output.value")).get("usage"))


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages([_unflattened(item) for item in numbered(span.tags, "llm.input_messages")])


def _output_messages(span: Span) -> tuple[Message, ...]:
    flat = numbered(span.tags, "llm.output_messages")
    return read_messages([_unflattened(item) for item in flat], "assistant")


def _unflattened(item: Any) -> Any:
    """``{"message": {"role", "content", "contents", "tool_calls": [{"tool_call": {…}}]}}`` as a message."""
    message = dig(item, "message")
    if not isinstance(message, dict):
        return item
    calls = message.get("tool_calls")
    contents = message.get("contents")
    found = dict(message)
    if isinstance(calls, list):
        found["tool_calls"] = [dig(call, "tool_call") for call in calls]
    if isinstance(contents, list):
        found["contents"] = [dig(part, "message_content") for part in contents]
    results = [parse_json(result) for result in dig(item, "function") or ()]
    if results:
        found["contents"] = [{"type": "tool_result", **result} for result in results if isinstance(result, dict)]
    return found


def _response_id(span: Span) -> str | None:
    """The id in the provider's answer: the convention has no attribute for it."""
    answer = json_object(span.tags.get("output.value"))
    return as_text(answer.get("id") or dig(answer, "raw", "id")) or result_id(answer)


def _is_node(span: Span) -> bool:
    """Whether LangGraph's metadata marks this as a node of a graph."""
    metadata = span.tags.get("metadata")
    return isinstance(metadata, str) and '"langgraph_node"' in metadata


def _agent(span: Span) -> AgentMark | None:
    """Of chains the outermost is the run of an agent: LangGraph's graph, a program of dspy, a function of one's own.

    Stores do not keep which instrumentation wrote a span, so its scope is no help.
    """
    tags = span.tags
    marked = str(tags.get("openinference.span.kind")).upper()
    if marked == "AGENT":
        name = as_text(tags.get("gen_ai.agent.name") or tags.get("agent.name"))
        # What the OpenAI Agents SDK calls its trace, around its agents, is marked as an agent and holds nothing.
        is_trace = not name and not any(key in tags for key in ("graph.node.id", "input.value", "output.value"))
        is_trace = is_trace or (not name and span.operation.lower() == "agent workflow")
        return AgentMark(name or name_of(span.operation), is_trace)
    return AgentMark(name_of(span.operation), True) if marked == "CHAIN" and not _is_node(span) else None


OPENINFERENCE = Convention(
    name="OpenInference",
    marks=frozenset(
        {
            "openinference.span.kind",
            "input.value",
            "output.value",
            "llm.model_name",
            "llm.token_count.prompt",
            "tool.name",
            "tool.parameters",
        }
    ),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    call_id=first_filled("tool_call.id", "tool.id"),
    arguments=_arguments,
    result=first_text("output.value"),
    model=first_filled("llm.response.model_name", "llm.model_name", "embedding.model_name", "llm.request.model_name"),
    usage=usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
    finish_reason=first_filled("llm.finish_reason"),
)
