"""The migrated database that fresh Prefect homes are given."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client

from deployments.local.prefect_database import DATABASE, is_current, seed, template_file
from deployments.local.prefect_server import authorization, server_password, use_server
from deployments.setup.llm_limit import LlmLimit


def _make(file: Path, revision: str, note: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT, note TEXT)")
        database.execute("INSERT INTO alembic_version VALUES (?, ?)", (revision, note))
    return file


def _note(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return str(database.execute("SELECT note FROM alembic_version").fetchone()[0])


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return _make(tmp_path / "share" / "template.db", "a1", "copied")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_fresh_home_gets_the_migrated_database(home: Path, template: Path) -> None:
    seed(home, template)
    assert _note(home / DATABASE) == "copied"
    assert [file.name for file in home.iterdir()] == [DATABASE]
    assert is_current(home, template)


def test_a_database_that_is_there_is_never_replaced(home: Path, template: Path) -> None:
    _make(home / DATABASE, "a0", "of the user")
    seed(home, template)
    assert _note(home / DATABASE) == "of the user"


def test_without_a_template_the_home_stays_empty_for_the_server_to_migrate(home: Path, tmp_path: Path) -> None:
    seed(home, tmp_path / "missing.db")
    assert not list(home.iterdir())
    assert not is_current(home, tmp_path / "missing.db")


def test_a_home_that_cannot_be_written_to_is_left_to_the_server(tmp_path: Path, template: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    seed(tmp_path / "file", template)
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("revision", ["a0", "a2"])
def test_a_database_at_another_revision_is_not_current(home: Path, template: Path, revision: str) -> None:
    _make(home / DATABASE, revision)
    assert not is_current(home, template)


def test_what_is_no_database_is_not_current(home: Path, template: Path) -> None:
    (home / DATABASE).write_bytes(b"not a database" * 100)
    assert not is_current(home, template)


@pytest.mark.skipif(not template_file().exists(), reason="the migrated database is made by `make`")
def test_the_installed_template_is_what_the_server_needs(own_server: tuple[str, Path]) -> None:
    url, home = own_server
    assert is_current(home, template_file())
    asked: dict[str, Any] = {
        "json": {"limit": 5},
        "headers": authorization(server_password(home)),
        "trust_env": False,
    }
    assert len(httpx.post(f"{url}/block_types/filter", **asked).json()) == 5
    assert httpx.post(f"{url}/flow_runs/filter", **asked).json() == []


def test_on_sqlite_setup_makes_the_limit_and_warns_of_it(own_server: tuple[str, Path]) -> None:
    url, home = own_server
    with use_server(url, server_password(home)), get_client(sync_client=True) as client:
        LlmLimit(10).make(client)
        found = LlmLimit(10).inspect(client)
    assert [piece.state for piece in found] == ["there", "warning"]
    assert "PostgreSQL" in found[1].detail
