"""OpenLLMetry (Traceloop): spans of workflows, agents, tasks and tools, and ``gen_ai.*`` on those of LLMs.

https://github.com/traceloop/openllmetry, ``opentelemetry/semconv_ai``.
"""

from __future__ import annotations

from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.failures import failure_in
from tasks.evidence.traces.conventions.values import as_text, dig, first_filled, json_object
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {"tool": "tool", "agent": "agent", "workflow": "agent"}


def _kind(span: Span) -> SpanKind | None:
    tags = span.tags
    marked = tags.get("traceloop.span.kind")
    if marked == "task" and "tool.name" in tags:
        # LlamaIndex: the step of a workflow that calls a tool.
        return "tool"
    if marked is not None:
        # A task can be anything, an LLM call too: its operation shows what.
        return _KINDS.get(str(marked), None if "gen_ai.operation.name" in tags else "other")
    return "llm" if tags.get("llm.request.type") is not None else None


def _arguments(span: Span) -> str | None:
    tags = span.tags
    if "tool.arguments" in tags:
        return as_text(tags["tool.arguments"])
    for key in ("gen_ai.tool.call.arguments", "traceloop.entity.input"):
        if (text := as_text(tags.get(key))) is not None:
            return _called_with(text)
    return None


def _called_with(text: str) -> str:
    """The arguments alone: LangChain's callback also hands over the run's metadata, MCP's the tool's name."""
    called = json_object(text)
    if "input_str" in called:
        inputs = called.get("inputs")
        return (as_text(inputs) if isinstance(inputs, dict) and inputs else as_text(called["input_str"])) or text
    if called.keys() == {"tool_name", "arguments"}:
        return as_text(called["arguments"]) or text
    return text


def _result(span: Span) -> str | None:
    for key in ("gen_ai.tool.call.result", "traceloop.entity.output"):
        if (text := as_text(span.tags.get(key))) is not None:
            return text
    return None


def _failure(span: Span) -> str | None:
    return failure_in(_result(span)) if _kind(span) == "tool" else None


def _response_id(span: Span) -> str | None:
    """Where only the output holds the answer: LlamaIndex."""
    answer: dict[str, Any] = json_object(span.tags.get("traceloop.entity.output"))
    return as_text(dig(answer, "raw", "id"))


def _agent(span: Span) -> AgentMark | None:
    tags = span.tags
    marked = tags.get("traceloop.span.kind")
    if marked == "agent":
        name = tags.get("gen_ai.agent.name") or tags.get("traceloop.entity.name")
        return AgentMark(name_of(as_text(name) or span.operation))
    if marked == "workflow":
        name = tags.get("traceloop.entity.name") or tags.get("traceloop.workflow.name")
        return AgentMark(name_of(as_text(name) or span.operation), True)
    return None


OPENLLMETRY = Convention(
    name="Traceloop",
    marks=frozenset({"traceloop.span.kind", "llm.request.type", "traceloop.entity.input", "traceloop.entity.output"}),
    kind=_kind,
    agent=_agent,
    tool_name=first_filled("tool.name", "traceloop.entity.name"),
    arguments=_arguments,
    result=_result,
    failure=_failure,
    response_id=_response_id,
)
