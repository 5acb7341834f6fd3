"""Tool calls and their answers in the messages of every provider and framework."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.evidence.traces.conventions import ToolAnswer, ToolRequest
from tasks.evidence.traces.conventions.messages import read_messages

ASKED = ToolRequest("c1", "book", '{"place":"Rome"}')
ARGUMENTS = {"place": "Rome"}
TEXT = '{"place":"Rome"}'


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "book", "arguments": TEXT}}]},
            id="OpenAI chat",
        ),
        pytest.param(
            {"object": "chat.completion", "id": "x", "choices": [{"index": 0, "message": {"tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "book", "arguments": TEXT}}]}}]},
            id="OpenAI response",
        ),
        pytest.param(
            {"id": "resp_1", "output": [
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "book", "arguments": TEXT}],
             "tools": [{"type": "function", "name": "book", "parameters": {"type": "object"}}]},
            id="OpenAI Responses",
        ),
        pytest.param({"type": "custom_tool_call", "call_id": "c1", "name": "book", "input": TEXT}, id="custom tool"),
        pytest.param(
            {"role": "assistant", "content": [{"type": "text", "text": "Let me see"},
                                              {"type": "tool_use", "id": "c1", "name": "book", "input": ARGUMENTS}]},
            id="Anthropic",
        ),
        pytest.param(
            {"candidates": [{"content": {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "book", "args": ARGUMENTS}}]}}]},
            id="Gemini",
        ),
        pytest.param(
            {"parts": [{"function_call": {"id": "c1", "name": "book", "args": ARGUMENTS}}], "role": "model"}, id="ADK"
        ),
        pytest.param(
            {"output": {"message": {"role": "assistant", "content": [
                {"toolUse": {"toolUseId": "c1", "name": "book", "input": ARGUMENTS}}]}}},
            id="Bedrock",
        ),
        pytest.param(
            [{"role": "assistant", "finish_reason": "tool_call", "parts": [
                {"type": "text", "content": ""},
                {"type": "tool_call", "id": "c1", "name": "book", "arguments": ARGUMENTS}]}],
            id="OTel GenAI",
        ),
        pytest.param(
            [{"message": {"role": "assistant",
                          "contents": [{"message_content": {"type": "tool_use"}, "tool_call": {
                              "id": "c1", "function": {"name": "book", "arguments": TEXT}}}],
                          "tool_calls": [{"tool_call": {
                              "id": "c1", "function": {"name": "book", "arguments": TEXT}}}]}}],
            id="OpenInference",
        ),
        pytest.param(
            {"generations": [[{"text": "", "message": {"lc": 1, "type": "constructor", "kwargs": {
                "content": [{"type": "tool_use", "id": "c1", "name": "book", "input": ARGUMENTS}],
                "additional_kwargs": {"tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "book", "arguments": TEXT}}]},
                "tool_calls": [{"name": "book", "args": ARGUMENTS, "id": "c1", "type": "tool_call"}],
                "invalid_tool_calls": []}}}]]},
            id="LangChain",
        ),
        pytest.param(
            {"role": "assistant", "blocks": [], "additional_kwargs": {"tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "book", "arguments": TEXT}}]}},
            id="LlamaIndex before 0.14",
        ),
        pytest.param(
            {"blocks": [{"block_type": "tool_call", "tool_call_id": "c1", "tool_name": "book",
                         "tool_kwargs": ARGUMENTS}]},
            id="LlamaIndex",
        ),
        pytest.param(
            {"replies": [{"role": "assistant", "content": [
                {"tool_call": {"tool_name": "book", "arguments": ARGUMENTS, "id": "c1"}}]}]},
            id="Haystack",
        ),
        pytest.param(
            {"parts": [{"part_kind": "tool-call", "tool_name": "book", "args": TEXT, "tool_call_id": "c1"}]},
            id="pydantic-ai",
        ),
        pytest.param(
            {"message": {"role": "model", "content": [
                {"toolRequest": {"ref": "c1", "name": "book", "input": ARGUMENTS}}]}},
            id="Genkit",
        ),
        pytest.param([{"toolCallId": "c1", "toolName": "book", "input": ARGUMENTS, "type": "tool-call"}], id="AI SDK"),
        pytest.param(
            {"tool_calls": [{"name": "book", "arguments": ARGUMENTS, "id": "c1"}]}, id="flattened by OpenLLMetry"
        ),
    ],
)  # fmt: skip
def test_a_request_is_read_once_in_every_form(message: Any) -> None:
    for value in (message, [message], json.dumps(message)):
        assert [call for found in read_messages(value, "assistant") for call in found.calls] == [ASKED]


@pytest.mark.parametrize(
    ("message", "name", "error"),
    [
        ({"role": "tool", "tool_call_id": "c1", "content": "locked"}, None, None),
        ({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "locked"}]}, None, None),
        ({"role": "function", "name": "book", "content": "locked"}, "book", None),
        ({"type": "function_call_output", "call_id": "c1", "output": "locked"}, None, None),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "locked"}]},
            None,
            None,
        ),
        (
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "is_error": True,
                 "content": [{"type": "text", "text": "locked"}]}]},
            None,
            "locked",
        ),
        ({"role": "user", "content": '[{"type":"tool_result","tool_use_id":"c1","content":"locked"}]'}, None, None),
        ({"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "locked"}]}, None, None),
        ({"role": "tool", "parts": [{"type": "text", "content": "locked"}], "tool_call_id": "c1"}, None, None),
        ({"role": "user", "parts": [{"type": "tool_call_response", "id": "c1", "result": "locked"}]}, None, None),
        ({"type": "tool", "name": "book", "tool_call_id": "c1", "content": "locked"}, "book", None),
        (
            {"lc": 1, "type": "constructor", "kwargs": {
                "content": "locked", "type": "tool", "name": "book", "tool_call_id": "c1", "status": "error"}},
            "book",
            "locked",
        ),
        ({"message": {"role": "tool", "tool_call_id": "c1", "content": "locked"}}, None, None),
        (
            {"toolResult": {"toolUseId": "c1", "status": "error", "content": [{"text": "locked"}]}},
            None,
            "locked",
        ),
        (
            {"tool_call_result": {"result": "locked", "error": True, "origin": {"tool_name": "book", "id": "c1"}}},
            "book",
            "locked",
        ),
        ({"type": "tool-result", "toolCallId": "c1", "toolName": "book", "result": "locked"}, "book", None),
        (
            {"type": "tool-result", "toolCallId": "c1", "toolName": "book",
             "output": {"type": "error-text", "value": "locked"}},
            "book",
            "locked",
        ),
        (
            {"part_kind": "tool-return", "tool_name": "book", "tool_call_id": "c1", "content": "locked"},
            "book",
            None,
        ),
        (
            {"part_kind": "retry-prompt", "tool_name": "book", "tool_call_id": "c1", "content": "locked"},
            "book",
            "locked",
        ),
        ({"toolResponse": {"ref": "c1", "name": "book", "output": "locked"}}, "book", None),
        (
            {"role": "tool", "blocks": [{"block_type": "text", "text": "locked"}],
             "additional_kwargs": {"tool_call_id": "c1", "name": "book"}},
            "book",
            None,
        ),
        ({"content": "locked", "name": "book", "call_id": "c1", "is_error": True}, "book", "locked"),
    ],
)  # fmt: skip
def test_an_answer_is_read_in_every_form(message: Any, name: str | None, error: str | None) -> None:
    call_id = None if message.get("role") == "function" else "c1"
    (found,) = [answer for found in read_messages([message]) for answer in found.answers]
    assert (found.id, found.name, found.result) == (call_id, name, "locked")
    assert bool(found.failed) == (error is not None)


def test_geminis_answers_report_an_error_by_a_key() -> None:
    def answered(response: dict[str, Any]) -> Any:
        (found,) = read_messages({"parts": [{"functionResponse": {"name": "book", "id": "c1", "response": response}}]})
        return found.answers

    assert answered({"error": "locked"}) == (ToolAnswer("c1", "book", '{"error":"locked"}', True),)
    assert answered({"result": "ok"}) == (ToolAnswer("c1", "book", '{"result":"ok"}'),)


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "user", "content": "Please call book"}],
        [{"role": "user", "content": '[{"type": "tool_use", "id": "c1", "name": "book", "input": {}}]'}],
        {"messages": [], "tools": [{"type": "function", "function": {"name": "book", "parameters": {}}}]},
        {"messages": [], "tools": [{"name": "book", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "x"}},
        {"tool_choice": {"type": "function", "function": {"name": "book"}}},
        {"parts": [{"part_kind": "retry-prompt", "content": "not valid JSON"}]},
        [], {}, [None, 3, "x", [[]]],
    ],
)  # fmt: skip
def test_definitions_and_texts_are_no_calls(value: Any) -> None:
    assert [found for found in read_messages(value) if found.calls or found.answers] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Rome is sunny", "Rome is sunny"),
        ("{broken", "{broken"),
        ({"role": "model", "parts": [{"text": "Rome"}, {"text": "is sunny"}]}, "Rome\nis sunny"),
        ({"output": {"message": {"role": "assistant", "content": [{"text": "Rome"}]}}}, "Rome"),
        ({"id": "r", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Rome"}]}]}, "Rome"),
        ({"choices": [{"message": {"role": "assistant", "content": "Rome"}}]}, "Rome"),
    ],
)
def test_the_words_of_a_message_are_read(value: Any, text: str) -> None:
    (found,) = read_messages(value, "assistant")
    assert (found.text, found.calls, found.answers) == (text, (), ())
    assert found.role in ("assistant", "model")


@pytest.mark.parametrize("value", [None, "", 7])
def test_what_holds_no_messages_gives_none(value: object) -> None:
    assert read_messages(value) == ()


def test_calls_without_an_id_stay_apart() -> None:
    call = {"functionCall": {"name": "book", "args": {}}}
    (found,) = read_messages([{"parts": [call, call]}])
    assert found.calls == (ToolRequest(None, "book", "{}"),) * 2


def test_hostile_messages_end() -> None:
    nested: Any = []
    for _ in range(900):
        nested = {"role": "tool", "content": [nested], "tool_calls": [nested], "parts": nested}
        if len(json.dumps(nested)) > 100_000:
            break
    deep: Any = {}
    for _ in range(60):
        deep = {"role": "tool", "content": deep, "tool_calls": [{"tool_calls": [{}]}]}
    assert all(found.calls == () for found in read_messages(deep))
    read_messages(nested)
    read_messages("[" * 100_000)
    read_messages([[[]] * 3_000] * 3_000)
