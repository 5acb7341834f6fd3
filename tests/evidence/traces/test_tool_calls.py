"""Tool calls that several instrumentations saw are one each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.telemetry import summarize

MakeSpan = Callable[..., Span]


@pytest.fixture
def tool(make_span: MakeSpan) -> MakeSpan:
    """A tool's span by ``scope``, with a name and arguments (JSON text)."""

    def make(*args: Any, scope: str = "framework", name: str = "search", **fields: Any) -> Span:
        tags = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "otel.scope.name": scope}
        if (arguments := fields.pop("arguments", None)) is not None:
            tags["gen_ai.tool.call.arguments"] = arguments
        return make_span(*args, tags=tags | fields.pop("tags", {}), **fields)

    return make


def test_spans_of_two_instrumentations_beside_each_other_are_one_call(make_span: MakeSpan, tool: MakeSpan) -> None:
    failed = {"error.type": "ToolError", "gen_ai.tool.call.result": "no such city"}
    spans = [
        make_span("run", None, 0, 10),
        tool("outer", "run", 1, 8, name="server_search", arguments='{"q": 1}'),
        tool("inner", "run", 2, 7, scope="mcp", arguments='{"q":1}', error=True, tags=failed),
    ]
    summary = summarize(spans)
    (call,) = summary.tool_calls
    assert (call.name, call.duration_seconds) == ("server_search", 7)
    assert (call.result, call.error) == ("no such city", "ToolError")
    assert (summary.errors, summary.repeats) == (1, ())


def test_the_models_id_of_the_call_decides_before_the_arguments(make_span: MakeSpan, tool: MakeSpan) -> None:
    tags = {"gen_ai.tool.call.id": "call_1"}
    spans = [make_span("run", None, 0, 10), tool("a", "run", 1, 3, tags=tags)]
    assert len(summarize([*spans, tool("b", "run", 5, 6, scope="mcp", tags=tags)]).tool_calls) == 1
    assert len(summarize([*spans, tool("b", "run", 5, 6, scope="mcp", name="fetch", tags=tags)]).tool_calls) == 2
    assert len(summarize([*spans, tool("b", "run", 5, 6, tags=tags)]).tool_calls) == 2


@pytest.mark.parametrize(
    ("second", "calls"),
    [
        ({"scope": "mcp", "arguments": "{}"}, 1),
        ({"scope": "framework", "arguments": "{}"}, 2),
        ({"scope": "mcp", "arguments": '{"q":2}'}, 2),
        ({"scope": "mcp"}, 2),
        ({"scope": "mcp", "arguments": "{}", "name": "fetch"}, 2),
    ],
)
def test_calls_are_one_only_if_all_agrees(
    make_span: MakeSpan, tool: MakeSpan, second: dict[str, Any], calls: int
) -> None:
    spans = [make_span("run", None, 0, 10), tool("a", "run", 1, 8, arguments="{}"), tool("b", "run", 2, 7, **second)]
    assert len(summarize(spans).tool_calls) == calls


def test_equal_calls_in_parallel_are_as_many_as_each_instrumentation_saw(make_span: MakeSpan, tool: MakeSpan) -> None:
    seen = [
        tool(f"{scope} {number}", "run", 1, 8, scope=scope, arguments="{}") for scope in "ab" for number in range(3)
    ]
    summary = summarize([make_span("run", None, 0, 10), *seen])
    assert (len(summary.tool_calls), summary.repeats[0].calls) == (3, 3)


def test_a_call_inside_an_agent_that_a_tool_runs_is_another(make_span: MakeSpan, tool: MakeSpan) -> None:
    agent = make_span("agent", "a", 2, 7, tags={"gen_ai.operation.name": "invoke_agent"})
    spans = [tool("a", None, 1, 8, arguments="{}"), agent, tool("b", "agent", 3, 6, scope="mcp", arguments="{}")]
    assert len(summarize(spans).tool_calls) == 2
