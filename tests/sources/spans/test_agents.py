"""Which spans are runs, and of which agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span
from tasks.sources.spans.runs import TraceRun, build_run_row, find_trace_runs

MakeSpan = Callable[..., Span]
LLM = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def _agent(name: str = "") -> dict[str, Any]:
    return {"gen_ai.operation.name": "invoke_agent", **({"gen_ai.agent.name": name} if name else {})}


def _workflow(name: str) -> dict[str, Any]:
    return {"traceloop.span.kind": "workflow", "traceloop.entity.name": name}


def _shown(runs: list[TraceRun]) -> list[tuple[str, str, str | None]]:
    return [(run.span_id, run.agent_name, run.parent_run_id and run.parent_run_id.split("-")[1]) for run in runs]


def test_a_span_of_the_same_agent_is_part_of_its_run_and_of_another_a_run_of_its_own(make_span: MakeSpan) -> None:
    runs = find_trace_runs(
        [
            make_span("web", operation="POST /ask"),
            make_span("outer", "web", tags=_agent("travel")),
            make_span("inner", "outer", tags=_agent("travel")),
            make_span("tool", "inner", tags={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"}),
            make_span("other", "tool", tags=_agent("billing")),
            make_span("again", "other", tags=_agent("travel")),
            make_span("llm", "again", tags=LLM),
        ]
    )
    assert _shown(runs) == [("outer", "travel", None), ("other", "billing", "outer")]
    outer, other = (build_run_row(run) for run in runs)
    assert (outer["model_name"], other["model_name"]) == ("m", "m")


def test_an_agent_of_openinference_goes_by_the_name_of_the_genai_conventions(make_span: MakeSpan) -> None:
    tags = {"openinference.span.kind": "AGENT", "gen_ai.agent.name": "billing", "agent.name": "other"}
    runs = find_trace_runs([make_span("a", operation="agent_run", tags=tags), make_span("llm", "a", tags=LLM)])
    assert _shown(runs) == [("a", "billing", None)]


def test_a_workflow_around_one_agent_is_part_of_its_run(make_span: MakeSpan) -> None:
    runs = find_trace_runs(
        [
            make_span("flow", tags=_workflow("trip")),
            make_span("one", "flow", tags=_agent("travel")),
            make_span("two", "flow", tags=_agent("travel")),
        ]
    )
    assert _shown(runs) == [("flow", "travel", None)]


def test_a_workflow_around_several_agents_is_an_agent_that_started_theirs(make_span: MakeSpan) -> None:
    runs = find_trace_runs(
        [
            make_span("flow", tags=_workflow("trip")),
            make_span("step", "flow", tags=_workflow("step")),
            make_span("one", "step", tags=_agent("travel")),
            make_span("two", "flow", tags=_agent("billing")),
        ]
    )
    assert sorted(_shown(runs)) == [("flow", "trip", None), ("one", "travel", "flow"), ("two", "billing", "flow")]


def test_without_agents_the_outermost_workflow_with_llm_calls_is_one(make_span: MakeSpan) -> None:
    chain = {"openinference.span.kind": "CHAIN", "otel.scope.name": "openinference.instrumentation.langchain"}
    spans = [
        make_span("web", operation="POST /ask"),
        make_span("graph", "web", operation="LangGraph", tags=chain),
        make_span("node", "graph", operation="model", tags=chain),
    ]
    assert find_trace_runs(spans) == []
    assert _shown(find_trace_runs([*spans, make_span("llm", "node", tags=LLM)])) == [("graph", "LangGraph", None)]


@pytest.mark.parametrize(
    ("operation", "service", "name"),
    [
        ("answer", "shop", "answer"),
        ("POST /ask", "shop", "POST /ask"),
        ("ask 7f9c24e8-3b12-4fef-91d0-e7a1c2b3d4e5", "shop", "ask"),
        ("GET /orders/123456", "", "GET /orders"),
    ],
)
def test_without_either_the_agent_is_the_root_of_the_trace(
    make_span: MakeSpan, operation: str, service: str, name: str
) -> None:
    runs = find_trace_runs(
        [make_span("root", operation=operation, service=service), make_span("llm", "root", tags=LLM, service=service)]
    )
    assert _shown(runs) == [("root", name, None)]


@pytest.mark.parametrize(("service", "name"), [("shop", "shop"), ("", "agent"), ("unknown_service:python", "agent")])
def test_an_llm_call_alone_is_a_run_of_its_service(make_span: MakeSpan, service: str, name: str) -> None:
    assert _shown(find_trace_runs([make_span("llm", tags=LLM, service=service)])) == [("llm", name, None)]


@pytest.mark.parametrize(
    "tags",
    [
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"},
        {"langfuse.observation.type": "embedding"},
        {"ai.operationId": "ai.embed.doEmbed"},
        {"gen_ai.operation.name": "create_agent", "gen_ai.agent.name": "travel"},
        {"gen_ai.operation.name": "create_agent", "openinference.span.kind": "AGENT"},
        {"openinference.span.kind": "RETRIEVER"},
        {},
    ],
)
def test_embeddings_and_requests_are_no_runs(make_span: MakeSpan, tags: dict[str, Any]) -> None:
    assert find_trace_runs([make_span("root", operation="index"), make_span("a", "root", tags=tags)]) == []


def test_what_waits_for_its_root_is_a_run_that_has_not_ended(make_span: MakeSpan) -> None:
    named = {**LLM, "gen_ai.agent.name": "travel"}
    early = [make_span("one", "root", 1, 2, tags=named), make_span("two", "root", 3, 4, tags=LLM)]
    (run,) = find_trace_runs(early)
    row = build_run_row(run)
    assert (run.span_id, run.agent_name, row["status"]) == ("root", "travel", "running")
    assert "completed_at" not in row
    (later,) = find_trace_runs([make_span("root", None, 0, 5, tags=_agent("travel")), *early])
    assert later.run_id == run.run_id
    assert build_run_row(later)["status"] == "completed"


def test_a_request_from_a_caller_whose_spans_are_elsewhere_is_whole(make_span: MakeSpan) -> None:
    server = make_span("web", "caller", 0, 5, operation="POST /ask", tags={"span.kind": "server"})
    (run,) = find_trace_runs([server, make_span("llm", "web", 1, 2, tags=LLM)])
    assert (run.span_id, run.agent_name, build_run_row(run)["status"]) == ("web", "POST /ask", "completed")


def test_a_run_whose_span_has_no_end_yet_is_running(make_span: MakeSpan) -> None:
    (run,) = find_trace_runs([make_span("a", None, 1, 1, tags=_agent("travel")), make_span("b", "a", 2, 3, tags=LLM)])
    assert build_run_row(run)["status"] == "running"


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({}, "completed", None),
        ({"exception": "ValueError: handled"}, "completed", None),
        ({"error": True, "exception": "ValueError: no"}, "failed", "ValueError: no"),
        ({"error": True, "tags": {"otel.status_description": "gave up"}}, "failed", "gave up"),
    ],
)
def test_the_status_of_its_span_is_the_runs(
    make_span: MakeSpan, fields: dict[str, Any], status: str, error: str | None
) -> None:
    tags = {**_agent("travel"), **fields.pop("tags", {})}
    failed_tool = make_span("tool", "a", tags={"gen_ai.tool.name": "book"}, error=True, exception="E: locked")
    (run,) = find_trace_runs([make_span("a", None, 0, 2, tags=tags, **fields), failed_tool])
    row = build_run_row(run)
    assert (row["status"], row.get("error")) == (status, error)


def test_a_workflow_that_ends_well_does_not_hide_that_its_agent_failed(make_span: MakeSpan) -> None:
    flow = make_span("flow", None, 0, 9, tags={**_workflow("trip"), "otel.status_code": "OK"})
    first = make_span("one", "flow", 1, 2, tags=_agent("travel"), error=True, exception="E: no")
    (run,) = find_trace_runs([flow, first])
    assert build_run_row(run)["status"] == "failed"
    (run,) = find_trace_runs([flow, first, make_span("two", "flow", 3, 4, tags=_agent("travel"))])
    assert build_run_row(run)["status"] == "completed"


@pytest.mark.parametrize("value", [None, 7, [], {}, "", " ", '{"a":', "[[", b"x", float("nan")])
def test_values_of_the_wrong_type_fail_nothing(make_span: MakeSpan, value: Any) -> None:
    keys = (
        *("gen_ai.operation.name", "gen_ai.agent.name", "openinference.span.kind", "input.value", "output.value"),
        *("gen_ai.input.messages", "span.kind", "traceloop.span.kind", "deployment.environment.name", "session.id"),
    )
    for key in keys:
        tags = {**_agent("travel"), **LLM, key: value}
        spans = [make_span("a", "gone", tags=tags), make_span("b", "a", tags={**LLM, key: value})]
        for run in find_trace_runs(spans):
            assert build_run_row(run)["id"]


@pytest.mark.parametrize("nested", [False, True])
def test_a_trace_of_thousands_of_agents_is_read(make_span: MakeSpan, nested: bool) -> None:
    """In a time that grows with their number, not its square."""
    chain = {"openinference.span.kind": "CHAIN"}
    spans = [make_span("root")]
    for number in range(1_000):
        parent = f"{number - 1}" if nested and number else "root"
        spans.append(make_span(f"{number}", parent, tags=_agent(f"agent {number}")))
        spans.append(make_span(f"{number}c", "root", operation=f"chain {number}", tags=chain))
        spans.append(make_span(f"{number}l", f"{number}c", tags=LLM))
    assert len(find_trace_runs(spans)) == 2_000
