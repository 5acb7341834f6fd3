"""Pydantic Logfire: the message template of a span identifies its kind; arguments are attributes of their own.

``logfire/_internal/integrations/openai_agents.py`` and ``llm_providers/openai.py``.
"""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, dig, first_text, json_object, parse_json
from tasks.evidence.traces.spans import Span

_TEMPLATES: dict[str, SpanKind] = {
    "Function: {name}": "tool",
    "Agent run: {name!r}": "agent",
    "OpenAI Agents trace: {name}": "agent",
}


def _kind(span: Span) -> SpanKind | None:
    return _TEMPLATES.get(str(span.tags.get("logfire.msg_template")))


def _is_function(span: Span) -> bool:
    return span.tags.get("logfire.msg_template") == "Function: {name}"


def _tool_name(span: Span) -> str | None:
    return as_text(span.tags.get("name")) if _is_function(span) else None


def _arguments(span: Span) -> str | None:
    return as_text(span.tags.get("input")) if _is_function(span) else None


def _result(span: Span) -> str | None:
    return as_text(span.tags.get("output")) if _is_function(span) else None


def _failure(span: Span) -> str | None:
    """The error of the Agents SDK, which stands beside the span's status in an attribute of the same name."""
    error = json_object(span.tags.get("error"))
    message, detail = error.get("message"), dig(error, "data", "error")
    return ": ".join(str(part) for part in (message, detail) if part) or None


def _usage(span: Span) -> Usage:
    for reported in (span.tags.get("usage"), span.tags.get("gen_ai.usage.raw")):
        if (found := usage_of(json_object(reported))).known and span.tags.get("sdk_span_type") is None:
            return found
    if span.tags.get("response_data") is not None:
        return usage_of(json_object(span.tags["response_data"]).get("usage"))
    return UNKNOWN_USAGE


def _totals(span: Span) -> Usage:
    """The SDK's task sums up the turns inside it."""
    return usage_of(json_object(span.tags.get("usage"))) if span.tags.get("sdk_span_type") == "task" else UNKNOWN_USAGE


def _input_messages(span: Span) -> tuple[Message, ...]:
    for key in ("request_data", "raw_input", "input"):
        if messages := read_messages(parse_json(span.tags.get(key))):
            return messages
    return ()


def _output_messages(span: Span) -> tuple[Message, ...]:
    for key in ("response_data", "response", "output"):
        if messages := read_messages(parse_json(span.tags.get(key)), "assistant"):
            return messages
    return ()


def _agent(span: Span) -> AgentMark | None:
    template, name = span.tags.get("logfire.msg_template"), as_text(span.tags.get("name")) or ""
    if template == "Agent run: {name!r}":
        return AgentMark(name)
    return AgentMark(name, True) if template == "OpenAI Agents trace: {name}" else None


LOGFIRE = Convention(
    name="Logfire",
    marks=frozenset({"logfire.msg_template"}),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    arguments=_arguments,
    result=_result,
    failure=_failure,
    usage=_usage,
    totals=_totals,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=first_text("response_id"),
)
