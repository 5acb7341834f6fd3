"""LangSmith's exporter to OpenTelemetry: ``langsmith.span.kind``, and the run's input and output as ``gen_ai.prompt``
and ``gen_ai.completion`` (langsmith-sdk, ``_internal/otel/_otel_exporter.py``)."""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.langchain import result_id, result_usage
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, first_text, json_object, parse_json
from tasks.evidence.traces.spans import Span

# Its operations are no help: it calls a prompt template "chat" and a retriever "embeddings".
_KINDS: dict[str, SpanKind] = {"llm": "llm", "embedding": "llm", "tool": "tool"}


def _kind(span: Span) -> SpanKind | None:
    kind = span.tags.get("langsmith.span.kind")
    return None if kind is None else _KINDS.get(str(kind), "other")


def _tool_name(span: Span) -> str | None:
    return as_text(span.tags.get("gen_ai.tool.name") or span.tags.get("langsmith.trace.name"))


def _usage(span: Span) -> Usage:
    found = usage_of(json_object(span.tags.get("langsmith.metadata.usage_metadata")))
    return found if found.known else result_usage(span.tags.get("gen_ai.completion"))


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(parse_json(span.tags.get("gen_ai.prompt")))


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(parse_json(span.tags.get("gen_ai.completion")), "assistant")


def _response_id(span: Span) -> str | None:
    return result_id(span.tags.get("gen_ai.completion"))


def _agent(span: Span) -> AgentMark | None:
    if span.tags.get("langsmith.span.kind") != "chain":
        return None
    return AgentMark(name_of(as_text(span.tags.get("langsmith.trace.name")) or span.operation), True)


LANGSMITH = Convention(
    name="LangSmith",
    marks=frozenset({"langsmith.span.kind"}),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    arguments=first_text("gen_ai.prompt"),
    result=first_text("gen_ai.completion"),
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
)
