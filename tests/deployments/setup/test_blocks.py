"""What the blocks of setup tell runs, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.setup.blocks import Blocks
from tasks.settings import Settings


def test_runs_get_the_mapping_of_the_source_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(source_url="sqlite:///own.db", source_mapping="source.yaml")
    environment = Blocks(settings).environment
    assert environment["AGENT_REPORT_SOURCE_MAPPING"] == str(tmp_path / "source.yaml")
    assert "AGENT_REPORT_SOURCE_MAPPING" not in Blocks(Settings(source_url="sqlite:///own.db")).environment


def test_files_and_stores_of_traces_have_no_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = Blocks(Settings(source_url="observations/*.parquet", source_preset="langfuse"))
    assert not [held for held in files.held if held.setting == "AGENT_REPORT_SOURCE_BLOCK"]
    assert files.environment["AGENT_REPORT_SOURCE_URL"] == f"{tmp_path}/observations/*.parquet"
    assert files.environment["AGENT_REPORT_SOURCE_PRESET"] == "langfuse"
    store = Blocks(Settings(source_url="jaeger+http://jaeger:16686"))
    assert store.environment["AGENT_REPORT_SOURCE_URL"] == "jaeger+http://jaeger:16686"


@pytest.mark.parametrize(
    ("url", "headers", "preset"),
    [
        ("phoenix+http://me:s3cret@host", {}, ""),
        ("phoenix+http://me:pass/s3cret@host", {}, ""),
        ("https://host/runs.parquet?signature=s3cret", {}, ""),
        ("phoenix+http://host", {"x-key": "s3cret"}, ""),
        ("clickhouse://me:s3cret@host/otel", {}, "otel_traces"),
    ],
)
def test_what_is_secret_of_a_store_of_traces_stays_with_the_worker(
    url: str, headers: dict[str, str], preset: str
) -> None:
    blocks = Blocks(Settings(source_url=url, source_headers=headers, source_preset=preset))
    assert "s3cret" not in str(blocks.environment)
    assert "AGENT_REPORT_SOURCE_URL" not in blocks.environment
