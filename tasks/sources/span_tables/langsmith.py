"""Runs of LangSmith's bulk export as spans.

https://docs.langchain.com/langsmith/data-export, https://docs.langchain.com/langsmith/run-data-format: inputs, outputs
and extra are JSON, times are UTC, and a run that is not of a model sums up the tokens of those below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.conventions.values import as_text, dig, json_object
from tasks.evidence.traces.spans import Span, normalized_trace_id
from tasks.evidence.values import read_filled, read_int, read_text, write_json

COLUMNS = (
    *("id", "trace_id", "parent_run_id", "name", "run_type", "start_time", "end_time", "status", "inputs", "outputs"),
    *("error", "extra", "session_id", "tags", "prompt_tokens", "completion_tokens", "total_tokens", "total_cost"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# LangSmith groups the traces of a conversation by the first of these.
_THREADS = ("session_id", "thread_id", "conversation_id")
_LONGEST_ID = 256


def read_langsmith_run(row: Mapping[str, Any]) -> Span | None:
    """The span of a run; None without an id, a trace's id or a start.

    The environment is what the run's metadata call ``environment``, else the project's id. The outermost run of a trace
    is an agent's by the name in its metadata (``lc_agent_name``), else by its own.
    """
    span_id, trace_id = _id(row.get("id")), _trace_id(row.get("trace_id"))
    start = parse_moment(row.get("start_time"))
    if span_id is None or trace_id is None or start is None:
        return None
    end = parse_moment(row.get("end_time"))
    start_us = (start - _EPOCH) // _MICROSECOND
    end_us = (end - _EPOCH) // _MICROSECOND if end else start_us
    name = read_text(row.get("name")) or ""
    error = read_filled(row.get("error"))
    parent_id = _id(row.get("parent_run_id"))
    extra = json_object(_parsed(row.get("extra")))
    failed = error is not None or str(row.get("status") or "").lower() == "error"
    return Span(
        trace_id,
        span_id,
        parent_id if parent_id != span_id else None,
        name,
        start_us,
        max(start_us, end_us),
        _tags(row, _agent_name(extra) or name if parent_id is None else name, extra),
        error=failed,
        exception=(error or "error") if failed else None,
        service=read_filled(row.get("session_id")) or "",
    )


def _tags(row: Mapping[str, Any], name: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that LangSmith's own exporter to OpenTelemetry writes."""
    kind = (read_filled(row.get("run_type")) or "chain").lower()
    metadata = extra.get("metadata")
    tags: dict[str, Any] = {"langsmith.span.kind": kind, "langsmith.trace.name": name}
    if kind == "tool":
        tags["gen_ai.tool.name"] = name
    for column, tag in (("inputs", "gen_ai.prompt"), ("outputs", "gen_ai.completion")):
        if (text := read_filled(as_text(row.get(column)))) is not None:
            tags[tag] = text
    if kind in ("llm", "embedding"):
        tags |= _llm(row, extra)
    session = next((value for key in _THREADS if (value := read_filled(dig(metadata, key)))), None)
    if session is not None:
        tags["session.id"] = session
    if environment := read_filled(dig(metadata, "environment")):
        tags["deployment.environment.name"] = environment
    return tags


def _llm(row: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    tags: dict[str, Any] = {}
    reported = dig(extra, "metadata", "usage_metadata")
    counts = {
        "input_tokens": read_int(row.get("prompt_tokens")),
        "output_tokens": read_int(row.get("completion_tokens")),
        "total_tokens": read_int(row.get("total_tokens")),
    }
    # Zero in all is what a run has whose provider reported nothing.
    counted = {key: value for key, value in counts.items() if value is not None} if any(counts.values()) else {}
    usage = {**counted, **(reported if isinstance(reported, dict) else {})}
    if usage:
        tags["langsmith.metadata.usage_metadata"] = write_json(usage)
    model = (
        dig(extra, "metadata", "ls_model_name")
        or dig(extra, "invocation_params", "model")
        or dig(extra, "invocation_params", "model_name")
    )
    if (model := read_filled(model)) is not None:
        tags["gen_ai.request.model"] = model
    if (cost := read_filled(row.get("total_cost"))) is not None:
        tags["gen_ai.usage.cost"] = cost
    return tags


def _agent_name(extra: Mapping[str, Any]) -> str | None:
    """What LangChain's agents write as their name."""
    return read_filled(dig(extra, "metadata", "lc_agent_name"))


def _parsed(value: object) -> object:
    return value if isinstance(value, (dict, str)) else read_text(value)


def _id(value: object) -> str | None:
    text = read_filled(value)
    return text if text is not None and len(text) <= _LONGEST_ID else None


def _trace_id(value: object) -> str | None:
    text = _id(value)
    return None if text is None else normalized_trace_id(text.replace("-", "")) or text
