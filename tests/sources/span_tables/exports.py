"""Recordings written as the platforms export them, by their published schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.evidence.traces.spans import Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAP = pa.map_(pa.string(), pa.string())
_OTEL = pa.schema(
    {
        "Timestamp": pa.timestamp("ns", tz="UTC"),
        "TraceId": pa.string(),
        "SpanId": pa.string(),
        "ParentSpanId": pa.string(),
        "SpanName": pa.string(),
        "ServiceName": pa.string(),
        "ResourceAttributes": _MAP,
        "ScopeName": pa.string(),
        "SpanAttributes": _MAP,
        "Duration": pa.uint64(),
        "StatusCode": pa.string(),
        "StatusMessage": pa.string(),
        "Events.Name": pa.list_(pa.string()),
        "Events.Attributes": pa.list_(_MAP),
    }
)
_TIME = pa.timestamp("us", tz="UTC")
_METADATA = {"thread_id": "s", "lc_agent_name": "desk"}
_LANGFUSE = {
    "start_time": _TIME,
    "end_time": _TIME,
    "usage_details": pa.map_(pa.string(), pa.uint64()),
    "tags": pa.list_(pa.string()),
}


def write_otel_traces(path: Path, spans: Iterable[Span]) -> None:
    """``otel_traces`` of the Collector's ClickHouse exporter, as ``FORMAT Parquet`` has it."""
    rows = [
        {
            "Timestamp": span.start_us * 1000,
            "TraceId": span.trace_id,
            "SpanId": span.span_id,
            "ParentSpanId": span.parent_id or "",
            "SpanName": span.operation,
            "ServiceName": span.service,
            "ResourceAttributes": [("service.name", span.service), ("deployment.environment.name", "prod")],
            "ScopeName": str(span.tags.get("otel.scope.name", "")),
            "SpanAttributes": list(_texts(span.tags)),
            "Duration": (span.end_us - span.start_us) * 1000,
            "StatusCode": "Error" if span.error else "Ok" if span.tags.get("otel.status_code") == "OK" else "Unset",
            "StatusMessage": str(span.tags.get("otel.status_description", "")),
            "Events.Name": [event.name for event in span.events] + ["exception"] * bool(span.exception),
            "Events.Attributes": [list(_texts(event.attributes)) for event in span.events]
            + [[("exception.message", span.exception)]] * bool(span.exception),
        }
        for span in spans
    ]
    pq.write_table(pa.Table.from_pylist(rows, _OTEL), path)


def _texts(tags: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in tags.items():
        # Jaeger's own names of what has a column in the table.
        if key not in ("error", "otel.status_code", "otel.status_description", "otel.scope.name"):
            yield key, str(value).lower() if isinstance(value, bool) else str(value)


def write_observations(path: Path, spans: Iterable[Span]) -> None:
    """Langfuse's ``observations_v2``, from what its SDK writes as attributes."""
    rows = [
        {
            "id": span.span_id,
            "trace_id": span.trace_id,
            "project_id": "p",
            "environment": "prod",
            "type": str(span.tags.get("langfuse.observation.type", "span")).upper(),
            "parent_observation_id": span.parent_id or "",
            "start_time": _EPOCH + timedelta(microseconds=span.start_us),
            "end_time": _EPOCH + timedelta(microseconds=span.end_us),
            "name": span.operation,
            "level": span.tags.get("langfuse.observation.level", "DEFAULT"),
            "status_message": span.tags.get("langfuse.observation.status_message", ""),
            "input": span.tags.get("langfuse.observation.input", ""),
            "output": span.tags.get("langfuse.observation.output", ""),
            "provided_model_name": span.tags.get("langfuse.observation.model.name", ""),
            "usage_details": list(_counts(span.tags.get("langfuse.observation.usage_details"))),
            "session_id": "s",
            "trace_name": "desk",
            "tags": ["a"],
        }
        for span in spans
    ]
    fields = [pa.field(name, _LANGFUSE.get(name, pa.string())) for name in rows[0]]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(fields)), path)


def _counts(written: object) -> Iterator[tuple[str, int]]:
    """The usage in Langfuse's buckets, which its server makes of OpenAI's names too."""
    parsed = json.loads(written) if isinstance(written, str) else {}
    details = parsed.pop("prompt_tokens_details", {})
    parsed.pop("completion_tokens_details", None)
    if "prompt_tokens" in parsed:
        cached = details.get("cached_tokens", 0)
        yield "input", parsed.pop("prompt_tokens") - cached
        yield "input_cached_tokens", cached
    renamed = {"completion_tokens": "output", "total_tokens": "total"}
    yield from ((renamed.get(key, key), value) for key, value in parsed.items())


def write_langsmith_runs(path: Path, spans: Iterable[Span]) -> None:
    """LangSmith's bulk export, from what its SDK writes as attributes."""
    rows = [
        {
            "id": _uuid(span.span_id),
            "tenant_id": _uuid("1"),
            "session_id": _uuid("2"),
            "trace_id": str(UUID(span.trace_id)),
            "parent_run_id": _uuid(span.parent_id) if span.parent_id else None,
            "is_root": span.parent_id is None,
            "name": span.tags.get("langsmith.trace.name", span.operation),
            "run_type": span.tags.get("langsmith.span.kind", "chain"),
            "start_time": _EPOCH + timedelta(microseconds=span.start_us),
            "end_time": _EPOCH + timedelta(microseconds=span.end_us),
            "status": "error" if span.error else "success",
            "inputs": span.tags.get("gen_ai.prompt"),
            "outputs": span.tags.get("gen_ai.completion"),
            "error": span.exception,
            "extra": json.dumps(
                {"metadata": {"ls_model_name": _model(span), "thread_id": "s", "lc_agent_name": "desk"}}
            ),
            "tags": ["a"],
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
        }
        for span in spans
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def _model(span: Span) -> Any:
    return span.tags.get("gen_ai.response.model") or span.tags.get("gen_ai.request.model")


def _uuid(text: str) -> str:
    return str(UUID(text.zfill(32)))
