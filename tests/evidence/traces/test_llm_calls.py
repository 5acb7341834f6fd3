"""LLM calls that several instrumentations saw: how many there were, their tokens, models and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.telemetry import summarize

MakeSpan = Callable[..., Span]
SDK = "com.anthropic.sdk.python"
LANGCHAIN = "opentelemetry.instrumentation.langchain"


@pytest.fixture
def chat(make_span: MakeSpan) -> MakeSpan:
    """An LLM's span by ``scope``; ``tokens`` are its input, output and cached tokens."""

    def make(*args: Any, scope: str = SDK, tokens: tuple[int, ...] = (), **fields: Any) -> Span:
        tags = {"gen_ai.operation.name": "chat", "otel.scope.name": scope, **fields.pop("tags", {})}
        names = ("input_tokens", "output_tokens", "cache_read.input_tokens")
        tags |= {f"gen_ai.usage.{name}": count for name, count in zip(names, tokens, strict=False)}
        return make_span(*args, tags=tags, **fields)

    return make


def test_the_librarys_own_span_beside_the_instrumentations_is_the_same_call(
    make_span: MakeSpan, chat: MakeSpan
) -> None:
    spans = [
        make_span("run", None, 0, 10),
        make_span("model", "run", 0, 9),
        chat("outer", "model", 1, 8, scope=LANGCHAIN, tokens=(100, 11, 40), tags={"gen_ai.response.id": "msg_1"}),
        # On the span that was current, which can be any further up.
        chat("own", "run", 2, 7, tokens=(100, 10), tags={"gen_ai.response.id": "msg_1"}),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.llm_seconds) == (1, 7)
    # The innermost is nearest to the provider; what it does not hold the other does.
    assert (summary.input_tokens, summary.output_tokens, summary.cached_tokens) == (100, 10, 40)


def test_without_ids_time_and_tokens_decide(make_span: MakeSpan, chat: MakeSpan) -> None:
    outer = chat("outer", "run", 1, 8, scope=LANGCHAIN, tokens=(100, 10), tags={"gen_ai.request.model": "m"})
    same = chat("own", "run", 2, 7, tokens=(100, 10), tags={"gen_ai.response.model": "m-2026"})
    summary = summarize([make_span("run", None, 0, 10), outer, same])
    assert (summary.llm_calls, summary.input_tokens, summary.models) == (1, 100, ("m-2026",))
    assert summarize([make_span("run", None, 0, 10), outer, chat("own", "run", 2, 7, tokens=(100, 9))]).llm_calls == 2
    assert summarize([make_span("run", None, 0, 10), outer, chat("own", "run", 2, 7)]).llm_calls == 2


def test_two_equal_calls_in_parallel_are_two_by_whoever_sees_them(make_span: MakeSpan, chat: MakeSpan) -> None:
    library = [chat(f"own {number}", "run", 2, 7, tokens=(100, 10)) for number in range(2)]
    outer = [chat(f"outer {number}", "run", 1, 8, scope=LANGCHAIN, tokens=(100, 10)) for number in range(2)]
    for seen in (library, outer, library + outer):
        summary = summarize([make_span("run", None, 0, 10), *seen])
        assert (summary.llm_calls, summary.input_tokens, summary.output_tokens) == (2, 200, 20)


def test_retries_inside_one_call_of_a_framework_are_calls(make_span: MakeSpan, chat: MakeSpan) -> None:
    spans = [
        make_span("run", None, 0, 10),
        chat("outer", "run", 0, 9, scope=LANGCHAIN, tokens=(100, 10)),
        chat("first", "run", 1, 2, error=True, tags={"error.type": "429"}),
        chat("second", "run", 3, 8, tokens=(100, 10)),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.input_tokens, summary.errors) == (2, 100, 1)


def test_a_call_that_fails_in_two_views_is_one_error(make_span: MakeSpan, chat: MakeSpan) -> None:
    spans = [
        make_span("run", None, 0, 10, error=True),
        chat("outer", "run", 0, 9, scope=LANGCHAIN, error=True, tags={"error.type": "overloaded"}),
        chat("own", "run", 1, 8, error=True, tags={"error.type": "529"}),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.errors, summary.error_messages) == (1, 1, ("529",))


def test_a_call_by_an_agent_inside_a_call_is_another(make_span: MakeSpan, chat: MakeSpan) -> None:
    agent = make_span("agent", "outer", 1, 8, tags={"gen_ai.operation.name": "invoke_agent"})
    outer = chat("outer", None, 0, 9, scope=LANGCHAIN, tokens=(100, 10))
    assert summarize([outer, agent, chat("inner", "agent", 2, 7, tokens=(100, 10))]).llm_calls == 2


def test_chains_and_views_beside_each_other_together(make_span: MakeSpan, chat: MakeSpan) -> None:
    """A wrapper around a framework's span, and the library's own beside both."""
    spans = [
        make_span("run", None, 0, 10),
        chat("wrapper", "run", 0, 9, scope="litellm", tokens=(100, 10, 40)),
        chat("inside", "wrapper", 1, 8, scope=LANGCHAIN),
        chat("own", "run", 2, 7, tokens=(100, 10)),
    ]
    summary = summarize(spans)
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens, summary.cached_tokens) == (1, 100, 10, 40)


def test_what_logfire_logs_of_a_stream_is_its_request(make_span: MakeSpan, chat: MakeSpan) -> None:
    """The request ends when the stream begins; an entry beside it has the tokens and the id."""
    request = {"logfire.span_type": "span", "gen_ai.request.model": "m"}
    entry = {"logfire.span_type": "log", "gen_ai.response.id": "chatcmpl-1"}
    spans = [make_span("run", None, 0, 10)]
    for at in (1, 5):
        spans.append(chat(f"request {at}", "run", at, at + 1, scope="logfire.openai", tags=request))
        log = chat(f"log {at}", "run", at + 2, at + 2, scope="logfire.openai", tokens=(50, 5), tags=entry)
        spans.append(log)
    summary = summarize(spans)
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens, summary.models) == (2, 100, 10, ("m",))
    alone = summarize([make_span("run", None, 0, 10), log])
    assert (alone.llm_calls, alone.input_tokens) == (1, 50)


def test_without_spans_of_llm_calls_nothing_is_known_of_them(make_span: MakeSpan) -> None:
    agent = make_span("a", tags={"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"})
    tool = make_span("t", "a", tags={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"})
    summary = summarize([agent, tool])
    assert (summary.llm_calls, summary.llm_seconds, summary.input_tokens, summary.output_tokens) == (None,) * 4
    assert (summary.models, summary.tool_calls_from) == (("m",), "spans")


def test_a_program_that_calls_mcp_tools_itself_calls_no_llm(make_span: MakeSpan) -> None:
    call = make_span("tools/call search", "run", tags={"mcp.method.name": "tools/call"})
    listing = make_span("tools/list", "run", tags={"mcp.method.name": "tools/list"})
    summary = summarize([make_span("run", None, 0, 9), listing, call])
    assert (summary.llm_calls, summary.llm_seconds, summary.input_tokens) == (0, 0, None)
    assert summarize([make_span("run", None, 0, 9), listing]).llm_calls is None


ANSWER = json.dumps(
    [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": 1}}]}]
)
RESULT = json.dumps([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "nothing"}]}])


def test_tool_calls_are_read_from_messages_where_tools_have_no_spans(make_span: MakeSpan, chat: MakeSpan) -> None:
    spans = [
        make_span("run", None, 0, 10),
        chat("one", "run", 1, 2, tags={"gen_ai.output.messages": ANSWER}),
        chat("two", "run", 4, 5, tags={"gen_ai.input.messages": RESULT}),
    ]
    summary = summarize(spans)
    (call,) = summary.tool_calls
    assert (call.name, call.arguments, call.result, call.error) == ("search", '{"q":1}', "nothing", None)
    assert (call.start_seconds, call.duration_seconds, call.span_id) == (2, None, "")
    assert (summary.tool_calls_from, summary.tool_seconds) == ("messages", None)
    tool = make_span("t", "run", 3, 4, tags={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "other"})
    assert [call.name for call in summarize([*spans, tool]).tool_calls] == ["other"]


def test_the_messages_of_another_view_are_read_too(make_span: MakeSpan, chat: MakeSpan) -> None:
    known: dict[str, Any] = {"gen_ai.response.id": "msg_1"}
    spans = [
        make_span("run", None, 0, 10),
        chat("outer", "run", 0, 9, scope=LANGCHAIN, tags={**known, "gen_ai.output.messages": ANSWER}),
        chat("own", "run", 1, 8, tags=known),
    ]
    assert [call.name for call in summarize(spans).tool_calls] == ["search"]


@pytest.mark.parametrize(
    ("tags", "read_from"),
    [
        ({"gen_ai.response.finish_reasons": '["stop"]'}, None),
        ({"gen_ai.response.finish_reasons": '["tool_calls"]'}, None),
        ({"gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hi"}]}]'}, "messages"),
        (
            {
                "gen_ai.output.messages": '[{"role":"assistant","parts":[]}]',
                "gen_ai.response.finish_reasons": '["tool_call"]',
            },
            None,
        ),
        ({}, None),
    ],
)
def test_no_tool_call_is_known_only_where_a_call_shows_it(
    chat: MakeSpan, tags: dict[str, Any], read_from: str | None
) -> None:
    summary = summarize([chat("a", tags=tags)])
    assert (summary.tool_calls, summary.tool_calls_from) == ((), read_from)
    assert summary.tool_seconds == (0 if read_from else None)
