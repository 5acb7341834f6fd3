"""Whose run a span is, in every convention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces import conventions
from tasks.evidence.traces.conventions import AgentMark
from tasks.evidence.traces.conventions.agent_names import name_of
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]


def _openinference(kind: str, scope: str, **tags: Any) -> dict[str, Any]:
    return {"openinference.span.kind": kind, "otel.scope.name": f"openinference.instrumentation.{scope}", **tags}


def _traceloop(kind: str, name: str) -> dict[str, Any]:
    return {"traceloop.span.kind": kind, "traceloop.entity.name": name}


@pytest.mark.parametrize(
    ("operation", "tags", "mark"),
    [
        ("invoke_agent a", {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "b"}, AgentMark("b")),
        ("invoke_agent a", {"gen_ai.operation.name": "invoke_agent"}, AgentMark("a")),
        ("invoke_agent", {"gen_ai.operation.name": "invoke_agent"}, AgentMark("", True)),
        ("invoke_workflow w", {"gen_ai.operation.name": "invoke_workflow"}, AgentMark("w", True)),
        ("create_agent a", {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "a"}, None),
        ("chat m", {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "a"}, None),
        (
            "invoke_agent model",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "model",
                "gen_ai.agent.id": "model",
                "gen_ai.provider.name": "langgraph",
            },
            None,
        ),
        ("a.agent", _traceloop("agent", "a"), AgentMark("a")),
        ("w.workflow", _traceloop("workflow", "w"), AgentMark("w", True)),
        ("t.task", _traceloop("task", "t"), None),
        ("a.arun", _openinference("AGENT", "agno", **{"input.value": "x"}), AgentMark("a")),
        ("a", _openinference("AGENT", "openai_agents", **{"graph.node.id": "a"}), AgentMark("a")),
        ("flow", _openinference("AGENT", "openai_agents"), AgentMark("flow", True)),
        ("x", _openinference("AGENT", "agno", **{"agent.name": "a"}), AgentMark("a")),
        ("CodeAgent.run", _openinference("AGENT", "smolagents", **{"input.value": "x"}), AgentMark("CodeAgent")),
        ("LangGraph", _openinference("CHAIN", "langchain"), AgentMark("LangGraph", True)),
        ("model", _openinference("CHAIN", "langchain", metadata='{"langgraph_node": "model"}'), None),
        ("Agent workflow", _openinference("AGENT", "openai_agents"), AgentMark("Agent workflow", True)),
        ("ReAct.forward", _openinference("CHAIN", "dspy"), AgentMark("ReAct", True)),
        ("answer", {"openinference.span.kind": "CHAIN"}, AgentMark("answer", True)),
        ("invocation [app]", {"otel.scope.name": "gcp.vertex.agent"}, AgentMark("app", True)),
        ("agent run", {"otel.scope.name": "pydantic-ai", "agent_name": "a"}, AgentMark("a")),
        ("x", {"ai.operationId": "ai.generateText", "ai.telemetry.functionId": "a"}, AgentMark("a")),
        ("x", {"ai.operationId": "ai.generateText"}, AgentMark("", True)),
        ("x", {"ai.operationId": "ai.embed"}, None),
        ("invoke_agent a", {"langfuse.observation.type": "agent"}, AgentMark("a")),
        ("LangGraph", {"langfuse.observation.type": "chain"}, AgentMark("LangGraph", True)),
        ("x", {"langfuse.observation.type": "span"}, None),
        ("LangGraph", {"langsmith.span.kind": "chain"}, AgentMark("LangGraph", True)),
        ("x", {"logfire.msg_template": "Agent run: {name!r}", "name": "a"}, AgentMark("a")),
        ("AgentRunner.run", {"mlflow.spanType": '"AGENT"'}, AgentMark("AgentRunner", True)),
        ("a", {"mlflow.spanType": '"AGENT"'}, AgentMark("a")),
        ("LangGraph", {"mlflow.spanType": '"CHAIN"'}, AgentMark("LangGraph", True)),
        ("haystack.agent.run", {}, AgentMark("", True)),
        ("x", {"crewai.crew.id": "1", "crewai.crew.name": "crew"}, AgentMark("crew", True)),
        ("x", {"crewai.agent.id": "1", "crewai.agent.role": "a"}, AgentMark("a")),
        ("x", {"genkit:type": "flow", "genkit:name": "a"}, AgentMark("a")),
        ("agent_execution_engine.execute", {"agent.name": "a"}, AgentMark("a")),
        ("dotprompt.execute", {}, AgentMark("", True)),
        ("__read", {}, None),
        ("GET /", {"http.method": "GET"}, None),
    ],
)
def test_a_span_is_the_run_of_what_its_convention_names(
    make_span: MakeSpan, operation: str, tags: dict[str, Any], mark: AgentMark | None
) -> None:
    assert conventions.read(make_span("a", operation=operation, tags=tags)).agent() == mark


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("invoke_agent travel", "travel"),
        ("agent_run [travel]", "travel"),
        ("travel.on_messages_stream", "travel"),
        ("Crew_326a8987-7da0-4367-9c62-7c37280bea45.kickoff", "Crew"),
        ("CodeAgent.step", "CodeAgent"),
        ("Senior Researcher._execute_core", "Senior Researcher"),
        ("GET /users/12345678/orders", "GET /users/orders"),
        ("gpt4 2 agent-7", "gpt4 2 agent-7"),
        ("run", "run"),
        ("invoke_agent", ""),
        ("  ", ""),
        ("a" * 500, "a" * 120),
    ],
)
def test_the_name_is_the_operation_without_methods_and_ids(operation: str, name: str) -> None:
    assert name_of(operation) == name
