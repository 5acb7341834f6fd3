"""How the database is reached, and the message when it is not."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.errors import RefusedError, WarehouseError
from tasks.warehouse.engine import connect_database
from tasks.warehouse.sql import open_warehouse


def test_the_folder_of_a_sqlite_file_is_made(sqlite_url: str, tmp_path: Path) -> None:
    open_warehouse(sqlite_url)
    assert (tmp_path / "data" / "warehouse.db").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match="file/data"):
        open_warehouse(f"sqlite:///{tmp_path}/file/data/warehouse.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_goes_by_psycopg(scheme: str, postgres_url: str) -> None:
    url = scheme + postgres_url.removeprefix("postgresql+psycopg")
    warehouse = open_warehouse(url)
    assert warehouse.create_report({"environment": "prod"}) == 1
    with warehouse.database.reading() as connection:
        assert (connection.dialect.name, connection.dialect.driver) == ("postgresql", "psycopg")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://root:s3cret@db/x", r"cannot be kept in mysql.*sqlite:///.*postgresql://"),
        ("sqlite://", r"needs a file"),
        ("sqlite:///:memory:", r"needs a file"),
        ("warehouse.db and s3cret", r"no SQLAlchemy URL"),
        ("postgresql://me:s3cret@db:port/x", r"no SQLAlchemy URL"),
        ("postgresql+asyncpg://me:s3cret@db/x", r"postgresql\+asyncpg"),
    ],
)
def test_urls_of_other_kinds_are_refused(url: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason) as caught:
        open_warehouse(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cr%25t%20p%40ss@127.0.0.1:1/x?connect_timeout=2",
        "postgresql://me@127.0.0.1:1/x?password=s3cr%25t+p%40ss&connect_timeout=2",
        # The driver refuses this option, in a message with the connection string.
        "postgresql://me:s3cr%25t%20p%40ss@127.0.0.1:1/x?nonsense=1&sslpassword=s3cr%25t%20p%40ss",
    ],
)
def test_a_password_is_shown_nowhere(url: str) -> None:
    with pytest.raises(WarehouseError, match=r"postgresql\+psycopg://me.*@127\.0\.0\.1:1/x") as caught:
        open_warehouse(url)
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cr" not in shown
    assert "***" in str(caught.value)
    assert "s3cr" not in connect_database(url).shown


def test_an_error_holds_no_values(warehouse_url: str) -> None:
    database = open_warehouse(warehouse_url).database
    with pytest.raises(WarehouseError) as caught, database.writing() as connection:
        connection.execute(sa.text("INSERT INTO reports (name) VALUES (:name)"), {"name": "evidence of a table"})
    assert "evidence" not in "".join(traceback.format_exception(caught.value))


def test_an_error_takes_the_transaction_back(warehouse_url: str) -> None:
    warehouse = open_warehouse(warehouse_url)
    report_id = warehouse.create_report({"environment": "prod"})

    def fail() -> None:
        with warehouse.database.writing() as connection:
            connection.execute(sa.text("UPDATE reports SET name = 'changed'"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    report = warehouse.load_report(report_id)
    assert report is not None
    assert report["name"] == ""


def test_a_reader_reads_while_a_writer_writes(warehouse_url: str) -> None:
    warehouse = open_warehouse(warehouse_url)
    report_id = warehouse.create_report({"environment": "prod"})
    with warehouse.database.writing() as connection:
        connection.execute(sa.text("UPDATE reports SET name = 'changed'"))
        with ThreadPoolExecutor(1) as pool:
            report = pool.submit(open_warehouse(warehouse_url).load_report, report_id).result(timeout=20)
    assert report is not None
    assert report["name"] == ""


def test_a_writer_that_reads_first_waits_for_the_other(warehouse_url: str) -> None:
    """Two pools, so no queue of ours helps: on SQLite a deferred transaction would fail as busy here, at once."""
    first, second = (open_warehouse(warehouse_url) for _ in range(2))
    report_id = first.create_report({"environment": "prod"})
    holds = threading.Event()

    def hold() -> None:
        with first.database.writing() as connection:
            connection.execute(sa.text("UPDATE reports SET progress = 7"))
            holds.set()
            threading.Event().wait(0.3)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        holds.wait()
        with second.database.writing() as connection:
            before = connection.execute(sa.text("SELECT progress FROM reports")).scalar()
            held.result()
            connection.execute(sa.text("UPDATE reports SET progress = progress + 1"))
    report = first.load_report(report_id)
    assert report is not None
    assert report["progress"] == 8
    if first.database.is_sqlite:
        assert before == 7


def test_sqlite_keeps_its_promises(sqlite_url: str) -> None:
    database = open_warehouse(sqlite_url).database
    for transaction in (database.reading, database.writing):
        with transaction() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_sqlite_waits_for_the_disk_unless_it_need_not(sqlite_url: str) -> None:
    database = open_warehouse(sqlite_url).database
    full, normal = 2, 1
    for durable, expected in ((True, full), (False, normal), (True, full)):
        with database.writing(durable=durable) as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == expected


def test_a_warehouse_that_has_to_be_there_is_not_made(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="There is no warehouse at"):
        connect_database(sqlite_url, create=False)
    assert list(tmp_path.iterdir()) == []


def test_postgresql_reads_what_is_committed_whatever_its_default(postgres_url: str) -> None:
    """A start that waited for another's migration has to see it, also where the default is a snapshot."""
    database = open_warehouse(postgres_url).database
    with database.writing() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar()
        connection.execute(sa.text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"))
    with connect_database(postgres_url).writing() as connection:
        assert connection.execute(sa.text("SHOW transaction_isolation")).scalar() == "read committed"


def test_a_read_only_file_in_a_folder_that_takes_nothing_is_told_the_way_out(tmp_path: Path) -> None:
    database = connect_database(f"sqlite:///{tmp_path}/warehouse.db")

    def write() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("CREATE TABLE t (x)")

    with pytest.raises(WarehouseError, match=r"warehouse\.db cannot be written: .*readonly.*make the folder writable"):
        write()
