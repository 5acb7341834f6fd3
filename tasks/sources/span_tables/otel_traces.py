"""Rows of ``otel_traces``, as the OpenTelemetry Collector's ClickHouse exporter writes them, as spans.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/clickhouseexporter: ids are hex,
attributes maps of texts, ``Duration`` nanoseconds, events three arrays of the same length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.spans import Span, parse_v3
from tasks.evidence.values import read_int, read_text

COLUMNS = (
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "ResourceAttributes", "ScopeName"),
    *("SpanAttributes", "Duration", "StatusCode", "StatusMessage", "Events.Name", "Events.Attributes"),
    *("Links.TraceId", "Links.SpanId", "Links.Attributes"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {"error": 2, "status_code_error": 2, "ok": 1, "status_code_ok": 1}
_NANOSECONDS = 10**9


def read_otel_rows(rows: Iterable[Mapping[str, Any]]) -> list[Span]:
    """The spans of ``rows``; without those that have no usable id or time."""
    found = parse_v3(result for row in rows if (result := _result(row)) is not None)
    return [span for spans in found.values() for span in spans]


def _result(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """``row`` in OTLP's JSON, where the conventions of spans are read from."""
    start = _nanoseconds(row.get("Timestamp"))
    if start is None:
        return None
    end = start + (read_int(row.get("Duration")) or 0)
    resource = {**_map(row.get("ResourceAttributes"))}
    resource.setdefault("service.name", read_text(row.get("ServiceName")) or "")
    span = {
        "traceId": read_text(row.get("TraceId")),
        "spanId": read_text(row.get("SpanId")),
        "parentSpanId": read_text(row.get("ParentSpanId")) or None,
        "name": read_text(row.get("SpanName")) or "",
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": _attributes(_map(row.get("SpanAttributes"))),
        "status": {
            "code": _STATUS.get(str(row.get("StatusCode") or "").lower(), 0),
            "message": read_text(row.get("StatusMessage")) or "",
        },
        "events": [
            {"name": read_text(name), "attributes": _attributes(_map(attributes))}
            for name, attributes in _rows(row, "Events.Name", "Events.Attributes")
        ],
        "links": [
            {"traceId": trace_id, "spanId": span_id, "attributes": _attributes(_map(attributes))}
            for trace_id, span_id, attributes in _rows(row, "Links.TraceId", "Links.SpanId", "Links.Attributes")
        ],
    }
    scope = {"name": read_text(row.get("ScopeName")) or ""}
    return {
        "resourceSpans": [
            {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [{"scope": scope, "spans": [span]}]}
        ]
    }


def _rows(row: Mapping[str, Any], *columns: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a nested column, which are its arrays side by side."""
    arrays = [value if isinstance(value := row.get(column), Sequence) else () for column in columns]
    return zip(*arrays, strict=False)


def _map(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): read_text(inner) or "" for key, inner in value.items()}
    return {}


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _nanoseconds(value: object) -> int | None:
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        value = str(value)
    moment = parse_moment(value)
    return None if moment is None else ((moment - _EPOCH) // (moment.resolution)) * (_NANOSECONDS // 10**6)
