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
