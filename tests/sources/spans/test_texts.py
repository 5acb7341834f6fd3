"""The task and the response of a run, wherever its spans hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.traces.spans import Span
from tasks.sources.spans.runs import build_agent_row, build_run_row, find_trace_runs

MakeSpan = Callable[..., Span]
AGENT = {"openinference.span.kind": "AGENT", "agent.name": "travel"}
LLM = {
    "openinference.span.kind": "LLM",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be kind.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": "Where to?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "To Rome.",
}


def _texts(make_span: MakeSpan, agent: dict[str, Any], *, llm: bool = True) -> tuple[str | None, str | None]:
    spans = [make_span("a", None, 0, 9, tags={**AGENT, **agent})]
    if llm:
        spans.append(make_span("b", "a", 1, 2, tags=LLM))
    (run,) = find_trace_runs(spans)
    row = build_run_row(run)
    return row.get("task"), row.get("final_response")


@pytest.mark.parametrize(
    "written",
    [
        "Book it",
        '"Book it"',
        json.dumps({"task": "Book it", "stream": False}),
        json.dumps({"input_args": {"question": "Book it"}}),
        json.dumps({"args": ["Book it"], "kwargs": {}}),
        json.dumps({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Book it"}]}),
        json.dumps({"messages": [{"type": "human", "data": {"content": "Book it"}}]}),
        json.dumps({"new_message": {"parts": [{"text": "Book it"}], "role": "user"}, "user_id": "u"}),
        json.dumps([{"role": "user", "content": "Hello"}, {"role": "user", "content": "Book it"}]),
    ],
)
def test_the_task_is_the_input_of_the_agents_span(make_span: MakeSpan, written: str) -> None:
    assert _texts(make_span, {"input.value": written})[0] == "Book it"


@pytest.mark.parametrize(
    "written",
    [
        "Done",
        json.dumps({"output": "Done", "steps": 3}),
        json.dumps({"messages": [{"type": "ai", "data": {"type": "ai", "content": "Done"}}]}),
        json.dumps({"messages": [{"role": "user", "content": "Book"}, {"role": "assistant", "content": "Done"}]}),
        json.dumps({"content": {"parts": [{"text": "Done"}], "role": "model"}}),
    ],
)
def test_the_response_is_the_output_of_the_agents_span(make_span: MakeSpan, written: str) -> None:
    assert _texts(make_span, {"output.value": written})[1] == "Done"


@pytest.mark.parametrize("written", ["", "{}", "StopEvent(result=1)", "id='7' source='user'", '{"cut…', '{"ctx": 1}'])
def test_else_they_are_the_messages_of_the_llm_calls(make_span: MakeSpan, written: str) -> None:
    assert _texts(make_span, {"input.value": written, "output.value": written}) == ("Where to?", "To Rome.")


def test_an_object_that_no_name_explains_is_better_than_nothing(make_span: MakeSpan) -> None:
    assert _texts(make_span, {"input.value": '{"ctx": 1}', "output.value": '{"rows": [1]}'}, llm=False) == (
        '{"ctx": 1}',
        '{"rows": [1]}',
    )
    assert _texts(make_span, {"input.value": "{}"}, llm=False) == (None, None)


def test_a_result_with_a_type_is_the_response_as_it_is(make_span: MakeSpan) -> None:
    assert _texts(make_span, {"final_result": '{"answer": "x", "sure": true}'})[1] == '{"answer": "x", "sure": true}'


def test_the_answer_to_a_tool_is_no_response(make_span: MakeSpan) -> None:
    asked = {
        "openinference.span.kind": "LLM",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "book",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
    }
    agent, first = make_span("a", None, 0, 9, tags=AGENT), make_span("b", "a", 1, 2, tags=LLM)
    (run,) = find_trace_runs([agent, first, make_span("c", "a", 3, 4, tags=asked)])
    assert "final_response" not in build_run_row(run)


def test_the_conversation_is_what_each_llm_call_answered(make_span: MakeSpan) -> None:
    again = {**LLM, "llm.output_messages.0.message.content": "To Rome, by train."}
    agent, first = make_span("a", None, 0, 9, tags=AGENT), make_span("b", "a", 1, 2, tags=LLM)
    (run,) = find_trace_runs([make_span("c", "a", 3, 4, tags=again), first, agent])
    assert json.loads(build_run_row(run)["execution_steps"]) == [
        {"role": "user", "content": "Where to?"},
        {"role": "assistant", "content": "To Rome."},
        {"role": "assistant", "content": "To Rome, by train."},
    ]
    (run,) = find_trace_runs([agent])
    assert "execution_steps" not in build_run_row(run)


def _messages(side: str, *written: tuple[str, str]) -> dict[str, Any]:
    return {
        f"llm.{side}_messages.{number}.message.{key}": value
        for number, (role, text) in enumerate(written)
        for key, value in (("role", role), ("content", text))
    }


def test_the_conversation_has_later_users_and_calls_in_order_of_time(make_span: MakeSpan) -> None:
    kind = {"openinference.span.kind": "LLM"}
    opening, offer, yes = ("user", "Change my seat"), ("assistant", "For 5 EUR?"), ("user", "Yes")
    spans = [
        make_span("a", None, 0, 90, tags=AGENT),
        make_span("b", "a", 1, 9, tags=kind | _messages("input", opening) | _messages("output", offer)),
        make_span("c", "a", 10, 12, tags=kind | _messages("input", opening, offer, yes)),
        make_span("d", "a", 20, 22, tags=kind | _messages("input", opening, offer, yes)),
        make_span("t", "a", 30, 40, tags={"openinference.span.kind": "TOOL", "tool.name": "pay"}),
        make_span("e", "a", 50, 60, tags=kind | _messages("output", ("assistant", "Changed."))),
    ]
    (run,) = find_trace_runs(spans)
    assert json.loads(build_run_row(run)["execution_steps"]) == [
        {"role": "user", "content": "Change my seat"},
        {"role": "assistant", "content": "For 5 EUR?"},
        {"role": "user", "content": "Yes"},
        {"role": "assistant", "tool_calls": [{"name": "pay"}]},
        {"role": "assistant", "content": "Changed."},
    ], "a repeated LLM call is given nothing new"


def test_one_message_that_grows_is_no_conversation(make_span: MakeSpan) -> None:
    kind = {"openinference.span.kind": "LLM"}
    spans = [make_span("a", None, 0, 90, tags=AGENT)] + [
        make_span(f"b{number}", "a", number * 10, number * 10 + 5, tags=kind | _messages("input", ("user", text)))
        for number, text in enumerate(["Question", "Question Thought", "Question Thought Thought"])
    ]
    (run,) = find_trace_runs(spans)
    assert json.loads(build_run_row(run)["execution_steps"]) == [{"role": "user", "content": "Question"}]


def test_deep_and_hostile_values_are_no_text(make_span: MakeSpan) -> None:
    deep = "[" * 500 + "]" * 500
    assert _texts(make_span, {"input.value": deep, "output.value": {"a": [{}, None, 7]}}) == ("Where to?", "To Rome.")


def test_the_prompt_is_that_of_the_first_call_in_time(make_span: MakeSpan) -> None:
    later = {**LLM, "llm.input_messages.0.message.content": "Summarize."}
    spans = [make_span("a", None, 0, 9, tags=AGENT), make_span("c", "a", 5, 6, tags=later)]
    (run,) = find_trace_runs([*spans, make_span("b", "a", 1, 2, tags=LLM)])
    assert build_agent_row(run)["prompt"] == "Be kind."
