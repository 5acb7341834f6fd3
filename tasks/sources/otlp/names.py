"""The names of OTLP's fields in JSON, for what was written under older names or those of protobuf."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "instrumentationLibrarySpans": "scopeSpans",
    "instrumentationLibrary": "scope",
    "resource_spans": "resourceSpans",
    "scope_spans": "scopeSpans",
    "trace_id": "traceId",
    "span_id": "spanId",
    "parent_span_id": "parentSpanId",
    "start_time_unix_nano": "startTimeUnixNano",
    "end_time_unix_nano": "endTimeUnixNano",
    "string_value": "stringValue",
    "bool_value": "boolValue",
    "int_value": "intValue",
    "double_value": "doubleValue",
    "bytes_value": "bytesValue",
    "array_value": "arrayValue",
    "kvlist_value": "kvlistValue",
}
_OLD = (b"instrumentationLibrary", b"resource_spans")


def has_old_names(raw: bytes) -> bool:
    """Whether JSON text may have them."""
    return any(name in raw for name in _OLD)


def rename_fields(value: Any) -> None:
    """Changes the names in ``value``, parsed JSON, in place; without recursion, as JSON can be nested deeply."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            for old in _NAMES.keys() & item.keys():
                item.setdefault(_NAMES[old], item.pop(old))
            pending.extend(item.values())
