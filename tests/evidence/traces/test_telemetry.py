"""The summary of a trace: what counts once, what is a union, what is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span, parse_v1
from tasks.evidence.traces.telemetry import summarize
from tasks.evidence.traces.tool_calls import canonical
from tasks.evidence.types import CriticalPath, RepeatedCall, SlowSpan, TelemetrySummary

MakeSpan = Callable[..., Span]
FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def llm(make_span: MakeSpan) -> MakeSpan:
    """An LLM's span; ``tokens`` are its input and output tokens."""

    def make(*args: Any, tokens: tuple[int, int] | None = None, model: str = "m", **fields: Any) -> Span:
        tags = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
        if tokens:
            tags |= {"gen_ai.usage.input_tokens": tokens[0], "gen_ai.usage.output_tokens": tokens[1]}
        return make_span(*args, tags=tags, **fields)

    return make


@pytest.fixture
def tool(make_span: MakeSpan) -> MakeSpan:
    """A tool's span; ``name`` and ``arguments`` (JSON text)."""

    def make(*args: Any, name: str = "search", arguments: str | None = None, **fields: Any) -> Span:
        tags = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        if arguments is not None:
            tags["gen_ai.tool.call.arguments"] = arguments
        return make_span(*args, tags=tags | fields.pop("tags", {}), **fields)

    return make


def test_of_no_spans_nothing_is_known() -> None:
    summary = summarize([])
    assert (summary.spans, summary.depth, summary.wall_seconds, summary.other_seconds) == (0, 0, 0, 0)
    assert (summary.llm_calls, summary.llm_seconds, summary.tool_seconds, summary.tool_calls_from) == (None,) * 4
    assert (summary.input_tokens, summary.output_tokens, summary.critical_path) == (None, None, CriticalPath())


def test_a_trace_of_station_is_summarised() -> None:
    raw = json.loads((FIXTURES / "jaeger_station.json").read_text())
    (spans,) = parse_v1(raw["data"]).values()
    summary = summarize(spans)
    assert (summary.spans, summary.roots, summary.orphans, summary.depth) == (6, 1, 0, 4)
    assert (summary.wall_seconds, summary.llm_seconds, summary.tool_seconds, summary.other_seconds) == (9, 3, 2, 4)
    # The MCP client's span is the same call as the tool's own.
    (call,) = summary.tool_calls
    assert (call.name, call.start_seconds, call.duration_seconds) == ("__read_invoice", 4, 2)
    assert (call.arguments, call.error) == ('{"number":"R-7"}', "*errors.errorString: invoice R-7 is locked")
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens) == (1, 1200, 80)
    assert (summary.models, summary.conventions) == (("openai/gpt-4o-mini",), ("Genkit", "MCP", "Station"))
    assert (summary.errors, summary.error_messages) == (1, ("*errors.errorString: invoice R-7 is locked",))
    assert summary.critical_path == CriticalPath(llm_seconds=3, tool_seconds=2, other_seconds=4)
    assert summary.warnings == ("clock skew adjustment disabled; not applying calculated delta of 2.5ms (×2)",)
    assert TelemetrySummary.model_validate_json(summary.model_dump_json()) == summary


def test_times_are_unions_and_not_sums(make_span: MakeSpan, llm: MakeSpan, tool: MakeSpan) -> None:
    summary = summarize(
        [
            make_span("a", None, 0, 10),
            llm("b", "a", 0, 4),
            llm("c", "a", 2, 5),
            tool("d", "a", 5, 8),
            tool("e", "a", 6, 9, name="fetch"),
        ]
    )
    assert (summary.llm_seconds, summary.tool_seconds, summary.other_seconds) == (5, 4, 1)
    assert summary.wall_seconds == 10


def test_time_that_no_span_covers_is_not_other(make_span: MakeSpan) -> None:
    summary = summarize([make_span("a", None, 0, 1), make_span("b", None, 9, 10)])
    assert (summary.wall_seconds, summary.other_seconds, summary.roots) == (10, 2, 2)


def test_overlapping_instrumentations_count_the_lowest_llm_span(
    make_span: MakeSpan, llm: MakeSpan, tool: MakeSpan
) -> None:
    spans = [
        make_span("a", None, 0, 10),
        llm("call", "a", 0, 9, tokens=(100, 10), model="m"),
        make_span("wrap", "call", 0, 6),
        llm("chat", "wrap", 1, 5, tokens=(90, 9), model="m-2026"),
        tool("tool", "call", 6, 8),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.llm_seconds, summary.tool_seconds) == (1, 4, 2)
    assert (summary.input_tokens, summary.output_tokens, summary.models) == (90, 9, ("m-2026",))


def test_tokens_come_from_above_where_the_lowest_has_none(llm: MakeSpan) -> None:
    spans = [llm("a", None, 0, 9, tokens=(100, 10)), llm("b", "a", 1, 5), llm("c", "a", 5, 8)]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens) == (2, 100, 10)


def test_an_agent_or_tool_between_makes_two_calls(make_span: MakeSpan, llm: MakeSpan, tool: MakeSpan) -> None:
    spans = [
        llm("outer", None, 0, 9, tokens=(100, 10)),
        tool("tool", "outer", 2, 8),
        llm("inner", "tool", 3, 7, tokens=(50, 5)),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens) == (2, 150, 15)
    # Two seconds before the tool, one after it, and the call inside it.
    assert (summary.llm_seconds, summary.tool_seconds) == (7, 6)


def test_tokens_that_nobody_measured_are_none(llm: MakeSpan) -> None:
    summary = summarize([llm("a")])
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens, summary.cached_tokens) == (
        1,
        None,
        None,
        None,
    )


def test_an_agents_own_total_is_not_added(make_span: MakeSpan, llm: MakeSpan) -> None:
    agent = make_span("a", tags={"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 100})
    assert summarize([agent, llm("b", "a", tokens=(100, 1))]).input_tokens == 100


def test_views_of_one_tool_call_are_one_call(make_span: MakeSpan, tool: MakeSpan) -> None:
    failed = {"mcp.method.name": "tools/call", "gen_ai.tool.call.result": '{"isError":true,"content":[{"text":"no"}]}'}
    spans = [
        tool("a", None, 0, 5, name="mcp__files__read"),
        make_span("http", "a", 1, 4),
        make_span("b", "http", 1, 4, "tools/call read", tags=failed | {"gen_ai.tool.call.arguments": "{}"}),
        make_span("c", "b", 2, 3, "tools/call read", tags={"mcp.method.name": "tools/call"}),
    ]
    (call,) = summarize(spans).tool_calls
    assert (call.name, call.arguments, call.error, call.duration_seconds) == ("mcp__files__read", "{}", "no", 5)
    retry = make_span("d", "http", 4, 4.5, "tools/call read", tags={"mcp.method.name": "tools/call"})
    (call,) = summarize([*spans, retry]).tool_calls
    assert call.error is None


def test_a_tool_inside_another_tool_is_a_call_of_its_own(tool: MakeSpan) -> None:
    spans = [tool("a", None, 0, 5, name="run_code"), tool("b", "a", 1, 2), tool("c", "a", 3, 4)]
    summary = summarize(spans)
    assert [call.name for call in summary.tool_calls] == ["run_code", "search", "search"]
    assert summary.tool_seconds == 5


def test_tool_calls_are_in_order_of_start(make_span: MakeSpan, tool: MakeSpan) -> None:
    spans = [make_span("a", None, 10, 20), tool("b", "a", 15, 16, name="late"), tool("c", "a", 11, 12, name="early")]
    assert [(call.name, call.start_seconds) for call in summarize(spans).tool_calls] == [("early", 1), ("late", 5)]


def test_long_texts_and_long_lists_are_cut(make_span: MakeSpan, tool: MakeSpan) -> None:
    spans = [tool(f"{number:04}", None, number, number + 1, arguments=f'"{"x" * 1000}"') for number in range(205)]
    summary = summarize(spans)
    assert (len(summary.tool_calls), summary.tool_calls_left_out) == (200, 5)
    assert summary.tool_calls[0].arguments == f'"{"x" * 399}… [602 more characters]'
    assert summary.repeats[0].calls == 205


def test_the_same_call_is_found_whatever_the_order_of_its_arguments(tool: MakeSpan) -> None:
    spans = [
        tool("a", None, 0, 1, arguments='{"q": "cats", "n": 2}'),
        tool("b", None, 1, 2, arguments='{"n":2,"q":"cats"}'),
        tool("c", None, 2, 3, arguments='{"n":3,"q":"cats"}'),
        tool("d", None, 3, 4, name="other", arguments='{"n":2,"q":"cats"}'),
        # Arguments that were not recorded are not the same arguments.
        tool("e", None, 4, 5),
        tool("f", None, 5, 6),
    ]
    assert summarize(spans).repeats == (RepeatedCall(name="search", arguments='{"n":2,"q":"cats"}', calls=2),)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"b": 1, "a": [1, 2]}', '{"a":[1,2],"b":1}'),
        ('"{\\"b\\": 1, \\"a\\": 2}"', '{"a":2,"b":1}'),
        (" plain text ", "plain text"),
        ('"quoted"', '"quoted"'),
        ("", ""),
    ],
)
def test_arguments_are_made_canonical(arguments: str, expected: str) -> None:
    assert canonical(arguments) == expected


def test_an_error_that_is_passed_up_is_one(make_span: MakeSpan, tool: MakeSpan) -> None:
    spans = [
        make_span("a", None, 0, 9, error=True),
        make_span("b", "a", 0, 9, error=True),
        tool("c", "b", 1, 2, error=True, tags={"error.type": "timeout"}),
        tool("d", "b", 3, 4, error=True, tags={"error.type": "timeout"}),
        make_span("e", "a", 5, 6, "GET", error=True, tags={"http.status_code": 500}),
    ]
    summary = summarize(spans)
    assert (summary.errors, summary.error_messages) == (3, ("timeout", "GET: HTTP 500"))
    assert [call.error for call in summary.tool_calls] == ["timeout", "timeout"]


def test_the_slowest_spans_go_by_self_time(make_span: MakeSpan, llm: MakeSpan) -> None:
    spans = [
        make_span("root", None, 0, 10),
        llm("chat", "root", 1, 9),
        make_span("POST", "chat", 2, 8),
        make_span("late", "root", 9, 12),
        make_span("beside", "root", 8, 9.5),
    ]
    assert summarize(spans).slowest[:4] == (
        SlowSpan(operation="POST", kind="llm", self_seconds=6),
        SlowSpan(operation="late", kind="other", self_seconds=3),
        SlowSpan(operation="chat", kind="llm", self_seconds=2),
        SlowSpan(operation="beside", kind="other", self_seconds=1.5),
    )


def test_the_critical_path_adds_up_to_the_root(make_span: MakeSpan, llm: MakeSpan, tool: MakeSpan) -> None:
    spans = [
        make_span("stray", None, 0, 2),
        make_span("root", None, 0, 10),
        llm("chat", "root", 1, 4),
        make_span("POST", "chat", 1, 4),
        tool("slow", "root", 4, 9),
        tool("beside", "root", 4, 8, name="fetch"),
    ]
    assert summarize(spans).critical_path == CriticalPath(llm_seconds=3, tool_seconds=5, other_seconds=2)


def test_what_is_wrong_with_a_trace_is_reported(make_span: MakeSpan) -> None:
    spans = [make_span("a"), make_span("a"), make_span("b", "c"), make_span("c", "b"), make_span("d", "gone")]
    summary = summarize(spans)
    assert (summary.spans, summary.roots, summary.orphans) == (4, 1, 2)
    assert summary.warnings == ("1 span came twice", "1 cycles of parents")


def test_a_trace_can_be_10_000_deep(make_span: MakeSpan, llm: MakeSpan) -> None:
    spans = [
        make_span(str(number), str(number - 1) if number else None, number, 20_000 - number) for number in range(9_999)
    ]
    spans.append(llm("last", "9998", 9_999, 10_001, tokens=(1, 1)))
    summary = summarize(spans)
    assert (summary.depth, summary.llm_seconds, summary.critical_path.llm_seconds) == (10_000, 2, 2)


def test_nul_characters_do_not_reach_the_warehouse(tool: MakeSpan) -> None:
    (call,) = summarize([tool("a", name="x\0y", arguments="a\0b")]).tool_calls
    assert (call.name, call.arguments) == ("x\ufffdy", "a\ufffdb")


def test_a_large_trace_is_summarised(make_span: MakeSpan, tool: MakeSpan) -> None:
    """A step that went through all spans for each span would not end within the time of a test."""
    spans = [make_span("root", None, 0, 50_000), *(tool(f"{n}", "root", n, n + 2) for n in range(50_000))]
    assert summarize(spans).spans == 50_001
