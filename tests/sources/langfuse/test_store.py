"""Langfuse's public API as its description has it, spoken by a server on loopback. No real Langfuse was asked."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tasks.errors import SourceError
from tasks.evidence.traces.telemetry import summarize
from tasks.sources.langfuse.store import LangfuseStore
from tasks.sources.spans.api import StoreApi

_START = datetime(2026, 11, 1, tzinfo=UTC)
_UNTIL = _START + timedelta(days=9)
_KEYS = "pk-lf-1234:sk-lf-s3cret@"
# Which fields each group of version 2 has, beside the core.
_GROUPS = {
    "basic": {"name", "level", "statusMessage", "version", "environment", "userId", "sessionId"},
    "io": {"input", "output"},
    "model": {"providedModelName", "modelParameters"},
    "usage": {"usageDetails", "costDetails", "totalCost"},
    "trace_context": {"tags", "release", "traceName"},
}
_CORE = {"id", "traceId", "startTime", "endTime", "projectId", "parentObservationId", "type"}
ApiOf = Callable[..., StoreApi]


class _Langfuse:
    """Trace N began N minutes after the start: an agent with a generation and a tool that fails."""

    def __init__(self, traces: int, *, version: int = 4, text: str = "") -> None:
        self.version = version
        self.asked: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()
        every = [row for number in range(1, traces + 1) for row in self._observations(number, text)]
        self.rows = sorted(every, key=lambda row: row["startTime"], reverse=True)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, params = request.url.path.removeprefix("/base"), request.url.params
        self.asked[path] += 1
        given = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if given not in (_KEYS[:-1], "user:s3cret-word"):
            return httpx.Response(401, json={"message": f"Invalid credentials {given}"})
        if path == "/api/public/projects":
            return httpx.Response(200, json={"data": [{"id": "p1", "name": "desk"}]})
        rows = [row for row in self.rows if self._matches(row, params)]
        if path == "/api/public/v2/observations" and self.version >= 4:
            return self._v2(rows, params)
        if path == "/api/public/observations":
            return self._v1(rows, params)
        return httpx.Response(404, text="<!DOCTYPE html><title>404</title>")

    def _v2(self, rows: list[dict[str, Any]], params: httpx.QueryParams) -> httpx.Response:
        limit, first = int(params["limit"]), int(base64.b64decode(params.get("cursor", "MA==")))
        assert limit <= 1000
        fields = _CORE.union(*(_GROUPS.get(group, set()) for group in params["fields"].split(",")))
        page = [{key: value for key, value in row.items() if key in fields} for row in rows[first : first + limit]]
        self.loaded.update(row["id"] for row in page)
        cursor = {"cursor": base64.b64encode(str(first + limit).encode()).decode()} if first + limit < len(rows) else {}
        return httpx.Response(200, json={"data": page, "meta": cursor})

    def _v1(self, rows: list[dict[str, Any]], params: httpx.QueryParams) -> httpx.Response:
        number, limit = int(params["page"]), int(params["limit"])
        assert limit <= 100
        old = {"providedModelName": "model"}
        page = [
            {old.get(key, key): value for key, value in row.items() if key != "sessionId"}
            for row in rows[(number - 1) * limit : number * limit]
        ]
        self.loaded.update(row["id"] for row in page)
        meta = {"page": number, "limit": limit, "totalItems": len(rows), "totalPages": -(-len(rows) // limit)}
        return httpx.Response(200, json={"data": page, "meta": meta})

    @staticmethod
    def _matches(row: dict[str, Any], params: httpx.QueryParams) -> bool:
        start = datetime.fromisoformat(row["startTime"])
        return (
            start >= datetime.fromisoformat(params.get("fromStartTime", "1970-01-01T00:00:00+00:00"))
            and start < datetime.fromisoformat(params.get("toStartTime", "2100-01-01T00:00:00+00:00"))
            and row["traceId"] == params.get("traceId", row["traceId"])
        )

    @staticmethod
    def _observations(number: int, text: str) -> list[dict[str, Any]]:
        start = _START + timedelta(minutes=number)
        kinds = ("AGENT", "GENERATION", "TOOL")
        return [
            {
                "id": f"{number:012x}{place:04x}",
                "traceId": str(UUID(int=number)),
                "projectId": "p1",
                "parentObservationId": f"{number:012x}{0:04x}" if place else None,
                "type": kind,
                "name": ("desk", "chat", "book")[place],
                "startTime": (start + timedelta(seconds=place)).isoformat(),
                "endTime": (start + timedelta(seconds=9)).isoformat(),
                "level": "ERROR" if kind == "TOOL" else "DEFAULT",
                "statusMessage": "no rooms" if kind == "TOOL" else None,
                "environment": "production",
                "sessionId": "s1",
                "input": f"Book a room. {text}",
                "output": "Booked.",
                "providedModelName": "test-model-1" if kind == "GENERATION" else None,
                "usageDetails": {"input": 200, "output": 20, "total": 220} if kind == "GENERATION" else {},
            }
            for place, kind in enumerate(kinds)
        ]


def _numbers(store: LangfuseStore, since: datetime | None = None, until: datetime = _UNTIL) -> list[int]:
    return [int(spans[0].trace_id, 16) for spans in store.traces(since, until)]


@pytest.mark.parametrize("version", [3, 4])
def test_traces_come_whole_newest_first_and_each_observation_once(loopback_api_of: ApiOf, version: int) -> None:
    langfuse = _Langfuse(400 if version == 4 else 70, version=version)
    store = LangfuseStore(loopback_api_of(langfuse, user=_KEYS))
    found = list(store.traces(None, _UNTIL))
    assert [int(spans[0].trace_id, 16) for spans in found] == list(range(len(found), 0, -1))
    assert {len(spans) for spans in found} == {3}
    assert len(langfuse.loaded) == len(langfuse.rows)
    assert set(langfuse.loaded.values()) == {1}


def test_pages_are_asked_for_as_they_are_needed(api_of: ApiOf) -> None:
    langfuse = _Langfuse(1400)
    next(LangfuseStore(api_of(langfuse)).traces(None, _UNTIL))
    assert langfuse.asked["/api/public/v2/observations"] == 2


def test_times_are_honoured_and_a_trace_that_began_before_is_none(loopback_api_of: ApiOf) -> None:
    store = LangfuseStore(loopback_api_of(_Langfuse(90), user=_KEYS))
    since, until = _START + timedelta(minutes=80, seconds=1), _START + timedelta(minutes=84)
    assert _numbers(store, since, until) == [83, 82, 81]


@pytest.mark.parametrize("version", [3, 4])
def test_spans_are_read_as_the_convention_defines(loopback_api_of: ApiOf, version: int) -> None:
    store = LangfuseStore(loopback_api_of(_Langfuse(2, version=version), user=_KEYS))
    trace_id = f"{2:032x}"
    spans = store.fetch([trace_id, "order-1"])[trace_id]
    summary = summarize(spans)
    assert [(call.name, call.error) for call in summary.tool_calls] == [("book", "no rooms")]
    assert (summary.input_tokens, summary.output_tokens, summary.models) == (200, 20, ("test-model-1",))
    assert {span.tags["deployment.environment.name"] for span in spans} == {"production"}


@pytest.mark.parametrize("version", [3, 4])
def test_what_is_too_long_in_one_answer_is_asked_for_in_parts(loopback_api_of: ApiOf, version: int) -> None:
    langfuse = _Langfuse(40, version=version, text="x" * 1000)
    store = LangfuseStore(loopback_api_of(langfuse, user=_KEYS, max_response_bytes=60_000))
    assert {len(spans) for spans in store.traces(None, _UNTIL)} == {3}
    assert len(langfuse.loaded) == 120


def test_wrong_keys_are_an_error_that_does_not_show_them(loopback_api_of: ApiOf) -> None:
    store = LangfuseStore(loopback_api_of(_Langfuse(1), user="pk-lf-1234:sk-lf-s3cret-too@"))
    with pytest.raises(SourceError, match="credentials refused") as error:
        store.check()
    assert "sk-lf" not in f"{error.value} {store.describe()}"


def test_right_keys_are_taken(loopback_api_of: ApiOf) -> None:
    LangfuseStore(loopback_api_of(_Langfuse(1), user=_KEYS)).check()


def test_an_empty_page_is_the_last_whatever_number_of_pages_is_reported(api_of: ApiOf) -> None:
    asked: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v2/observations"):
            return httpx.Response(404)
        asked[request.url.params["page"]] += 1
        return httpx.Response(200, json={"data": [], "meta": {"totalPages": 10**9}})

    assert list(LangfuseStore(api_of(answer)).traces(None, _UNTIL)) == []
    assert asked == {"1": 1}
