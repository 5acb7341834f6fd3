"""Langfuse: observations are paged through, newest first, and put together to whole traces.

https://api.reference.langfuse.com; version 2 of the API is that of Langfuse 4, version 1 that of 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import LargeAnswerError
from tasks.evidence.traces.spans import Span
from tasks.sources.langfuse.observations import read_observation
from tasks.sources.spans.api import StoreApi, dicts
from tasks.sources.spans.pages import Page, read_pages
from tasks.sources.spans.whole import Whole

_V2 = "/api/public/v2/observations"
_V1 = "/api/public/observations"
_FIELDS = "core,basic,io,model,usage,trace_context"
_V2_AT_ONCE = 1000
_V1_AT_ONCE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A trace that began before the time that is asked for is known by its root, which began at most so much earlier.
_LONGEST_TRACE = timedelta(hours=1)
_HEX_ID = re.compile(r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
Params = list[tuple[str, str]]


class LangfuseStore:
    """The observations of one project of Langfuse, that of the keys, as a store of spans (see ``SpanStore``)."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api
        self._at_once = _V2_AT_ONCE
        self._has_v2: bool | None = None

    def check(self) -> None:
        """Raises SourceError when Langfuse does not answer, or does not know the keys."""
        self._api.get("/api/public/projects")

    def describe(self) -> str:
        """Where Langfuse is, without the keys."""
        return f"Langfuse at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, newest first."""
        times = [("toStartTime", until.isoformat())]
        if since:
            times.append(("fromStartTime", (since - _LONGEST_TRACE).isoformat()))
        first_us = (since - _EPOCH) // timedelta(microseconds=1) if since else 0
        for spans in Whole().of(self._pages(times)):
            if min(span.start_us for span in spans) >= first_us:
                yield spans

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that Langfuse has."""
        found: dict[str, Sequence[Span]] = {}
        for trace_id in trace_ids:
            written = [trace_id, *(["-".join(match.groups())] if (match := _HEX_ID.fullmatch(trace_id)) else [])]
            for each in written:
                if spans := [span for page in self._pages([("traceId", each)]) for span in page]:
                    found[trace_id] = spans
                    break
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _pages(self, params: Params) -> Iterator[list[Span]]:
        first = None if self._has_v2 is False else self._find_v2(params, None)
        self._has_v2 = first is not None
        if first is None:
            rows = self._pages_v1(params)
        else:
            rows = read_pages(lambda cursor: _page(self._find_v2(params, cursor) if cursor else first))
        for page in rows:
            yield [span for row in page if (span := read_observation(row))]

    def _find_v2(self, params: Params, cursor: str | None) -> dict[str, Any] | None:
        while True:
            asked = [("fields", _FIELDS), ("limit", str(self._at_once)), *params]
            try:
                return self._api.find(_V2, [*asked, ("cursor", cursor)] if cursor else asked)
            except LargeAnswerError:
                if self._at_once == 1:
                    raise
                # For good: where one page is too long, others are.
                self._at_once = max(1, self._at_once // 4)

    def _pages_v1(self, params: Params) -> Iterator[list[dict[str, Any]]]:
        """By numbers of pages: the size stays the same, so that a page is not moved by another's being too long."""
        number, size = 1, min(self._at_once, _V1_AT_ONCE)
        while True:
            try:
                answer = self._api.get(_V1, [("page", str(number)), ("limit", str(size)), *params])
            except LargeAnswerError:
                if size == 1:
                    raise
                # The same observations again, in smaller pages: this one starts where that one did.
                smaller = next(each for each in (10, 1) if each < size)
                number, size = (number - 1) * size // smaller + 1, smaller
                continue
            rows = dicts(answer.get("data"))
            yield rows
            pages = _meta(answer).get("totalPages")
            if not rows or not isinstance(pages, int) or number >= pages:
                return
            number += 1


def _page(answer: dict[str, Any] | None) -> Page:
    return ([], None) if answer is None else (dicts(answer.get("data")), _meta(answer).get("cursor"))


def _meta(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = answer.get("meta")
    return meta if isinstance(meta, dict) else {}
