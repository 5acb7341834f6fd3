"""Tempo's HTTP API as its documentation describes it, spoken by a server on loopback. No real Tempo was asked."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tasks.errors import SourceError
from tasks.evidence.traces.telemetry import summarize
from tasks.sources.spans.api import StoreApi
from tasks.sources.tempo.store import TempoStore

_START = datetime(2026, 11, 1, tzinfo=UTC)
_UNTIL = _START + timedelta(days=3)
ApiOf = Callable[..., StoreApi]


class _Tempo:
    """Trace N began N steps after the start, lasts 2 s, and has a root and a tool's span."""

    def __init__(
        self, traces: int, step: timedelta = timedelta(minutes=10), *, knows_nil: bool = True, version: int = 2
    ) -> None:
        self.traces = {f"{number:032x}": _START + step * number for number in range(1, traces + 1)}
        self.knows_nil = knows_nil
        self.version = version
        self.queries: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()
        self.tenants: set[str | None] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tenants.add(request.headers.get("x-scope-orgid"))
        params, path = request.url.params, request.url.path.removeprefix("/base")
        if path == "/api/search":
            return self._search(params)
        if path.startswith("/api/v2/traces/") and self.version == 1:
            return httpx.Response(404, text="404 page not found")
        trace_id = path.rpartition("/")[2]
        if trace_id not in self.traces:
            return httpx.Response(404, text="trace not found")
        assert int(params["start"]) <= self.traces[trace_id].timestamp() <= int(params["end"])
        self.loaded[trace_id] += 1
        return httpx.Response(200, json=self._trace(trace_id))

    def _search(self, params: httpx.QueryParams) -> httpx.Response:
        query = params["q"]
        self.queries[query] += 1
        if "nil" in query and not self.knows_nil:
            return httpx.Response(400, text="parse error at line 1, col 40: syntax error: unexpected nil")
        start, end = (float(params.get(name, default)) for name, default in (("start", "0"), ("end", "9e9")))
        if end - start > 168 * 3600 and "start" in params:
            return httpx.Response(400, text="range specified by start and end exceeds 168h0m0s")
        within = [
            # Zeros at the start are left out, as Tempo's examples show.
            {
                "traceID": trace_id.lstrip("0"),
                "startTimeUnixNano": f"{began.timestamp():.0f}000000000",
                "durationMs": 2000,
            }
            for trace_id, began in self.traces.items()
            if began.timestamp() < end and began.timestamp() + 2 >= start
        ]
        return httpx.Response(200, json={"traces": within[: int(params["limit"])], "metrics": {"totalBlocks": 3}})

    def _trace(self, trace_id: str) -> dict[str, Any]:
        began = int(self.traces[trace_id].timestamp()) * 1_000_000_000
        spans = [
            {
                "traceId": _base64(trace_id),
                "spanId": _base64(f"{number:016x}"),
                "parentSpanId": _base64(f"{1:016x}") if number == 2 else "",
                "name": "execute_tool book" if number == 2 else "invoke_agent desk",
                "startTimeUnixNano": str(began),
                "endTimeUnixNano": str(began + number * 1_000_000_000),
                "attributes": [
                    _pair("gen_ai.operation.name", "execute_tool" if number == 2 else "invoke_agent"),
                    _pair("gen_ai.tool.name", "book"),
                    _pair("gen_ai.agent.name", "desk"),
                ],
                "status": {"code": "STATUS_CODE_ERROR", "message": "no rooms"} if number == 2 else {},
            }
            for number in (1, 2)
        ]
        scopes, scope = "scopeSpans", "scope"
        if self.version == 1:
            scopes, scope = "instrumentationLibrarySpans", "instrumentationLibrary"
        resource = {"attributes": [_pair("service.name", "desk")]}
        batch = {"resource": resource, scopes: [{scope: {"name": "desk-sdk"}, "spans": spans}]}
        return (
            {"trace": {"resourceSpans": [batch]}, "status": "COMPLETE"} if self.version == 2 else {"batches": [batch]}
        )


def _pair(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


@contextmanager
def _store(api: StoreApi) -> Iterator[TempoStore]:
    store = TempoStore(api)
    try:
        yield store
    finally:
        store.close()


def _numbers(store: TempoStore, since: datetime | None = None, until: datetime = _UNTIL) -> list[int]:
    return [int(spans[0].trace_id, 16) for spans in store.traces(since, until)]


def test_traces_come_newest_first_and_each_is_loaded_once(loopback_api_of: ApiOf) -> None:
    tempo = _Tempo(150)
    with _store(loopback_api_of(tempo, headers={"X-Scope-OrgID": "team"})) as store:
        assert _numbers(store) == list(range(150, 0, -1))
    assert set(tempo.loaded.values()) == {1}
    assert tempo.tenants == {"team"}


def test_a_search_that_is_cut_off_is_made_again_in_halves(api_of: ApiOf) -> None:
    with _store(api_of(_Tempo(700, timedelta(seconds=30)))) as store:
        assert sorted(_numbers(store)) == list(range(1, 701))


def test_more_traces_in_one_second_than_a_search_gives_do_not_make_it_endless(api_of: ApiOf) -> None:
    with _store(api_of(_Tempo(600, timedelta(0)))) as store:
        assert len(_numbers(store)) == 500


def test_times_are_honoured(loopback_api_of: ApiOf) -> None:
    since, until = _START + timedelta(minutes=50), _START + timedelta(minutes=80)
    with _store(loopback_api_of(_Tempo(20))) as store:
        assert _numbers(store, since, until) == [7, 6, 5]


def test_only_traces_with_an_agents_span_are_asked_for(loopback_api_of: ApiOf) -> None:
    tempo = _Tempo(1)
    with _store(loopback_api_of(tempo)) as store:
        list(store.traces(_START, _UNTIL))
    assert all("span.gen_ai.operation.name != nil" in query for query in tempo.queries)
    assert all('span."genkit:type" != nil' in query for query in tempo.queries)


def test_a_version_that_does_not_know_nil_is_asked_for_every_trace(loopback_api_of: ApiOf) -> None:
    tempo = _Tempo(5, knows_nil=False)
    with _store(loopback_api_of(tempo)) as store:
        assert _numbers(store, _START) == [5, 4, 3, 2, 1]
    assert sum(count for query, count in tempo.queries.items() if "nil" in query) == 1


@pytest.mark.parametrize("version", [1, 2])
def test_spans_are_read_as_the_convention_defines(loopback_api_of: ApiOf, version: int) -> None:
    with _store(loopback_api_of(_Tempo(1, version=version))) as store:
        (spans,) = store.traces(_START, _UNTIL)
    summary = summarize(spans)
    assert [(call.name, call.error) for call in summary.tool_calls] == [("book", "no rooms")]
    assert {(span.service, span.tags["otel.scope.name"]) for span in spans} == {("desk", "desk-sdk")}


def test_a_trace_that_is_gone_is_not_there(loopback_api_of: ApiOf) -> None:
    with _store(loopback_api_of(_Tempo(1))) as store:
        assert store.fetch(["f" * 32]) == {}


def test_a_tempo_that_refuses_is_an_error_without_the_password(loopback_api_of: ApiOf) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text="no org id for s3cret-word")

    with (
        _store(loopback_api_of(refuse, user="me:s3cret-word@")) as store,
        pytest.raises(SourceError, match="credentials refused") as error,
    ):
        store.check()
    assert "s3cret" not in f"{error.value} {store.describe()}"
