"""Jaeger as a store of spans: its search has no pages, so that a time with too many traces is asked for in halves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import Literal
from urllib.parse import quote

from tasks.evidence.traces.spans import Span, parse_v1, parse_v3
from tasks.sources.jaeger.routes import search_v3
from tasks.sources.jaeger.window import TraceWindow
from tasks.sources.spans.api import LargeAnswerError, StoreApi, dicts, texts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Some stores behind Jaeger know times by the millisecond.
_SHORTEST_US = 1_000
_TRACES_AT_ONCE = 200
# As many as Jaeger's own page asks for at most.
_MOST_AT_ONCE = 1500


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

        A search gives whole traces, so that one of several services comes with each of them; here it comes once.
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

    def _services(self) -> tuple[Literal["v1", "v3"], list[str]]:
        answer = self._api.find("/api/services")
        if answer is not None and "data" in answer:
            # Without any service it is null.
            return "v1", texts(answer["data"] or ())
        return "v3", texts(self._api.get("/api/v3/services").get("services") or ())

    def _traces_of(self, service: str, window: TraceWindow, version: Literal["v1", "v3"]) -> Iterator[list[Span]]:
        """The traces with a span of ``service`` in ``window``; one that spans several searches comes with each."""
        waiting = [window]
        while waiting:
            part = waiting.pop()
            is_shortest = part.end_us - part.start_us <= _SHORTEST_US
            limit = _MOST_AT_ONCE if is_shortest else self._at_once
            try:
                found = list(self._search(service, part, version, limit).values())
                is_whole = len(found) < limit
            except LargeAnswerError:
                if is_shortest:
                    raise
                is_whole = False
            if is_whole or is_shortest:
                yield from sorted(found, key=_newest_first)
            else:
                middle = (part.start_us + part.end_us) // 2
                # The later half is the next to be asked for.
                waiting += [TraceWindow(part.start_us, middle), TraceWindow(middle, part.end_us)]

    def _search(
        self, service: str, part: TraceWindow, version: Literal["v1", "v3"], limit: int
    ) -> dict[str, list[Span]]:
        if version == "v3":
            answer = self._api.find("/api/v3/traces", search_v3(service, {}, part, limit))
        else:
            limits = [("start", str(part.start_us)), ("end", str(part.end_us)), ("limit", str(limit))]
            answer = self._api.find("/api/traces", [("service", service), *limits])
        return {} if answer is None else _spans(answer, version)


def _spans(answer: Mapping[str, object], version: Literal["v1", "v3"]) -> dict[str, list[Span]]:
    return parse_v1(dicts(answer.get("data"))) if version == "v1" else parse_v3([answer.get("result", answer)])


def _newest_first(spans: Sequence[Span]) -> int:
    return -min(span.start_us for span in spans)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
