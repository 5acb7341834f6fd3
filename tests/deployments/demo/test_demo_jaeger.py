"""The simulated Jaeger answers as the real ones do, generation by generation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deployments.demo.jaeger import Generation, SimulatedJaeger

WINDOW = {"query.startTimeMin": "2026-03-01T00:00:00Z", "query.startTimeMax": "2026-03-02T00:00:00.000000000Z"}
NOT_THERE = (404, "text/plain; charset=utf-8", "404 page not found\n")


def _trace(trace_id: str) -> dict[str, Any]:
    span = {
        "traceID": trace_id,
        "spanID": "1a",
        "operationName": "execute",
        "references": [],
        "startTime": 1772366400000000,
        "duration": 5,
        "tags": [
            {"key": "run.id", "type": "int64", "value": 12},
            {"key": "error", "type": "bool", "value": True},
        ],
        "logs": [],
        "processID": "p1",
        "warnings": None,
    }
    return {"traceID": trace_id, "spans": [span], "processes": {"p1": {"serviceName": "station", "tags": []}}}


@pytest.fixture(params=["1.x", "2.0", "2.19", "v3"])
def jaeger(request: pytest.FixtureRequest) -> Iterator[SimulatedJaeger]:
    generation: Generation = request.param
    with SimulatedJaeger([_trace("a".zfill(32)), _trace("b" * 32)], generation=generation) as running:
        yield running


def _get(jaeger: SimulatedJaeger, path: str, **params: Any) -> httpx.Response:
    return httpx.get(f"{jaeger.url}{path}", params=params or None)


def _shown(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.headers["content-type"], response.text


def test_one_trace_by_its_id(jaeger: SimulatedJaeger) -> None:
    for text in ("a", "A".zfill(16), "a".zfill(32)):
        answer = _get(jaeger, f"/api/traces/{text}").json()
        assert (len(answer["data"]), answer["total"], answer["errors"]) == (1, 0, None)
    shown = _get(jaeger, "/api/traces/a").json()["data"][0]["traceID"]
    assert shown == ("a".zfill(16) if jaeger.generation == "1.x" else "a".zfill(32))
    missing = _get(jaeger, "/api/traces/c")
    assert missing.status_code == 404
    assert missing.json()["errors"] == [{"code": 404, "msg": "trace not found"}]
    assert _get(jaeger, "/api/traces/nohex").status_code == 400


def test_several_traces_by_their_ids(jaeger: SimulatedJaeger) -> None:
    response = _get(jaeger, "/api/traces", traceID=["a", "c", "b" * 32])
    if jaeger.generation == "v3":
        assert _shown(response) == NOT_THERE
        return
    answer = response.json()
    assert len(answer["data"]) == 2
    assert [(error["msg"], error["traceID"]) for error in answer["errors"]] == [("trace not found", "c".zfill(32))]


def test_search_by_tag(jaeger: SimulatedJaeger) -> None:
    response = _get(jaeger, "/api/traces", service="station", tag="run.id:12")
    if jaeger.generation == "v3":
        assert _shown(response) == NOT_THERE
        return
    assert len(response.json()["data"]) == 2
    assert len(_get(jaeger, "/api/traces", service="station", tag="run.id:12", limit=1).json()["data"]) == 1
    assert len(_get(jaeger, "/api/traces", service="station", tag=["run.id:12", "error:true"]).json()["data"]) == 2
    assert _get(jaeger, "/api/traces", service="station", tag="run.id:13").json()["data"] == []
    assert _get(jaeger, "/api/traces", service="other", tag="run.id:12").json()["data"] == []
    assert _get(jaeger, "/api/traces", service="station", end=5).json()["data"] == []
    assert _get(jaeger, "/api/traces", tag="run.id:12").status_code == 400


def test_search_by_attributes(jaeger: SimulatedJaeger) -> None:
    params = {"query.serviceName": "station", "query.attributes": '{"run.id":"12"}', **WINDOW}
    response = _get(jaeger, "/api/v3/traces", **params)
    if jaeger.generation in ("1.x", "2.0"):
        assert _shown(response) == NOT_THERE
        return
    spans = [
        span
        for resource in response.json()["result"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert {span["traceId"] for span in spans} == {"a".zfill(32), "b" * 32}
    assert spans[0]["startTimeUnixNano"] == "1772366400000000000"
    assert spans[0]["attributes"] == [{"key": "run.id", "value": {"intValue": "12"}}]
    assert spans[0]["status"] == {"code": 2}
    assert "parentSpanId" not in spans[0]
    assert _get(jaeger, "/api/v3/traces", **params | {"query.attributes": "{}"}).status_code == 200
    nothing = _get(jaeger, "/api/v3/traces", **params | {"query.attributes": '{"run.id":"13"}'})
    assert (nothing.status_code, nothing.json()["error"]["httpCode"]) == (404, 404)
    del params["query.startTimeMin"]
    assert _get(jaeger, "/api/v3/traces", **params).status_code == 400


def test_faults_can_be_set(jaeger: SimulatedJaeger) -> None:
    jaeger.broken.add("a".zfill(32))
    assert _get(jaeger, "/api/traces/a").status_code == 500
    assert _get(jaeger, f"/api/traces/{'b' * 32}").status_code == 200
    jaeger.html = True
    assert _get(jaeger, f"/api/traces/{'b' * 32}").text.startswith("<!doctype html>")
    jaeger.fail_with = 503
    assert _get(jaeger, "/anything").status_code == 503


def test_requests_are_counted_over_one_connection(jaeger: SimulatedJaeger) -> None:
    with httpx.Client(base_url=jaeger.url) as client:
        for path in ("/api/traces/a", "/api/traces/b", "/search"):
            client.get(path)
    assert jaeger.requests == ["GET /api/traces/a", "GET /api/traces/b", "GET /search"]
    assert jaeger.most_at_once == 1


def test_a_trace_that_is_added_later_is_found(jaeger: SimulatedJaeger) -> None:
    assert _get(jaeger, "/api/traces/c").status_code == 404
    jaeger.add(_trace("c"))
    assert _get(jaeger, "/api/traces/c").status_code == 200
