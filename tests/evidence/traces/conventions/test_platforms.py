"""The spans that the SDKs of observability platforms write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tasks.evidence.traces.conventions import Message, ToolRequest, Usage, read
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]


def json(value: object) -> str:
    return orjson.dumps(value).decode()


LANGFUSE = "langfuse.observation.type"
LANGSMITH = "langsmith.span.kind"
MLFLOW = "mlflow.spanType"
LOGFIRE = "logfire.msg_template"
AI_MESSAGE = {
    "type": "ai",
    "content": "",
    "tool_calls": [{"name": "book", "args": {"place": "Rome"}, "id": "c1"}],
    "usage_metadata": {"input_tokens": 9, "output_tokens": 3, "input_token_details": {"cache_read": 4}},
    "response_metadata": {"id": "r", "model_name": "m"},
}
LLM_RESULT = json({"generations": [[{"message": {"lc": 1, "type": "constructor", "kwargs": AI_MESSAGE}}]]})
TOOL_FAILED = {"content": "locked", "type": "tool", "name": "book", "tool_call_id": "c1", "status": "error"}


@pytest.mark.parametrize(
    ("operation", "tags", "expected"),
    [
        ("book", {LANGFUSE: "tool"}, ("tool", "Langfuse", "book")),
        ("x", {LANGFUSE: "generation"}, ("llm", "Langfuse", None)),
        ("x", {LANGFUSE: "agent"}, ("agent", "Langfuse", None)),
        ("x", {LANGFUSE: "chain"}, ("other", "Langfuse", None)),
        ("x", {LANGFUSE: ["tool"]}, ("other", "Langfuse", None)),
        ("x", {LANGSMITH: "tool", "gen_ai.tool.name": "book"}, ("tool", "LangSmith", "book")),
        ("x", {LANGSMITH: "llm", "gen_ai.operation.name": "chat"}, ("llm", "LangSmith", None)),
        # It calls a prompt template "chat" and a retriever "embeddings".
        ("x", {LANGSMITH: "prompt", "gen_ai.operation.name": "chat"}, ("other", "LangSmith", None)),
        ("x", {LANGSMITH: "retriever", "gen_ai.operation.name": "embeddings"}, ("other", "LangSmith", None)),
        ("x", {MLFLOW: '"CHAT_MODEL"'}, ("llm", "MLflow", None)),
        ("x", {MLFLOW: "LLM"}, ("llm", "MLflow", None)),
        ("OpenAI._prepare_chat_with_tools", {MLFLOW: '"LLM"'}, ("other", "MLflow", None)),
        ("x", {MLFLOW: '"AGENT"'}, ("agent", "MLflow", None)),
        ("x", {MLFLOW: '"RETRIEVER"'}, ("other", "MLflow", None)),
        ("book", {MLFLOW: '"TOOL"'}, ("tool", "MLflow", "book")),
        ("Tool.book", {MLFLOW: '"TOOL"'}, ("tool", "MLflow", "book")),
        ("FunctionTool.acall", {MLFLOW: '"TOOL"', "name": '"book"'}, ("tool", "MLflow", "book")),
        ("SimpleTool.__call__", {MLFLOW: '"TOOL"', "function": '{"name":"book"}'}, ("tool", "MLflow", "book")),
        (
            "ToolManager.handle_call",
            {MLFLOW: '"TOOL"', "mlflow.spanInputs": '{"call":{"tool_name":"book"}}'},
            ("tool", "MLflow", "book"),
        ),
        ("Function: {name}", {LOGFIRE: "Function: {name}", "name": "book"}, ("tool", "Logfire", "book")),
        ("x", {LOGFIRE: "Agent run: {name!r}", "name": "a"}, ("agent", "Logfire", None)),
        ("x", {LOGFIRE: "Chat Completion with {x!r}", "gen_ai.request.model": "m"}, ("llm", "OTel GenAI", None)),
        ("x", {LOGFIRE: "hello"}, ("other", None, None)),
    ],
)
def test_spans_are_classified(make_span: MakeSpan, operation: str, tags: dict[str, Any], expected: tuple[str]) -> None:
    found = read(make_span("a", operation=operation, tags=tags))
    assert (found.kind, found.convention, found.name) == expected


@pytest.mark.parametrize(
    ("fields", "arguments", "result", "error"),
    [
        (
            {"tags": {LANGFUSE: "tool", "langfuse.observation.input": '{"a":1}', "langfuse.observation.output": "ok"}},
            '{"a":1}',
            "ok",
            None,
        ),
        (
            {
                "tags": {
                    LANGFUSE: "tool",
                    "langfuse.observation.level": "ERROR",
                    "langfuse.observation.status_message": "locked",
                }
            },
            None,
            None,
            "locked",
        ),
        ({"tags": {LANGFUSE: "tool", "langfuse.observation.output": json(TOOL_FAILED)}}, None, "locked", "locked"),
        (
            {
                "tags": {
                    LANGSMITH: "tool",
                    "gen_ai.prompt": '{"a":1}',
                    "gen_ai.completion": json({"output": TOOL_FAILED}),
                }
            },
            '{"a":1}',
            "locked",
            "locked",
        ),
        (
            {"tags": {MLFLOW: '"TOOL"', "mlflow.spanInputs": '{"a": 1}', "mlflow.spanOutputs": json(TOOL_FAILED)}},
            '{"a": 1}',
            "locked",
            "locked",
        ),
        (
            {
                "tags": {
                    MLFLOW: '"TOOL"',
                    "mlflow.spanInputs": json("{'a': 1}"),
                    "mlflow.spanOutputs": json("content='locked' tool_call_id='1' status='error'"),
                }
            },
            "{'a': 1}",
            "content='locked' tool_call_id='1' status='error'",
            "locked",
        ),
        (
            {
                "error": True,
                "tags": {
                    LOGFIRE: "Function: {name}",
                    "input": '{"a":1}',
                    "output": "An error occurred",
                    "error": json({"message": "Error running tool", "data": {"error": "locked"}}),
                },
            },
            '{"a":1}',
            "An error occurred",
            "Error running tool: locked",
        ),
    ],
)
def test_a_tools_arguments_result_and_error(
    make_span: MakeSpan, fields: dict[str, Any], arguments: str | None, result: str | None, error: str | None
) -> None:
    found = read(make_span("a", **fields))
    assert (found.kind, found.arguments(), found.result(), found.error()) == ("tool", arguments, result, error)


@pytest.mark.parametrize(
    ("tags", "model", "usage"),
    [
        # LangChain's callback takes what was cached out of the input, OpenAI's wrapper leaves it in.
        (
            {
                LANGFUSE: "generation",
                "langfuse.observation.model.name": "m",
                "langfuse.observation.usage_details": '{"input":5,"output":3,"total":12,"input_cache_read":4}',
            },
            "m",
            Usage(9, 3, 4),
        ),
        (
            {
                LANGFUSE: "generation",
                "langfuse.observation.usage_details": '{"input":9,"output":3,"total":12,"input_cached_tokens":4}',
            },
            None,
            Usage(9, 3, 4),
        ),
        (
            {
                LANGFUSE: "generation",
                "langfuse.observation.usage_details": json(
                    {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
                ),
            },
            None,
            Usage(9, 3, 4),
        ),
        ({LANGFUSE: "generation", "langfuse.observation.usage_details": "{"}, None, Usage()),
        (
            {
                LANGSMITH: "llm",
                "gen_ai.request.model": "m",
                "gen_ai.usage.input_tokens": 9,
                "gen_ai.usage.output_tokens": 3,
                "langsmith.metadata.usage_metadata": json(AI_MESSAGE["usage_metadata"]),
            },
            "m",
            Usage(9, 3, 4),
        ),
        ({LANGSMITH: "llm", "gen_ai.completion": LLM_RESULT}, None, Usage(9, 3, 4)),
        (
            {
                MLFLOW: '"CHAT_MODEL"',
                "mlflow.llm.model": '"m"',
                "mlflow.chat.tokenUsage": '{"input_tokens":9,"output_tokens":3,"cache_read_input_tokens":4}',
            },
            "m",
            Usage(9, 3, 4),
        ),
        # Anthropic's input leaves out what was cached.
        (
            {
                MLFLOW: '"CHAT_MODEL"',
                "mlflow.message.format": '"anthropic"',
                "mlflow.chat.tokenUsage": '{"input_tokens":5,"output_tokens":3,"cache_read_input_tokens":4}',
            },
            None,
            Usage(9, 3, 4),
        ),
        # Newer versions have added it.
        (
            {
                MLFLOW: '"CHAT_MODEL"',
                "mlflow.message.format": '"anthropic"',
                "mlflow.chat.tokenUsage": '{"input_tokens":9,"output_tokens":3,"cache_read_input_tokens":4}',
                "mlflow.spanOutputs": '{"usage":{"input_tokens":5,"output_tokens":3,"cache_read_input_tokens":4}}',
            },
            None,
            Usage(9, 3, 4),
        ),
        (
            {
                MLFLOW: '"CHAT_MODEL"',
                "mlflow.chat.tokenUsage": '{"input_tokens":9,"output_tokens":3}',
                "mlflow.spanOutputs": LLM_RESULT,
            },
            "m",
            Usage(9, 3, 4),
        ),
        # The Agents SDK: the response's fields are attributes.
        (
            {
                MLFLOW: '"CHAT_MODEL"',
                "model": '"m"',
                "usage": '{"input_tokens":9,"output_tokens":3,"input_tokens_details":{"cached_tokens":4}}',
            },
            "m",
            Usage(9, 3, 4),
        ),
        # The stream had no usage: its zeros are unknown.
        (
            {
                LOGFIRE: "Chat completion with {x!r}",
                "gen_ai.request.model": "m",
                "gen_ai.usage.input_tokens": 0,
                "gen_ai.usage.output_tokens": 0,
                "usage": '{"input_tokens":0,"output_tokens":0,"input_tokens_details":{"cached_tokens":0}}',
            },
            "m",
            Usage(),
        ),
    ],
)
def test_an_llms_model_and_tokens(make_span: MakeSpan, tags: dict[str, Any], model: str | None, usage: Usage) -> None:
    found = read(make_span("a", tags=tags))
    assert (found.kind, found.model(), found.usage()) == ("llm", model, usage)


def test_a_task_of_logfire_sums_up_its_turns(make_span: MakeSpan) -> None:
    usage = '{"input_tokens":9,"output_tokens":3,"cached_input_tokens":4}'
    task = read(make_span("a", tags={LOGFIRE: "Task: x", "sdk_span_type": "task", "usage": usage}))
    turn = read(make_span("a", tags={LOGFIRE: "Turn {turn}", "sdk_span_type": "turn", "usage": usage}))
    assert (task.totals(), turn.totals(), task.usage()) == (Usage(9, 3, 4), Usage(), Usage())


@pytest.mark.parametrize(
    "tags",
    [
        {LANGFUSE: "generation", "langfuse.observation.output": json({"role": "assistant", **AI_MESSAGE})},
        {LANGSMITH: "llm", "gen_ai.completion": LLM_RESULT},
        {MLFLOW: '"CHAT_MODEL"', "mlflow.spanOutputs": LLM_RESULT},
        {
            MLFLOW: '"CHAT_MODEL"',
            "mlflow.spanOutputs": json(
                [{"type": "function_call", "call_id": "c1", "name": "book", "arguments": '{"place":"Rome"}'}]
            ),
        },
        {
            LOGFIRE: "streaming response from {request_data[model]!r} took {duration:.2f}s",
            "gen_ai.request.model": "m",
            "response_data": json(
                {
                    "message": {
                        "role": "assistant",
                        "tool_calls": [{"id": "c1", "function": {"name": "book", "arguments": '{"place":"Rome"}'}}],
                    }
                }
            ),
        },
    ],
)
def test_the_calls_that_a_model_asked_for(make_span: MakeSpan, tags: dict[str, Any]) -> None:
    found = read(make_span("a", tags=tags))
    call = ToolRequest("c1", "book", '{"place":"Rome"}')
    assert found.output_messages() == (Message("assistant", None, (call,)),)


@pytest.mark.parametrize(
    "tags",
    [
        {LANGSMITH: "llm", "gen_ai.completion": LLM_RESULT},
        {MLFLOW: '"CHAT_MODEL"', "mlflow.spanOutputs": LLM_RESULT},
        {MLFLOW: '"CHAT_MODEL"', "mlflow.spanOutputs": '{"id":"r"}'},
        {MLFLOW: '"CHAT_MODEL"', "id": '"r"'},
        {"openinference.span.kind": "LLM", "output.value": LLM_RESULT},
        {"openinference.span.kind": "LLM", "output.value": '{"raw":{"id":"r"}}'},
        {"openinference.span.kind": "LLM", "output.value": '{"id":"r"}'},
        {LOGFIRE: "x", "response_id": "r"},
    ],
)
def test_the_providers_id_of_an_answer(make_span: MakeSpan, tags: dict[str, Any]) -> None:
    assert read(make_span("a", tags=tags)).response_id() == "r"
