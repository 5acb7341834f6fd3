"""The public module: what notebooks import is there, typed and documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import agent_report
from tasks.warehouse.sql import open_warehouse

_READERS = (
    *("read_agents", "read_criteria", "read_issues", "read_parquet_table", "read_reports", "read_runs", "read_view"),
)


def test_the_public_names_are_the_readers_their_error_and_the_types_of_runs() -> None:
    assert set(agent_report.__all__) == {*_READERS, "update_parquet", "WarehouseError", "Run", "ToolCall"}


@pytest.mark.parametrize("name", _READERS)
def test_every_reader_is_documented_and_returns_a_frame(name: str) -> None:
    reader = getattr(agent_report, name)
    assert inspect.getdoc(reader)
    assert inspect.signature(reader, eval_str=True).return_annotation is pd.DataFrame


def test_a_warehouse_is_read_by_one_import(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    open_warehouse(url).create_report({"environment": "production"})
    assert list(agent_report.read_reports(url)["environment"]) == ["production"]


def test_a_missing_warehouse_is_an_error_of_the_module(tmp_path: Path) -> None:
    with pytest.raises(agent_report.WarehouseError):
        agent_report.read_reports(f"sqlite:///{tmp_path / 'none.db'}")


def test_the_module_needs_no_prefect() -> None:
    program = "import sys, agent_report; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
