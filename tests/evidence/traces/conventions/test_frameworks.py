"""The spans that agent frameworks write: kind, name, arguments, result, error, model, tokens, messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tasks.evidence.traces.conventions import UNKNOWN_USAGE, Message, ToolAnswer, ToolRequest, Usage, read
from tasks.evidence.traces.spans import Span, SpanEvent

MakeSpan = Callable[..., Span]


def json(value: object) -> str:
    return orjson.dumps(value).decode()


AI = "ai.operationId"
ADK = {"gcp.vertex.agent.event_id": "e"}
STRANDS = {"otel.scope.name": "strands.telemetry.tracer"}
LLAMA_INDEX = {"otel.scope.name": "llamaindex.opentelemetry.tracer"}
PYDANTIC_AI = {"otel.scope.name": "pydantic-ai"}
LITELLM = {"otel.scope.name": "litellm"}
CREWAI_OPENINFERENCE = {"otel.scope.name": "openinference.instrumentation.crewai"}
HAYSTACK_OPENINFERENCE = {"otel.scope.name": "openinference.instrumentation.haystack"}
DSPY = {"otel.scope.name": "openinference.instrumentation.dspy", "openinference.span.kind": "TOOL"}


@pytest.mark.parametrize(
    ("operation", "tags", "expected"),
    [
        ("ai.toolCall", {AI: "ai.toolCall", "ai.toolCall.name": "book"}, ("tool", "AI SDK", "book")),
        ("x", {AI: "ai.generateText.doGenerate", "gen_ai.request.model": "m"}, ("llm", "AI SDK", None)),
        ("x", {AI: "ai.streamText.doStream"}, ("llm", "AI SDK", None)),
        ("x", {AI: "ai.embedMany.doEmbed"}, ("llm", "AI SDK", None)),
        ("x", {AI: "ai.streamText"}, ("agent", "AI SDK", None)),
        ("x", {AI: "ai.embed"}, ("other", "AI SDK", None)),
        ("execute_tool (merged)", {**ADK, "gen_ai.tool.name": "(merged tools)"}, ("other", "Google ADK", None)),
        # OpenInference writes the last LLM call on the agent's span.
        (
            "invoke_agent a",
            {**ADK, "openinference.span.kind": "LLM", "gen_ai.operation.name": "generate_content"},
            ("agent", "Google ADK", None),
        ),
        ("call_llm", {**ADK, "gen_ai.request.model": "m"}, ("llm", "OTel GenAI", None)),
        (
            "running tool",
            {**PYDANTIC_AI, "gen_ai.tool.name": "book"},
            ("tool", "Pydantic AI", "book"),
        ),
        ("running 2 tools", {**PYDANTIC_AI, "tools": '["book"]'}, ("other", None, None)),
        (
            "agent run",
            {**PYDANTIC_AI, "agent_name": "a", "model_name": "m", "gen_ai.usage.input_tokens": 5},
            ("agent", "Pydantic AI", None),
        ),
        ("raw_gen_ai_request", LITELLM, ("llm", "LiteLLM", None)),
        ("litellm_request", {**LITELLM, "gen_ai.operation.name": "chat"}, ("llm", "OTel GenAI", None)),
        # What it writes on the caller's span is the last call's.
        ("run", {"litellm.call_id": "1", "gen_ai.operation.name": "chat"}, ("agent", "LiteLLM", None)),
        (
            "execute_tool book",
            {"litellm.call_id": "1", "gen_ai.operation.name": "chat", "gen_ai.tool.name": "book"},
            ("tool", "LiteLLM", "book"),
        ),
        ("haystack.agent.step.llm", {}, ("llm", "Haystack", None)),
        ("haystack.agent.step.tool", {"haystack.tool.name": "book"}, ("tool", "Haystack", "book")),
        ("haystack.agent.step.tool", {}, ("other", "Haystack", None)),
        ("haystack.agent.step", {}, ("other", "Haystack", None)),
        ("haystack.agent.run", {}, ("agent", "Haystack", None)),
        ("haystack.component.run", {"haystack.component.type": "OpenAIChatGenerator"}, ("llm", "Haystack", None)),
        ("haystack.component.run", {"haystack.component.type": "PromptBuilder"}, ("other", "Haystack", None)),
        (
            "FunctionTool.acall",
            {
                **LLAMA_INDEX,
                "llamaindex.step.input_summary": "ToolCall(tool_name='book', tool_kwargs={'a': 1}, tool_id=",
            },
            ("tool", "LlamaIndex", "book"),
        ),
        ("FunctionTool.call", LLAMA_INDEX, ("tool", "LlamaIndex", "FunctionTool.call")),
        ("OpenAI._prepare_chat_with_tools", LLAMA_INDEX, ("other", "LlamaIndex", None)),
        ("FunctionAgent.run", LLAMA_INDEX, ("agent", "LlamaIndex", None)),
        ("agent_execution_engine.execute", {}, ("agent", "Station", None)),
        (
            "Crew_1.kickoff",
            {**CREWAI_OPENINFERENCE, "openinference.span.kind": "CHAIN"},
            ("agent", "CrewAI", None),
        ),
        ("book.__call__", DSPY, ("tool", "OpenInference", "book")),
        ("book.acall", DSPY, ("tool", "OpenInference", "book")),
        # How dspy's ReAct ends.
        ("finish.__call__", DSPY, ("other", "OpenInference", None)),
        (
            "OpenAI._prepare_chat_with_tools",
            {"otel.scope.name": "openinference.instrumentation.llama_index", "openinference.span.kind": "LLM"},
            ("other", "OpenInference", None),
        ),
        (
            "PromptBuilder",
            {**HAYSTACK_OPENINFERENCE, "openinference.span.kind": "LLM"},
            ("other", "OpenInference", None),
        ),
        (
            "OpenAIChatGenerator",
            {**HAYSTACK_OPENINFERENCE, "openinference.span.kind": "LLM"},
            ("llm", "OpenInference", None),
        ),
        # What was overwritten on the current span: its name is what it had at the start.
        ("execute_tool book", {"gen_ai.operation.name": "chat"}, ("tool", "OTel GenAI", "book")),
        ("invoke_agent a", {"gen_ai.operation.name": "generate_content"}, ("agent", "OTel GenAI", None)),
        ("step", {"traceloop.span.kind": "task", "tool.name": "book"}, ("tool", "Traceloop", "book")),
        (
            "OpenAI.task",
            {"traceloop.span.kind": "task", "gen_ai.operation.name": "chat"},
            ("llm", "OTel GenAI", None),
        ),
        ("MCP send tools/call book", {"mcp.method.name": "tools/call"}, ("tool", "MCP", "book")),
        (
            "book.tool",
            {
                "otel.scope.name": "opentelemetry.instrumentation.mcp.instrumentation",
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "book",
            },
            ("tool", "MCP", "book"),
        ),
    ],
)
def test_spans_are_classified(make_span: MakeSpan, operation: str, tags: dict[str, Any], expected: tuple[str]) -> None:
    found = read(make_span("a", operation=operation, tags=tags))
    assert (found.kind, found.convention, found.name) == expected


@pytest.mark.parametrize(
    ("fields", "arguments", "result", "error"),
    [
        (
            {"tags": {AI: "ai.toolCall", "ai.toolCall.args": '{"a":1}', "ai.toolCall.result": '"ok"'}},
            '{"a":1}',
            '"ok"',
            None,
        ),
        (
            {
                "operation": "haystack.agent.step.tool",
                "tags": {
                    "haystack.tool.name": "book",
                    "haystack.agent.step.tool.input": '{"a":1}',
                    "haystack.agent.step.tool.output": '{"error":"locked"}',
                    "haystack.tool.error": True,
                },
            },
            '{"a":1}',
            '{"error":"locked"}',
            "locked",
        ),
        (
            {
                "operation": "FunctionTool.acall",
                "tags": {
                    **LLAMA_INDEX,
                    "llamaindex.step.input_summary": "ToolCall(tool_name='b', tool_kwargs={'a': 'it, x'}, tool_id='1')",
                },
            },
            '{"a":"it, x"}',
            None,
            None,
        ),
        # A summary that was cut keeps what there is.
        (
            {
                "operation": "FunctionTool.acall",
                "tags": {
                    **LLAMA_INDEX,
                    "llamaindex.step.input_summary": "ToolCall(tool_name='b', tool_kwargs={'a': 'x...",
                },
            },
            "{'a': 'x...",
            None,
            None,
        ),
        (
            {
                "tags": {**STRANDS, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.status": "error"},
                "events": (
                    SpanEvent("gen_ai.tool.message", {"role": "tool", "content": '{"a": 1}'}),
                    SpanEvent("gen_ai.choice", {"message": '[{"text": "Error: locked"}]'}),
                ),
            },
            '{"a": 1}',
            "Error: locked",
            "Error: locked",
        ),
        (
            {
                "tags": {**STRANDS, "gen_ai.operation.name": "execute_tool"},
                "events": (
                    SpanEvent(
                        "gen_ai.client.inference.operation.details",
                        {
                            "gen_ai.input.messages": json(
                                [{"role": "tool", "parts": [{"type": "tool_call", "name": "b", "arguments": {"a": 1}}]}]
                            )
                        },
                    ),
                    SpanEvent(
                        "gen_ai.client.inference.operation.details",
                        {
                            "gen_ai.output.messages": json(
                                [
                                    {
                                        "role": "tool",
                                        "parts": [{"type": "tool_call_response", "id": "1", "response": "ok"}],
                                    }
                                ]
                            )
                        },
                    ),
                ),
            },
            '{"a":1}',
            "ok",
            None,
        ),
        (
            {
                "operation": "running tool",
                "tags": {**PYDANTIC_AI, "gen_ai.tool.name": "b", "tool_arguments": '{"a":1}', "tool_response": "ok"},
            },
            '{"a":1}',
            "ok",
            None,
        ),
        # LangChain's callback hands over the run's metadata too, in which no two calls are the same.
        (
            {
                "tags": {
                    "traceloop.span.kind": "tool",
                    "gen_ai.tool.call.arguments": json({"input_str": "{'a': 1}", "metadata": {"langgraph_step": 3}}),
                    "gen_ai.tool.call.result": json(
                        {"output": {"lc": 1, "kwargs": {"content": "locked", "tool_call_id": "1", "status": "error"}}}
                    ),
                }
            },
            "{'a': 1}",
            "locked",
            "locked",
        ),
        (
            {
                "tags": {
                    "traceloop.span.kind": "tool",
                    "traceloop.entity.input": json({"input_str": "x", "inputs": {"a": 1}}),
                }
            },
            '{"a":1}',
            None,
            None,
        ),
        (
            {
                "tags": {
                    "traceloop.span.kind": "task",
                    "tool.name": "book",
                    "tool.arguments": '{"a": 1}',
                    "traceloop.entity.output": json(
                        {"tool_output": {"blocks": [{"text": "locked"}], "raw_output": "locked", "is_error": True}}
                    ),
                }
            },
            '{"a": 1}',
            json({"tool_output": {"blocks": [{"text": "locked"}], "raw_output": "locked", "is_error": True}}),
            "locked",
        ),
        (
            {
                "operation": "book.tool",
                "tags": {
                    "otel.scope.name": "opentelemetry.instrumentation.mcp.instrumentation",
                    "traceloop.span.kind": "tool",
                    "traceloop.entity.input": json({"tool_name": "book", "arguments": {"a": 1}}),
                    "traceloop.entity.output": json({"result": "locked", "is_error": True}),
                },
            },
            '{"a":1}',
            '{"result":"locked","is_error":true}',
            "locked",
        ),
        ({"tags": {**DSPY, "input.value": '{"kwargs":{"a":1}}'}, "operation": "b.__call__"}, '{"a":1}', None, None),
        (
            {"tags": {"openinference.span.kind": "TOOL", "input.value": '{"args":[7],"kwargs":{"a":1}}'}},
            '{"args":[7],"kwargs":{"a":1}}',
            None,
            None,
        ),
        # ADK's status names the kind of error, its result the reason.
        (
            {
                "error": True,
                "tags": {
                    **ADK,
                    "gen_ai.operation.name": "execute_tool",
                    "error.type": "TOOL_ERROR",
                    "otel.status_description": "TOOL_ERROR",
                    "gcp.vertex.agent.tool_call_args": '{"a":1}',
                    "gcp.vertex.agent.tool_response": '{"error":"locked"}',
                },
            },
            '{"a":1}',
            '{"error":"locked"}',
            "locked",
        ),
        (
            {"error": True, "tags": {**ADK, "gen_ai.tool.name": "b", "error.type": "TOOL_ERROR"}},
            None,
            None,
            "TOOL_ERROR",
        ),
        # A tool is free to return the word.
        (
            {"tags": {"gen_ai.tool.name": "b", "gen_ai.tool.call.result": '{"error":"none"}'}},
            None,
            '{"error":"none"}',
            None,
        ),
        # LangChain's message as a dict.
        (
            {
                "tags": {
                    "openinference.span.kind": "TOOL",
                    "output.value": json(
                        {"type": "tool", "data": {"content": "locked", "tool_call_id": "1", "status": "error"}}
                    ),
                }
            },
            None,
            "locked",
            "locked",
        ),
        # LangChain's message as text.
        (
            {
                "tags": {
                    "gen_ai.tool.name": "b",
                    "gen_ai.tool.call.result": "content='locked' name='b' tool_call_id='1' status='error'",
                }
            },
            None,
            "content='locked' name='b' tool_call_id='1' status='error'",
            "locked",
        ),
    ],
)
def test_a_tools_arguments_result_and_error(
    make_span: MakeSpan, fields: dict[str, Any], arguments: str | None, result: str | None, error: str | None
) -> None:
    found = read(make_span("a", **fields))
    assert (found.kind, found.arguments(), found.result(), found.error()) == ("tool", arguments, result, error)


@pytest.mark.parametrize(
    ("fields", "model", "usage", "response_id"),
    [
        (
            {
                "tags": {
                    AI: "ai.streamText.doStream",
                    "ai.usage.inputTokens": 9,
                    "ai.usage.outputTokens": 3,
                    "ai.usage.cachedInputTokens": 4,
                    "ai.response.model": "m-1",
                    "ai.model.id": "m",
                    "ai.response.id": "r",
                }
            },
            "m-1",
            Usage(9, 3, 4),
            "r",
        ),
        (
            {
                "operation": "raw_gen_ai_request",
                "tags": {
                    **LITELLM,
                    "llm.openai.usage": "{'prompt_tokens': 9, 'completion_tokens': 3, 'total_tokens': None, "
                    "'prompt_tokens_details': {'cached_tokens': 4}}",
                    "llm.openai.model": "m",
                    "llm.openai.id": "r",
                },
            },
            "m",
            Usage(9, 3, 4),
            "r",
        ),
        (
            {
                "operation": "haystack.agent.step.llm",
                "tags": {
                    "haystack.agent.step.llm.output": json(
                        {"replies": [{"meta": {"model": "m", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}}]}
                    )
                },
            },
            "m",
            Usage(9, 3),
            None,
        ),
        (
            {
                "operation": "OpenAI.achat",
                "tags": LLAMA_INDEX,
                "events": (
                    SpanEvent(
                        "LLMChatEndEvent",
                        {
                            "response.raw.model": "m",
                            "response.raw.id": "r",
                            "response.raw.usage.prompt_tokens": "9",
                            "response.raw.usage.completion_tokens": 3,
                            "response.raw.usage.prompt_tokens_details.cached_tokens": 4,
                        },
                    ),
                ),
            },
            "m",
            Usage(9, 3, 4),
            "r",
        ),
        (
            {
                "operation": "OpenAI.complete",
                "tags": LLAMA_INDEX,
                "events": (
                    SpanEvent("LLMCompletionStartEvent", {"model_dict.model_name": "m"}),
                    SpanEvent("LLMCompletionEndEvent", {"response.additional_kwargs.prompt_tokens": 9}),
                ),
            },
            "m",
            Usage(9),
            None,
        ),
        (
            {"operation": "OpenAI.chat", "tags": LLAMA_INDEX, "events": (SpanEvent("LLMChatEndEvent", {}),)},
            None,
            Usage(),
            None,
        ),
    ],
)
def test_an_llms_model_tokens_and_answer(
    make_span: MakeSpan, fields: dict[str, Any], model: str | None, usage: Usage, response_id: str | None
) -> None:
    found = read(make_span("a", **fields))
    assert (found.kind, found.model(), found.usage(), found.response_id()) == ("llm", model, usage, response_id)


@pytest.mark.parametrize(
    ("operation", "tags", "totals"),
    [
        (
            "crewai.workflow",
            {
                "crewai.crew.id": "c",
                "crewai.crew.token_usage": "total_tokens=12 prompt_tokens=9 cached_prompt_tokens=4 completion_tokens=3",
            },
            Usage(9, 3, 4),
        ),
        (
            "Crew_1.kickoff",
            {
                **CREWAI_OPENINFERENCE,
                "crew_id": "c",
                "output.value": json(
                    {"token_usage": {"prompt_tokens": 9, "completion_tokens": 3, "cached_prompt_tokens": 4}}
                ),
            },
            Usage(9, 3, 4),
        ),
        (
            "invoke_workflow crew",
            {
                "otel.scope.name": "openlit.instrumentation.crewai",
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.usage.input_tokens": 9,
                "gen_ai.usage.output_tokens": 3,
            },
            Usage(9, 3),
        ),
        (
            "invoke_agent a",
            {
                **PYDANTIC_AI,
                "agent_name": "a",
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.aggregated_usage.input_tokens": 9,
                "gen_ai.aggregated_usage.output_tokens": 3,
            },
            Usage(9, 3),
        ),
        (
            "invoke_agent a",
            {**STRANDS, "gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9},
            Usage(9),
        ),
        # Elsewhere what stands on an agent's span can be the last call's.
        ("invoke_agent a", {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9}, UNKNOWN_USAGE),
        (
            "ToolCallingAgent.run",
            {
                "otel.scope.name": "openinference.instrumentation.smolagents",
                "openinference.span.kind": "AGENT",
                "llm.token_count.prompt": 9,
            },
            Usage(9),
        ),
    ],
)
def test_the_tokens_of_a_run(make_span: MakeSpan, operation: str, tags: dict[str, Any], totals: Usage) -> None:
    assert read(make_span("a", operation=operation, tags=tags)).totals() == totals


def test_the_model_of_a_crew(make_span: MakeSpan) -> None:
    assert read(make_span("a", tags={"crewai.agent.id": "1", "crewai.agent.llm": "m"})).model() == "m"
    tags = {**CREWAI_OPENINFERENCE, "openinference.span.kind": "CHAIN", "crew_agents": '[{"role":"r","llm":"m"}]'}
    assert read(make_span("a", tags=tags)).model() == "m"


CALL = ToolRequest("c1", "book", '{"place":"Rome"}')
ANSWER = ToolAnswer("c1", "book", "ok", None)


@pytest.mark.parametrize(
    ("fields", "given", "made"),
    [
        (
            {
                "tags": {
                    AI: "ai.generateText.doGenerate",
                    "ai.prompt.messages": json(
                        [
                            {
                                "role": "tool",
                                "content": [
                                    {
                                        "type": "tool-result",
                                        "toolCallId": "c1",
                                        "toolName": "book",
                                        "output": {"type": "text", "value": "ok"},
                                    }
                                ],
                            }
                        ]
                    ),
                    "ai.response.toolCalls": json(
                        [{"toolCallId": "c1", "toolName": "book", "input": '{"place":"Rome"}'}]
                    ),
                }
            },
            (Message("tool", None, (), (ANSWER,)),),
            (Message("assistant", None, (CALL,)),),
        ),
        (
            {
                "operation": "haystack.agent.step.llm",
                "tags": {
                    "haystack.agent.step.llm.input": json(
                        {
                            "messages": [
                                {
                                    "role": "tool",
                                    "content": [
                                        {
                                            "tool_call_result": {
                                                "result": "ok",
                                                "origin": {"tool_name": "book", "id": "c1"},
                                                "error": False,
                                            }
                                        }
                                    ],
                                }
                            ]
                        }
                    ),
                    "haystack.agent.step.llm.output": json(
                        {
                            "replies": [
                                {
                                    "role": "assistant",
                                    "content": [
                                        {"tool_call": {"tool_name": "book", "arguments": {"place": "Rome"}, "id": "c1"}}
                                    ],
                                }
                            ]
                        }
                    ),
                },
            },
            (Message("tool", None, (), (ANSWER._replace(failed=False),)),),
            (Message("assistant", None, (CALL,)),),
        ),
        (
            {
                "operation": "raw_gen_ai_request",
                "tags": {
                    **LITELLM,
                    "llm.openai.messages": "[{'role': 'tool', 'tool_call_id': 'c1', 'name': 'book', 'content': 'ok'}]",
                    "llm.openai.choices": "[{'message': {'content': None, 'role': 'assistant', 'tool_calls': [{"
                    "'id': 'c1', "
                    "'function': {'arguments': '{\"place\":\"Rome\"}', 'name': 'book'}}]}}]",
                },
            },
            (Message("tool", None, (), (ANSWER,)),),
            (Message("assistant", None, (CALL,)),),
        ),
        (
            {
                "tags": {
                    **PYDANTIC_AI,
                    "gen_ai.operation.name": "chat",
                    "events": json(
                        [
                            {
                                "event.name": "gen_ai.tool.message",
                                "role": "tool",
                                "id": "c1",
                                "name": "book",
                                "content": "ok",
                            },
                            {
                                "event.name": "gen_ai.choice",
                                "message": {
                                    "role": "assistant",
                                    "tool_calls": [
                                        {"id": "c1", "function": {"name": "book", "arguments": {"place": "Rome"}}}
                                    ],
                                },
                            },
                        ]
                    ),
                }
            },
            (Message("tool", None, (), (ANSWER,)),),
            (Message("assistant", None, (CALL,)),),
        ),
    ],
)
def test_the_messages_of_a_call(
    make_span: MakeSpan, fields: dict[str, Any], given: tuple[Message, ...], made: tuple[Message, ...]
) -> None:
    found = read(make_span("a", **fields))
    assert (found.input_messages(), found.output_messages()) == (given, made)
