"""Engines that can only read, and errors that hold no password."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tasks.errors import RefusedError, SourceError
from tasks.sources.sql.connection import describe, explain, make_read_only, open_database, reading

PASSWORD = "s3cret/pa@ss"
ENCODED = "s3cret%2Fpa%40ss"


def write_database(path: Path, *, wal: bool) -> None:
    connection = sqlite3.connect(path)
    if wal:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE notes (text TEXT)")
    connection.execute("INSERT INTO notes VALUES ('one')")
    connection.commit()
    connection.close()


def write_database_and_die(path: Path) -> None:
    """Leaves the last change in the log, as a process that is killed does."""
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL');"
        "c.execute('CREATE TABLE notes (text TEXT)'); c.execute(\"INSERT INTO notes VALUES ('one')\"); c.commit();"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def read_notes(engine: sa.Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(sa.text("SELECT text FROM notes ORDER BY text")).scalars())


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture
def notes(postgres_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE notes (text TEXT)"))
        connection.execute(sa.text("INSERT INTO notes VALUES ('one')"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("wal", [False, True])
def test_reading_leaves_the_file_and_its_folder_as_they_were(tmp_path: Path, wal: bool) -> None:
    path = tmp_path / "a b#%.db"
    write_database(path, wal=wal)
    before = checksums(tmp_path)
    engine = open_database(sa.URL.create("sqlite", database=str(path)).render_as_string())
    assert read_notes(engine) == ["one"]
    assert read_notes(engine) == ["one"]
    assert checksums(tmp_path) == before


@pytest.mark.parametrize("wal", [False, True])
def test_sqlite_cannot_be_written(tmp_path: Path, wal: bool) -> None:
    path = tmp_path / "a.db"
    write_database(path, wal=wal)
    engine = open_database(f"sqlite:///{path}")
    with pytest.raises(sa.exc.OperationalError, match="readonly"), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO notes VALUES ('two')"))
    assert read_notes(engine) == ["one"]


def test_a_log_that_was_left_behind_is_read_and_not_applied(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_database_and_die(path)
    before = checksums(tmp_path)
    assert read_notes(open_database(f"sqlite:///{path}")) == ["one"]
    after = checksums(tmp_path)
    assert {name: after[name] for name in ("a.db", "a.db-wal")} == {name: before[name] for name in ("a.db", "a.db-wal")}


def test_what_a_writer_commits_meanwhile_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_database(path, wal=True)
    engine = open_database(f"sqlite:///{path}")
    assert read_notes(engine) == ["one"]
    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO notes VALUES ('two')")
    writer.commit()
    assert read_notes(engine) == ["one", "two"]
    writer.close()


@pytest.mark.parametrize("wal", [False, True])
def test_a_read_only_folder(tmp_path: Path, wal: bool) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    write_database(folder / "a.db", wal=wal)
    (folder / "a.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        # Root writes where it likes, so the test of that right is a child of another user.
        assert _read_as_nobody(tmp_path, folder / "a.db") == "['one']"
        assert sorted(entry.name for entry in folder.iterdir()) == ["a.db"]
    finally:
        folder.chmod(0o755)


def test_a_log_that_cannot_be_read_in_a_read_only_folder_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    write_database_and_die(folder / "a.db")
    (folder / "a.db-shm").unlink()
    folder.chmod(0o555)
    try:
        shown = _read_as_nobody(tmp_path, folder / "a.db")
    finally:
        folder.chmod(0o755)
    assert "SourceError" in shown
    assert "has a -wal file" in shown


def _read_as_nobody(tmp_path: Path, path: Path) -> str:
    code = (
        "import sys, sqlalchemy as sa; from tasks.sources.sql.connection import open_database, reading\n"
        "engine = open_database('sqlite:///' + sys.argv[1])\n"
        "if len(sys.argv) > 2: import os; os.setuid(int(sys.argv[2]))\n"
        "with reading(engine) as c: print(list(c.execute(sa.text('SELECT text FROM notes')).scalars()))"
    )
    arguments = [sys.executable, "-c", code, str(path)]
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(folder.stat().st_mode | 0o055)
        arguments.append("65534")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


def test_a_file_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.db does not exist"):
        open_database(f"sqlite:///{tmp_path / 'nowhere.db'}")
    with pytest.raises(SourceError, match="is not a file"):
        open_database(f"sqlite:///{tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_goes_away_later(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_database(path, wal=False)
    engine = open_database(f"sqlite:///{path}")
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.db cannot be read: No such file"):
        read_notes(engine)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_text("x" * 5000)
    with pytest.raises(SourceError, match=r"sqlite:///.*a\.db cannot be read: file is not a database"):
        read_notes(open_database(f"sqlite:///{path}"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "station.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mssql://user:secret-word@host/db",
        "postgresql://user:secret-word@host:port/db",
        "postgresql://user:secret@secret-word@host:5432/db",
        "secret-word",
    ],
)
def test_urls_that_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(RefusedError) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_postgres_is_read(notes: sa.Engine, postgres_url: str) -> None:
    for prefix in ("postgresql", "postgres", "postgresql+psycopg2"):
        engine = open_database(postgres_url.replace("postgresql+psycopg", prefix))
        assert read_notes(engine) == ["one"]
        assert engine.dialect.driver == "psycopg"
        engine.dispose()


@pytest.mark.parametrize("statement", ["INSERT INTO notes VALUES ('two')", "CREATE TABLE more (id INTEGER)"])
def test_postgres_cannot_be_written(notes: sa.Engine, postgres_url: str, statement: str) -> None:
    for engine in (open_database(postgres_url), make_read_only(notes)):
        with pytest.raises(sa.exc.InternalError, match="read-only transaction"), engine.begin() as connection:
            connection.execute(sa.text(statement))
        assert read_notes(engine) == ["one"]
        engine.dispose()


def test_an_engine_from_elsewhere_stays_as_it_was(notes: sa.Engine) -> None:
    assert read_notes(make_read_only(notes)) == ["one"]
    with notes.begin() as connection:
        connection.execute(sa.text("INSERT INTO notes VALUES ('two')"))
    assert read_notes(make_read_only(notes)) == ["one", "two"]


def test_a_sqlite_engine_from_elsewhere_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    write_database(path, wal=True)
    before = checksums(tmp_path)
    engine = make_read_only(sa.create_engine(f"sqlite:///{path}"))
    assert read_notes(engine) == ["one"]
    with pytest.raises(sa.exc.OperationalError, match="readonly"), engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM notes"))
    assert checksums(tmp_path) == before


def test_a_path_with_a_question_mark_and_a_file_uri(tmp_path: Path) -> None:
    path = tmp_path / "a?b c.db"
    write_database(path, wal=False)
    assert read_notes(make_read_only(sa.create_engine(sa.URL.create("sqlite", database=str(path))))) == ["one"]
    uri = f"file:{tmp_path}/a%3Fb%20c.db?mode=rw&uri=true"
    assert read_notes(make_read_only(sa.create_engine(sa.URL.create("sqlite", database=uri)))) == ["one"]


def test_what_is_no_engine_is_refused() -> None:
    with pytest.raises(RefusedError, match="a str, not a SQLAlchemy Engine"):
        make_read_only("postgresql://host/db")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{ENCODED}@127.0.0.1:1/db",
        f"postgresql://user@127.0.0.1:1/db?password={ENCODED}",
        f"postgresql://user:{ENCODED}@127.0.0.1:1/db?sslmode=verify-full&sslrootcert=/{ENCODED}",
        f"postgresql://user:{ENCODED}@127.0.0.1:1/db?no_such_option={ENCODED}",
    ],
)
def test_no_password_in_an_error(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_notes(open_database(url))
    shown = str(caught.value)
    assert "postgresql://127.0.0.1:1/db cannot be read" in shown
    for secret in (PASSWORD, ENCODED, "s3cret"):
        assert secret not in shown
    assert caught.value.__suppress_context__


def test_a_password_that_the_server_repeats_is_not_shown(postgres_url: str) -> None:
    # Here the user is called as the password, and the server's message names the user.
    url = sa.make_url(postgres_url).set(username=PASSWORD, password=PASSWORD)
    with pytest.raises(SourceError, match=r'"\*\*\*" does not exist') as caught:
        read_notes(open_database(url.render_as_string(hide_password=False)))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        'connection failed: connection to server at "::1", port 5432 failed: FATAL:  password authentication failed for'
        ' user "reader"',
        "(1045, \"Access denied for user 'reader'@'localhost' (using password: YES)\")",
    ],
)
def test_a_refused_login_is_one_sentence(message: str) -> None:
    reason = explain(OperationalError(None, None, Exception(message)), sa.make_url("postgresql://reader:x@host/db"))
    assert reason == "it refuses the login; check user and password in AGENT_REPORT_SOURCE_URL"


def test_a_refused_connection_is_one_sentence() -> None:
    with pytest.raises(SourceError) as caught:
        read_notes(open_database("postgresql://user:x@127.0.0.1:1/db"))
    assert str(caught.value) == (
        "The source postgresql://127.0.0.1:1/db cannot be read: Connection refused; check that the database "
        "runs, and host and port in AGENT_REPORT_SOURCE_URL"
    )


def test_a_url_for_people() -> None:
    url = sa.make_url(f"postgresql+psycopg://user:{ENCODED}@host:5432/db?password=x")
    assert describe(url) == "postgresql://host:5432/db"
    assert describe(sa.make_url("sqlite:///a/b.db")) == "sqlite:///a/b.db"
