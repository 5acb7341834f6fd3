"""A Jaeger as a store of spans: whole traces of all services, newest first, in windows that its limit fits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tasks.errors import SourceError
from tasks.sources.jaeger.store import JaegerStore
from tasks.sources.spans.api import StoreApi

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


class _Jaeger:
    """A Jaeger with traces of one span for each service, by number; of more than its limit it gives any."""

    def __init__(self, starts: dict[str, list[datetime]], *, v3: bool = False, bytes_of: int = 0) -> None:
        self.v3 = v3
        self.padding = "x" * bytes_of
        self.asked: list[httpx.URL] = []
        self.sent: Counter[str] = Counter()
        self.traces: list[tuple[str, str, int]] = []
        for service, moments in starts.items():
            for moment in moments:
                self.traces.append((f"{len(self.traces) + 1:032x}", service, _microseconds(moment)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        path, params = request.url.path.removeprefix("/base"), request.url.params
        services = sorted({service for _, service, _ in self.traces} | {"jaeger-query"})
        if path == "/api/services" and not self.v3:
            return httpx.Response(200, json={"data": services, "total": len(services)})
        if path == "/api/v3/services" and self.v3:
            return httpx.Response(200, json={"services": services})
        if path.startswith("/api/traces/"):
            data = [_v1(trace, self.padding) for trace in self.traces if trace[0] == path.removeprefix("/api/traces/")]
            return httpx.Response(200 if data else 404, json={"data": data, "errors": [] if data else [{"code": 404}]})
        if path == "/api/traces" and not self.v3:
            found = self._between(params["service"], int(params["start"]), int(params["end"]), int(params["limit"]))
            return httpx.Response(200, json={"data": [_v1(trace, self.padding) for trace in found]})
        if path == "/api/v3/traces" and self.v3:
            start, end = (
                _microseconds(datetime.fromisoformat(params[f"query.startTime{edge}"])) for edge in ("Min", "Max")
            )
            found = self._between(params["query.serviceName"], start, end, int(params["query.searchDepth"]))
            if not found:
                return httpx.Response(404, json={"error": {"httpCode": 404, "message": "No traces found"}})
            return httpx.Response(200, json={"result": {"resourceSpans": [_v3(trace) for trace in found]}})
        return httpx.Response(404, text="404 page not found")

    def _between(self, service: str, start: int, end: int, limit: int) -> list[tuple[str, str, int]]:
        found = [trace for trace in self.traces if trace[1] == service and start <= trace[2] <= end][:limit]
        self.sent.update(trace[0] for trace in found)
        return found


def _v1(trace: tuple[str, str, int], padding: str = "") -> dict[str, Any]:
    trace_id, service, start = trace
    span = {"traceID": trace_id, "spanID": "00000000000000a1", "operationName": "work", "processID": "p1"}
    tags = [{"key": "text", "type": "string", "value": padding}]
    return {
        "traceID": trace_id,
        "spans": [{**span, "startTime": start, "duration": 5, "tags": tags}],
        "processes": {"p1": {"serviceName": service}},
    }


def _v3(trace: tuple[str, str, int]) -> dict[str, Any]:
    trace_id, service, start = trace
    span = {"traceId": trace_id, "spanId": "00000000000000a1", "name": "work", "startTimeUnixNano": str(start * 1000)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resource": resource, "scopeSpans": [{"spans": [span]}]}


def _listed(store: JaegerStore, since: datetime | None = NOW - timedelta(days=30)) -> list[tuple[str, int]]:
    return [(spans[0].trace_id, spans[0].start_us) for spans in store.traces(since, NOW)]


@pytest.mark.parametrize("v3", [False, True])
def test_every_trace_of_every_service_comes_once_newest_first(api_of: Callable[..., StoreApi], v3: bool) -> None:
    jaeger = _Jaeger(
        {
            "a": [NOW - timedelta(hours=hours) for hours in (1, 30, 500)],
            "b": [NOW - timedelta(minutes=1)],
            "later": [NOW + timedelta(seconds=1)],
            "before": [NOW - timedelta(days=31)],
        },
        v3=v3,
    )
    found = _listed(JaegerStore(api_of(jaeger)))
    assert [trace_id for trace_id, _ in found] == [trace[0] for trace in jaeger.traces[:4]]
    assert not any(url.params.get("service") == "jaeger-query" for url in jaeger.asked)


@pytest.mark.parametrize("shuffled", [False, True])
def test_windows_are_as_wide_as_the_limit_of_a_search_allows(api_of: Callable[..., StoreApi], shuffled: bool) -> None:
    """10,000 traces are loaded once each but for a burst, whichever of them Jaeger answers."""
    steady = [NOW - timedelta(minutes=minutes, seconds=1) for minutes in range(9_500)]
    burst = [NOW - timedelta(days=20, milliseconds=number) for number in range(500)]
    jaeger = _Jaeger({"a": steady + burst})
    if shuffled:
        random.Random(7).shuffle(jaeger.traces)
    found = _listed(JaegerStore(api_of(jaeger)))
    assert len(found) == len({trace_id for trace_id, _ in found}) == 10_000
    assert [start for _, start in found] == sorted((start for _, start in found), reverse=True)
    assert sum(jaeger.sent.values()) < 12_500, sum(jaeger.sent.values())
    assert len(jaeger.asked) < 250


def test_an_answer_that_is_too_large_is_asked_for_in_parts(api_of: Callable[..., StoreApi]) -> None:
    jaeger = _Jaeger({"a": [NOW - timedelta(seconds=seconds + 1) for seconds in range(20)]}, bytes_of=1_000)
    store = JaegerStore(api_of(jaeger, max_response_bytes=4_000))
    assert len(_listed(store)) == 20


def test_a_trace_that_is_too_large_alone_is_left_out(api_of: Callable[..., StoreApi]) -> None:
    jaeger = _Jaeger({"a": [NOW - timedelta(seconds=1)], "b": [NOW - timedelta(seconds=2)]}, bytes_of=8_000)
    assert _listed(JaegerStore(api_of(jaeger, max_response_bytes=4_000)), NOW - timedelta(minutes=1)) == []


def test_traces_are_fetched_by_their_ids(api_of: Callable[..., StoreApi]) -> None:
    jaeger = _Jaeger({"a": [NOW]})
    trace_id = jaeger.traces[0][0]
    found = JaegerStore(api_of(jaeger)).fetch([trace_id, "f" * 32])
    assert {key: [span.service for span in spans] for key, spans in found.items()} == {trace_id: ["a"]}


def test_a_fault_names_the_server_without_credentials(api_of: Callable[..., StoreApi]) -> None:
    store = JaegerStore(api_of(lambda _: httpx.Response(401, text="s3cret-word is wrong")))
    with pytest.raises(SourceError, match="401") as error:
        store.check()
    assert "s3cret-word" not in str(error.value)
    assert store.describe() == "Jaeger at http://store:1234/base"
