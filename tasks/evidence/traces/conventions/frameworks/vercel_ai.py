"""The Vercel AI SDK's own telemetry, versions 3.3 to 6: ``ai.operationId``. Since version 7 it is OpenTelemetry's.

https://ai-sdk.dev/docs/ai-sdk-core/telemetry#collected-data
"""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.tool_parts import ToolRequest
from tasks.evidence.traces.conventions.usage import Usage, usage_under
from tasks.evidence.traces.conventions.values import as_text, first_filled, first_text, parse_json
from tasks.evidence.traces.spans import Span

# Each call to a provider is a span inside the one of the function that was called.
_CALLS = (".doGenerate", ".doStream", ".doEmbed")


def _kind(span: Span) -> SpanKind | None:
    operation = str(span.tags.get("ai.operationId"))
    if operation == "ai.toolCall":
        return "tool"
    if operation.endswith(_CALLS):
        return "llm"
    return "agent" if operation in ("ai.generateText", "ai.streamText") else "other"


def _usage(span: Span) -> Usage:
    return usage_under(
        span.tags,
        ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
        ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"),
    )


def _totals(span: Span) -> Usage:
    return _usage(span) if _kind(span) == "agent" else Usage()


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(span.tags.get("ai.prompt.messages"))


def _output_messages(span: Span) -> tuple[Message, ...]:
    tags = span.tags
    text = as_text(tags.get("ai.response.text") or tags.get("ai.response.object"))
    calls: list[ToolRequest] = []
    listed = parse_json(tags.get("ai.response.toolCalls"))
    for raw in listed if isinstance(listed, list) else ():
        if isinstance(raw, dict):
            calls += [call for message in read_messages({"type": "tool-call", **raw}) for call in message.calls]
    return (Message("assistant", text or None, tuple(calls)),) if text or calls else ()


def _agent(span: Span) -> AgentMark | None:
    """The function that was called, by the id that the application gave it."""
    if _kind(span) in ("llm", "tool") or str(span.tags.get("ai.operationId")).startswith("ai.embed"):
        return None
    name = as_text(span.tags.get("ai.telemetry.functionId"))
    return AgentMark(name) if name else AgentMark("", True)


VERCEL_AI = Convention(
    name="AI SDK",
    marks=frozenset({"ai.operationId"}),
    kind=_kind,
    agent=_agent,
    tool_name=first_filled("ai.toolCall.name"),
    call_id=first_filled("ai.toolCall.id"),
    arguments=first_text("ai.toolCall.args", "ai.toolCall.input"),
    result=first_text("ai.toolCall.result", "ai.toolCall.output"),
    model=first_filled("ai.response.model", "ai.model.id"),
    usage=_usage,
    totals=_totals,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=first_filled("ai.response.id"),
    finish_reason=first_filled("ai.response.finishReason"),
)
