"""Files as tables: every format gives the same rows, and nothing else can be read or written."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.errors import AgentReportError, ConfigurationError, SourceError
from tasks.sources.files.opening import columns_of, open_files

_ROWS: list[dict[str, Any]] = [
    {"id": "007", "agent": "desk", "began": "2026-01-01T10:00:00Z", "calls": [{"name": "a", "arguments": {"b": 1}}]},
    {
        "id": "8",
        "agent": "desk",
        "began": "2026-01-02",
        "calls": [{"name": "c", "arguments": {"d": "ö"}}, {"name": "e"}],
    },
    {"id": "9", "agent": "01", "began": None, "calls": []},
]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    flat = {name: [_flat(row.get(name)) for row in rows] for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.name.partition(".")[2]:
        case "parquet":
            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        case "json":
            path.write_text(json.dumps(rows, indent=1))
        case "csv":
            pyarrow.csv.write_csv(pa.table(flat), path)
        case "tsv":
            pyarrow.csv.write_csv(pa.table(flat), path, pyarrow.csv.WriteOptions(delimiter="\t"))
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines.encode()))
        case "ndjson.zst":
            path.write_bytes(pa.compress(lines.encode(), "zstd", asbytes=True))
        case _:
            path.write_text(lines)


def _flat(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value, separators=(",", ":"))


def _read(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.gz", "ndjson.zst", "json", "csv", "tsv"])
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    _write(tmp_path / f"data.{ending}", _ROWS)

    rows = _read(open_files(f"{tmp_path}/*.{ending}"), "SELECT id, agent, began, calls FROM runs ORDER BY id")
    assert [(*row[:3], _parsed(row[3])) for row in rows] == [tuple(row.values()) for row in _ROWS]


def test_nested_values_answer_as_json_does_in_every_format(tmp_path: Path) -> None:
    for ending in ("parquet", "jsonl", "csv"):
        _write(tmp_path / f"data.{ending}", [{"id": "1", "payload": {"question": "Why?"}}])
        rows = _read(open_files(f"{tmp_path}/data.{ending}"), "SELECT payload->>'question' FROM runs")
        assert rows == [("Why?",)], ending


def test_types_of_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    table = pa.table(
        {
            "zoned": pa.array([datetime(2026, 1, 1, 9, tzinfo=UTC)], pa.timestamp("us", tz="Europe/Paris")),
            "plain": pa.array([datetime(2026, 1, 1, 9)], pa.timestamp("ns")),  # noqa: DTZ001
            "amount": pa.array([Decimal("1.50")]),
            "epoch": pa.array([1767258000123], pa.int64()),
            "large": pa.array([2**64 - 1], pa.uint64()),
            "kind": pa.array(["a"]).dictionary_encode(),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        }
    )
    pq.write_table(table, tmp_path / "data.parquet")
    duckdb.execute(f"COPY (SELECT 'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11'::UUID u) TO '{tmp_path}/uuid.parquet'")

    (row,) = _read(open_files(f"{tmp_path}/data.parquet"), "SELECT * FROM runs")
    assert row[0] == datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert row[1:] == (datetime(2026, 1, 1, 9), Decimal("1.50"), 1767258000123, 2**64 - 1, "a", {"k": 1})  # noqa: DTZ001
    ((uid,),) = _read(open_files(f"{tmp_path}/uuid.parquet"), "SELECT u FROM runs")
    assert uid == UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")


def test_json_keeps_text_as_it_is_written(tmp_path: Path) -> None:
    row = {
        "id": 12345678901234567890123,
        "day": "2026-01-01",
        "uid": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "seconds": 1.5,
        "count": 7,
        "good": True,
        "mixed": 1,
    }
    _write(tmp_path / "data.jsonl", [row, {**row, "seconds": 2, "mixed": "007"}])

    rows = _read(open_files(f"{tmp_path}/data.jsonl"), "SELECT * FROM runs ORDER BY seconds")
    first = ("12345678901234567890123", "2026-01-01", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", 1.5, 7, True, "1")
    assert rows == [first, (*first[:3], 2.0, 7, True, "007")]
    assert _read(open_files(str(tmp_path)), "SELECT seconds * 1000 FROM runs WHERE seconds < 2") == [(1500.0,)]


def test_columns_of_several_files_are_united_by_name(tmp_path: Path) -> None:
    _write(tmp_path / "a.jsonl", [{"id": "1", "agent": "a"}])
    _write(tmp_path / "b.jsonl", [{"agent": "b", "task": "t", "id": 2}])
    _write(tmp_path / "c.parquet", [{"id": 3, "task": "u"}])
    _write(tmp_path / "d.csv", [{"id": "04", "cost": "1"}])
    (tmp_path / "e.csv").write_text("agent;id\ne;5\n")
    for empty in ("f.jsonl", "g.csv"):
        (tmp_path / empty).touch()
    (tmp_path / "h.json").write_text("[]")
    (tmp_path / "README.md").write_text("no data")

    rows = _read(open_files(str(tmp_path)), "SELECT id, agent, task, cost FROM runs ORDER BY id")
    assert rows == [
        ("04", None, None, "1"),
        ("1", "a", None, None),
        ("2", "b", "t", None),
        ("3", None, "u", None),
        ("5", "e", None, None),
    ]


def test_files_and_folders_named_as_tables_are_those(tmp_path: Path) -> None:
    _write(tmp_path / "runs.jsonl", [{"id": "1"}])
    _write(tmp_path / "agents.csv", [{"id": "a"}])
    _write(tmp_path / "steps" / "day=2026-01-01" / "part-0.parquet", [{"run_id": "1"}])
    _write(tmp_path / "package.json", [{"name": "something else"}])
    (tmp_path / "_SUCCESS").touch()

    engine = open_files(str(tmp_path))
    assert columns_of(engine, "runs") == columns_of(engine, "agents") == ["id"]
    assert columns_of(engine, "steps") == ["run_id", "day"]
    assert columns_of(engine, "signals") == []


def test_files_of_different_names_are_tables_by_those_too(tmp_path: Path) -> None:
    _write(tmp_path / "Talks.jsonl", [{"uid": "1", "bot": "b"}])
    _write(tmp_path / "bots-2026.csv", [{"slug": "b", "title": "Desk"}])
    engine = open_files(str(tmp_path))
    query = 'SELECT uid, title FROM talks JOIN "bots-2026" ON bot = slug'
    assert _read(engine, query) == [("1", "Desk")]
    assert _read(engine, "SELECT count(*) FROM runs") == [(2,)]


def test_remote_files_are_read_through_fsspec(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for ending in ("parquet", "jsonl", "jsonl.gz", "csv"):
        _write(tmp_path / f"data.{ending}", _ROWS)
        memory.pipe(f"/bucket/[x]/data.{ending}", (tmp_path / f"data.{ending}").read_bytes())
    try:
        rows = _read(open_files("memory://bucket/**"), "SELECT id, count(*) FROM runs GROUP BY id ORDER BY id")
        assert rows == [("007", 4), ("8", 4), ("9", 4)]
        with pytest.raises(SourceError, match=r"none/.* has no files"):
            open_files("memory://bucket/none/*.csv")
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_wildcard_in_the_name_of_a_file_is_none(tmp_path: Path) -> None:
    _write(tmp_path / "[a]*" / "data.parquet", [{"id": "1"}])
    _write(tmp_path / "a" / "data.parquet", [{"id": "2"}])
    assert _read(open_files(f"{tmp_path}/[a]*/data.parquet"), "SELECT id FROM runs") == [("1",)]


def test_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _write(tmp_path / "runs" / "a.parquet", [{"id": "1"}])
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    urls = ("runs", "./runs/*.parquet", "link/a.parquet", "~/runs/a.parquet", f"file://{tmp_path}/runs")
    engines = [open_files(url) for url in urls]
    monkeypatch.chdir("/")
    assert [_read(engine, "SELECT id FROM runs") for engine in engines] == [[("1",)]] * len(urls)


def test_sql_reaches_no_other_file_and_writes_none(tmp_path: Path) -> None:
    _write(tmp_path / "data.jsonl", _ROWS)
    _write(tmp_path / "other.csv", _ROWS)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    engine = open_files(f"{tmp_path}/data.jsonl")
    for query in (
        f"SELECT * FROM read_csv('{tmp_path}/other.csv')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM 'https://example.com/data.parquet'",
        f"COPY runs TO '{tmp_path}/new.csv'",
        f"COPY (SELECT 1) TO '{tmp_path}/data.jsonl' (USE_TMP_FILE false)",
        f"SELECT 1; COPY (SELECT 1) TO '{tmp_path}/data.jsonl' (USE_TMP_FILE false); SELECT 2",
        "CREATE VIEW data AS SELECT 1 AS id",
        f"ATTACH '{tmp_path}/new.db'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(DBAPIError):
            _read(engine, query)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_file_that_grows_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"id": "1"}\n{"id": "2"}\n{"id": "3", "ta')
    engine = open_files(str(path))
    assert [row for row in _read(engine, "SELECT id FROM runs") if row != (None,)] == [("1",), ("2",)]
    with path.open("a") as file:
        file.write('sk": "t"}\n{"id": "4"}\n{"i')
    found = _read(engine, "SELECT id FROM runs WHERE id IS NOT NULL")
    assert found == [("1",), ("2",), ("3",), ("4",)]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.jsonl", b'{"id": 1}\n\n{"id": 2,\n{"id": 3}\n', "a.jsonl: line 3 is not a JSON object"),
        ("a.jsonl", b'{"id": 1}\n"text"\n', "a.jsonl: line 2 is not a JSON object"),
        ("a.jsonl.gz", gzip.compress(b'{"id": 1}\nnonsense\n', mtime=0), "a.jsonl.gz: line 2 is not a JSON object"),
        ("a.json", b'[{"id": 1}, {"id"', "a.json"),
        ("a.json", b"[1, 2]", "holds JSON that is no object"),
        ("a.parquet", b"nonsense", "a.parquet"),
        ("a.csv", b"id,,name\n1,2,3\n", "a.csv: column 2 of its header has no name"),
        ("a.csv", b"id,ID\n1,2\n", "has the column id twice"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        open_files(f"{tmp_path}/*")
    assert message in str(caught.value)
    assert "LINE 1" not in str(caught.value)


def test_a_broken_row_of_csv_is_named_but_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,agent\n1,a\n2,secret,x\n")
    engine = open_files(f"{tmp_path}/a.csv")
    with pytest.raises(DBAPIError) as caught:
        _read(engine, "SELECT id FROM runs")
    reason = str(caught.value.orig)
    assert reason.startswith(f"{tmp_path}/a.csv: Invalid Input Error: CSV Error on Line: 3")
    assert "secret" not in reason


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{}/none.csv", "does not exist"),
        ("{}/*.parquet", "has no files: .parquet, .jsonl"),
        ("{}", "has no file that can be read: it has notes.txt; .parquet"),
        ("{}/station.db", "is a database: write sqlite:///{}/station.db"),
        ("nope://user:secret@host/x.csv", "nope://host/x.csv cannot be read: Protocol not known: nope"),
    ],
)
def test_a_place_without_files_is_refused(tmp_path: Path, url: str, message: str) -> None:
    (tmp_path / ("station.db" if "station.db" in url else "notes.txt")).write_text("")
    with pytest.raises(AgentReportError) as caught:
        open_files(url.format(tmp_path))
    assert message.format(tmp_path) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("elsewhere", "not_installed.Files", clobber=True, errtxt="Install elsewhere-fs")
    with pytest.raises(ConfigurationError, match="Install elsewhere-fs"):
        open_files("elsewhere://bucket/data.parquet")


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    _write(tmp_path / "data.parquet", _ROWS * 100)
    engine = open_files(f"{tmp_path}/data.parquet")
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: _read(engine, "SELECT count(*) FROM runs"), range(16)))
    assert counts == [[(300,)]] * 16
    assert not (Path(os.curdir) / ".tmp").exists()
