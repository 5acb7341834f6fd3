"""Traces of the sample's runs, as Jaeger's v1 JSON gives them, in the conventions that agents' spans follow.

Every trace has Station's outer span (service ``station``, tag ``run.id``), as it is Station that runs the agents; below
it are the spans of the agent's own framework. Times, calls and tokens are the run's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deployments.demo.play import Play, PlayedCall, PlayedTurn

_EDGE_US = 900
_LONGEST_TEXT = 4000
_PROVIDERS = {"gpt": "openai", "claude": "anthropic", "gemini": "google"}

Tags = Mapping[str, Any]


@dataclass(slots=True)
class Recorder:
    """The spans of one trace. Ids come from ``rng``; ``start_us`` is the run's start in microseconds since 1970."""

    trace_id: str
    start_us: int
    rng: random.Random
    spans: list[dict[str, Any]] = field(default_factory=list)

    def span(
        self,
        operation: str,
        process: str,
        parent: str | None,
        begin_us: int,
        end_us: int,
        tags: Tags,
        error: str | None = None,
    ) -> str:
        """Adds a span from ``begin_us`` to ``end_us`` (since the run's start) and returns its id."""
        span_id = f"{self.rng.getrandbits(63) | 1:016x}"
        every = {**tags, "otel.status_code": "OK"}
        logs: list[dict[str, Any]] = []
        if error is not None:
            every |= {"error": True, "otel.status_code": "ERROR", "otel.status_description": error}
            fields = {"event": "exception", "exception.type": "ToolError", "exception.message": error}
            logs = [{"timestamp": self.start_us + end_us, "fields": [_tag(*item) for item in fields.items()]}]
        references = [{"refType": "CHILD_OF", "traceID": self.trace_id, "spanID": parent}] if parent else []
        self.spans.append(
            {
                "traceID": self.trace_id,
                "spanID": span_id,
                "operationName": operation,
                "references": references,
                "startTime": self.start_us + begin_us,
                "duration": max(1, end_us - begin_us),
                "tags": [_tag(*item) for item in every.items()],
                "logs": logs,
                "processID": process,
                "warnings": None,
            }
        )
        return span_id


@dataclass(frozen=True, slots=True)
class Traced:
    """What a trace is made of: the run's id, its agent, its model, and what happened in it."""

    run_id: int
    agent: str
    convention: str
    model: str
    play: Play


def build_trace(run: Traced, trace_id: str, started_at: datetime, rng: random.Random) -> dict[str, Any]:
    """The trace of one run: ``{traceID, spans, processes, warnings}``, complete, its root ending with the run."""
    play = run.play
    recorder = Recorder(trace_id, round(started_at.timestamp() * 1e6), rng)
    failed = play.error if play.status != "completed" else None
    outer = recorder.span(
        "agent_execution_engine.execute",
        "p1",
        None,
        0,
        play.duration_us,
        {"run.id": str(run.run_id), "agent.name": run.agent, "execution.model": run.model, "span.kind": "internal"},
        failed,
    )
    recorder.span("db.agent_runs.create", "p1", outer, 200, 6_000, {"db.system": "sqlite", "span.kind": "client"})
    _FRAMEWORKS[run.convention](recorder, run, outer)
    return {
        "traceID": trace_id,
        "spans": recorder.spans,
        "processes": {"p1": _process("station"), "p2": _process(run.agent)},
        "warnings": None,
    }


def drop_root(trace: dict[str, Any]) -> None:
    """Makes ``trace`` partial, as it is while its root has not been exported: its children are orphans."""
    trace["spans"] = [span for span in trace["spans"] if span["references"]]


def drop_middle(trace: dict[str, Any]) -> None:
    """Makes ``trace`` partial: a span within it was lost, its children are orphans."""
    roots = {span["spanID"] for span in trace["spans"] if not span["references"]}
    parents = [span["references"][0]["spanID"] for span in trace["spans"] if span["references"]]
    lost = next((parent for parent in parents if parent not in roots), None)
    trace["spans"] = [span for span in trace["spans"] if span["spanID"] != lost]


def _genai(recorder: Recorder, run: Traced, outer: str) -> None:
    begin, end = _EDGE_US, run.play.duration_us - _EDGE_US
    tags = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": run.agent, "span.kind": "internal"}
    root = recorder.span(f"invoke_agent {run.agent}", "p2", outer, begin, end, tags)
    for turn in run.play.turns:
        chat = recorder.span(
            f"chat {run.model}",
            "p2",
            root,
            turn.start_us,
            turn.end_us,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": _provider(run.model),
                "gen_ai.request.model": run.model,
                "gen_ai.response.model": run.model,
                "gen_ai.usage.input_tokens": turn.input_tokens,
                "gen_ai.usage.output_tokens": turn.output_tokens,
                "gen_ai.response.finish_reasons": '["tool_calls"]' if turn.calls else '["stop"]',
                "span.kind": "client",
            },
        )
        _http(recorder, chat, turn.start_us, turn.end_us)
        _genai_tools(recorder, root, turn)


def _genai_tools(recorder: Recorder, parent: str, turn: PlayedTurn) -> None:
    for call in turn.calls:
        tags = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.call.id": f"call_{recorder.rng.getrandbits(48):012x}",
            "gen_ai.tool.call.arguments": _text(call.arguments),
            **_result("gen_ai.tool.call.result", call),
        }
        if call.error:
            tags["error.type"] = "ToolError"
        tool = recorder.span(f"execute_tool {call.tool}", "p2", parent, call.start_us, call.end_us, tags, call.error)
        _http(recorder, tool, call.start_us, call.end_us)


def _overlap(recorder: Recorder, run: Traced, outer: str) -> None:
    """Two instrumentations at once: the framework's ``call_llm`` and the SDK's ``openai.chat``, same tokens."""
    begin, end = _EDGE_US, run.play.duration_us - _EDGE_US
    invocation = recorder.span("invocation", "p2", outer, begin, end, {"span.kind": "internal"})
    tags = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": run.agent}
    root = recorder.span(f"invoke_agent {run.agent}", "p2", invocation, begin + 300, end - 300, tags)
    for turn in run.play.turns:
        outer_call = recorder.span(
            "call_llm",
            "p2",
            root,
            turn.start_us,
            turn.end_us,
            {
                "gen_ai.system": "gcp.vertex.agent",
                "gen_ai.request.model": run.model,
                "gen_ai.usage.input_tokens": turn.input_tokens,
                "gen_ai.usage.output_tokens": turn.output_tokens,
            },
        )
        recorder.span(
            "openai.chat",
            "p2",
            outer_call,
            turn.start_us + 1_500,
            turn.end_us - 1_500,
            {
                "llm.request.type": "chat",
                "gen_ai.request.model": run.model,
                "gen_ai.response.model": run.model,
                "gen_ai.usage.prompt_tokens": turn.input_tokens,
                "gen_ai.usage.completion_tokens": turn.output_tokens,
                "llm.usage.total_tokens": turn.input_tokens + turn.output_tokens,
                "span.kind": "client",
            },
        )
        _genai_tools(recorder, root, turn)


def _openinference(recorder: Recorder, run: Traced, outer: str) -> None:
    begin, end = _EDGE_US, run.play.duration_us - _EDGE_US
    tags = {"openinference.span.kind": "AGENT", "input.value": run.play.task, "output.value": run.play.response}
    root = recorder.span(run.agent, "p2", outer, begin, end, tags)
    for turn in run.play.turns:
        llm = recorder.span(
            "ChatCompletion",
            "p2",
            root,
            turn.start_us,
            turn.end_us,
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": run.model,
                "llm.provider": _provider(run.model),
                "llm.token_count.prompt": turn.input_tokens,
                "llm.token_count.completion": turn.output_tokens,
                "llm.token_count.total": turn.input_tokens + turn.output_tokens,
                "output.value": turn.text,
            },
        )
        _http(recorder, llm, turn.start_us, turn.end_us)
        for call in turn.calls:
            tags = {
                "openinference.span.kind": "TOOL",
                "tool.name": call.tool,
                "input.value": _text(call.arguments),
                "input.mime_type": "application/json",
                **_result("output.value", call),
            }
            tool = recorder.span(call.tool, "p2", root, call.start_us, call.end_us, tags, call.error)
            _http(recorder, tool, call.start_us, call.end_us)


def _genkit(recorder: Recorder, run: Traced, outer: str) -> None:
    begin, end = _EDGE_US, run.play.duration_us - _EDGE_US
    tags = _genkit_tags(run.agent, "flow", _text(run.play.task), None)
    root = recorder.span(run.agent, "p2", outer, begin, end, tags)
    inner = recorder.span("generate", "p2", root, begin + 200, end - 200, {"genkit:type": "util"})
    for turn in run.play.turns:
        _genkit_model(recorder, run, inner, turn)
        for call in turn.calls:
            tags = _genkit_tags(call.tool, "tool", _text(call.arguments), call)
            recorder.span(call.tool, "p2", inner, call.start_us, call.end_us, tags, call.error)


def _genkit_model(recorder: Recorder, run: Traced, parent: str, turn: PlayedTurn) -> None:
    name = f"{_provider(run.model)}/{run.model}"
    answer = {
        "message": {"role": "model", "content": [{"text": turn.text}]},
        "finishReason": "stop",
        "usage": {"inputTokens": turn.input_tokens, "outputTokens": turn.output_tokens},
    }
    tags = {**_genkit_tags(name, "model", '{"config":{}}', None), "genkit:output": _text(answer)}
    model = recorder.span(name, "p2", parent, turn.start_us, turn.end_us, tags)
    _http(recorder, model, turn.start_us, turn.end_us)


def _station(recorder: Recorder, run: Traced, outer: str) -> None:
    begin, end = _EDGE_US, run.play.duration_us - _EDGE_US
    recorder.span("mcp.tools.list", "p1", outer, 6_500, 21_000, {"mcp.method.name": "tools/list"})
    root = recorder.span("dotprompt.execute", "p1", outer, begin, end, {"execution.model": run.model})
    for turn in run.play.turns:
        _genkit_model(recorder, run, root, turn)
        for call in turn.calls:
            # Station gives a tool of an MCP server two underscores, in its rows too.
            tags = _genkit_tags(call.tool, "tool", _text(call.arguments), call)
            tool = recorder.span(call.tool, "p1", root, call.start_us, call.end_us, tags, call.error)
            served = {"mcp.method.name": "tools/call", "gen_ai.tool.name": call.tool.removeprefix("__")}
            name = f"tools/call {call.tool.removeprefix('__')}"
            recorder.span(name, "p2", tool, call.start_us + 700, call.end_us - 700, served, call.error)
    recorder.span("db.agent_runs.update", "p1", outer, end - 600, end, {"db.system": "sqlite", "span.kind": "client"})


_FRAMEWORKS: dict[str, Callable[[Recorder, Traced, str], None]] = {
    "genai": _genai,
    "overlap": _overlap,
    "openinference": _openinference,
    "genkit": _genkit,
    "station": _station,
}


def _genkit_tags(name: str, subtype: str, given: str, call: PlayedCall | None) -> dict[str, Any]:
    tags: dict[str, Any] = {
        "genkit:type": "action",
        "genkit:metadata:subtype": subtype,
        "genkit:name": name,
        "genkit:input": given,
        "genkit:state": "error" if call is not None and call.error else "success",
    }
    return tags | _result("genkit:output", call) if call is not None else tags


def _http(recorder: Recorder, parent: str, begin_us: int, end_us: int) -> None:
    """The request under a call, as the instrumentation of an HTTP client adds it to most of them."""
    if recorder.rng.random() < 0.7:
        tags = {"http.request.method": "POST", "http.response.status_code": 200, "span.kind": "client"}
        recorder.span("POST", "p2", parent, begin_us + 500, end_us - 500, tags)


def _result(key: str, call: PlayedCall) -> dict[str, str]:
    return {} if call.result is None else {key: _text(call.result)}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Exporters cut long attributes.
    return text[:_LONGEST_TEXT]


def _provider(model: str) -> str:
    return next((name for prefix, name in _PROVIDERS.items() if model.startswith(prefix)), "inhouse")


def _process(service: str) -> dict[str, Any]:
    return {"serviceName": service, "tags": [_tag("telemetry.sdk.name", "opentelemetry")]}


def _tag(key: str, value: Any) -> dict[str, Any]:
    kind = "bool" if isinstance(value, bool) else "int64" if isinstance(value, int) else "string"
    return {"key": key, "type": kind, "value": value}
