"""Observations of Langfuse as spans, from each of the three places that have them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.evidence.traces.telemetry import summarize
from tasks.sources.langfuse.observations import read_observation

_TRACE = "0af7651916cd43dd8448eb211c80319c"
_FROM_API: dict[str, Any] = {
    "id": "b7ad6b7169203331",
    "traceId": _TRACE,
    "projectId": "p1",
    "parentObservationId": "00f067aa0ba902b7",
    "type": "GENERATION",
    "name": "chat",
    "startTime": "2026-11-01T10:00:00.250Z",
    "endTime": "2026-11-01T10:00:01.250Z",
    "level": "DEFAULT",
    "environment": "production",
    "sessionId": "s1",
    "input": '[{"role": "user", "content": "Weather?"}]',
    "output": '{"role": "assistant", "content": "Sunny"}',
    "providedModelName": "test-model-1",
    "usageDetails": {"input": 160, "output": 20, "total": 220, "input_cached_tokens": 40},
    "totalCost": 0.0125,
}


def test_an_observation_of_the_api_is_a_span() -> None:
    span = read_observation(_FROM_API)
    assert span is not None
    assert (span.trace_id, span.span_id, span.parent_id) == (_TRACE, "b7ad6b7169203331", "00f067aa0ba902b7")
    assert span.end_us - span.start_us == 1_000_000
    assert span.tags["deployment.environment.name"] == "production"
    assert (span.tags["session.id"], span.tags["langfuse.total_cost"]) == ("s1", "0.0125")
    summary = summarize([span])
    assert (summary.llm_calls, summary.input_tokens, summary.output_tokens) == (1, 200, 20)
    assert summary.models == ("test-model-1",)


def test_a_row_of_the_export_is_the_same_span() -> None:
    exported = {
        "id": _FROM_API["id"],
        "trace_id": _TRACE,
        "project_id": "p1",
        "parent_observation_id": _FROM_API["parentObservationId"],
        "type": "GENERATION",
        "name": "chat",
        "start_time": datetime(2026, 11, 1, 10, 0, 0, 250_000),  # noqa: DTZ001 - Parquet's are without a zone
        "end_time": datetime(2026, 11, 1, 10, 0, 1, 250_000, tzinfo=UTC),
        "level": "DEFAULT",
        "environment": "production",
        "session_id": "s1",
        "input": _FROM_API["input"],
        "output": _FROM_API["output"],
        "provided_model_name": "test-model-1",
        "usage_details": [("input", 160), ("output", 20), ("total", 220), ("input_cached_tokens", 40)],
        "total_cost": "0.0125",
    }
    assert read_observation(exported) == read_observation(_FROM_API)


def test_version_1_calls_the_model_and_the_usage_by_other_names() -> None:
    row = {key: value for key, value in _FROM_API.items() if key not in ("providedModelName", "usageDetails")}
    span = read_observation(
        row | {"model": "old-model", "usage": {"input": 7, "output": 3, "total": 10, "unit": "TOKENS"}}
    )
    assert span is not None
    summary = summarize([span])
    assert (summary.input_tokens, summary.output_tokens, summary.models) == (7, 3, ("old-model",))


def test_usage_in_characters_is_no_tokens() -> None:
    row = {key: value for key, value in _FROM_API.items() if key != "usageDetails"}
    span = read_observation(row | {"usage": {"input": 7, "output": 3, "unit": "CHARACTERS"}})
    assert span is not None
    assert summarize([span]).input_tokens is None


def test_level_error_is_a_failure_with_its_message() -> None:
    span = read_observation(
        _FROM_API | {"type": "TOOL", "name": "book", "level": "ERROR", "statusMessage": "RuntimeError: no rooms"}
    )
    assert span is not None
    assert (span.error, span.exception) == (True, "RuntimeError: no rooms")
    call = summarize([span]).tool_calls[0]
    assert (call.name, call.error) == ("book", "RuntimeError: no rooms")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3F2504E0-4F89-11D3-9A0C-0305E82C3301".lower(), "3f2504e04f8911d39a0c0305e82c3301"),
        ("AF7651916CD43DD8448EB211C80319C", "0af7651916cd43dd8448eb211c80319c"),
        ("order-4711", "order-4711"),
    ],
)
def test_ids_of_traces_are_any_text(written: str, read: str) -> None:
    span = read_observation(_FROM_API | {"traceId": written})
    assert span is not None
    assert span.trace_id == read


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"traceId": ""},
        {"startTime": "soon"},
        {"id": {"a": 1}, "startTime": None},
        {"id": "x" * 300},
    ],
)
def test_what_has_no_usable_id_or_start_is_left_out(broken: dict[str, Any]) -> None:
    assert read_observation(_FROM_API | broken) is None


def test_wrong_types_read_as_absent() -> None:
    span = read_observation(
        {
            "id": 5,
            "traceId": "t",
            "startTime": 1_793_527_200,
            "endTime": [],
            "usageDetails": 3,
            "usage": "x",
            "tags": {},
        }
    )
    assert span is not None
    assert (span.span_id, span.end_us, span.operation) == ("5", span.start_us, "span")
