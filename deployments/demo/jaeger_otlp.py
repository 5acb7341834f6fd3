"""A v1 trace as the OTLP JSON that Jaeger's v3 API gives: int64 as strings, zero fields left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


def resource_spans(trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``resourceSpans`` of a v1 trace object: one per process that has spans, in the order of the processes."""
    found = []
    for process_id, process in (trace.get("processes") or {}).items():
        spans = [_span(trace, raw) for raw in trace.get("spans") or [] if raw.get("processID") == process_id]
        if spans:
            attributes = [{"key": "service.name", "value": {"stringValue": process["serviceName"]}}]
            attributes += [_attribute(tag) for tag in process.get("tags") or []]
            found.append({"resource": {"attributes": attributes}, "scopeSpans": [{"scope": {}, "spans": spans}]})
    return found


def _span(trace: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    trace_id = str(trace["traceID"]).zfill(32)
    tags = {tag["key"]: tag for tag in raw.get("tags") or []}
    parent_id, links = "", []
    for reference in raw.get("references") or []:
        same = str(reference["traceID"]).zfill(32) == trace_id
        if same and not parent_id and reference["refType"] == "CHILD_OF":
            parent_id = reference["spanID"]
            continue
        kind = "child_of" if reference["refType"] == "CHILD_OF" else "follows_from"
        attribute = {"key": "opentracing.ref_type", "value": {"stringValue": kind}}
        linked = str(reference["traceID"]).zfill(32)
        links.append({"traceId": linked, "spanId": reference["spanID"], "attributes": [attribute]})
    start = int(raw["startTime"]) * 1000
    span: dict[str, Any] = {
        "traceId": trace_id,
        "spanId": raw["spanID"],
        "parentSpanId": parent_id,
        "name": raw["operationName"],
        "kind": _KINDS.get(str(tags.get("span.kind", {}).get("value")), 0),
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(raw["duration"]) * 1000),
        "attributes": [
            _attribute(tag)
            for key, tag in tags.items()
            if key not in ("span.kind", "error") and "otel.status" not in key
        ],
        "events": [_event(log) for log in raw.get("logs") or []],
        "links": links,
        "status": _status(tags),
    }
    if raw.get("warnings"):
        values = [{"stringValue": warning} for warning in raw["warnings"]]
        span["attributes"].append({"key": "@jaeger@warnings", "value": {"arrayValue": {"values": values}}})
    return {name: value for name, value in span.items() if value}


def _status(tags: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    status: dict[str, Any] = {}
    named = tags.get("otel.status_code", {}).get("value")
    if tags.get("error", {}).get("value") is True or named == "ERROR":
        status["code"] = 2
    elif named == "OK":
        status["code"] = 1
    if message := tags.get("otel.status_description", {}).get("value"):
        status["message"] = message
    return status


def _event(log: Mapping[str, Any]) -> dict[str, Any]:
    fields = {field["key"]: field for field in log.get("fields") or []}
    event: dict[str, Any] = {"timeUnixNano": str(int(log["timestamp"]) * 1000)}
    if named := fields.pop("event", None):
        event["name"] = named["value"]
    event["attributes"] = [_attribute(field) for field in fields.values()]
    return event


def _attribute(tag: Mapping[str, Any]) -> dict[str, Any]:
    value = tag["value"]
    if isinstance(value, bool):
        return {"key": tag["key"], "value": {"boolValue": value}}
    if isinstance(value, int) or tag.get("type") == "int64":
        return {"key": tag["key"], "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": tag["key"], "value": {"doubleValue": value}}
    return {"key": tag["key"], "value": {"stringValue": str(value)}}
