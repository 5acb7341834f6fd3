"""What real instrumentations wrote about one scripted story is read as it was: a row a recording."""

from __future__ import annotations

import pytest

from benchmarks.span_reading import UNREADABLE, Recording, differences, load_recordings

_RECORDINGS = load_recordings()
# Not read right yet.
_TO_DO = frozenset(
    [
        "ai-sdk5-generateText__own",
        "ai-sdk6-generateText-responses__own",
        "ai-sdk6-streamText__own",
        "crewai__openinference-crewai",
        "dspy-react__openinference-dspy",
        "google-adk__openinference-google-adk",
        "google-adk__own",
        "haystack__own",
        "langchain-anthropic-sync__langsmith-otel",
        "langchain-anthropic-sync__traceloop-langchain",
        "langchain-anthropic-wrapped__langsmith-otel",
        "langchain-handled-error__langsmith-otel",
        "langchain-handled-error__openlit",
        "langchain-stream__traceloop-langchain",
        "langchain-sync__langfuse",
        "langchain-sync__langsmith-otel",
        "langchain-sync__traceloop-langchain",
        "langchain-wrapped__openinference-langchain+openai",
        "litellm__own-otel",
        "llamaindex-nostream__openinference-llama-index",
        "llamaindex-nostream__own-otel",
        "llamaindex-nostream__traceloop-llamaindex",
        "llamaindex-stream__otel-genai-llama-index",
        "mcp1-client__traceloop-mcp",
        "openai-agents-stream-chat__logfire+openai",
        "openai-agents-sync-responses__logfire",
        "raw-anthropic-stream__otel-genai-anthropic",
        "raw-anthropic-stream__traceloop-anthropic",
        "raw-anthropic-sync__openinference-anthropic",
        "raw-openai-responses__otel-genai-openai",
        "raw-openai-responses_stream__openinference-openai",
        "raw-openai-stream__openinference-openai",
        "raw-openai-stream__otel-genai-openai",
        "raw-openai-stream__traceloop-openai",
        "raw-openai-sync__langfuse",
        "raw-openai-sync__openinference-openai",
        "raw-openai-sync__otel-genai-openai",
        "raw-openai-sync__traceloop-openai",
        "smolagents-sync__otel-genai-smolagents",
        "strands-stream__own",
    ]
)


@pytest.mark.parametrize("recording", _RECORDINGS, ids=[recording.name for recording in _RECORDINGS])
def test_a_recording_is_read_right_in_every_field(recording: Recording) -> None:
    found = differences(recording)
    if recording.name in _TO_DO and found:
        pytest.xfail(f"not read yet: {', '.join(found)}")
    if recording.name in UNREADABLE:
        assert found, "this one is read right by now: take it out of UNREADABLE"
    else:
        assert found == {}


def test_only_few_recordings_need_an_explanation() -> None:
    assert len(UNREADABLE) <= 2
    assert UNREADABLE.keys() <= {recording.name for recording in _RECORDINGS}
