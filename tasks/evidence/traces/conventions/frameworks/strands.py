"""Strands Agents: OpenTelemetry's attributes, with arguments and results of tools in events.

``strands/telemetry/tracer.py``: events ``gen_ai.tool.message`` and ``gen_ai.choice``, or with the latest conventions
``gen_ai.client.inference.operation.details``.
"""

from __future__ import annotations

from tasks.evidence.traces.conventions.convention import Convention
from tasks.evidence.traces.conventions.messages import read_messages
from tasks.evidence.traces.conventions.standards.otel_genai import usage
from tasks.evidence.traces.conventions.tool_parts import ToolAnswer, ToolRequest, result_text
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage
from tasks.evidence.traces.conventions.values import as_text, parse_json
from tasks.evidence.traces.spans import Span

_DETAILS = "gen_ai.client.inference.operation.details"


def _is_tool(span: Span) -> bool:
    return span.tags.get("gen_ai.operation.name") == "execute_tool"


def _arguments(span: Span) -> str | None:
    if not _is_tool(span):
        return None
    for event in span.events:
        if event.name == "gen_ai.tool.message":
            return as_text(event.attributes.get("content"))
        if event.name == _DETAILS and (calls := _calls(event.attributes.get("gen_ai.input.messages"))):
            return calls[0].arguments
    return None


def _result(span: Span) -> str | None:
    if not _is_tool(span):
        return None
    for event in span.events:
        if event.name == "gen_ai.choice":
            message = event.attributes.get("message")
            return result_text(parse_json(message) or message)
        if event.name == _DETAILS and (answers := _answers(event.attributes.get("gen_ai.output.messages"))):
            return answers[0].result
    return None


def _calls(messages: object) -> list[ToolRequest]:
    return [call for message in read_messages(messages) for call in message.calls]


def _answers(messages: object) -> list[ToolAnswer]:
    return [answer for message in read_messages(messages) for answer in message.answers]


def _failure(span: Span) -> str | None:
    return _result(span) or "error" if span.tags.get("gen_ai.tool.status") == "error" else None


def _totals(span: Span) -> Usage:
    return usage(span) if span.tags.get("gen_ai.operation.name") == "invoke_agent" else UNKNOWN_USAGE


STRANDS = Convention(
    name="Strands",
    scopes=frozenset({"strands.telemetry.tracer"}),
    arguments=_arguments,
    result=_result,
    failure=_failure,
    totals=_totals,
)
