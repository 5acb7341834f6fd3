"""Phoenix's API, spoken by a function: pages, batches, old versions, and its spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from tasks.evidence.traces.telemetry import summarize
from tasks.sources.phoenix.spans import read_spans
from tasks.sources.phoenix.store import PhoenixStore
from tasks.sources.spans.api import StoreApi

_START = datetime(2026, 11, 1, tzinfo=UTC)
ApiOf = Callable[..., StoreApi]


class _Phoenix:
    """Two projects; trace N of the first began N minutes after the start and has three spans."""

    def __init__(self, traces: int, *, lists_traces: bool = True, text: str = "") -> None:
        self.lists_traces = lists_traces
        self.asked: Counter[str] = Counter()
        self.loaded: Counter[str] = Counter()
        self.text = text
        self.traces = {f"{number:032x}": _START + timedelta(minutes=number) for number in range(1, traces + 1)}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/base")
        params = request.url.params
        self.asked[path] += 1
        limit, first = int(params["limit"]), int(params.get("cursor", "0"))
        if path == "/v1/projects":
            rows: list[dict[str, Any]] = [{"name": "a/b", "id": "P1"}, {"name": "empty", "id": "P2"}]
        elif path.endswith("/traces") and not self.lists_traces:
            return httpx.Response(404, json={"detail": "Not Found"})
        elif "/P2/" in path:
            rows = []
        elif path.endswith("/traces"):
            rows = [{"trace_id": trace_id} for trace_id in reversed(self._within(params))]
        else:
            wanted = set(params.get_list("trace_id")) or set(self._within(params))
            rows = [span for trace_id in reversed(self.traces) if trace_id in wanted for span in self._spans(trace_id)]
        page = rows[first : first + limit]
        if path.endswith("/spans"):
            self.loaded.update(row["context"]["span_id"] for row in page)
        following = str(first + limit) if first + limit < len(rows) else None
        return httpx.Response(200, json={"data": page, "next_cursor": following})

    def _within(self, params: httpx.QueryParams) -> list[str]:
        since = datetime.fromisoformat(params.get("start_time", "1970-01-01T00:00:00+00:00"))
        until = datetime.fromisoformat(params["end_time"])
        return [trace_id for trace_id, start in self.traces.items() if since <= start < until]

    def _spans(self, trace_id: str) -> list[dict[str, Any]]:
        start = self.traces[trace_id]
        numbers = ("1", "2", "3")
        return [
            {
                "name": f"op{number}",
                "context": {"trace_id": trace_id, "span_id": number + trace_id[-15:]},
                "parent_id": None if number == "1" else "1" + trace_id[-15:],
                "span_kind": "AGENT" if number == "1" else "TOOL",
                "start_time": (start + timedelta(seconds=int(number))).isoformat(),
                "end_time": (start + timedelta(seconds=9)).isoformat(),
                "status_code": "ERROR" if number == "3" else "OK",
                "status_message": "no rooms" if number == "3" else "",
                "attributes": {"tool.name": "book", "tool.parameters.stay.hotel": "Ritz", "text": self.text},
                "events": [],
            }
            for number in reversed(numbers)
        ]


def test_traces_come_whole_newest_first_and_each_span_once(api_of: ApiOf) -> None:
    phoenix = _Phoenix(1203)
    store = PhoenixStore(api_of(phoenix))
    found = list(store.traces(None, _START + timedelta(days=9)))
    assert [spans[0].trace_id for spans in found] == list(reversed(phoenix.traces))
    assert {len(spans) for spans in found} == {3}
    assert set(phoenix.loaded.values()) == {1}
    assert found[0][0].service == "a/b"


def test_pages_are_asked_for_as_they_are_needed(api_of: ApiOf) -> None:
    phoenix = _Phoenix(1203)
    traces = PhoenixStore(api_of(phoenix)).traces(None, _START + timedelta(days=9))
    next(traces)
    assert phoenix.asked["/v1/projects/P1/spans"] == 1


def test_times_are_handed_on(api_of: ApiOf) -> None:
    since, until = _START + timedelta(minutes=5), _START + timedelta(minutes=8)
    found = PhoenixStore(api_of(_Phoenix(20))).traces(since, until)
    assert [int(spans[0].trace_id, 16) for spans in found] == [7, 6, 5]


def test_a_version_that_lists_no_traces_gives_them_by_its_spans(api_of: ApiOf) -> None:
    phoenix = _Phoenix(500, lists_traces=False)
    found = list(PhoenixStore(api_of(phoenix)).traces(None, _START + timedelta(days=9)))
    assert sorted(int(spans[0].trace_id, 16) for spans in found) == list(range(1, 501))
    assert {len(spans) for spans in found} == {3}
    assert set(phoenix.loaded.values()) == {1}


def test_what_is_too_long_in_one_answer_is_asked_for_in_parts(api_of: ApiOf) -> None:
    phoenix = _Phoenix(40, text="x" * 1000)
    store = PhoenixStore(api_of(phoenix, max_response_bytes=60_000))
    assert sum(len(spans) for spans in store.traces(None, _START + timedelta(days=9))) == 120


def test_spans_are_read_as_the_convention_defines(api_of: ApiOf) -> None:
    store = PhoenixStore(api_of(_Phoenix(1)))
    trace_id = f"{1:032x}"
    summary = summarize(store.fetch([trace_id])[trace_id])
    assert [(call.name, call.error) for call in summary.tool_calls] == [("book", None), ("book", "no rooms")]
    assert orjson.loads(summary.tool_calls[0].arguments or "") == {"stay": {"hotel": "Ritz"}}


def test_an_attribute_as_deep_as_json_can_be_is_read_without_overflow() -> None:
    value: dict[str, Any] = {}
    for _ in range(300):
        value = {"a": value}
    context = {"trace_id": f"{1:032x}", "span_id": f"{1:016x}"}
    row = {"context": context, "attributes": {"deep": value, "metadata.deep": value, "kept": "yes"}}
    (span,) = read_spans([row], "desk")[f"{1:032x}"]
    assert span.tags["kept"] == "yes"


def test_ids_that_no_project_has_are_not_there(api_of: ApiOf) -> None:
    assert PhoenixStore(api_of(_Phoenix(1))).fetch(["f" * 32]) == {}


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": [None, {"name": 3}, {"id": "P"}]}])
def test_what_is_none_of_phoenixs_reads_as_nothing(api_of: ApiOf, answer: dict[str, Any]) -> None:
    store = PhoenixStore(api_of(lambda _: httpx.Response(200, json=answer)))
    store.check()
    assert list(store.traces(None, _START)) == []
    assert store.describe() == "Phoenix at http://store:1234/base"
