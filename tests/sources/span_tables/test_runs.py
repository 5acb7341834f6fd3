"""Exports of tracing platforms as a source: their agents, runs and traces."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.span_reading import load_recordings
from tasks.evidence.types import AgentRuns
from tasks.sources.opening import SourceSettings, open_source
from tasks.sources.source import Window

_WINDOW = Window(20, datetime(2100, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), "")
_RECORDINGS = {recording.name: recording for recording in load_recordings()}
_spec = importlib.util.spec_from_file_location("exports", Path(__file__).with_name("exports.py"))
assert _spec is not None
assert _spec.loader is not None
exports = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(exports)


@pytest.mark.parametrize(
    ("preset", "recording", "environment"),
    [
        ("langfuse", "langchain-sync__langfuse", "prod"),
        ("langsmith", "langchain-sync__langsmith-otel", "00000000-0000-0000-0000-000000000002"),
        ("otel_traces", "openai-agents-sync-chat__openinference-openai-agents", "prod"),
    ],
)
def test_a_report_can_be_made_of_an_export(tmp_path: Path, preset: str, recording: str, environment: str) -> None:
    spans = _RECORDINGS[recording].spans
    writers = {
        "langfuse": exports.write_observations,
        "langsmith": exports.write_langsmith_runs,
        "otel_traces": exports.write_otel_traces,
    }
    tables = {"langfuse": "observations_v2", "langsmith": "runs", "otel_traces": "otel_traces"}
    folder = tmp_path / tables[preset]
    folder.mkdir()
    writers[preset](folder / "a.parquet", spans)
    (trace_id,) = {span.trace_id for span in spans}
    score = {"id": "1", "trace_id": trace_id, "name": "user-feedback", "value": 0, "source": "API"}
    if preset == "langfuse":
        (tmp_path / "scores").mkdir()
        (tmp_path / "scores" / "a.jsonl").write_text(json.dumps(score) + "\n")

    source = open_source(str(tmp_path), SourceSettings(preset=preset))
    source.check()
    assert environment in source.list_environments()
    agents = source.load_agents(environment, _WINDOW)
    (found,) = [runs for runs in source.fetch_runs_of(agents, _WINDOW).values() if isinstance(runs, AgentRuns)]
    (run,) = found.runs
    assert run.outcome == "completed"
    assert sorted(call.name for call in run.tool_calls) == ["book", "book", "get_time", "get_weather", "get_weather"]
    assert (run.input_tokens, run.output_tokens, run.model_name) == (1000, 100, "test-model-1")
    assert run.succeeded is (False if preset == "langfuse" else None)
    store = source.trace_store()
    assert store is not None
    [trace] = store.find_traces([run], now=_WINDOW.until).summarize([run], lambda telemetry: telemetry, {})
    assert (trace.state, trace.telemetry and trace.telemetry.llm_calls) == ("complete", 5)
    source.close()
