"""Tempo: traces with a span of an agent's are searched for in TraceQL, and each is loaded by its id.

https://grafana.com/docs/tempo/latest/api_docs/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tasks.errors import BadRequestError
from tasks.evidence.traces.conventions.catalog import MARKS
from tasks.evidence.traces.spans import Span, normalized_trace_id, parse_v3
from tasks.sources.otlp.names import rename_fields
from tasks.sources.spans.api import StoreApi, dicts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
# A search has no pages: where so many come back there may be more, and each half of its time is searched.
_MOST_FOUND = 500
# Servers refuse searches over more than a week by default.
_LONGEST_SEARCH = 24 * 3600
# Without a start: twice as long as Tempo keeps traces by default.
_OLDEST = 30 * 24 * 3600
# Added on both sides of the time that the search gives for a trace: a request's times select blocks, not spans.
_MARGIN = 3600
_LOADED_AT_ONCE = 8
_EVERYTHING = "{ }"
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_.]*", re.IGNORECASE)
_NAMES = (mark if _PLAIN_NAME.fullmatch(mark) else f'"{mark}"' for mark in sorted(MARKS))
_OF_AGENTS = "{ " + " || ".join(f"span.{name} != nil" for name in _NAMES) + " }"


class _Found(NamedTuple):
    """A trace of a search, in seconds since 1970."""

    trace_id: str
    start: int
    end: int


class TempoStore:
    """The traces of a Tempo (of one tenant) in which an agent's spans are, as a store of spans (see ``SpanStore``)."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api
        self._query = _OF_AGENTS
        self._pool = ThreadPoolExecutor(_LOADED_AT_ONCE, thread_name_prefix="tempo")

    def check(self) -> None:
        """Raises SourceError when Tempo does not answer, or refuses."""
        self._api.get("/api/search", [("q", _EVERYTHING), ("limit", "1")])

    def describe(self) -> str:
        """Where Tempo is, without credentials."""
        return f"Tempo at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, newest first to a day, and then to less.

        Without ``since`` a month is searched.
        """
        end = -(-(until - _EPOCH) // _SECOND)
        start = (since - _EPOCH) // _SECOND if since else end - _OLDEST
        known: set[str] = set()
        while end > start:
            first = max(start, end - _LONGEST_SEARCH)
            for found in self._search(first, end):
                new = [each for each in found if each.trace_id not in known and start <= each.start]
                known.update(each.trace_id for each in new)
                for spans in self._pool.map(self._load, new):
                    if spans and (since is None or _start(spans) >= since) and _start(spans) < until:
                        yield spans
            end = first

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that Tempo has."""
        loaded = self._pool.map(lambda trace_id: self._load(_Found(trace_id, 0, 0)), trace_ids)
        return {trace_id: spans for trace_id, spans in zip(trace_ids, loaded, strict=True) if spans}

    def close(self) -> None:
        """Ends the threads and the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._api.close()

    def _search(self, start: int, end: int) -> Iterator[list[_Found]]:
        """What is found from ``start`` to ``end``, newest first, in parts of which none is cut off."""
        parts = [(start, end)]
        while parts:
            first, last = parts.pop()
            found = self._ask(first, last)
            if len(found) >= _MOST_FOUND and last - first > 1:
                middle = (first + last) // 2
                parts += [(first, middle), (middle, last)]
            else:
                yield sorted(found, key=lambda each: -each.start)

    def _ask(self, start: int, end: int) -> list[_Found]:
        asked = [("start", str(start)), ("end", str(end)), ("limit", str(_MOST_FOUND)), ("spss", "1")]
        try:
            answer = self._api.get("/api/search", [("q", self._query), *asked])
        except BadRequestError:
            if self._query == _EVERYTHING:
                raise
            # Early versions do not compare with nil, or have no quotes for names: every trace is read.
            self._query = _EVERYTHING
            answer = self._api.get("/api/search", [("q", self._query), *asked])
        return [found for row in dicts(answer.get("traces")) if (found := _found(row, start))]

    def _load(self, found: _Found) -> list[Span]:
        """The spans of one trace; none when it is not there (any more)."""
        times = []
        if found.end:
            times = [("start", str(max(0, found.start - _MARGIN))), ("end", str(found.end + _MARGIN))]
        answer = self._api.find(f"/api/v2/traces/{found.trace_id}", times)
        if answer is None:
            # Before 2.7 there is version 1 only.
            answer = self._api.find(f"/api/traces/{found.trace_id}", times) or {}
        spans = parse_v3([_resource_spans(answer)])
        return spans.get(found.trace_id, [])


def _found(row: Mapping[str, Any], searched: int) -> _Found | None:
    trace_id = normalized_trace_id(row.get("traceID"))
    if trace_id is None:
        return None
    start = _whole(row.get("startTimeUnixNano")) // 1_000_000_000 or searched
    return _Found(trace_id, start, start + _whole(row.get("durationMs")) // 1000 + 1)


def _resource_spans(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer in the shape of OTLP: version 2 wraps it, version 1 and early Tempos use names from before."""
    trace = answer.get("trace")
    trace = trace if isinstance(trace, dict) else answer
    given = dicts(trace.get("resourceSpans")) or dicts(trace.get("batches"))
    rename_fields([each for each in given if "scopeSpans" not in each])
    return {"resourceSpans": given}


def _start(spans: Sequence[Span]) -> datetime:
    return _EPOCH + timedelta(microseconds=min(span.start_us for span in spans))


def _whole(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0
