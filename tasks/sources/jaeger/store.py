"""A Jaeger as a store of spans: service by service, in windows of time, as its search has a limit and no pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tasks.evidence.traces.spans import Span, parse_v1, parse_v3
from tasks.sources.jaeger.routes import search_v3
from tasks.sources.jaeger.window import TraceWindow
from tasks.sources.spans.api import LargeAnswerError, StoreApi, dicts, texts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Traces in one answer, which has room for 300 KiB of each.
_TRACES_AT_ONCE = 200
_FIRST_WINDOW_US = 10 * 60 * 1_000_000
_SMALLEST_WINDOW_US = 1_000
_GROWTH = 8
# Its own traces of itself.
_OWN_SERVICES = frozenset({"jaeger", "jaeger-query", "jaeger-all-in-one"})


class JaegerStore:
    """The services of a Jaeger as a store of spans (see ``SpanStore``)."""

    def __init__(self, api: StoreApi, *, traces_at_once: int = _TRACES_AT_ONCE) -> None:
        self._api = api
        self._limit = traces_at_once
        # Newer versions search by their third API alone; which one is learnt by the first search.
        self._searches_v1 = True

    def check(self) -> None:
        """Raises SourceError when Jaeger does not answer, or refuses."""
        self._services()

    def describe(self) -> str:
        """Where Jaeger is, without credentials."""
        return f"Jaeger at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, those of each service newest first.

        A trace of several services comes with the first of them. One that is alone too large for an answer is left out.
        """
        start, end = _microseconds(since or _EPOCH), _microseconds(until)
        given: set[str] = set()
        for service in self._services():
            for found in self._pages(service, start, end):
                fresh = [spans for trace_id, spans in found.items() if trace_id not in given]
                given.update(found)
                for spans in sorted(fresh, key=_start, reverse=True):
                    if start <= _start(spans) < end:
                        yield spans

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that Jaeger has."""
        found: dict[str, Sequence[Span]] = {}
        for trace_id in trace_ids:
            answer = self._api.find(f"/api/traces/{trace_id}")
            if spans := parse_v1(dicts((answer or {}).get("data"))).get(trace_id):
                found[trace_id] = spans
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _services(self) -> list[str]:
        answer = self._api.find("/api/services")
        names = answer.get("data") if answer is not None else self._api.get("/api/v3/services").get("services")
        return [name for name in sorted(texts(names if isinstance(names, list) else ())) if name not in _OWN_SERVICES]

    def _pages(self, service: str, start: int, end: int) -> Iterator[dict[str, list[Span]]]:
        """What was found in windows from ``end`` back to ``start``, each so wide that it holds half of a page.

        A window with as many traces as a page may hold more of them, and is asked for again in parts.
        """
        width = _FIRST_WINDOW_US
        while end > start:
            width = min(max(width, _SMALLEST_WINDOW_US), end - start)
            window = TraceWindow(end - width, end)
            can_shrink = width > _SMALLEST_WINDOW_US
            try:
                found = self._search(service, window)
            except LargeAnswerError:
                if can_shrink:
                    width //= 2
                    continue
                found = {}
            if len(found) >= self._limit and can_shrink:
                # Of any of the window's traces, or of the newest: the newer half of them lies in the newer part.
                starts = sorted((_start(spans) for spans in found.values()), reverse=True)
                newer = end - starts[self._limit // 2]
                width = newer if 0 < newer < width else width // 2
                continue
            yield found
            end -= width
            width = min(width * _GROWTH, width * self._limit // (2 * max(1, len(found))))

    def _search(self, service: str, window: TraceWindow) -> dict[str, list[Span]]:
        if self._searches_v1:
            times = [("start", str(window.start_us)), ("end", str(window.end_us))]
            answer = self._api.find("/api/traces", [("service", service), ("limit", str(self._limit)), *times])
            if answer is not None:
                return parse_v1(dicts(answer.get("data")))
            self._searches_v1 = False
        answer = self._api.find("/api/v3/traces", search_v3(service, {}, window, self._limit))
        return {} if answer is None else parse_v3([answer.get("result", answer)])


def _start(spans: Sequence[Span]) -> int:
    return min(span.start_us for span in spans)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
