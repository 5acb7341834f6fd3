"""Haystack's own tracing (its OpenTelemetry connector): ``haystack.agent.step.*`` of agents, ``haystack.component.*``.

Inputs and outputs are there when HAYSTACK_CONTENT_TRACING_ENABLED is set.
"""

from __future__ import annotations

from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.failures import reason_in
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, dig, first_text, json_object
from tasks.evidence.traces.spans import Span


def _names(operation: str) -> bool:
    return operation.startswith("haystack.")


def _kind(span: Span) -> SpanKind | None:
    operation = span.operation
    if operation == "haystack.agent.step.llm":
        return "llm"
    if operation == "haystack.agent.step.tool":
        # Before version 3 one span was around all calls of a step, and had no name.
        return "tool" if "haystack.tool.name" in span.tags else "other"
    if operation in ("haystack.agent.run", "haystack.pipeline.run", "haystack.async_pipeline.run"):
        return "agent"
    if operation == "haystack.component.run" and _component(span).endswith("Generator"):
        return "llm"
    return "other"


def _component(span: Span) -> str:
    return str(span.tags.get("haystack.component.type", ""))


def _output(span: Span) -> dict[str, Any]:
    return json_object(span.tags.get("haystack.agent.step.llm.output") or span.tags.get("haystack.component.output"))


def _meta(span: Span) -> Any:
    """The provider's metadata of the first reply; older generators list it beside the replies."""
    output = _output(span)
    return dig(output, "replies", 0, "meta") or dig(output, "replies", 0, "_meta") or dig(output, "meta", 0)


def _model(span: Span) -> str | None:
    return as_text(dig(_meta(span), "model")) if _kind(span) == "llm" else None


def _usage(span: Span) -> Usage:
    return usage_of(dig(_meta(span), "usage"))


def _failure(span: Span) -> str | None:
    if span.tags.get("haystack.tool.error") in (None, False, "false", "False"):
        return None
    output = as_text(span.tags.get("haystack.agent.step.tool.output"))
    return reason_in(output) or output or "the tool failed"


def _input_messages(span: Span) -> tuple[Message, ...]:
    given = span.tags.get("haystack.agent.step.llm.input") or span.tags.get("haystack.component.input")
    return read_messages(json_object(given).get("messages"))


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(_output(span).get("replies"), "assistant")


def _finish_reason(span: Span) -> str | None:
    return as_text(dig(_meta(span), "finish_reason"))


def _agent(span: Span) -> AgentMark | None:
    return AgentMark("", True) if _kind(span) == "agent" else None


HAYSTACK = Convention(
    name="Haystack",
    names=_names,
    kind=_kind,
    agent=_agent,
    tool_name=first_text("haystack.tool.name"),
    arguments=first_text("haystack.agent.step.tool.input"),
    result=first_text("haystack.agent.step.tool.output"),
    failure=_failure,
    model=_model,
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    finish_reason=_finish_reason,
)
