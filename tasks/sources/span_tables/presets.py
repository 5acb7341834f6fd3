"""The tables of spans that are known by a name (``AGENT_REPORT_SOURCE_PRESET``)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tasks.errors import ConfigurationError
from tasks.evidence.traces.spans import Span
from tasks.sources.files.opening import open_files
from tasks.sources.langfuse import scores
from tasks.sources.langfuse.observations import read_observation
from tasks.sources.span_tables import langsmith, otel_traces
from tasks.sources.span_tables.clickhouse import is_clickhouse, open_clickhouse
from tasks.sources.span_tables.store import SignalTable, SpanTable, SpanTableStore

_OBSERVATION = (
    *("id", "trace_id", "parent_observation_id", "type", "name", "start_time", "end_time", "environment", "level"),
    *("status_message", "version", "release", "input", "output", "provided_model_name", "model_parameters"),
    *("usage_details", "cost_details", "total_cost", "user_id", "session_id", "trace_name", "tags"),
)

_DATABASES = frozenset({"sqlite", "postgresql", "postgres", "mysql", "mariadb", "clickhouse", "clickhousedb"})


def _each(read: Callable[[Mapping[str, Any]], Span | None]) -> Callable[[Iterable[Mapping[str, Any]]], list[Span]]:
    return lambda rows: [span for row in rows if (span := read(row)) is not None]


PRESETS = {
    "langfuse": SpanTable(
        name="observations_v2",
        trace_id="trace_id",
        started="start_time",
        columns=_OBSERVATION,
        needed=("id", "trace_id", "parent_observation_id", "type", "start_time"),
        read=_each(read_observation),
        signals=SignalTable("scores", "trace_id", scores.COLUMNS, scores.read_score),
    ),
    "langsmith": SpanTable(
        name="runs",
        trace_id="trace_id",
        started="start_time",
        columns=langsmith.COLUMNS,
        needed=("id", "trace_id", "parent_run_id", "run_type", "start_time"),
        read=_each(langsmith.read_langsmith_run),
    ),
    "otel_traces": SpanTable(
        name="otel_traces",
        trace_id="TraceId",
        started="Timestamp",
        columns=otel_traces.COLUMNS,
        needed=("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanAttributes"),
        read=otel_traces.read_otel_rows,
        marked=True,
    ),
}


def open_preset(preset: str, url: str) -> SpanTableStore:
    """The traces at ``url``: files (see ``open_files``) or, for ``otel_traces``, ClickHouse too.

    Raises:
        ConfigurationError: there is no such preset, or it does not fit the URL; as ``open_files``.
        SourceError: as ``open_files``.
    """
    spans = PRESETS.get(preset)
    if spans is None:
        near = difflib.get_close_matches(preset, PRESETS, n=1)
        known = f"did you mean {near[0]}?" if near else f"there is {', '.join(PRESETS)}"
        raise ConfigurationError(f"AGENT_REPORT_SOURCE_PRESET={preset}: there is no such preset: {known}")
    if is_clickhouse(url) and preset == "otel_traces":
        return SpanTableStore(open_clickhouse(url), spans)
    scheme = url.partition("://")[0].partition("+")[0] if "://" in url else ""
    if scheme in _DATABASES:
        raise ConfigurationError(
            f"AGENT_REPORT_SOURCE_PRESET={preset} reads files, not {scheme}://: leave it out for tables of your own"
        )
    tables = (spans.name, *((spans.signals.name,) if spans.signals else ()))
    return SpanTableStore(open_files(url, tables), spans)
