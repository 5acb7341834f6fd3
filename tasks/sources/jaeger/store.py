"""Jaeger as a store of spans: its search has no pages, so that times are asked for that hold less than it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import Literal
from urllib.parse import quote

from tasks.errors import LargeAnswerError
from tasks.evidence.traces.spans import Span, parse_v1, parse_v3
from tasks.sources.jaeger.routes import search_v3
from tasks.sources.jaeger.window import TraceWindow
from tasks.sources.spans.api import StoreApi, dicts, texts

Version = Literal["v1", "v3"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Some stores behind Jaeger know times by the millisecond.
_SHORTEST_US = 1_000
_TRACES_AT_ONCE = 200
# As many as Jaeger's own page asks for at most.
_MOST_AT_ONCE = 1500
_FIRST_US = 10 * 60 * 1_000_000
_GROWTH = 8
# Jaeger's traces of itself.
_OWN_SERVICES = frozenset({"jaeger", "jaeger-query", "jaeger-all-in-one"})


class JaegerStore:
    """The services of a Jaeger as a store of spans (see ``SpanStore``), by its API v1, or v3 where that is missing."""

    def __init__(self, api: StoreApi, traces_at_once: int = _TRACES_AT_ONCE) -> None:
        self._api = api
        self._at_once = traces_at_once

    def check(self) -> None:
        """Raises SourceError when Jaeger does not answer, or refuses."""
        self._services()

    def describe(self) -> str:
        """Where Jaeger is, without credentials."""
        return f"Jaeger at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, the newest first.

        A search gives whole traces, so that one of several services comes with each of them; here it comes once. Traces
        of one millisecond that are together larger than an answer may be are left out.
        """
        window = TraceWindow(0 if since is None else _microseconds(since), _microseconds(until))
        version, services = self._services()
        given: set[str] = set()
        found = merge(*(self._traces_of(service, window, version) for service in services), key=_newest_first)
        for spans in found:
            # Jaeger finds a trace by any of its spans: one that began earlier has some in the window.
            began = min(span.start_us for span in spans)
            if spans[0].trace_id not in given and window.start_us <= began < window.end_us:
                given.add(spans[0].trace_id)
                yield spans

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that Jaeger has."""
        found: dict[str, Sequence[Span]] = {}
        version, _ = self._services()
        for trace_id in trace_ids:
            path = f"/api/{'traces' if version == 'v1' else 'v3/traces'}/{quote(trace_id, safe='')}"
            answer = self._api.find(path)
            if answer is not None and (spans := _spans(answer, version).get(trace_id)):
                found[trace_id] = spans
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _services(self) -> tuple[Version, list[str]]:
        answer = self._api.find("/api/services")
        if answer is not None and "data" in answer:
            # Without any service it is null.
            return "v1", _watched(answer["data"])
        return "v3", _watched(self._api.get("/api/v3/services").get("services"))

    def _traces_of(self, service: str, window: TraceWindow, version: Version) -> Iterator[list[Span]]:
        """The traces with a span of ``service`` in ``window``; one that spans several searches comes with each.

        Each search is as wide as half a page of traces was before it. Where a page is full, which may leave out
        traces, a narrower part is asked for again.
        """
        start, end = window.start_us, window.end_us
        width, was_whole = _FIRST_US, True
        while end > start:
            width = min(max(width, _SHORTEST_US), end - start)
            is_shortest = width <= _SHORTEST_US
            limit = _MOST_AT_ONCE if is_shortest else self._at_once
            try:
                found = list(self._search(service, TraceWindow(end - width, end), version, limit).values())
            except LargeAnswerError:
                if not is_shortest:
                    width //= 2
                    continue
                found = []
            if len(found) >= limit and not is_shortest:
                # Where these are the newest of the window, as most stores give them, half of them fit for certain.
                newer = end + sorted(map(_newest_first, found))[limit // 2]
                width = newer if was_whole and 0 < newer < width else width // 2
                was_whole = False
                continue
            yield from sorted(found, key=_newest_first)
            was_whole = True
            end -= width
            width = min(width * _GROWTH, width * self._at_once // (2 * max(1, len(found))))

    def _search(self, service: str, part: TraceWindow, version: Version, limit: int) -> dict[str, list[Span]]:
        if version == "v1":
            limits = [("start", str(part.start_us)), ("end", str(part.end_us)), ("limit", str(limit))]
            answer = self._api.find("/api/traces", [("service", service), *limits])
            if answer is not None:
                return _spans(answer, version)
        # Versions after 2.20 search by v3 alone.
        answer = self._api.find("/api/v3/traces", search_v3(service, {}, part, limit))
        return {} if answer is None else _spans(answer, "v3")


def _spans(answer: Mapping[str, object], version: Version) -> dict[str, list[Span]]:
    return parse_v1(dicts(answer.get("data"))) if version == "v1" else parse_v3([answer.get("result", answer)])


def _watched(services: object) -> list[str]:
    return [name for name in texts(services if isinstance(services, list) else ()) if name not in _OWN_SERVICES]


def _newest_first(spans: Sequence[Span]) -> int:
    return -min(span.start_us for span in spans)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
