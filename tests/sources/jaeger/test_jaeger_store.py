"""Jaeger's search, spoken by a function: no pages, a limit, whole traces of several services, both versions."""

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

_START = datetime(2026, 11, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
ApiOf = Callable[..., StoreApi]


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


class _Jaeger:
    """Trace N began N minutes after the start and has a span of "shop", and an hour later one of "mail"."""

    def __init__(self, traces: int, version: str = "v1", large: int = 10**9) -> None:
        self.version = version
        self.large = large
        self.searches: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.starts = {number: _us(_START + timedelta(minutes=number)) for number in range(1, traces + 1)}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, params = request.url.path, request.url.params
        if ("/v3/" in path) != (self.version == "v3"):
            return httpx.Response(404, text="404 page not found")
        if path.endswith("/services"):
            names = ["shop", "mail", "jaeger-query"]
            return httpx.Response(200, json={"services": names} if self.version == "v3" else {"data": names})
        if not path.endswith("/traces"):
            number = int(path.rpartition("/")[2], 16)
            if number not in self.starts:
                return httpx.Response(404, json={"data": None, "errors": [{"code": 404, "msg": "trace not found"}]})
            return self._answer([number])
        if self.version == "v3":
            service, limit = params["query.serviceName"], int(params["query.searchDepth"])
            first, last = (_us(datetime.fromisoformat(params[f"query.startTime{end}"])) for end in ("Min", "Max"))
        else:
            service, limit = params["service"], int(params["limit"])
            first, last = int(params["start"]), int(params["end"])
        self.searches[service] += 1
        later = 0 if service == "shop" else 3_600_000_000
        found = [number for number, at in self.starts.items() if first <= at + later < last][:limit]
        self.given[service] += len(found)
        return self._answer(found)

    def _answer(self, numbers: list[int]) -> httpx.Response:
        if len(numbers) > self.large:
            return httpx.Response(200, content=b" " * 70_000)
        if self.version == "v3":
            spans = [self._v3(number, span) for number in numbers for span in ("shop", "mail")]
            return (
                httpx.Response(200, json={"result": {"resourceSpans": spans}})
                if spans
                else httpx.Response(404, json={"error": {"httpCode": 404, "message": "No traces found"}})
            )
        return httpx.Response(200, json={"data": [self._v1(number) for number in numbers]})

    def _v1(self, number: int) -> dict[str, Any]:
        start = self.starts[number]
        spans = [
            {"spanID": "1", "startTime": start, "duration": 5, "processID": "p1"},
            {"spanID": "2", "startTime": start + 3_600_000_000, "duration": 5, "processID": "p2"},
        ]
        processes = {"p1": {"serviceName": "shop"}, "p2": {"serviceName": "mail"}}
        return {"traceID": f"{number:x}", "spans": spans, "processes": processes}

    def _v3(self, number: int, service: str) -> dict[str, Any]:
        start = (self.starts[number] + (0 if service == "shop" else 3_600_000_000)) * 1000
        span = {
            "traceId": f"{number:032x}",
            "spanId": f"{1 if service == 'shop' else 2:016x}",
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 5000),
        }
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        return {"resource": resource, "scopeSpans": [{"spans": [span]}]}


def _numbers(store: JaegerStore, since: datetime | None, until: datetime) -> list[int]:
    return [int(spans[0].trace_id, 16) for spans in store.traces(since, until)]


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_all_traces_are_found_whole_and_once_newest_first(version: str, api_of: ApiOf) -> None:
    jaeger = _Jaeger(60, version)
    store = JaegerStore(api_of(jaeger), traces_at_once=8)
    traces = list(store.traces(None, _START + _DAY))
    assert [int(spans[0].trace_id, 16) for spans in traces] == list(range(60, 0, -1))
    assert {len(spans) for spans in traces} == {2}
    assert {span.service for spans in traces for span in spans} == {"shop", "mail"}


def test_a_window_has_the_traces_that_began_in_it(api_of: ApiOf) -> None:
    store = JaegerStore(api_of(_Jaeger(90)))
    since, until = _START + timedelta(minutes=61), _START + timedelta(minutes=80)
    # Mail's spans in the window belong to traces that began an hour earlier.
    assert _numbers(store, since, until) == list(range(79, 60, -1))


def test_what_is_not_asked_for_is_not_loaded(api_of: ApiOf) -> None:
    jaeger = _Jaeger(1000)
    store = JaegerStore(api_of(jaeger), traces_at_once=8)
    newest = next(iter(store.traces(_START, _START + _DAY)))
    assert int(newest[0].trace_id, 16) == 1000
    assert jaeger.searches.total() < 45


def test_an_answer_that_is_too_long_is_asked_for_in_halves(api_of: ApiOf) -> None:
    store = JaegerStore(api_of(_Jaeger(20, large=3), max_response_bytes=60_000))
    assert _numbers(store, _START, _START + _DAY) == list(range(20, 0, -1))


def test_more_traces_at_one_moment_than_are_asked_for_at_once_are_found(api_of: ApiOf) -> None:
    jaeger = _Jaeger(20)
    jaeger.starts = dict.fromkeys(jaeger.starts, _us(_START))
    assert len(_numbers(JaegerStore(api_of(jaeger), traces_at_once=8), _START, _START + _DAY)) == 20


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_traces_are_fetched_by_id(version: str, api_of: ApiOf) -> None:
    store = JaegerStore(api_of(_Jaeger(3, version)))
    found = store.fetch([f"{2:032x}", f"{9:032x}"])
    assert {trace_id: len(spans) for trace_id, spans in found.items()} == {f"{2:032x}": 2}


def test_no_jaeger_there_is_an_error(api_of: ApiOf) -> None:
    with pytest.raises(SourceError, match="HTTP 404"):
        JaegerStore(api_of(lambda request: httpx.Response(404, text="not here"))).check()


@pytest.mark.parametrize("shuffled", [False, True])
def test_windows_are_as_wide_as_the_limit_of_a_search_allows(api_of: ApiOf, shuffled: bool) -> None:
    """10,000 traces are loaded once but for a burst, where Jaeger answers the newest; else less than twice."""
    jaeger = _Jaeger(10_000)
    jaeger.starts |= {number: _us(_START) - number * 1000 for number in range(1, 501)}
    jaeger.starts = dict(sorted(jaeger.starts.items(), key=lambda item: -item[1]))
    if shuffled:
        jaeger.starts = dict(random.Random(7).sample(list(jaeger.starts.items()), len(jaeger.starts)))
    until = _START + timedelta(minutes=10_001)
    found = _numbers(JaegerStore(api_of(jaeger)), _START - _DAY, until)
    assert sorted(found) == list(range(1, 10_001))
    assert jaeger.given["shop"] < (20_000 if shuffled else 12_500)
    assert jaeger.searches.total() < 400


def test_what_is_too_large_alone_is_left_out(api_of: ApiOf) -> None:
    store = JaegerStore(api_of(_Jaeger(2, large=0), max_response_bytes=60_000))
    assert _numbers(store, _START, _START + timedelta(hours=2)) == []


def test_a_fault_names_the_server_without_credentials(api_of: ApiOf) -> None:
    store = JaegerStore(api_of(lambda _: httpx.Response(401, text="s3cret-word is wrong")))
    with pytest.raises(SourceError, match="401") as error:
        store.check()
    assert "s3cret-word" not in str(error.value)
    assert store.describe() == "Jaeger at http://store:1234/base"
