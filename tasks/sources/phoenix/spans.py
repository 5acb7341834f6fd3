"""A span as Phoenix's ``/v1/projects/{project}/spans`` gives it.

Phoenix keeps attributes as a tree and answers with its leaves, so that what was JSON in one attribute comes as several.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.conventions.values import as_text
from tasks.evidence.traces.spans import Span, parse_v3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# JSON in one attribute before Phoenix took it apart.
_TREES = ("tool.parameters.", "metadata.")
_STATUSES = {"OK": 1, "ERROR": 2}


def read_spans(rows: list[dict[str, Any]], project: str) -> dict[str, list[Span]]:
    """The spans of ``rows`` by trace id; ``project`` is their service, as Phoenix keeps no attributes of resources."""
    return parse_v3(
        [
            {
                "resourceSpans": [
                    {
                        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": project}}]},
                        "scopeSpans": [{"spans": [_otlp(row) for row in rows]}],
                    }
                ]
            }
        ]
    )


def _otlp(row: Mapping[str, Any]) -> dict[str, Any]:
    context = row.get("context")
    context = context if isinstance(context, dict) else {}
    raw = row.get("attributes")
    attributes = _joined(raw) if isinstance(raw, dict) else {}
    kind = row.get("span_kind")
    if isinstance(kind, str) and kind not in ("", "UNKNOWN"):
        attributes["openinference.span.kind"] = kind
    events = row.get("events")
    return {
        "traceId": context.get("trace_id"),
        "spanId": context.get("span_id"),
        "parentSpanId": row.get("parent_id"),
        "name": row.get("name"),
        "startTimeUnixNano": _nanoseconds(row.get("start_time")),
        "endTimeUnixNano": _nanoseconds(row.get("end_time")),
        "attributes": _pairs(attributes),
        "status": {"code": _STATUSES.get(str(row.get("status_code")), 0), "message": row.get("status_message")},
        "events": [
            {"name": event.get("name"), "attributes": _pairs(event.get("attributes"))}
            for event in (events if isinstance(events, list) else ())
            if isinstance(event, dict)
        ],
    }


def _joined(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with the leaves of what was one JSON object put together again."""
    found: dict[str, Any] = {}
    trees: dict[str, dict[str, Any]] = {}
    for key, value in attributes.items():
        tree = next((tree for tree in _TREES if key.startswith(tree)), None)
        if tree is None:
            found[key] = value
        else:
            _put(trees.setdefault(tree[:-1], {}), key[len(tree) :].split("."), value)
    for name, tree_found in trees.items():
        found.setdefault(name, as_text(tree_found))
    return found


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for depth, part in enumerate(path[:-1]):
        below = tree.setdefault(part, {})
        if not isinstance(below, dict) or depth >= 20:
            return
        tree = below
    tree[path[-1]] = value


def _pairs(attributes: object) -> list[dict[str, Any]]:
    if not isinstance(attributes, dict):
        return []
    return [
        {"key": key, "value": as_text(value) if isinstance(value, (dict, list)) else value}
        for key, value in attributes.items()
    ]


def _nanoseconds(value: object) -> int:
    moment = parse_moment(value)
    return 1000 * ((moment - _EPOCH) // _MICROSECOND) if moment else 0
