"""Google's Agent Development Kit: ``gcp.vertex.agent.*`` beside OpenTelemetry's ``gen_ai.*``."""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.values import first_text, json_object
from tasks.evidence.traces.spans import Span

# One span for the events of parallel calls, each of which has its own.
_MERGED = "(merged tools)"


def _kind(span: Span) -> SpanKind | None:
    if span.tags.get("gen_ai.tool.name") == _MERGED:
        return "other"
    if span.operation.startswith(("invoke_agent", "agent_run")):
        # OpenInference's instrumentation writes the last LLM call on the agent's span.
        return "agent"
    return None


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(json_object(span.tags.get("gcp.vertex.agent.llm_request")))


def _output_messages(span: Span) -> tuple[Message, ...]:
    answer = json_object(span.tags.get("gcp.vertex.agent.llm_response"))
    return read_messages(answer.get("content"), "assistant")


def _agent(span: Span) -> AgentMark | None:
    return AgentMark(name_of(span.operation), True) if span.operation.startswith("invocation") else None


GOOGLE_ADK = Convention(
    name="Google ADK",
    marks=frozenset({"gcp.vertex.agent.event_id", "gcp.vertex.agent.invocation_id", "gcp.vertex.agent.tool_call_args"}),
    scopes=frozenset({"gcp.vertex.agent", "openinference.instrumentation.google_adk"}),
    kind=_kind,
    agent=_agent,
    arguments=first_text("gcp.vertex.agent.tool_call_args"),
    result=first_text("gcp.vertex.agent.tool_response"),
    input_messages=_input_messages,
    output_messages=_output_messages,
)
