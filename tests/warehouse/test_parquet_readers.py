"""The Parquet files as DuckDB, pandas and polars read them: whole, typed, and no folder taken for a partition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks.warehouse.parquet import write_parquet
from tasks.warehouse.schema import REPORT_TABLES

Rows = dict[str, list[dict[str, Any]]]
# Names that look like a Hive partition, a wildcard, a hidden folder.
ENVIRONMENTS = ("prod/eu", "status=failed", "a*[b]", "_hidden")


@pytest.fixture
def folder(tmp_path: Path, written: Rows) -> Path:
    """A report of each environment, one of them also with a temporary file that a killed writer left."""
    for number, environment in enumerate(ENVIRONMENTS, start=1):
        report = {**written["reports"][0], "environment": environment}
        write_parquet(str(tmp_path / "parquet"), environment, number, {**written, "reports": [report]})
    (tmp_path / "parquet" / "reports" / "prod%2Feu" / ".1.0123456789abcdef0123456789abcdef.tmp").write_bytes(b"PAR1")
    return tmp_path / "parquet"


def _by_duckdb(folder: Path) -> pl.DataFrame:
    return duckdb.sql(f"FROM read_parquet('{folder}/*/*.parquet', union_by_name = true)").pl()


def _by_polars(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(f"{folder}/*/*.parquet", missing_columns="insert")


@pytest.mark.parametrize("read", [_by_duckdb, _by_polars, pd.read_parquet], ids=["duckdb", "polars", "pandas"])
@pytest.mark.parametrize("name", list(REPORT_TABLES))
def test_a_table_is_read_whole(folder: Path, written: Rows, read: Callable[[Path], Any], name: str) -> None:
    frame = read(folder / name)
    assert list(frame.columns) == REPORT_TABLES[name].columns.keys()
    assert len(frame) == len(ENVIRONMENTS) * len(written[name])
    if name == "reports":
        assert sorted(frame["environment"]) == sorted(ENVIRONMENTS)
        assert set(frame["status"]) == {"completed"}


def test_maps_structs_and_json_text_can_be_asked_for(folder: Path) -> None:
    (report,) = duckdb.sql(
        f"SELECT agent_reports['1'].score, parameters->>'$.options.since', team_score, created_at "
        f"FROM '{folder}/reports/*/1.parquet'"
    ).fetchall()
    assert report[:3] == (8.1, "7d", 7.300000000000001)
    (tool,) = duckdb.sql(
        f"SELECT tool.name, tool.calls FROM (SELECT unnest(tool_usage) AS tool "
        f"FROM '{folder}/agent_report_details/*/1.parquet')"
    ).fetchall()
    assert tool == ("search", 4)
    agents = pl.read_parquet(folder / "agent_report_details" / "prod%2Feu" / "1.parquet")
    assert agents["best_run"].struct.field("run_id").to_list() == ["11", None]
    assert agents["strengths"].to_list() == [["fast", "kind"], None]


def test_files_of_older_versions_are_filled_in(folder: Path) -> None:
    old = folder / "report_runs" / "prod%2Feu" / "1.parquet"
    pq.write_table(pq.ParquetFile(old).read().drop_columns(["task_hash"]), old)
    for read in (_by_duckdb, _by_polars):
        frame = read(folder / "report_runs")
        assert frame["task_hash"].null_count() == 5


def test_a_table_joins_reports_by_the_id(folder: Path) -> None:
    found = duckdb.sql(
        f"SELECT environment, count(*) FROM '{folder}/report_runs/*/*.parquet' AS run "
        f"JOIN '{folder}/reports/*/*.parquet' AS report ON report.id = run.report_id GROUP BY environment"
    ).fetchall()
    assert dict(found) == dict.fromkeys(ENVIRONMENTS, 2)
