"""Spans in one shape, whichever JSON Jaeger gave them in: v1 (`/api/traces`) or v3 (OTLP, `/api/v3/traces`).

Nothing here trusts its input: what has no usable id or is no object is left out, values of the wrong type read as
absent. Ids are lower-case hex, 32 digits for traces and 16 for spans.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

_TRACE_ID = re.compile(r"[0-9a-f]{1,32}")
_WHOLE_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_SPAN_ID = re.compile(r"[0-9a-f]{1,16}")
_INT64 = 2**63
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no", ""})
# Jaeger writes the warnings of its own adjusters (clock skew) to this attribute when it answers in OTLP.
_OTLP_WARNINGS = ("@jaeger@warnings", "jaeger.internal.warnings")


class SpanEvent(NamedTuple):
    """An event of a span with its attributes."""

    name: str
    attributes: Mapping[str, Any]


@dataclass(slots=True)
class Span:
    """One span. Times are whole microseconds since 1970; ``parent_id`` None is a root (or a parent in another trace).

    ``follows`` means that the parent did not wait for it (FOLLOWS_FROM). ``exception`` is the last exception event as
    ``type: message``; ``error`` is the status alone, as an exception can be handled. ``events`` are those with a name.
    ``resource`` are the other attributes of the service (in Jaeger the tags of its process).
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    operation: str
    start_us: int
    end_us: int
    tags: Mapping[str, Any]
    error: bool = False
    exception: str | None = None
    follows: bool = False
    service: str = ""
    warnings: tuple[str, ...] = field(default=())
    events: tuple[SpanEvent, ...] = field(default=())
    resource: Mapping[str, Any] = field(default_factory=dict)


def normalized_trace_id(value: object) -> str | None:
    """``value`` as 32 lower-case hex digits (leading zeros are optional in Jaeger), None when it is no trace id."""
    if not isinstance(value, str):
        return None
    text = value.strip().lower().removeprefix("0x")
    if not _TRACE_ID.fullmatch(text):
        return None
    text = text.zfill(32)
    return None if text == "0" * 32 else text


def parse_v1(traces: Iterable[object]) -> dict[str, list[Span]]:
    """The spans by trace id of v1 trace objects (the list under ``data``). A trace that comes twice is joined.

    Empty or unusable input gives an empty dict; a span takes its trace's id when it has none of its own.
    """
    found: dict[str, list[Span]] = {}
    for trace in traces:
        if not isinstance(trace, dict):
            continue
        # Process ids (p1, p2) mean something inside their own trace only.
        processes = _processes(trace.get("processes"))
        raw_id = trace.get("traceID")
        own_id = normalized_trace_id(raw_id)
        for raw in _dicts(trace, "spans"):
            # Nearly always the trace's own: looked at once, not with every span.
            named = raw.get("traceID")
            trace_id = own_id if named is None or named == raw_id else normalized_trace_id(named) or own_id
            if trace_id is not None and (span := _span_v1(raw, trace_id, processes)):
                found.setdefault(span.trace_id, []).append(span)
    return found


def parse_v3(results: Iterable[object]) -> dict[str, list[Span]]:
    """The spans by trace id of v3 results (each an object with ``resourceSpans``): all traces come merged in one."""
    found: dict[str, list[Span]] = {}
    for result in results:
        for resource_spans in _dicts(result, "resourceSpans"):
            resource = resource_spans.get("resource")
            attributes = _attributes(resource.get("attributes")) if isinstance(resource, dict) else {}
            process = _Process(str(attributes.pop("service.name", "")), attributes)
            for scope_spans in _dicts(resource_spans, "scopeSpans"):
                scope = scope_spans.get("scope")
                scope_name = scope.get("name") if isinstance(scope, dict) else None
                for raw in _dicts(scope_spans, "spans"):
                    if span := _span_v3(raw, process, scope_name):
                        found.setdefault(span.trace_id, []).append(span)
    return found


class _Process(NamedTuple):
    """What wrote some of the spans: its service's name, and its attributes."""

    service: str = ""
    resource: Mapping[str, Any] = MappingProxyType({})


_NO_PROCESS = _Process()


def _processes(raw: object) -> dict[str, _Process]:
    if not isinstance(raw, dict):
        return {}
    return {
        key: _Process(str(process.get("serviceName", "")), _keyed(process.get("tags")))
        for key, process in raw.items()
        if isinstance(process, dict)
    }


def _span_v1(raw: dict[str, Any], trace_id: str, processes: dict[str, _Process]) -> Span | None:
    span_id = _span_id(raw.get("spanID"))
    if span_id is None:
        return None
    try:
        # One expression, as this is where a report of 2,000 traces spends its parsing.
        tags = {tag["key"]: tag["value"] for tag in raw["tags"]}
    except (KeyError, TypeError):
        tags = _keyed(raw.get("tags"))
    if "otel.library.name" in tags:
        # What Jaeger called the scope before OpenTelemetry did.
        tags.setdefault("otel.scope.name", tags["otel.library.name"])
    if "error" in tags and len(tags) != len(raw["tags"]):
        tags["error"] = _own_error(raw["tags"])
    parent_id, follows = _parent_v1(raw, trace_id, span_id)
    start = _integer(raw.get("startTime"))
    logs = raw.get("logs")
    events = [_fields(log) for log in logs] if isinstance(logs, list) and logs else ()
    warnings = raw.get("warnings")
    process = processes.get(str(raw.get("processID")), _NO_PROCESS)
    return Span(
        trace_id,
        span_id,
        parent_id,
        str(raw.get("operationName", "")),
        start,
        start + max(0, _integer(raw.get("duration"))),
        tags,
        _is_error(tags),
        _exception(events) if events else None,
        follows,
        process.service,
        tuple(str(warning) for warning in warnings) if isinstance(warnings, list) else (),
        _named(events) if events else (),
        process.resource,
    )


def _own_error(tags: Iterable[object]) -> Any:
    """The value of ``error`` where the span has the attribute and Jaeger writes its status beside it: the words."""
    values = [tag.get("value") for tag in tags if isinstance(tag, dict) and tag.get("key") == "error"]
    return next((value for value in values if not isinstance(value, bool)), values[-1])


def _parent_v1(raw: dict[str, Any], trace_id: str, span_id: str) -> tuple[str | None, bool]:
    """The parent in the same trace: the first CHILD_OF, else the first FOLLOWS_FROM, as Jaeger's UI picks it."""
    following: str | None = None
    for reference in _dicts(raw, "references"):
        target = _span_id(reference.get("spanID"))
        if target is None or target == span_id:
            continue
        foreign = reference.get("traceID")
        if foreign is not None and foreign != trace_id and normalized_trace_id(foreign) != trace_id:
            continue
        if reference.get("refType") != "FOLLOWS_FROM":
            return target, False
        following = following or target
    if following:
        return following, True
    # The field from before references, still written by old collectors.
    legacy = _span_id(raw.get("parentSpanID"))
    return (legacy if legacy != span_id else None), False


def _span_v3(raw: dict[str, Any], process: _Process, scope: object) -> Span | None:
    trace_id = normalized_trace_id(_hex_id(raw.get("traceId"), 16))
    span_id = _span_id(_hex_id(raw.get("spanId"), 8))
    if trace_id is None or span_id is None:
        return None
    tags = _attributes(raw.get("attributes"))
    if isinstance(scope, str) and scope:
        tags.setdefault("otel.scope.name", scope)
    warnings: list[str] = []
    for name in _OTLP_WARNINGS:
        value = tags.pop(name, None)
        parsed = _json_list(value)
        warnings += [str(item) for item in parsed] if parsed is not None else [str(value)] if value else []
    status = raw.get("status")
    if isinstance(status, dict):
        # The names that Jaeger gives a status in its v1 answers, so that only one shape is read further on.
        if status.get("code") in (2, "2", "STATUS_CODE_ERROR"):
            tags.setdefault("otel.status_code", "ERROR")
        elif status.get("code") in (1, "1", "STATUS_CODE_OK"):
            tags.setdefault("otel.status_code", "OK")
        if status.get("message"):
            tags.setdefault("otel.status_description", str(status["message"]))
    parent_id = _span_id(_hex_id(raw.get("parentSpanId"), 8))
    follows = False
    if parent_id is None:
        parent_id = _followed(raw, trace_id)
        follows = parent_id is not None
    events = [_event(event) for event in _dicts(raw, "events")]
    start = _integer(raw.get("startTimeUnixNano")) // 1000
    end = _integer(raw.get("endTimeUnixNano")) // 1000
    return Span(
        trace_id,
        span_id,
        parent_id if parent_id != span_id else None,
        str(raw.get("name", "")),
        start,
        max(start, end),
        tags,
        _is_error(tags),
        _exception(events),
        follows,
        process.service,
        tuple(warnings),
        _named(events),
        process.resource,
    )


def _followed(raw: dict[str, Any], trace_id: str) -> str | None:
    """The span that a parentless one follows: v1's FOLLOWS_FROM in its OTLP form, a link with a reference type."""
    for link in _dicts(raw, "links"):
        if normalized_trace_id(_hex_id(link.get("traceId"), 16)) != trace_id:
            continue
        if _attributes(link.get("attributes")).get("opentracing.ref_type") == "follows_from":
            return _span_id(_hex_id(link.get("spanId"), 8))
    return None


def _attributes(raw: object) -> dict[str, Any]:
    return {key: _value(value) for key, value in _keyed(raw).items()}


def _keyed(raw: object) -> dict[str, Any]:
    """A list of ``{key, value}`` as a dict, without what is none."""
    if not isinstance(raw, list):
        return {}
    return {
        item["key"]: item.get("value") for item in raw if isinstance(item, dict) and isinstance(item.get("key"), str)
    }


def _value(raw: object) -> Any:
    """An OTLP value as v1 would give it: lists and maps become JSON text, integers may come as strings."""
    if not isinstance(raw, dict):
        return raw
    for kind, value in raw.items():
        if kind == "intValue":
            return _integer(value)
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return value
        if kind in ("arrayValue", "kvlistValue"):
            try:
                return orjson.dumps(_plain(raw), default=str).decode()
            except orjson.JSONEncodeError:
                return None  # nested deeper than JSON is written
    return None


def _plain(raw: object) -> Any:
    """Nested OTLP values as plain Python, without recursion: the deepest JSON that a parser takes must not overflow."""
    if not isinstance(raw, dict):
        return raw
    outer: list[Any] = []
    pending: list[tuple[Any, Any, object]] = [(outer, None, raw)]
    while pending:
        target, key, value = pending.pop()
        made: Any = None
        if isinstance(value, dict) and isinstance(value.get("arrayValue"), dict):
            made = []
            items = value["arrayValue"].get("values")
            items = items if isinstance(items, list) else []
            made.extend([None] * len(items))
            pending.extend((made, index, item) for index, item in enumerate(items))
        elif isinstance(value, dict) and isinstance(value.get("kvlistValue"), dict):
            made = {}
            for item in _dicts(value["kvlistValue"], "values"):
                key_name = str(item.get("key", ""))
                made[key_name] = None  # keeps the order of the keys: the stack is emptied from its end
                pending.append((made, key_name, item.get("value")))
        else:
            made = _value(value)
        if key is None:
            target.append(made)
        else:
            target[key] = made
    return outer[0]


def _event(raw: dict[str, Any]) -> dict[str, Any]:
    return {"event": raw.get("name"), **_attributes(raw.get("attributes"))}


def _named(events: Iterable[dict[str, Any]]) -> tuple[SpanEvent, ...]:
    """The events that have a name, without the exceptions: those are read already."""
    return tuple(
        SpanEvent(event["event"], event)
        for event in events
        if isinstance(event.get("event"), str) and event["event"] != "exception"
    )


def _fields(log: object) -> dict[str, Any]:
    return _keyed(log.get("fields")) if isinstance(log, dict) else {}


def _exception(events: Iterable[dict[str, Any]]) -> str | None:
    found = None
    for event in events:
        kind, message = event.get("exception.type"), event.get("exception.message")
        if kind or message or event.get("event") == "exception":
            found = ": ".join(str(part) for part in (kind, message) if part) or "exception"
        elif event.get("event") == "error":
            # OpenTracing's way, before OpenTelemetry's exception events.
            found = str(event.get("message") or event.get("error.object") or event.get("error.kind") or "error")
    return found


def _is_error(tags: Mapping[str, Any]) -> bool:
    value = tags.get("error")
    if value is not None and value is not False:
        text = str(value).strip().lower()
        if text in _TRUE or text not in _FALSE:
            return True
    return str(tags.get("otel.status_code", "")).upper() == "ERROR"


def _span_id(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = value
    if not _WHOLE_SPAN_ID.fullmatch(text):
        text = value.strip().lower()
        if not _SPAN_ID.fullmatch(text):
            return None
        text = text.zfill(16)
    return None if text == "0000000000000000" else text


def _hex_id(value: object, size: int) -> object:
    """An id of ``size`` bytes as hex: OTLP uses hex, protobuf's own JSON base64, and Jaeger has returned both."""
    if not isinstance(value, str) or len(value) == size * 2:
        return value
    if len(value) == -(-size // 3) * 4:
        try:
            return base64.b64decode(value, validate=True).hex()
        except binascii.Error:
            return value
    return value


def _integer(value: object) -> int:
    """A whole number; int64 above 2^53 comes as a string, proto3 leaves out zeros. What is no int64 is 0."""
    if not isinstance(value, (int, float, str)):
        return 0
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return 0
    return number if -_INT64 <= number < _INT64 else 0


def _dicts(raw: object, key: str) -> Iterable[dict[str, Any]]:
    items = raw.get(key) if isinstance(raw, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else ()


def _json_list(value: object) -> list[Any] | None:
    if not isinstance(value, str) or not value.startswith("["):
        return None
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, list) else None
