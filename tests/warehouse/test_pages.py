"""Pages beside the Parquet files: whole or not there, and in no one's way."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pandas as pd
import pytest

from tasks.errors import ParquetError
from tasks.warehouse.pages import has_page, page_place, write_page_file
from tasks.warehouse.parquet import list_files, read_parquet, write_parquet


def test_a_page_is_at_its_place_and_is_replaced(tmp_path: Path) -> None:
    url = str(tmp_path / "parquet")
    assert not has_page(url, "prod/eu", 12)
    place = write_page_file(url, "prod/eu", 12, "<p>é</p>")
    assert place == page_place(url, "prod/eu", 12) == f"{url}/pages/prod%2Feu/12.html"
    assert has_page(url, "prod/eu", 12)
    assert not has_page(url, "prod/eu", 13)
    write_page_file(url, "prod/eu", 12, "<p>2</p>")
    assert Path(place).read_text(encoding="utf-8") == "<p>2</p>"
    assert [path.name for path in Path(place).parent.iterdir()] == ["12.html"]


def test_behind_a_url_it_is_the_same_and_no_credentials_are_shown() -> None:
    place = write_page_file("memory://pages-test/x", "demo", 3, "<p>x</p>")
    assert place == "memory:///pages-test/x/pages/demo/3.html"
    assert fsspec.filesystem("memory").cat_file("/pages-test/x/pages/demo/3.html") == b"<p>x</p>"
    assert page_place("s3://key:TOPp@a/SECRETq@bucket/x", "demo", 3) == "s3://***@bucket/x/pages/demo/3.html"
    assert page_place("s3://bucket/a:b@c", "demo", 3) == "s3://bucket/a:b@c/pages/demo/3.html"
    assert page_place("s3://key:secret@bucket/x", "demo", 3) == "s3://***@bucket/x/pages/demo/3.html"


def test_who_reads_the_tables_does_not_meet_it(tmp_path: Path) -> None:
    url = str(tmp_path)
    row = {"id": 1, "name": "", "environment": "demo", "status": "completed", "progress": 100}
    row["created_at"] = pd.Timestamp("2026-11-25", tz="UTC").to_pydatetime()
    write_parquet(url, "demo", 1, {"reports": [row]})
    write_page_file(url, "demo", 1, "<p>1</p>")
    assert read_parquet(url, "reports").num_rows == 1
    assert len(pd.read_parquet(tmp_path / "reports")) == 1
    assert sorted(tmp_path.rglob("*.parquet")) == sorted(map(Path, list_files(url, "demo", 1)))


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("a file where the folder should be")
    with pytest.raises(ParquetError, match="cannot be written"):
        write_page_file(str(tmp_path), "demo", 1, "<p>1</p>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages"]
