"""Phoenix: traces are listed by project without their spans, which are then loaded once, many traces together.

https://arize.com/docs/phoenix/sdk-api-reference/rest-api
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from tasks.errors import LargeAnswerError
from tasks.evidence.traces.spans import Span, normalized_trace_id
from tasks.sources.phoenix.spans import read_spans
from tasks.sources.spans.api import StoreApi, dicts, texts
from tasks.sources.spans.pages import Page, read_pages
from tasks.sources.spans.whole import Whole

_PROJECTS_AT_ONCE = 100
_TRACES_AT_ONCE = 500
# A request's ids stay within the 8 KB of a URL that servers take; a page of spans within what is read of an answer.
_IDS_AT_ONCE = 100
_SPANS_AT_ONCE = 1000


class _Project(NamedTuple):
    """A project by its id: a name with a slash cannot stand in a path."""

    name: str
    path: str


class PhoenixStore:
    """The projects of a Phoenix as a store of spans (see ``SpanStore``); a project is what spans have for a service."""

    def __init__(self, api: StoreApi) -> None:
        self._api = api
        self._spans_at_once = _SPANS_AT_ONCE

    def check(self) -> None:
        """Raises SourceError when Phoenix does not answer, or refuses."""
        self._api.get("/v1/projects", [("limit", "1")])

    def describe(self) -> str:
        """Where Phoenix is, without credentials."""
        return f"Phoenix at {self._api.base_url}"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        """The traces that began from ``since`` until before ``until``, those of each project newest first."""
        times = [("start_time", since.isoformat())] if since else []
        times.append(("end_time", until.isoformat()))
        for project in self._projects():
            yield from self._traces_of(project, times)

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        """The spans of each of ``trace_ids`` that some project has."""
        found: dict[str, Sequence[Span]] = {}
        for project in self._projects():
            if missing := [trace_id for trace_id in trace_ids if trace_id not in found]:
                found |= self._load(project, missing)
        return found

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _projects(self) -> list[_Project]:
        pages = self._pages("/v1/projects", [("limit", str(_PROJECTS_AT_ONCE))])
        rows = [row for page in pages for row in page]
        return [
            _Project(name, f"/v1/projects/{quote(project_id, safe='')}")
            for row in rows
            if isinstance(name := row.get("name"), str) and isinstance(project_id := row.get("id"), str)
        ]

    def _traces_of(self, project: _Project, times: list[tuple[str, str]]) -> Iterator[Sequence[Span]]:
        path = f"{project.path}/traces"
        first = self._api.find(path, [*times, ("limit", "1")])
        if first is None:
            # Before version 13 traces were not listed: every span, in the order in which they came.
            yield from Whole().of(
                [span for spans in read_spans(page, project.name).values() for span in spans]
                for page in self._span_pages(project, times)
            )
            return
        for page in self._pages(path, [*times, ("limit", str(_TRACES_AT_ONCE))]) if dicts(first.get("data")) else ():
            ids = texts(row.get("trace_id") for row in page)
            for start in range(0, len(ids), _IDS_AT_ONCE):
                batch = ids[start : start + _IDS_AT_ONCE]
                found = self._load(project, batch)
                yield from (spans for trace_id in batch if (spans := found.get(normalized_trace_id(trace_id) or "")))

    def _load(self, project: _Project, trace_ids: Sequence[str]) -> dict[str, list[Span]]:
        found: dict[str, list[Span]] = {}
        for start in range(0, len(trace_ids), _IDS_AT_ONCE):
            ids = [("trace_id", trace_id) for trace_id in trace_ids[start : start + _IDS_AT_ONCE]]
            for page in self._span_pages(project, ids):
                for trace_id, spans in read_spans(page, project.name).items():
                    found.setdefault(trace_id, []).extend(spans)
        return found

    def _span_pages(self, project: _Project, params: list[tuple[str, str]]) -> Iterator[list[dict[str, Any]]]:
        return read_pages(lambda cursor: self._span_page(project, params, cursor))

    def _span_page(self, project: _Project, params: list[tuple[str, str]], cursor: str | None) -> Page:
        while True:
            try:
                return self._page(f"{project.path}/spans", [*params, ("limit", str(self._spans_at_once))], cursor)
            except LargeAnswerError:
                if self._spans_at_once == 1:
                    raise
                # For good: where one page of this store is too long, others are.
                self._spans_at_once = max(1, self._spans_at_once // 4)

    def _pages(self, path: str, params: list[tuple[str, str]]) -> Iterator[list[dict[str, Any]]]:
        return read_pages(lambda cursor: self._page(path, params, cursor))

    def _page(self, path: str, params: list[tuple[str, str]], cursor: str | None) -> Page:
        answer = self._api.get(path, [*params, *([("cursor", cursor)] if cursor else [])])
        return dicts(answer.get("data")), answer.get("next_cursor")
