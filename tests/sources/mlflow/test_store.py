"""MLflow's REST API, spoken by a function as its server of version 3.17 does: pages, batches, files, and its spans."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from tasks.evidence.traces.telemetry import summarize
from tasks.sources.mlflow.spans import read_spans
from tasks.sources.mlflow.store import MlflowStore
from tasks.sources.spans.api import StoreApi

_START = datetime(2026, 11, 1, tzinfo=UTC)
_UNTIL = _START + timedelta(days=9)
ApiOf = Callable[..., StoreApi]


class _Mlflow:
    """Two experiments; trace N of the first began N minutes after the start: an agent with a tool that fails."""

    def __init__(self, traces: int, *, has_batches: bool = True, text: str = "") -> None:
        self.has_batches = has_batches
        self.text = text
        self.asked: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()
        self.traces = {f"tr-{number:032x}": _START + timedelta(minutes=number) for number in range(1, traces + 1)}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, params = request.url.path.removeprefix("/base"), request.url.params
        self.asked[path] += 1
        if path == "/api/2.0/mlflow/experiments/search":
            token = params.get("page_token")
            row = {"experiment_id": "2", "name": "empty"} if token else {"experiment_id": "1", "name": "desk"}
            return httpx.Response(200, json={"experiments": [row]} | ({} if token else {"next_page_token": "more"}))
        if path == "/api/3.0/mlflow/traces/search":
            return self._search(orjson.loads(request.content))
        if path == "/api/3.0/mlflow/traces/batchGet" and self.has_batches:
            found = [trace_id for trace_id in params.get_list("trace_ids") if trace_id in self.traces]
            self.loaded.update(found)
            traces = [{"trace_info": self._info(each), "spans": _otlp_spans(each, self.text)} for each in found]
            return httpx.Response(200, json={"traces": traces} if traces else {})
        if path == "/ajax-api/2.0/mlflow/get-trace-artifact" and params["request_id"] in self.traces:
            self.loaded[params["request_id"]] += 1
            return httpx.Response(200, json={"spans": _file_spans(params["request_id"])})
        return httpx.Response(404, text="<!doctype html><title>404 Not Found</title>")

    def _search(self, asked: dict[str, Any]) -> httpx.Response:
        assert asked["order_by"] == ["timestamp_ms DESC"]
        if asked["locations"][0]["mlflow_experiment"]["experiment_id"] != "1":
            return httpx.Response(200, json={})
        bounds = {part.split()[1]: int(part.split()[2]) for part in asked["filter"].split(" AND ")}
        within = [
            trace_id
            for trace_id, start in reversed(self.traces.items())
            if bounds.get(">=", 0) <= start.timestamp() * 1000 < bounds["<"]
        ]
        first = int(asked.get("page_token", "0"))
        page = within[first : first + asked["max_results"]]
        following = {"next_page_token": str(first + len(page))} if first + len(page) < len(within) else {}
        return httpx.Response(200, json={"traces": [self._info(each) for each in page]} | following)

    def _info(self, trace_id: str) -> dict[str, Any]:
        return {
            "trace_id": trace_id,
            "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
            "request_time": self.traces[trace_id].isoformat(),
            "state": "OK",
            "trace_metadata": {"mlflow.trace.session": "s1"},
            "tags": {"deployment.environment": "production"},
        }


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _span(trace_id: str, number: int) -> dict[str, Any]:
    return {
        "trace_id": _base64(trace_id.removeprefix("tr-")),
        "span_id": _base64(f"{number:016x}"),
        "name": ("desk", "SimpleTool")[number - 1],
        "start_time_unix_nano": 1_793_491_200_000_000_000,
        "end_time_unix_nano": 1_793_491_201_000_000_000,
        "status": {"code": "STATUS_CODE_ERROR", "message": "no rooms"} if number == 2 else {"code": "STATUS_CODE_OK"},
    } | ({"parent_span_id": _base64(f"{1:016x}")} if number == 2 else {})


def _pair(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def _otlp_spans(trace_id: str, text: str = "") -> list[dict[str, Any]]:
    """As OpenInference's spans come back, with what MLflow adds to them."""
    hotel = {"kvlist_value": {"values": [_pair("hotel", {"string_value": "Savoy"})]}}
    root = [_pair("openinference.span.kind", {"string_value": "AGENT"}), _pair("text", {"string_value": text})]
    tool = [
        _pair("openinference.span.kind", {"string_value": "TOOL"}),
        _pair("tool.name", {"string_value": "book"}),
        _pair("input.value", hotel),
        _pair("mlflow.spanType", {"string_value": "TOOL"}),
        _pair("mlflow.spanInputs", hotel),
    ]
    return [_span(trace_id, 1) | {"attributes": root}, _span(trace_id, 2) | {"attributes": tool}]


def _file_spans(trace_id: str) -> list[dict[str, Any]]:
    """As MLflow's own tracing writes them to a file: every attribute is JSON."""
    return [
        _span(trace_id, 1) | {"attributes": {"mlflow.spanType": '"AGENT"'}},
        _span(trace_id, 2)
        | {"name": "book", "attributes": {"mlflow.spanType": '"TOOL"', "mlflow.spanInputs": '{"hotel": "Savoy"}'}},
    ]


def test_traces_come_whole_newest_first_and_each_once(api_of: ApiOf) -> None:
    mlflow = _Mlflow(520)
    found = list(MlflowStore(api_of(mlflow)).traces(None, _UNTIL))
    assert [f"tr-{spans[0].trace_id}" for spans in found] == list(reversed(mlflow.traces))
    assert {len(spans) for spans in found} == {2}
    assert set(mlflow.loaded.values()) == {1}


def test_spans_are_asked_for_as_they_are_needed(api_of: ApiOf) -> None:
    mlflow = _Mlflow(520)
    next(MlflowStore(api_of(mlflow)).traces(None, _UNTIL))
    assert mlflow.asked["/api/3.0/mlflow/traces/batchGet"] == 1


def test_times_are_handed_on(api_of: ApiOf) -> None:
    since, until = _START + timedelta(minutes=5), _START + timedelta(minutes=8)
    found = MlflowStore(api_of(_Mlflow(20))).traces(since, until)
    assert [int(spans[0].trace_id, 16) for spans in found] == [7, 6, 5]


def test_what_is_too_long_in_one_answer_is_asked_for_in_parts(api_of: ApiOf) -> None:
    store = MlflowStore(api_of(_Mlflow(40, text="x" * 1000), max_response_bytes=30_000))
    assert len(list(store.traces(None, _UNTIL))) == 40


@pytest.mark.parametrize("has_batches", [True, False])
def test_spans_are_read_as_the_convention_defines(api_of: ApiOf, has_batches: bool) -> None:
    (spans,) = MlflowStore(api_of(_Mlflow(1, has_batches=has_batches))).traces(None, _UNTIL)
    summary = summarize(spans)
    assert [(call.name, call.error) for call in summary.tool_calls] == [("book", "no rooms")]
    assert orjson.loads(summary.tool_calls[0].arguments or "") == {"hotel": "Savoy"}
    assert {span.service for span in spans} == {"desk"}
    assert {span.resource.get("deployment.environment") for span in spans} == {"production"}
    assert [span.tags.get("session.id") for span in spans] == ["s1", None]


def test_a_trace_is_fetched_by_its_hex_id(api_of: ApiOf) -> None:
    found = MlflowStore(api_of(_Mlflow(3))).fetch([f"{2:032x}", "f" * 32])
    assert {trace_id: spans[0].service for trace_id, spans in found.items()} == {f"{2:032x}": "desk"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"string_value": "text"}, "text"),
        ({"int_value": "42"}, 42),
        ({"int_value": 42}, 42),
        ({"bool_value": True}, True),
        ({"array_value": {"values": [{"string_value": "a"}, {"int_value": 1}]}}, '["a",1]'),
        ({"array_value": {}}, "[]"),
        (
            {"kvlist_value": {"values": [_pair("a", {"array_value": {"values": [{"bool_value": False}]}})]}},
            '{"a":[false]}',
        ),
        ({}, None),
        (None, None),
        ({"new_kind": 1}, None),
    ],
)
def test_values_of_every_kind(written: Any, read: Any) -> None:
    raw = _span(f"{1:032x}", 1) | {"attributes": [_pair("key", written)]}
    (span,) = read_spans([raw], {}, "desk")
    assert span.tags["key"] == read


def test_a_value_as_deep_as_json_can_be_is_read_without_overflow() -> None:
    value: dict[str, Any] = {"string_value": "deep"}
    for _ in range(300):
        value = {"array_value": {"values": [value]}}
    for attributes in ([_pair("key", value)], {"key": value}):
        assert len(read_spans([_span(f"{1:032x}", 1) | {"attributes": attributes}], {}, "desk")) == 1


@pytest.mark.parametrize("answer", [{}, {"experiments": [None, {"name": "x"}]}, {"experiments": 3}])
def test_what_is_none_of_mlflows_reads_as_nothing(api_of: ApiOf, answer: dict[str, Any]) -> None:
    store = MlflowStore(api_of(lambda _: httpx.Response(200, json=answer)))
    store.check()
    assert list(store.traces(None, _UNTIL)) == []
    assert store.describe() == "MLflow at http://store:1234/base"
