"""The source that a URL names, and what cannot be one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import ConfigurationError
from tasks.sources.opening import STORES, SourceSettings, absolute_url, is_database, open_source
from tasks.sources.spans.source import TraceSource
from tasks.sources.sql.source import SqlSource

_SECRET = "s3cret-word"


def _otlp_line(**attributes: str) -> str:
    span: dict[str, Any] = {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "name": "invoke_agent travel",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000002000000000",
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})


def test_a_database_and_files_are_tables(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'runs.db'}")
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE runs (id TEXT, agent TEXT, status TEXT, environment TEXT, started_at TEXT)")
        )
        connection.execute(sa.text("INSERT INTO runs VALUES ('1', 'a', 'ok', 'production', '2026-01-01')"))
    engine.dispose()
    run = {"id": "1", "agent": "a", "status": "ok", "environment": "staging", "started_at": "2026-01-01"}
    (tmp_path / "runs.jsonl").write_text(json.dumps(run) + "\n")
    for url, environment in (
        (f"sqlite:///{tmp_path / 'runs.db'}", "production"),
        (str(tmp_path / "runs.jsonl"), "staging"),
        (f"{tmp_path}/*.jsonl", "staging"),
    ):
        source = open_source(f" {url} ", SourceSettings())
        assert isinstance(source, SqlSource), url
        assert source.trace_store() is None
        assert source.list_environments() == [environment]
        source.close()


@pytest.mark.parametrize("kind", STORES)
def test_a_store_of_traces_is_known_by_its_scheme(kind: str) -> None:
    source = open_source(f"{kind}+http://user:{_SECRET}@localhost:1234/base", SourceSettings())
    assert isinstance(source, TraceSource)
    assert source.trace_store() is not None
    source.close()


def test_files_of_traces_are_read_however_old_they_are(tmp_path: Path) -> None:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "travel"}
    (tmp_path / "traces.json").write_text(_otlp_line(**attributes) + "\n")
    for url in (f"otlp:{tmp_path}", f"OTLP:{tmp_path}/*.json"):
        source = open_source(url, SourceSettings())
        assert source.list_environments() == ["shop"]
        source.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"jager+http://user:{_SECRET}@host", r"did you mean jaeger\+http\?"),
        (f"zipkin+https://{_SECRET}@host", r"there is .*jaeger\+http"),
        (f"jaeger+http://user:{_SECRET}/x@host", "percent-encoded"),
        ("jaeger+http://", "name a host"),
        (f"mongodb://user:{_SECRET}@host/runs", "mongodb"),
        (f"postgresql:/user:{_SECRET}@host/runs", "write postgresql://user:password@host/database"),
        (f"Jaeger+http:{_SECRET}@host", "is no URL"),
    ],
)
def test_what_is_no_source_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as error:
        open_source(url, SourceSettings())
    assert _SECRET not in str(error.value)


def test_a_header_that_cannot_be_sent_is_refused_without_its_value() -> None:
    with pytest.raises(ConfigurationError, match="source_headers: the value of 'x-key'") as error:
        open_source("jaeger+http://host", SourceSettings(headers={"x-key": f"{_SECRET}\n"}))
    assert _SECRET not in str(error.value)


def test_a_mapping_is_not_for_traces(tmp_path: Path) -> None:
    (tmp_path / "traces.json").write_text(_otlp_line())
    with pytest.raises(ConfigurationError, match="a mapping is for databases and files"):
        open_source(f"otlp:{tmp_path}", SourceSettings(mapping="source.yaml"))


def test_paths_are_made_absolute_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_url("otlp:traces/*.json") == f"otlp:{tmp_path}/traces/*.json"
    assert absolute_url(" runs/*.parquet ") == f"{tmp_path}/runs/*.parquet"
    assert absolute_url("otlp:s3://bucket/traces") == "otlp:s3://bucket/traces"
    for url in ("jaeger+http://host", "s3://bucket/runs", "sqlite:///station.db"):
        assert absolute_url(url) == url
    assert [is_database(url) for url in ("sqlite:///a", "postgresql+psycopg://a/b", "jaeger+http://a", "a.csv")] == [
        True,
        True,
        False,
        False,
    ]
