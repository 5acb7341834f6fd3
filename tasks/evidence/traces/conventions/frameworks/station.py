"""CloudShip Station: its spans of tools are named ``__tool``; the model stands on the span around the run."""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.values import as_text
from tasks.evidence.traces.spans import Span

_RUNS = ("agent_execution_engine.execute", "dotprompt.execute")


def _names(operation: str) -> bool:
    return operation in _RUNS or (operation.startswith("__") and len(operation) > 2)


def _kind(span: Span) -> SpanKind | None:
    return "agent" if span.operation in _RUNS else "tool"


def _tool_name(span: Span) -> str | None:
    return span.operation


def _agent(span: Span) -> AgentMark | None:
    if _kind(span) != "agent":
        return None
    name = as_text(span.tags.get("agent.name"))
    return AgentMark(name) if name else AgentMark("", True)


STATION = Convention(name="Station", names=_names, kind=_kind, agent=_agent, tool_name=_tool_name)
