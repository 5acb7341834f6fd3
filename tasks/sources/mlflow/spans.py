"""Spans as MLflow's server gives them: OTLP under protobuf's own names, or in older versions a file of MLflow's.

MLflow reads what other instrumentations wrote and adds its own attributes. Those are left out again, so that a span
reads the same wherever it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tasks.evidence.traces.conventions.catalog import MARKS
from tasks.evidence.traces.conventions.platforms.mlflow import MLFLOW
from tasks.evidence.traces.conventions.values import as_text
from tasks.evidence.traces.spans import Span, parse_v3
from tasks.sources.otlp.names import rename_fields
from tasks.sources.spans.api import dicts

_NAMES = {
    "trace_id": "traceId",
    "span_id": "spanId",
    "parent_span_id": "parentSpanId",
    "name": "name",
    "start_time_unix_nano": "startTimeUnixNano",
    "end_time_unix_nano": "endTimeUnixNano",
    "status": "status",
}
_OWN_PREFIX = "mlflow."
_OTHERS = MARKS - MLFLOW.marks
# Of a trace as a whole, under names that conventions read on its root.
_OF_TRACE = {"mlflow.trace.session": "session.id", "mlflow.trace.user": "user.id"}
_ENVIRONMENT = ("deployment.environment.name", "deployment.environment")


def read_spans(raw_spans: object, info: Mapping[str, Any], experiment: str) -> list[Span]:
    """The spans of one trace, whose ``info`` holds its tags and metadata.

    Their service is the one that the trace's tags name, or else ``experiment``.
    """
    tags, metadata = _texts(info.get("tags")), _texts(info.get("trace_metadata"))
    # MLflow makes tags of the resource's attributes.
    attributes = {"service.name": tags.get("service.name") or experiment}
    attributes |= {name: tags[name] for name in _ENVIRONMENT if name in tags}
    resource = {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]}
    spans = [_otlp(raw) for raw in dicts(raw_spans)]
    found = parse_v3([{"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}])
    every = [span for each in found.values() for span in each]
    for span in every:
        span.tags = _without_additions(span.tags)
        if span.parent_id is None:
            span.tags = {tag: metadata[name] for name, tag in _OF_TRACE.items() if name in metadata} | dict(span.tags)
    return every


def _without_additions(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    if not _OTHERS & tags.keys():
        return tags
    return {key: value for key, value in tags.items() if not key.startswith(_OWN_PREFIX)}


def _otlp(raw: Mapping[str, Any]) -> dict[str, Any]:
    span: dict[str, Any] = {new: raw.get(old) for old, new in _NAMES.items()}
    span["attributes"] = _pairs(raw.get("attributes"))
    span["events"] = [
        {"name": event.get("name"), "attributes": _pairs(event.get("attributes"))} for event in dicts(raw.get("events"))
    ]
    return span


def _pairs(raw: object) -> list[dict[str, Any]]:
    if isinstance(raw, dict):
        # The file's: each value is JSON, text in quotes too.
        return [{"key": key, "value": _unquoted(value)} for key, value in raw.items()]
    pairs = dicts(raw)
    rename_fields(pairs)
    return pairs


def _unquoted(value: object) -> object:
    """JSON text without its quotes, numbers as numbers; objects, lists and what is no JSON stay text."""
    if not isinstance(value, str):
        return as_text(value) if isinstance(value, (dict, list)) else value
    if value[:1] in ("{", "["):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _texts(raw: object) -> dict[str, str]:
    if not isinstance(raw, dict):
        return {}
    return {key: value for key, value in raw.items() if isinstance(value, str) and value}
