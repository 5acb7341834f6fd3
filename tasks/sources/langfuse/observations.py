"""An observation of Langfuse as a span: from its API (camelCase), version 1 or 2, and from its export (snake_case).

https://api.reference.langfuse.com, https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.conventions.values import as_text
from tasks.evidence.traces.spans import Span, normalized_trace_id
from tasks.evidence.values import read_filled, read_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_ID = 256

# What the SDKs call these fields as attributes of a span; conventions read those names.
_TEXTS = {
    "input": "langfuse.observation.input",
    "output": "langfuse.observation.output",
    "level": "langfuse.observation.level",
    "status_message": "langfuse.observation.status_message",
    "usage_details": "langfuse.observation.usage_details",
    "cost_details": "langfuse.observation.cost_details",
    "model_parameters": "langfuse.observation.model.parameters",
    "version": "langfuse.version",
    "release": "langfuse.release",
    "trace_name": "langfuse.trace.name",
    "tags": "langfuse.trace.tags",
    "environment": "deployment.environment.name",
    "session_id": "session.id",
    "user_id": "user.id",
}


def read_observation(row: Mapping[str, Any]) -> Span | None:
    """The span of an observation; None without an id, a trace's id or a start.

    A trace's id that is hex digits or a UUID is written as spans have it; any other text is kept. An observation
    without an end ends when it starts. The cost that Langfuse works out, in USD, is the attribute
    ``langfuse.total_cost``.
    """
    fields = {_CAPITAL.sub("_", key).lower(): value for key, value in row.items()}
    trace_id = _trace_id(fields.get("trace_id"))
    span_id = _id(fields.get("id"))
    start = parse_moment(fields.get("start_time"))
    if trace_id is None or span_id is None or start is None:
        return None
    start_us = (start - _EPOCH) // _MICROSECOND
    end = parse_moment(fields.get("end_time"))
    end_us = (end - _EPOCH) // _MICROSECOND if end else start_us
    parent_id = _id(fields.get("parent_observation_id"))
    kind = read_filled(fields.get("type")) or "span"
    tags: dict[str, Any] = {"langfuse.observation.type": kind.lower()}
    for name, tag in _TEXTS.items():
        if text := _text(fields.get(name)):
            tags[tag] = text
    if model := read_filled(fields.get("provided_model_name") or fields.get("model")):
        tags["langfuse.observation.model.name"] = model
    if "langfuse.observation.usage_details" not in tags and (usage := _usage_v1(fields.get("usage"))):
        tags["langfuse.observation.usage_details"] = usage
    if (cost := read_filled(fields.get("total_cost"))) is not None:
        tags["langfuse.total_cost"] = cost
    failed = str(fields.get("level") or "").upper() == "ERROR"
    return Span(
        trace_id,
        span_id,
        parent_id if parent_id != span_id else None,
        read_text(fields.get("name")) or kind.lower(),
        start_us,
        max(start_us, end_us),
        tags,
        error=failed,
        exception=tags.get("langfuse.observation.status_message", "error") if failed else None,
    )


def _text(value: object) -> str | None:
    """``value`` as text, JSON unless it is text; None when it is empty. Parquet's maps come as lists of pairs."""
    if value is None or value == "" or value == {} or value == []:
        return None
    if isinstance(value, list) and all(isinstance(item, tuple) and len(item) == 2 for item in value):
        value = dict(value)
    return read_text(as_text(value))


def _usage_v1(value: object) -> str | None:
    """The usage of version 1 (``usage: {input, output, total, unit}``) when it counts tokens."""
    if not isinstance(value, Mapping) or str(value.get("unit") or "TOKENS").upper() != "TOKENS":
        return None
    counts = {key: value[key] for key in ("input", "output", "total") if isinstance(value.get(key), int)}
    return as_text(counts) if any(counts.values()) else None


def _trace_id(value: object) -> str | None:
    text = _id(value)
    if text is None:
        return None
    return normalized_trace_id(text.replace("-", "") if _UUID.fullmatch(text) else text) or text


def _id(value: object) -> str | None:
    text = read_filled(value)
    return text if text is not None and len(text) <= _LONGEST_ID else None
