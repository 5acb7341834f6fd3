"""Exports of tracing platforms give the traces that were recorded."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.span_reading import UNREADABLE, Recording, load_recordings, read_fields
from tasks.errors import ConfigurationError, SourceError
from tasks.evidence.traces import conventions
from tasks.evidence.traces.spans import Span
from tasks.sources.span_tables.presets import open_preset
from tasks.sources.span_tables.store import SpanTableStore
from tasks.sources.spans.store import SIGNALS

_RECORDINGS = [recording for recording in load_recordings() if recording.name not in UNREADABLE]
_ALWAYS = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def _load(name: str) -> ModuleType:
    # Tests are no package, so their modules are loaded by their place.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exports = _load("exports")


def _store(preset: str, place: Path) -> SpanTableStore:
    return open_preset(preset, str(place))


def _of(instrumentation: str) -> list[Recording]:
    return [recording for recording in _RECORDINGS if recording.name.endswith(f"__{instrumentation}")]


def _same(found: Iterable[Sequence[Span]], recordings: Iterable[Recording]) -> None:
    by_id = {spans[0].trace_id: spans for spans in found}
    for recording in recordings:
        # Some kept the HTTP requests of the endpoint beside the run's own trace.
        trace_id = max((span.trace_id for span in recording.spans), key=[s.trace_id for s in recording.spans].count)
        own = [span for span in recording.spans if span.trace_id == trace_id]
        if trace_id in by_id or any(conventions.read(span).convention for span in own):
            assert read_fields(list(by_id[trace_id])) == read_fields(own), recording.name


def test_otel_traces_are_read_as_from_jaeger(tmp_path: Path) -> None:
    exports.write_otel_traces(tmp_path / "otel_traces.parquet", (s for r in _RECORDINGS for s in r.spans))
    store = _store("otel_traces", tmp_path)

    store.check()
    _same(store.traces(*_ALWAYS), _RECORDINGS)
    trace_id = _RECORDINGS[0].spans[0].trace_id
    assert len(store.fetch([trace_id, "0" * 31 + "1"])[trace_id]) == len(_RECORDINGS[0].spans)


def test_langfuse_observations_are_read_as_the_spans_of_its_sdk(tmp_path: Path) -> None:
    recordings = _of("langfuse")
    for recording in recordings:
        exports.write_observations(tmp_path / f"p/observations_v2/{recording.name}.parquet", recording.spans)
        trace_id = max((span.trace_id for span in recording.spans), key=[s.trace_id for s in recording.spans].count)
        rows = [
            {"id": "1", "trace_id": trace_id, "name": "solved", "value": 1.0, "data_type": "BOOLEAN", "source": "API"},
            {"id": "2", "trace_id": trace_id, "name": "tone", "string_value": "kind", "data_type": "CATEGORICAL"},
            {"id": "3", "trace_id": trace_id, "name": "empty", "source": "EVAL"},
        ]
        path = tmp_path / "p" / "scores" / f"{recording.name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    (tmp_path / "p" / "manifests").mkdir()
    (tmp_path / "p" / "manifests" / "2026.json").write_text("{}")

    traces = list(_store("langfuse", tmp_path).traces(*_ALWAYS))
    assert len(recordings) == 2
    _same(traces, recordings)
    assert {span.tags["session.id"] for spans in traces for span in spans} == {"s"}
    (root,) = (span for span in traces[0] if span.parent_id is None)
    assert json.loads(root.tags[SIGNALS]) == [
        {"name": "solved", "value": "1.0", "source": "user"},
        {"name": "tone", "value": "kind", "source": ""},
    ]


def test_langsmith_runs_are_read_as_the_spans_of_its_sdk(tmp_path: Path) -> None:
    recordings = _of("langsmith-otel")
    folder = tmp_path / "export_id=1" / "tenant_id=2" / "runs" / "year=2026" / "month=11" / "day=1"
    for recording in recordings:
        exports.write_langsmith_runs(folder / f"{recording.name}.parquet", recording.spans)

    store = _store("langsmith", tmp_path)
    traces = list(store.traces(*_ALWAYS))
    assert len(recordings) >= 3
    _same(traces, recordings)
    (root,) = [span for span in traces[0] if span.parent_id is None]
    assert root.tags["langsmith.trace.name"] == "desk"
    assert root.service == "00000000-0000-0000-0000-000000000002"
    assert store.fetch([root.trace_id])[root.trace_id][0].trace_id == root.trace_id


def test_traces_come_whole_once_and_newest_first(tmp_path: Path) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    lines = []
    for number in range(120):
        for child in range(2):
            row = {
                "id": f"{number:08x}{child:08x}",
                "trace_id": f"{number:032x}",
                "parent_observation_id": f"{number:08x}{0:08x}" if child else "",
                "type": "AGENT",
                # As JSON exports write times: UTC, without a zone.
                "start_time": (begin + timedelta(hours=number, minutes=child)).strftime("%Y-%m-%d %H:%M:%S.%f"),
            }
            # The window of one export ends where the next begins.
            lines += [json.dumps(row)] * (2 if number == 50 else 1)
    folder = tmp_path / "observations_v2"
    folder.mkdir()
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")

    store = _store("langfuse", tmp_path)
    window = (begin + timedelta(hours=10), begin + timedelta(hours=110))
    numbers = [int(spans[0].trace_id, 16) for spans in store.traces(*window)]
    assert numbers == list(range(109, 9, -1))
    # One that began a minute before is not of the window.
    late = store.traces(begin + timedelta(hours=10, seconds=30), begin + timedelta(hours=12))
    assert [int(spans[0].trace_id, 16) for spans in late] == [11]
    assert len(list(store.traces(None, begin + timedelta(hours=1)))) == 1
    assert {len(spans) for spans in store.traces(*_ALWAYS)} == {2}


def test_spans_of_other_services_are_passed_over(tmp_path: Path) -> None:
    start = 1_790_000_000_000_000
    web = Span("1" * 32, "1" * 16, None, "GET /", start, start + 10, {"http.method": "GET"}, service="web")
    agent = Span("2" * 32, "2" * 16, None, "invoke_agent a", start, start, {"gen_ai.operation.name": "invoke_agent"})
    client = Span("2" * 32, "3" * 16, "2" * 16, "GET /", start, start, {"http.method": "GET"})
    exports.write_otel_traces(tmp_path / "otel_traces.parquet", [web, agent, client])

    (spans,) = _store("otel_traces", tmp_path).traces(*_ALWAYS)
    assert {span.span_id for span in spans} == {"2" * 16, "3" * 16}


def test_a_table_that_is_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("id,trace_id\n1,2\n")
    with pytest.raises(SourceError, match="no column parent_observation_id, type, start_time in observations_v2"):
        _store("langfuse", tmp_path).check()


def test_clickhouse_is_asked_as_one_that_only_reads() -> None:
    pytest.importorskip("clickhouse_connect")
    store = open_preset("otel_traces", "clickhouse://reader:secret@host:8123/otel")
    assert store.describe() == "otel_traces in clickhousedb://host:8123/otel"
    assert store.engine.get_execution_options()["settings"] == {"readonly": 2}


@pytest.mark.parametrize(
    ("preset", "url", "message"),
    [
        ("langsmth", "runs", "did you mean langsmith?"),
        ("langfuse", "postgresql://u:secret@host/db", "langfuse reads files, not postgresql://"),
        ("otel_traces", "clickhouse://u:se/cret@host/db", "percent-encoded"),
    ],
)
def test_a_preset_that_does_not_fit_is_refused(preset: str, url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_preset(preset, url)
    assert message in str(caught.value)
    assert "cret" not in str(caught.value)
