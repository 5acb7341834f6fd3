"""OpenTelemetry's semantic conventions for generative AI, in all their generations.

https://opentelemetry.io/docs/specs/semconv/gen-ai/: spans of clients, agents and tools; before 1.28 messages were
attributes ``gen_ai.prompt.N``, then events ``gen_ai.user.message``, since 1.37 the attributes ``gen_ai.input.messages``
and ``gen_ai.output.messages`` (on the span or on its event ``gen_ai.client.inference.operation.details``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import Usage, usage_under
from tasks.evidence.traces.conventions.values import as_text, first_filled, first_text, numbered, parse_json
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {
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
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_CACHED_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cached_tokens",
)
_REASONING_TOKENS = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
)
_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_ARGUMENTS = ("gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "gen_ai.tool.input", "gen_ai.tool.args")
_RESULTS = ("gen_ai.tool.call.result", "gen_ai.tool.result", "gen_ai.tool.output")
_DETAILS = "gen_ai.client.inference.operation.details"
_ROLES = {"gen_ai.system.message", "gen_ai.user.message", "gen_ai.assistant.message", "gen_ai.tool.message"}


def _kind(span: Span) -> SpanKind | None:
    """By the operation. A span's name begins with it and is fixed at the start, while other instrumentations overwrite
    the attribute on what is the current span: where the name is that of a tool or an agent, it decides."""
    named = span.tags.get("gen_ai.operation.name")
    by_name = _KINDS.get(span.operation.partition(" ")[0])
    if by_name in ("tool", "agent") and named is not None:
        return by_name
    return _KINDS.get(named) if isinstance(named, str) else None


def _kind_by_parts(span: Span) -> SpanKind | None:
    """Older instrumentations (``call_llm`` of Google's ADK) give a model and its usage without an operation."""
    tags = span.tags
    if "gen_ai.tool.name" in tags:
        return "tool"
    if tags.get("gen_ai.operation.name") is not None and not usage(span).known:
        return None
    return "llm" if "gen_ai.request.model" in tags or "gen_ai.response.model" in tags else None


def _tool_name(span: Span) -> str | None:
    if value := span.tags.get("gen_ai.tool.name"):
        return as_text(value)
    name = span.operation.removeprefix("execute_tool ").strip()
    return name if name and name != span.operation.strip() else None


def usage(span: Span) -> Usage:
    """The tokens of the span's own attributes."""
    return usage_under(span.tags, _INPUT_TOKENS, _OUTPUT_TOKENS, _CACHED_TOKENS, _REASONING_TOKENS)


def _input_messages(span: Span) -> tuple[Message, ...]:
    for value in _attribute(span, "gen_ai.input.messages"):
        return read_messages(value)
    if flat := numbered(span.tags, "gen_ai.prompt"):
        return read_messages(flat)
    return read_messages(list(_events(span)))


def _output_messages(span: Span) -> tuple[Message, ...]:
    for value in _attribute(span, "gen_ai.output.messages"):
        return read_messages(value, "assistant")
    if flat := numbered(span.tags, "gen_ai.completion"):
        return read_messages([_flattened(message) for message in flat], "assistant")
    return read_messages(list(_choices(span)), "assistant")


def _attribute(span: Span, key: str) -> Iterator[Any]:
    """The attribute ``key`` of the span, else of its event with the details of the operation."""
    if value := span.tags.get(key):
        yield value
    for event in span.events:
        if event.name == _DETAILS and (value := event.attributes.get(key)):
            yield value


def _events(span: Span) -> Iterator[dict[str, Any]]:
    for event in span.events:
        if event.name in _ROLES:
            yield _of_event(event.attributes, event.name.split(".")[1])


def _choices(span: Span) -> Iterator[Any]:
    """Answers in events: a message as JSON, its content as text, or the parts of its content (strands)."""
    for event in span.events:
        if event.name == "gen_ai.choice":
            attributes = event.attributes
            message = parse_json(attributes.get("message"))
            if isinstance(message, dict):
                yield _of_event(message, "assistant")
            else:
                content = message or attributes.get("message") or attributes.get("content")
                yield _of_event({**attributes, "content": content}, "assistant")


def _of_event(attributes: Any, role: str) -> dict[str, Any]:
    """The body of an event as a message: content and tool calls may be JSON texts."""
    body = dict(attributes) if isinstance(attributes, dict) else {}
    for key in ("content", "tool_calls"):
        if isinstance(parsed := parse_json(body.get(key)), list):
            body[key] = parsed
    return {"role": role, **body}


def _flattened(message: Any) -> Any:
    """A completion whose finish reason and calls are flat attributes, as a message."""
    return {"role": "assistant", **message} if isinstance(message, dict) else message


def _finish_reason(span: Span) -> str | None:
    value = span.tags.get("gen_ai.response.finish_reasons") or span.tags.get("gen_ai.response.finish_reason")
    parsed = parse_json(value)
    return as_text(parsed[0]) if isinstance(parsed, list) and parsed else as_text(value)


_MARKS = frozenset(
    {
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.tool.name",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.system",
        "gen_ai.provider.name",
    }
)


def _is_node(span: Span) -> bool:
    """OpenLIT calls each node of a LangGraph an agent, whose id is its name."""
    tags = span.tags
    name = tags.get("gen_ai.agent.name")
    return name is not None and name == tags.get("gen_ai.agent.id") and tags.get("gen_ai.provider.name") == "langgraph"


def _agent(span: Span) -> AgentMark | None:
    if _kind(span) != "agent" or _is_node(span):
        return None
    tags, begin = span.tags, span.operation.partition(" ")[0]
    operation = begin if begin in _KINDS else str(tags.get("gen_ai.operation.name"))
    if operation == "create_agent":
        return None
    if operation == "invoke_workflow":
        return AgentMark(as_text(tags.get("gen_ai.workflow.name")) or name_of(span.operation), True)
    name = as_text(tags.get("gen_ai.agent.name"))
    if not name and begin == operation:
        name = name_of(span.operation)
    return AgentMark(name) if name else AgentMark("", True)


OTEL_GENAI = Convention(
    name="OTel GenAI",
    marks=_MARKS,
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    call_id=first_filled("gen_ai.tool.call.id"),
    arguments=first_text(*_ARGUMENTS),
    result=first_text(*_RESULTS),
    model=first_filled(*_MODELS),
    usage=usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=first_filled("gen_ai.response.id"),
    finish_reason=_finish_reason,
)
OTEL_GENAI_UNNAMED = Convention(name="OTel GenAI", marks=_MARKS, kind=_kind_by_parts)
"""Of the same convention, for spans that no other convention names either."""
