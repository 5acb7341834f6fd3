"""LlamaIndex's own OpenTelemetry integration: spans of methods, with what happened in events.

``llama-index-observability-otel``: an event's fields are flat attributes (``response.raw.usage.prompt_tokens``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, first_text, json_object, literal_object, parse_json
from tasks.evidence.traces.spans import Span

_ENDS = ("LLMChatEndEvent", "LLMCompletionEndEvent")
_TOOL_METHODS = ("Tool.acall", "Tool.call")
_SUMMARY = "llamaindex.step.input_summary"


def _answer(span: Span) -> Mapping[str, Any] | None:
    """The fields of the event in which an LLM's call ended; the last one of a stream."""
    ended = [event.attributes for event in span.events if event.name in _ENDS]
    return ended[-1] if ended else None


def _kind(span: Span) -> SpanKind | None:
    if _answer(span) is not None:
        return "llm"
    if span.operation.endswith(_TOOL_METHODS):
        return "tool"
    return "agent" if span.operation.endswith(("Agent.run", "Workflow.run")) else "other"


def _called(span: Span) -> tuple[str | None, str | None]:
    """Name and arguments of ``ToolCall(tool_name='book', tool_kwargs={'place': 'Rome'}, tool_id='call_1')``."""
    text = as_text(span.tags.get(_SUMMARY)) or ""
    if not text.startswith("ToolCall("):
        return None, None
    _, _, rest = text.partition("tool_name='")
    name, _, rest = rest.partition("'")
    _, found, rest = rest.partition("tool_kwargs=")
    arguments, _, _ = rest.partition(", tool_id=") if found else ("", "", "")
    return name or None, arguments or None


def _tool_name(span: Span) -> str | None:
    return _called(span)[0]


def _arguments(span: Span) -> str | None:
    """As JSON where the summary is not cut, so that equal ones read the same."""
    written = _called(span)[1]
    return as_text(literal_object(written) or written)


def _under(fields: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The fields under ``prefix``, of one level or two, or the object that it holds as JSON."""
    whole = json_object(fields.get(prefix))
    if whole:
        return whole
    found: dict[str, Any] = {}
    for key, value in fields.items():
        if key.startswith(prefix + "."):
            head, _, tail = key[len(prefix) + 1 :].partition(".")
            if tail:
                inner = found.setdefault(head, {})
                if isinstance(inner, dict):
                    inner[tail] = value
            else:
                found[head] = value
    return found


def _usage(span: Span) -> Usage:
    fields = _answer(span)
    if fields is None:
        return UNKNOWN_USAGE
    for prefix in ("response.raw.usage", "response.raw.usage_metadata", "response.additional_kwargs"):
        if (found := usage_of(_under(fields, prefix))).known:
            return found
    return UNKNOWN_USAGE


def _model(span: Span) -> str | None:
    answered = (_answer(span) or {}).get("response.raw.model")
    if answered:
        return as_text(answered)
    for event in span.events:
        if name := event.attributes.get("model_dict.model_name") or event.attributes.get("model_dict.model"):
            return as_text(name)
    return None


def _response_id(span: Span) -> str | None:
    return as_text((_answer(span) or {}).get("response.raw.id"))


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages((_answer(span) or {}).get("messages"))


def _output_messages(span: Span) -> tuple[Message, ...]:
    fields = _answer(span) or {}
    blocks = parse_json(fields.get("response.message.blocks"))
    return read_messages([{"role": "assistant", "blocks": blocks}]) if isinstance(blocks, list) else ()


def _agent(span: Span) -> AgentMark | None:
    return AgentMark(name_of(span.operation), True) if _kind(span) == "agent" else None


LLAMA_INDEX = Convention(
    name="LlamaIndex",
    scopes=frozenset({"llamaindex.opentelemetry.tracer"}),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    arguments=_arguments,
    result=first_text("llamaindex.step.output"),
    model=_model,
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
)
