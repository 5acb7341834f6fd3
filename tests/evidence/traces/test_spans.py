"""Spans from both of Jaeger's JSON forms, and from what no Jaeger should send."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.jaeger_otlp import resource_spans
from tasks.evidence.traces.spans import Span, normalized_trace_id, parse_v1, parse_v3

FIXTURES = Path(__file__).parents[2] / "fixtures"
STATION = "0000000000000000a1b2c3d4e5f60718"


def _v1(**fields: Any) -> Span:
    raw = {"traceID": "ab", "spanID": "1", "operationName": "op", "startTime": 5, "duration": 3, "tags": []}
    (spans,) = parse_v1([{"traceID": "ab", "spans": [raw | fields], "processes": {}}]).values()
    return spans[0]


@pytest.mark.parametrize(
    ("value", "normalized"),
    [
        ("ab", "ab".zfill(32)),
        (" 0xAB ", "ab".zfill(32)),
        ("F" * 32, "f" * 32),
        ("f" * 33, None),
        ("xyz", None),
        ("", None),
        ("0" * 32, None),
        (None, None),
        (17, None),
    ],
)
def test_trace_ids_are_32_hex_digits(value: object, normalized: str | None) -> None:
    assert normalized_trace_id(value) == normalized


def test_v1_spans_are_read() -> None:
    raw = json.loads((FIXTURES / "jaeger_station.json").read_text())
    (spans,) = parse_v1(raw["data"]).values()
    assert {span.trace_id for span in spans} == {STATION}
    outer, load, *_, tool, mcp = spans
    assert (outer.span_id, outer.parent_id, load.parent_id) == ("1a".zfill(16), None, "1a".zfill(16))
    assert (outer.start_us, outer.end_us) == (1772366400000000, 1772366409000000)
    assert outer.tags["run.id"] == 41
    assert (tool.service, mcp.service) == ("station", "invoice-mcp")
    assert tool.exception == "*errors.errorString: invoice R-7 is locked"
    assert load.warnings == ("clock skew adjustment disabled; not applying calculated delta of 2.5ms",)


def test_v3_spans_are_read_and_regrouped_by_trace() -> None:
    traces = parse_v3([json.loads((FIXTURES / "jaeger_otlp.json").read_text())["result"]])
    assert set(traces) == {STATION, "beef".zfill(32)}
    outer, tool, audit, linked = traces[STATION]
    # Ids in base64 and in hex are the same ids; nanoseconds are cut to microseconds.
    assert (outer.span_id, outer.parent_id) == ("1a".zfill(16), None)
    assert (outer.start_us, outer.end_us) == (1772366400000000, 1772366409000000)
    assert outer.tags == {
        "run.id": 41,
        "big": 9007199254740993,
        "list": '["a",2]',
        "map": '{"x":true,"y":[]}',
        "otel.scope.name": "station",
    }
    assert outer.warnings == ("duplicate tag",)
    assert outer.service == "station"
    assert (tool.parent_id, tool.error, tool.exception) == (outer.span_id, True, "ValueError: no such invoice")
    assert (audit.parent_id, audit.follows) == (outer.span_id, True)
    assert (linked.parent_id, linked.end_us) == (None, linked.start_us)


def test_both_forms_of_a_trace_are_the_same(make_trace: Callable[..., dict[str, Any]]) -> None:
    trace = make_trace(5, run_id="7")
    assert parse_v3([{"resourceSpans": resource_spans(trace)}]) == parse_v1([trace])


def test_a_span_has_the_processes_of_its_own_trace() -> None:
    traces = parse_v1(
        {
            "traceID": trace_id,
            "spans": [{"spanID": "1", "processID": "p1"}],
            "processes": {"p1": {"serviceName": f"service-{trace_id}"}},
        }
        for trace_id in ("a", "b")
    )
    assert [spans[0].service for spans in traces.values()] == ["service-a", "service-b"]


def test_a_span_has_the_attributes_of_what_wrote_it() -> None:
    process = {"serviceName": "bot", "tags": [{"key": "deployment.environment.name", "value": "prod"}]}
    span = {"spanID": "1", "processID": "p1"}
    (v1,) = parse_v1([{"traceID": "a", "spans": [span], "processes": {"p1": process}}])["a".zfill(32)]
    attributes = [
        {"key": "service.name", "value": {"stringValue": "bot"}},
        {"key": "deployment.environment.name", "value": {"stringValue": "prod"}},
    ]
    spans = [{"traceId": "a".zfill(32), "spanId": "1".zfill(16)}]
    resource = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}
    (v3,) = parse_v3([{"resourceSpans": [resource]}])["a".zfill(32)]
    assert (v1.service, v1.resource) == (v3.service, v3.resource) == ("bot", {"deployment.environment.name": "prod"})


def test_a_trace_that_comes_twice_is_joined(make_trace: Callable[..., dict[str, Any]]) -> None:
    assert [len(spans) for spans in parse_v1([make_trace(5), make_trace(5)]).values()] == [6]


def _reference(span_id: str, kind: str = "CHILD_OF", trace_id: str = "ab") -> dict[str, str]:
    return {"refType": kind, "traceID": trace_id, "spanID": span_id}


@pytest.mark.parametrize(
    ("references", "parent", "follows"),
    [
        ([], None, False),
        ([_reference("2"), _reference("3")], "2", False),
        ([_reference("2", "FOLLOWS_FROM"), _reference("3")], "3", False),
        ([_reference("2", "FOLLOWS_FROM")], "2", True),
        ([_reference("2", trace_id="cd")], None, False),
        ([_reference("2", trace_id="cd"), _reference("3", trace_id="00ab")], "3", False),
        ([_reference("1")], None, False),
        (["no reference", {"refType": "CHILD_OF"}], None, False),
        (None, None, False),
        (3, None, False),
    ],
)
def test_the_parent_is_a_reference_in_the_same_trace(references: Any, parent: str | None, follows: bool) -> None:
    span = _v1(references=references)
    assert (span.parent_id, span.follows) == (parent and parent.zfill(16), follows)


def test_the_parent_of_old_collectors_is_read() -> None:
    assert _v1(parentSpanID="2").parent_id == "2".zfill(16)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("error", True, True),
        ("error", "true", True),
        ("error", "connection lost", True),
        ("error", False, False),
        ("error", "false", False),
        ("error", "", False),
        ("error", None, False),
        ("otel.status_code", "ERROR", True),
        ("otel.status_code", "OK", False),
    ],
)
def test_errors_are_told_by_their_tags(key: str, value: object, error: bool) -> None:
    assert _v1(tags=[{"key": key, "type": "string", "value": value}]).error is error


def test_an_event_of_opentracing_is_an_exception() -> None:
    fields = [{"key": "event", "value": "error"}, {"key": "message", "value": "it broke"}]
    assert _v1(logs=[{"fields": fields}]).exception == "it broke"


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        ({"startTime": "9007199254740993", "duration": "2"}, 9007199254740993, 9007199254740995),
        ({"startTime": 7.0, "duration": -2}, 7, 7),
        ({"startTime": None, "duration": "soon"}, 0, 0),
        ({"startTime": 1e300, "duration": "9" * 400}, 0, 0),
    ],
)
def test_times_are_whole_microseconds(fields: dict[str, Any], start: int, end: int) -> None:
    span = _v1(**fields)
    assert (span.start_us, span.end_us) == (start, end)


@pytest.mark.parametrize(
    "trace",
    [
        None,
        [],
        "text",
        {},
        {"spans": None},
        {"spans": [None, 3, {}], "traceID": "ab"},
        {"spans": [{"spanID": "1"}], "traceID": "no hex"},
        {"spans": [{"spanID": "no hex"}], "traceID": "ab"},
        {"spans": [{"spanID": 1}], "traceID": "ab", "processes": []},
    ],
)
def test_what_is_no_trace_is_left_out(trace: object) -> None:
    assert parse_v1([trace]) == {}
    assert parse_v3([trace]) == {}


@pytest.mark.parametrize("tags", [None, 3, "text", [None], [{"value": 1}], [{"key": [], "value": 1}], [{"key": "a"}]])
def test_tags_that_are_none_are_left_out(tags: object) -> None:
    assert set(_v1(tags=tags, logs=tags, warnings=3).tags.values()) <= {None}


@pytest.mark.parametrize(
    "fields",
    [
        {"attributes": 3, "events": 3, "links": 3, "status": 3, "startTimeUnixNano": None},
        {"attributes": [None, {"key": "a", "value": 3}, {"key": "b", "value": {"arrayValue": {"values": 3}}}]},
        {"parentSpanId": "%%%%%%%%%%%%", "status": {"code": 9}},
        {"parentSpanId": "AAAAAAAAAAA="},
        {"parentSpanId": "000000000000000a"},
    ],
)
def test_otlp_that_is_none_does_no_harm(fields: dict[str, Any]) -> None:
    raw = {"traceId": "ab".zfill(32), "spanId": "a".zfill(16), "name": "op"} | fields
    traces = parse_v3([{"resourceSpans": [{"scopeSpans": [{"spans": [raw, None]}]}]}])
    (span,) = traces["ab".zfill(32)]
    assert (span.operation, span.parent_id, span.error) == ("op", None, False)


def test_attributes_nested_too_deep_are_absent() -> None:
    value: dict[str, Any] = {"intValue": "1"}
    for _ in range(5000):
        value = {"arrayValue": {"values": [value]}}
    raw = {"traceId": "ab".zfill(32), "spanId": "a".zfill(16), "attributes": [{"key": "deep", "value": value}]}
    traces = parse_v3([{"resourceSpans": [{"scopeSpans": [{"spans": [raw]}]}]}])
    assert traces["ab".zfill(32)][0].tags == {"deep": None}
