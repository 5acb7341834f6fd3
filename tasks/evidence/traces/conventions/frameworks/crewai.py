"""CrewAI under the instrumentations of OpenInference, OpenLLMetry and OpenLIT, which do not see the calls of its LLM.

The run's tokens stand on the span around it: as the text of a usage object, inside the crew's output, or as attributes.
"""

from __future__ import annotations

from typing import Any

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.standards.otel_genai import usage
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, dig, first_filled, json_object, literal_object, parse_json
from tasks.evidence.traces.spans import Span

_OPENINFERENCE = "openinference.instrumentation.crewai"
_OPENLIT = "openlit.instrumentation.crewai"
_LONGEST = 2_000


def _kind(span: Span) -> SpanKind | None:
    tags = span.tags
    if tags.get("otel.scope.name") == _OPENINFERENCE and tags.get("openinference.span.kind") == "CHAIN":
        return "agent"
    return None


def _totals(span: Span) -> Usage:
    tags = span.tags
    for key in ("crewai.crew.usage_metrics", "crewai.crew.token_usage"):
        if (found := usage_of(_fields(tags.get(key)))).known:
            return found
    if "crew_id" in tags and isinstance(output := tags.get("output.value"), str) and '"token_usage"' in output:
        return usage_of(json_object(output).get("token_usage"))
    if tags.get("otel.scope.name") == _OPENLIT and tags.get("gen_ai.operation.name") == "invoke_workflow":
        return usage(span)
    return UNKNOWN_USAGE


def _fields(written: object) -> dict[str, Any]:
    """A usage object as a dict or as Pydantic writes it: ``total_tokens=1100 prompt_tokens=1000 …``."""
    if found := literal_object(written):
        return found
    text = written[:_LONGEST] if isinstance(written, str) else ""
    return dict(pair.split("=", 1) for pair in text.split() if "=" in pair)


def _model(span: Span) -> str | None:
    """Of an agent, or of the first of the crew's."""
    agents = parse_json(span.tags.get("crew_agents"))
    return as_text(span.tags.get("crewai.agent.llm") or dig(agents, 0, "llm"))


def _agent(span: Span) -> AgentMark | None:
    """A crew is a workflow of agents; its tasks are neither."""
    tags = span.tags
    if name := as_text(tags.get("crewai.agent.role") or tags.get("gen_ai.agent.name")):
        return AgentMark(name_of(name))
    if "crewai.crew.id" in tags or ("crew_id" in tags and tags.get("openinference.span.kind") == "CHAIN"):
        return AgentMark(as_text(tags.get("crewai.crew.name")) or name_of(span.operation), True)
    return None


CREWAI = Convention(
    name="CrewAI",
    marks=frozenset({"crewai.crew.id", "crewai.agent.id", "crewai.task.id"}),
    scopes=frozenset({_OPENINFERENCE, _OPENLIT, "opentelemetry.instrumentation.crewai.instrumentation"}),
    kind=_kind,
    agent=_agent,
    tool_name=first_filled("tool.name"),
    model=_model,
    totals=_totals,
)
