"""The recordings of one scripted story by many frameworks, read as runs: agent, task, answer, status, tool calls."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from benchmarks.span_reading import UNREADABLE, Recording, load_recordings
from tasks.sources.spans.runs import build_run_row, find_trace_runs

_TASK = "Tell me the weather in Paris and Rome, the time in Rome, and book a table in Rome."
_RESPONSE = "The weather in Paris is sunny, Rome is 12C at noon, and the booking is made."
_RECORDINGS = {recording.name: recording for recording in load_recordings()}
# Where the application named no agent: the framework's class or graph, the root of the trace, else the service.
_NAMED = {
    "dspy": "ReAct",
    "langchain": "LangGraph",
    "litellm": "run",
    "llamaindex-nostream": "FunctionAgent",
    "raw": "run",
    "smolagents": "ToolCallingAgent",
    "haystack": "haystack__own",
    "langchain-sync__otel-genai-langchain": "langchain-sync__otel-genai-langchain",
    "raw-openai-decorated": "travel",
}
# No span of an agent or of an LLM call: a program that calls tools, and one whose calls were not recorded.
_WITHOUT_RUNS = {"mcp1-client__traceloop-mcp", "raw-openai-responses__otel-openai-v2"}
_SEVERAL_RUNS = {"openai-agents-as-tool__traceloop-openai-agents"}
# Their instrumentation was not to record texts, or writes none.
_WITHOUT_TASK = {
    "autogen-team__own",
    "crewai__openinference-crewai",
    "google-adk__own",
    "openai-agents-sync-responses__otel-genai-openai-agents",
    "raw-anthropic-sync__sdk-own",
    "raw-openai-async__otel-openai-v2",
    "semantic-kernel-sync__own",
}
_WITHOUT_RESPONSE = {
    "autogen-team__own",
    "crewai__openinference-crewai",
    "google-adk__own",
    "langchain-run-fails__openinference-langchain",
    "langchain-run-fails__traceloop-langchain",
    "openai-agents-sync-responses__otel-genai-openai-agents",
    "raw-anthropic-sync__sdk-own",
    "raw-openai-async__otel-openai-v2",
}
_ONE_RUN = [recording for name, recording in _RECORDINGS.items() if name not in _WITHOUT_RUNS | _SEVERAL_RUNS]


def _agent(name: str) -> str:
    return next((_NAMED[start] for start in sorted(_NAMED, key=len, reverse=True) if name.startswith(start)), "travel")


@pytest.mark.parametrize("recording", _ONE_RUN, ids=[recording.name for recording in _ONE_RUN])
def test_a_recording_is_one_run_of_its_agent(recording: Recording) -> None:
    (run,) = find_trace_runs(recording.spans)
    row = build_run_row(run)
    assert run.agent_name == _agent(recording.name)
    assert row["status"] == ("failed" if "run-fails" in recording.name else "completed")
    assert ("error" in row) == ("run-fails" in recording.name)
    if recording.name not in _WITHOUT_TASK:
        assert _TASK in row["task"]
    if recording.name not in _WITHOUT_RESPONSE:
        assert row["final_response"] == _RESPONSE
    if recording.name not in UNREADABLE:
        expected = recording.expected
        assert row.get("input_tokens") == expected["input_tokens"]
        assert row.get("output_tokens") == expected["output_tokens"]
        assert row.get("model_name") == next(iter(expected["models"] or ()), None)
        calls = json.loads(row.get("tool_calls", "[]"))
        if expected.get("tool_calls") is not None:
            assert Counter(call["name"] for call in calls) == expected["tool_calls"]
        if expected.get("tool_errors") is not None:
            assert sum("error" in call for call in calls) == expected["tool_errors"]


@pytest.mark.parametrize("name", sorted(_WITHOUT_RUNS))
def test_a_trace_without_agent_and_llm_call_is_no_run(name: str) -> None:
    assert find_trace_runs(_RECORDINGS[name].spans) == []


def test_agents_of_one_workflow_are_runs_that_it_started() -> None:
    (recording,) = (_RECORDINGS[name] for name in _SEVERAL_RUNS)
    workflow, *agents = find_trace_runs(recording.spans)
    assert workflow.agent_name == "Agent Workflow"
    assert Counter(run.agent_name for run in agents) == {"booker": 2, "travel": 1}
    assert {run.parent_run_id for run in agents} == {workflow.run_id}
    assert build_run_row(workflow)["input_tokens"] == 3 * 1000
    assert {build_run_row(run)["input_tokens"] for run in agents} == {1000}


@pytest.mark.parametrize(
    ("name", "session_id"),
    [
        ("agno-sync__otel-genai-agno+openai", "bd6bbf14-611b-41fd-9ee5-293b8abbd174"),
        ("agno-sync__openinference-agno", "f3c0376c-f7f9-429b-a94f-e591d6f6e2ba"),
        ("google-adk__openinference-google-adk", "7a3b3cfb-02d9-4f05-8cad-98ff10b9a862"),
        ("pydantic-ai-sync__own-v6", "01a22189-e4b0-7216-8731-6f6258ea9ece"),
    ],
)
def test_the_conversation_is_the_session(name: str, session_id: str) -> None:
    (run,) = find_trace_runs(_RECORDINGS[name].spans)
    assert build_run_row(run)["session_id"] == session_id
