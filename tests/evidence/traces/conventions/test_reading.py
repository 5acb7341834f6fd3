"""What spans are, by the conventions of the instrumentations that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces import conventions
from tasks.evidence.traces.conventions import Usage, read
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]
GENKIT = {"genkit:type": "action"}


@pytest.mark.parametrize(
    ("operation", "tags", "expected"),
    [
        ("chat m", {"gen_ai.operation.name": "chat"}, ("llm", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "text_completion"}, ("llm", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "generate_content"}, ("llm", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "embeddings"}, ("llm", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "invoke_agent"}, ("agent", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "create_agent"}, ("agent", "OTel GenAI", None)),
        ("x", {"gen_ai.operation.name": "retrieval"}, ("other", "OTel GenAI", None)),
        (
            "x",
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
            ("tool", "OTel GenAI", "search"),
        ),
        ("execute_tool search", {"gen_ai.operation.name": "execute_tool"}, ("tool", "OTel GenAI", "search")),
        ("call_llm", {"gen_ai.request.model": "m"}, ("llm", "OTel GenAI", None)),
        ("run", {"gen_ai.tool.name": "search", "gen_ai.request.model": "m"}, ("tool", "OTel GenAI", "search")),
        ("x", {"openinference.span.kind": "LLM"}, ("llm", "OpenInference", None)),
        ("x", {"openinference.span.kind": "TOOL", "tool.name": "search"}, ("tool", "OpenInference", "search")),
        ("x", {"openinference.span.kind": "agent"}, ("agent", "OpenInference", None)),
        ("x", {"openinference.span.kind": "RETRIEVER"}, ("other", "OpenInference", None)),
        ("x", {"openinference.span.kind": "EMBEDDING"}, ("llm", "OpenInference", None)),
        ("x", {"openinference.span.kind": "CHAIN"}, ("other", "OpenInference", None)),
        (
            "x",
            {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"},
            ("tool", "Traceloop", "search"),
        ),
        ("x", {"traceloop.span.kind": "workflow"}, ("agent", "Traceloop", None)),
        ("x", {"traceloop.span.kind": "task"}, ("other", "Traceloop", None)),
        ("openai.chat", {"llm.request.type": "chat", "gen_ai.request.model": "m"}, ("llm", "Traceloop", None)),
        (
            "x",
            {**GENKIT, "genkit:metadata:subtype": "tool", "genkit:name": "search"},
            ("tool", "Genkit", "search"),
        ),
        ("x", {**GENKIT, "genkit:metadata:subtype": "model"}, ("llm", "Genkit", None)),
        ("x", {**GENKIT, "genkit:metadata:subtype": "flow"}, ("agent", "Genkit", None)),
        ("x", {**GENKIT, "genkit:metadata:subtype": "retriever"}, ("other", "Genkit", None)),
        ("x", {"genkit:type": "model"}, ("llm", "Genkit", None)),
        ("x", {"genkit:type": "tool", "genkit:name": "search"}, ("tool", "Genkit", "search")),
        ("__search", {**GENKIT, "genkit:metadata:subtype": "tool"}, ("tool", "Station", "__search")),
        ("agent_execution_engine.execute", {}, ("agent", "Station", None)),
        ("dotprompt.execute", {}, ("agent", "Station", None)),
        ("mcp.load_tools", {}, ("other", None, None)),
        ("tools/call search", {}, ("tool", "MCP", "search")),
        ("x", {"mcp.method.name": "tools/call", "gen_ai.tool.name": "search"}, ("tool", "MCP", "search")),
        ("x", {"mcp.method.name": "tools/list"}, ("other", "MCP", None)),
        ("GET /", {"http.method": "GET"}, ("other", None, None)),
        ("__", {}, ("other", None, None)),
        ("x", {"gen_ai.operation.name": ["chat"], "genkit:type": {}}, ("other", "Genkit", None)),
    ],
)
def test_spans_are_told_apart(make_span: MakeSpan, operation: str, tags: dict[str, Any], expected: tuple[str]) -> None:
    found = read(make_span("a", operation=operation, tags=tags))
    assert (found.kind, found.convention, found.name) == expected


@pytest.mark.parametrize(
    ("tags", "arguments", "result"),
    [
        ({"gen_ai.tool.call.arguments": '{"a":1}', "gen_ai.tool.call.result": "r"}, '{"a":1}', "r"),
        ({"input.value": "in", "tool.parameters": "schema", "output.value": "out"}, "in", "out"),
        ({"tool.parameters": '{"b":2}'}, '{"b":2}', None),
        ({"traceloop.entity.input": "in", "traceloop.entity.output": "out"}, "in", "out"),
        ({"genkit:input": '{"c":3}', "genkit:output": "4"}, '{"c":3}', "4"),
        ({"gen_ai.tool.call.arguments": {"d": 4}}, '{"d":4}', None),
        ({}, None, None),
    ],
)
def test_arguments_and_results_are_text(
    make_span: MakeSpan, tags: dict[str, Any], arguments: str | None, result: str | None
) -> None:
    found = read(make_span("a", tags=tags))
    assert (found.arguments(), found.result()) == (arguments, result)


@pytest.mark.parametrize(
    ("tags", "usage"),
    [
        ({}, Usage()),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": "3",
                "gen_ai.usage.cache_read.input_tokens": 2,
            },
            Usage(10, 3, 2),
        ),
        ({"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 3}, Usage(10, 3)),
        ({"llm.token_count.prompt": 10, "llm.token_count.completion": 0, "llm.token_count.total": 10}, Usage(10, 0)),
        ({"genkit:output": '{"usage":{"inputTokens":7,"outputTokens":5,"cachedContentTokens":1}}'}, Usage(7, 5, 1)),
        ({"genkit:output": '{"usage":'}, Usage()),
        ({"genkit:output": '[{"usage":{}}]'}, Usage()),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": -1}, Usage()),
        ({"gen_ai.usage.input_tokens": float("nan"), "gen_ai.usage.output_tokens": 1e300}, Usage()),
        ({"gen_ai.usage.input_tokens": True}, Usage()),
    ],
)
def test_tokens_are_read_and_unknown_is_none(make_span: MakeSpan, tags: dict[str, Any], usage: Usage) -> None:
    assert read(make_span("a", tags=tags)).usage() == usage


@pytest.mark.parametrize(
    ("tags", "model"),
    [
        ({"gen_ai.request.model": "asked", "gen_ai.response.model": "answered"}, "answered"),
        ({"gen_ai.request.model": "asked"}, "asked"),
        ({"llm.model_name": "m"}, "m"),
        ({"genkit:type": "action", "genkit:name": "openai/m"}, "openai/m"),
        ({}, None),
    ],
)
def test_the_model_is_read(make_span: MakeSpan, tags: dict[str, Any], model: str | None) -> None:
    assert read(make_span("a", tags=tags)).model() == model


@pytest.mark.parametrize(
    ("fields", "kind", "error"),
    [
        ({}, "tool", None),
        ({"error": True}, "other", "error"),
        ({"error": True, "tags": {"error": True, "http.status_code": 404}}, "other", "HTTP 404"),
        ({"error": True, "tags": {"error": "lost"}}, "other", "lost"),
        ({"error": True, "tags": {"otel.status_description": "boom", "error.type": "E"}}, "tool", "boom"),
        ({"tags": {"error.type": "timeout"}}, "tool", "timeout"),
        ({"tags": {"genkit:state": "error", "genkit:error": "bad"}}, "tool", "bad"),
        ({"tags": {"exception.message": "bad"}}, "llm", "bad"),
        ({"exception": "E: bad"}, "tool", "E: bad"),
        # Polling with a time-out raises and is handled; a status OK decides it.
        ({"exception": "CancelledError"}, "other", None),
        ({"exception": "E: handled", "tags": {"otel.status_code": "OK"}}, "tool", None),
        (
            {"tags": {"output.value": '{"isError":true,"content":[{"type":"text","text":"no such file"}]}'}},
            "tool",
            "no such file",
        ),
        ({"tags": {"output.value": '{"isError":true}'}}, "tool", "the tool's result says isError"),
        ({"tags": {"output.value": '{"isError":false}'}}, "tool", None),
        ({"tags": {"output.value": 'text with "isError" in it'}}, "tool", None),
        ({"tags": {"output.value": '{"isError":true}'}}, "llm", None),
    ],
)
def test_errors_are_told(make_span: MakeSpan, fields: dict[str, Any], kind: Any, error: str | None) -> None:
    marks = {"tool": "TOOL", "llm": "LLM", "other": "CHAIN"}
    tags = {"openinference.span.kind": marks[kind], **fields.get("tags", {})}
    assert read(make_span("a", **{**fields, "tags": tags})).error() == error


@pytest.mark.parametrize(
    ("outer", "inner", "same"),
    [
        ("search", "search", True),
        ("__search", "search", True),
        ("mcp__files__search", "search", True),
        ("search", "files.search", True),
        ("research", "search", False),
        ("run_code", "search", False),
        ("", "search", False),
    ],
)
def test_a_tool_is_the_same_under_a_prefix(outer: str, inner: str, same: bool) -> None:
    assert conventions.same_tool(outer, inner) is same
