"""A report in Parquet: the same values as in SQL, under names that hold in every folder."""

from __future__ import annotations

import json
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import WarehouseError
from tasks.warehouse.columns import Clean, FreeJson
from tasks.warehouse.parquet import encode_environment, read_parquet, stage_parquet, update_parquet, write_parquet
from tasks.warehouse.schema import REPORT_TABLES, arrow_schema
from tasks.warehouse.sql import Warehouse

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def memory_url() -> Iterator[str]:
    """A folder of an fsspec file system that is no disk."""
    root = f"/{uuid.uuid4().hex}"
    yield f"memory://{root}"
    files = fsspec.filesystem("memory")
    if files.exists(root):
        files.rm(root, recursive=True)


@pytest.fixture(params=["folder", "memory"])
def parquet_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "par [quet]*")  # A glob would not find it.
    url: str = request.getfixturevalue("memory_url")
    return url


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_report_makes_one_file_per_table(tmp_path: Path, written: Rows) -> None:
    paths = write_parquet(str(tmp_path), "prod/eu", 12, written)
    assert sorted(paths) == [f"{tmp_path}/{name}/prod%2Feu/12.parquet" for name in sorted(REPORT_TABLES)]
    assert names(tmp_path) == [f"{name}/prod%2Feu/12.parquet" for name in sorted(REPORT_TABLES)]


@pytest.mark.parametrize("name", list(REPORT_TABLES))
def test_files_have_the_schema_and_nested_types_also_without_rows(tmp_path: Path, written: Rows, name: str) -> None:
    filled, empty = tmp_path / "filled", tmp_path / "empty"
    write_parquet(str(filled), "prod", 1, written)
    write_parquet(str(empty), "prod", 1, {"reports": written["reports"]})
    for folder in (filled, empty):
        file = pq.ParquetFile(folder / name / "prod" / "1.parquet")
        assert file.schema_arrow.equals(arrow_schema(REPORT_TABLES[name]))
    assert file.metadata.num_rows == (1 if name == "reports" else 0)
    stored = pq.ParquetFile(filled / name / "prod" / "1.parquet").metadata
    assert {stored.row_group(0).column(index).compression for index in range(stored.num_columns)} == {"ZSTD"}


def test_sql_and_parquet_hold_the_same_values(warehouse: Warehouse, parquet_url: str, written: Rows) -> None:
    hard = {"executive_summary": "a\0b \ud83d", "team_score": float("nan"), "parameters": {"x\0": float("inf"), "ü": 1}}
    rows = {**written, "reports": [{**written["reports"][0], **hard}]}
    report_id = warehouse.create_report({"environment": "prod/eu"})
    paths = write_parquet(
        parquet_url,
        "prod/eu",
        report_id,
        {
            **rows,
            "reports": [{**(warehouse.load_report(report_id) or {}), **rows["reports"][0]}],
        },
    )
    assert len(paths) == 5
    warehouse.write_report(
        report_id,
        rows["reports"][0],
        rows["agent_report_details"],
        rows["criterion_scores"],
        rows["report_runs"],
        rows["report_issues"],
    )
    in_sql = {
        "reports": [warehouse.load_report(report_id) or {}],
        "agent_report_details": warehouse.load_agents(report_id),
        "criterion_scores": warehouse.load_criteria(report_id),
        "report_runs": warehouse.load_runs(report_id),
        "report_issues": warehouse.load_issues(report_id),
    }
    for name, table in REPORT_TABLES.items():
        stored = read_parquet(parquet_url, name)
        assert stored.num_rows == len(in_sql[name]) > 0
        for column in table.columns:
            values = stored[column.name].to_pylist()
            if isinstance(column.type, FreeJson):
                values = [None if value is None else json.loads(value) for value in values]
            elif isinstance(column.type, Clean):
                values = [column.type.from_parquet(value) for value in values]
            assert values == [row[column.name] for row in in_sql[name]], (name, column.name)
            if column.name not in ("owner", "heartbeat", "team_score"):
                assert any(value is not None for value in values), (name, column.name)


def test_a_report_that_is_written_again_replaces_its_files(parquet_url: str, written: Rows) -> None:
    write_parquet(parquet_url, "prod", 1, written)
    write_parquet(parquet_url, "prod", 2, written)
    write_parquet(parquet_url, "prod", 1, {**written, "report_runs": []})
    assert read_parquet(parquet_url, "reports")["id"].to_pylist() == [1, 2]
    assert read_parquet(parquet_url, "report_runs")["report_id"].to_pylist() == [2, 2]


def test_reading_by_environment_in_order_of_reports(parquet_url: str, written: Rows) -> None:
    for report_id, environment in ((10, "a"), (9, "b"), (8, "a"), (100, "a")):
        report = {**written["reports"][0], "environment": environment}
        write_parquet(parquet_url, environment, report_id, {"reports": [report]})
    assert read_parquet(parquet_url, "reports", "a")["id"].to_pylist() == [8, 10, 100]
    assert read_parquet(parquet_url, "reports")["id"].to_pylist() == [8, 9, 10, 100]


@pytest.mark.parametrize("environment", [None, "prod"])
def test_nothing_written_yet_is_an_empty_table(parquet_url: str, environment: str | None) -> None:
    table = read_parquet(parquet_url, "report_runs", environment)
    assert table.num_rows == 0
    assert table.schema.equals(arrow_schema(REPORT_TABLES["report_runs"]))


# Temporary names


def test_files_appear_only_when_they_are_published(tmp_path: Path, written: Rows) -> None:
    write_parquet(str(tmp_path), "prod", 1, written)
    children = {name: rows for name, rows in written.items() if name != "reports"}
    with stage_parquet(str(tmp_path), "prod", 1, {**children, "report_runs": []}) as files:
        assert len(list(tmp_path.rglob("*.tmp"))) == 4
        assert read_parquet(str(tmp_path), "report_runs").num_rows == 2
        files.publish(written["reports"])
        assert read_parquet(str(tmp_path), "report_runs").num_rows == 0
    assert list(tmp_path.rglob("*.tmp")) == []


def test_files_that_are_not_published_leave_no_trace(parquet_url: str, written: Rows) -> None:
    write_parquet(parquet_url, "prod", 1, written)

    def stage_and_fail() -> None:
        with stage_parquet(parquet_url, "prod", 1, {}):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage_and_fail()
    assert read_parquet(parquet_url, "report_runs").num_rows == 2
    files, root = fsspec.core.url_to_fs(parquet_url)
    assert [path for path in files.find(root) if not path.endswith("/1.parquet")] == []


def test_a_value_that_does_not_fit_leaves_the_old_files(tmp_path: Path, written: Rows) -> None:
    write_parquet(str(tmp_path), "prod", 1, written)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    for name, rows, reason in (
        (
            "report_runs",
            [{"agent_id": "1", "run_id": 7, "status": "completed"}],
            r"report_runs\.run_id cannot be stored",
        ),
        (
            "report_runs",
            [{"agent_id": "1", "run_id": "1"}],
            r"report_runs\.status cannot be stored: it cannot be empty",
        ),
        ("reports", [{"status": "completed"}], r"reports\.name cannot be stored"),
        ("reports", [{**written["reports"][0], "created_at": "today"}], r"reports\.created_at"),
        ("report_runs", [{"colour": "red"}], "report_runs has no column colour"),
        ("report_runs", [{"report_id": 2}], "report 2"),
        ("judge_calls", [], "No Parquet table judge_calls"),
    ):
        with pytest.raises(WarehouseError, match=reason):
            write_parquet(str(tmp_path), "prod", 1, {**written, name: rows})
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_what_a_killed_writer_left_does_no_harm(tmp_path: Path, written: Rows) -> None:
    write_parquet(str(tmp_path), "prod", 1, written)
    for name in REPORT_TABLES:
        (tmp_path / name / "prod" / ".1.0123abcd.tmp").write_bytes(b"PAR1 half a file")
        (tmp_path / name / "prod" / "notes.parquet").write_bytes(b"no report's")
    for _ in range(2):
        assert read_parquet(str(tmp_path), "report_runs", "prod")["run_id"].to_pylist() == ["11", "12"]
        write_parquet(str(tmp_path), "prod", 1, written)
    assert pq.read_table(tmp_path / "reports" / "prod" / "1.parquet")["id"].to_pylist() == [1]


def test_the_lease_of_a_report_is_over_when_it_is_written(tmp_path: Path, written: Rows) -> None:
    lease = {"owner": {"host": "h", "pid": 1, "process_started": 1.0}, "heartbeat": written["reports"][0]["created_at"]}
    write_parquet(str(tmp_path), "prod", 1, {"reports": [{**written["reports"][0], **lease}]})
    stored = read_parquet(str(tmp_path), "reports")
    assert (stored["owner"].to_pylist(), stored["heartbeat"].to_pylist()) == ([None], [None])


# Older files


def _write_older(folder: Path) -> Path:
    """A run in a file of a version whose ids were integers; where it is."""
    schema = pa.schema(
        [
            ("report_id", pa.int64()),
            ("agent_id", pa.int64()),
            ("agent_name", pa.string()),
            ("status", pa.string()),
            ("run_ids", pa.list_(pa.int64())),
            ("worst_run", pa.struct([("run_id", pa.int64()), ("status", pa.string())])),
        ]
    )
    worst = {"run_id": 12, "status": "failed"}
    row = {"report_id": 1, "agent_id": 7, "agent_name": "a", "status": "evaluated", "run_ids": [11, 12]}
    file = folder / "agent_report_details" / "prod" / "1.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row | {"worst_run": worst}], schema=schema), file)
    return file


def test_ids_of_older_and_newer_files_are_read_together_as_text(tmp_path: Path, written: Rows) -> None:
    older = _write_older(tmp_path)
    write_parquet(str(tmp_path), "prod", 2, written)
    stored = read_parquet(str(tmp_path), "agent_report_details").to_pylist()
    assert [row["agent_id"] for row in stored] == ["7", "1", "2"]
    assert [row["run_ids"] for row in stored[:2]] == [["11", "12"], ["11", "12"]]
    assert stored[0]["worst_run"]["run_id"] == "12"
    # For readers of others: once, and nothing but what is older.
    assert update_parquet(str(tmp_path)) == [str(older)]
    assert pq.read_table(older.parent, partitioning=None).to_pylist() == stored
    assert update_parquet(str(tmp_path)) == []
    assert [path.name for path in older.parent.iterdir() if path.name.startswith(".")] == []


def test_files_of_an_older_version_are_read_in_todays_schema(tmp_path: Path) -> None:
    older = pa.struct([("spans", pa.int64()), ("gone", pa.string())])
    schema = pa.schema(
        [
            ("report_id", pa.int64()),
            ("agent_id", pa.int64()),
            ("run_id", pa.int64()),
            ("status", pa.string()),
            ("telemetry", older),
            ("gone_too", pa.string()),
        ]
    )
    row = {
        "report_id": 1,
        "agent_id": 2,
        "run_id": 3,
        "status": "completed",
        "telemetry": {"spans": 4, "gone": "x"},
    }
    file = tmp_path / "report_runs" / "prod" / "1.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row], schema=schema), file)
    stored = read_parquet(str(tmp_path), "report_runs")
    assert stored.schema.equals(arrow_schema(REPORT_TABLES["report_runs"]))
    (read,) = stored.to_pylist()
    assert (read["run_id"], read["model_name"], read["telemetry"]["spans"]) == ("3", None, 4)
    assert read["telemetry"]["tool_calls"] is None


# Names


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ("prod", "prod"),
        ("prod/eu", "prod%2Feu"),
        ("a b%", "a%20b%25"),
        ("environment=prod", "environment%3Dprod"),
        (".", "%2E"),
        ("..", "%2E."),
        (".hidden", "%2Ehidden"),
        ("_private", "%5Fprivate"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("C:\\x", "C%3A%5Cx"),
        ("数", "%E6%95%B0"),
        ("", "%"),
        ("%", "%25"),
        ("line\nbreak\0", "line%0Abreak%00"),
    ],
)
def test_the_folder_of_an_environment(environment: str, folder: str, tmp_path: Path, written: Rows) -> None:
    assert encode_environment(environment) == folder
    if environment:
        assert unquote(folder) == environment
    write_parquet(str(tmp_path), environment, 1, written)
    assert names(tmp_path / "reports") == [f"{folder}/1.parquet"]
    assert read_parquet(str(tmp_path), "report_runs", environment).num_rows == 2
    # Also for readers that are not ours; these skip names that begin with "." or "_".
    assert pq.read_table(tmp_path / "report_runs", partitioning=None).num_rows == 2


def test_long_names_are_cut_and_stay_apart(tmp_path: Path, written: Rows) -> None:
    long = ["数" * 100, "数" * 100 + "a", "a" * 300, "a" * 299 + "b", "a" * 199 + "数", "a" * 198 + "数"]
    folders = [encode_environment(environment) for environment in long]
    assert len(set(folders)) == len(long)
    assert max(map(len, folders)) <= 200
    for report_id, environment in enumerate(long):
        write_parquet(str(tmp_path), environment, report_id, written)
    for report_id, environment in enumerate(long):
        assert set(read_parquet(str(tmp_path), "report_runs", environment)["report_id"].to_pylist()) == {report_id}


# Errors


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, written: Rows) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match=r"Parquet folder .*file/data cannot be written"):
        write_parquet(f"{tmp_path}/file/data", "prod", 1, written)


def test_a_broken_file_is_reported_as_broken(tmp_path: Path, written: Rows) -> None:
    write_parquet(str(tmp_path), "prod", 1, written)
    (tmp_path / "report_runs" / "prod" / "1.parquet").write_bytes(b"broken")
    with pytest.raises(WarehouseError, match="cannot be read"):
        read_parquet(str(tmp_path), "report_runs")
    with pytest.raises(WarehouseError, match="No Parquet table judge_calls"):
        read_parquet(str(tmp_path), "judge_calls")


@pytest.mark.parametrize(
    "url",
    [
        "nosuch://AKIA:s3cret@bucket/folder?token=s3cret",
        "simplecache::nosuch://AKIA:s3cret@bucket/folder",
        "nosuch://s3cret@bucket/folder",
    ],
)
def test_credentials_are_shown_nowhere(url: str, written: Rows) -> None:
    for attempt in (lambda: write_parquet(url, "prod", 1, written), lambda: read_parquet(url, "reports")):
        with pytest.raises(WarehouseError, match=r"nosuch://\*\*\*@bucket/folder") as caught:
            attempt()
        shown = "".join(traceback.format_exception(caught.value))
        assert "s3cret" not in shown
        assert "AKIA" not in shown
