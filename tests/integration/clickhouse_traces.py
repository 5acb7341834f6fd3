"""``otel_traces`` in ClickHouse's embedded engine: the recorded traces are read from it as they are from Jaeger.

Run by ``make integration-clickhouse``. The table is the one of the OpenTelemetry Collector's exporter; what a server
adds (the network, users) is not tried.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from benchmarks.span_reading import load_recordings, read_fields
from tasks.sources.span_tables.presets import PRESETS
from tasks.sources.span_tables.store import SpanTableStore

_TABLE = """
CREATE TABLE otel_traces (
    Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)), TraceId String, SpanId String, ParentSpanId String,
    TraceState String, SpanName LowCardinality(String), SpanKind LowCardinality(String),
    ServiceName LowCardinality(String), ResourceAttributes Map(LowCardinality(String), String), ScopeName String,
    ScopeVersion String, SpanAttributes Map(LowCardinality(String), String), Duration UInt64,
    StatusCode LowCardinality(String), StatusMessage String,
    Events Nested (
        Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)
    ),
    Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String))
) ENGINE = MergeTree ORDER BY (ServiceName, SpanName, toDateTime(Timestamp))
"""
_SAME = (
    *("Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "ServiceName", "ResourceAttributes", "ScopeName"),
    *("SpanAttributes", "Duration", "StatusCode", "StatusMessage", "`Events.Name`", "`Events.Attributes`"),
)


def _exports() -> ModuleType:
    place = Path(__file__).parents[1] / "sources" / "span_tables" / "exports.py"
    spec = importlib.util.spec_from_file_location("exports", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Fill the table, read it, and print what differs; 1 when something does."""
    importlib.import_module("clickhouse_connect.cc_sqlalchemy")
    dbapi = importlib.import_module("clickhouse_connect.dbapi")
    recordings = load_recordings()
    # The engine is one of the process, so its one connection is kept.
    engine = create_engine(
        "clickhousedb://", creator=lambda: dbapi.Connection(dsn="chdb://", interface="chdb"), poolclass=StaticPool
    )
    with tempfile.TemporaryDirectory() as folder, engine.connect() as connection:
        path = Path(folder) / "otel_traces.parquet"
        _exports().write_otel_traces(path, (span for recording in recordings for span in recording.spans))
        connection.exec_driver_sql(_TABLE)
        names = ", ".join(_SAME)
        connection.exec_driver_sql(
            f"INSERT INTO otel_traces ({names}, `Events.Timestamp`) "
            f"SELECT {names}, arrayMap(name -> Timestamp, `Events.Name`) FROM file('{path}', 'Parquet')"
        )
    reader = engine.execution_options(settings={"readonly": 2})
    store = SpanTableStore(reader, PRESETS["otel_traces"])
    store.check()
    found = {spans[0].trace_id: spans for spans in store.traces(None, datetime(2100, 1, 1, tzinfo=UTC))}
    wrong = []
    compared = 0
    for trace_id, spans in found.items():
        own = [span for recording in recordings for span in recording.spans if span.trace_id == trace_id]
        compared += 1
        if read_fields(spans) != read_fields(own):
            wrong.append(trace_id)
    try:
        with reader.connect() as connection:
            connection.exec_driver_sql("DROP TABLE otel_traces")
        wrong.append("the table could be dropped")
    except DBAPIError:
        pass
    print(f"{compared} traces of {len(recordings)} recordings, {len(wrong)} differ: {', '.join(wrong) or 'none'}")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
