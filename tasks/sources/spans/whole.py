"""Whole traces from pages of spans in which traces are mixed, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tasks.evidence.traces.spans import Span

# Clocks of hosts differ, and stores sort by what clocks showed.
_SLACK_US = 60 * 1_000_000


class Whole:
    """Puts traces together. A trace is given when its root has come and the pages are well before it, or at the end.

    Only traces that may have more spans are in memory. A span that comes when its trace has been given is left out.
    """

    def __init__(self, slack_us: int = _SLACK_US) -> None:
        self._slack_us = slack_us
        self._open: dict[str, list[Span]] = {}
        self._roots: dict[str, int] = {}
        self._given: set[str] = set()

    def of(self, pages: Iterable[Sequence[Span]]) -> Iterator[Sequence[Span]]:
        """The traces of ``pages``, each once."""
        for page in pages:
            for span in page:
                if span.trace_id in self._given:
                    continue
                self._open.setdefault(span.trace_id, []).append(span)
                if span.parent_id is None:
                    self._roots[span.trace_id] = min(span.start_us, self._roots.get(span.trace_id, span.start_us))
            if page:
                # What follows is not newer than the newest here, even where the order is not strict.
                yield from self._complete(max(span.start_us for span in page))
        rest = sorted(self._open.values(), key=lambda spans: -min(span.start_us for span in spans))
        self._open, self._roots = {}, {}
        yield from rest

    def _complete(self, reached_us: int) -> Iterator[Sequence[Span]]:
        done = [trace_id for trace_id, start_us in self._roots.items() if start_us > reached_us + self._slack_us]
        for trace_id in sorted(done, key=lambda each: -self._roots[each]):
            del self._roots[trace_id]
            self._given.add(trace_id)
            yield self._open.pop(trace_id)
