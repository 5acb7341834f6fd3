"""Migrations run by themselves, once, and stop before what is not ours."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from tasks.errors import WarehouseError
from tasks.warehouse.engine import connect_database
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.migrations import REVISIONS, VERSION_TABLE, is_current
from tasks.warehouse.schema import metadata
from tasks.warehouse.sql import open_warehouse

BringTo = Callable[[str, str], None]


def test_a_fresh_warehouse_gets_every_table(warehouse_url: str) -> None:
    database = connect_database(warehouse_url)
    assert not is_current(database)
    open_warehouse(warehouse_url)
    assert is_current(database)
    with database.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, VERSION_TABLE}


def test_processes_at_once_on_a_fresh_warehouse(warehouse_url: str, together: Callable[..., list[str]]) -> None:
    # All have seen that there is nothing yet, and are connected: nothing but the lock keeps them apart.
    imports = f"""
from tasks.warehouse.engine import connect_database
from tasks.warehouse.migrations import is_current, migrate
from tasks.warehouse.sql import Warehouse
database = connect_database({warehouse_url!r})
assert not is_current(database)
"""
    code = "migrate(database)\nprint(Warehouse(database).create_report({'environment': 'prod'}))"
    assert sorted(together(imports, code, code)) == ["1", "2"]
    with connect_database(warehouse_url).reading() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [
            REVISIONS[-1]
        ]


def test_many_threads_at_once_on_a_fresh_warehouse(warehouse_url: str) -> None:
    barrier = Barrier(6)

    def start(number: int) -> int:
        barrier.wait()
        return open_warehouse(warehouse_url).create_report({"environment": str(number)})

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(start, range(6))) == [1, 2, 3, 4, 5, 6]


def test_threads_that_make_a_warehouse_each(tmp_path: Path) -> None:
    barrier = Barrier(6)

    def start(number: int) -> int:
        barrier.wait()
        return open_warehouse(f"sqlite:///{tmp_path}/{number}.db").create_report({"environment": "prod"})

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [1] * 6


def test_a_warehouse_that_is_up_to_date_is_opened_without_alembic(
    warehouse_url: str, together: Callable[..., list[str]]
) -> None:
    imports = "import sys\nfrom tasks.warehouse.sql import open_warehouse"
    code = f"open_warehouse({warehouse_url!r})\nprint('alembic' in sys.modules)"
    # One on SQLite is created without it as well.
    assert together(imports, code) == [str(not warehouse_url.startswith("sqlite"))]
    assert together(imports, code) == ["False"]


def test_a_newer_warehouse_is_refused_and_left_alone(warehouse_url: str) -> None:
    database = open_warehouse(warehouse_url).database
    with database.writing() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(WarehouseError, match=rf"has schema 9999.*knows {REVISIONS[-1]}.*update agent-report"):
        open_warehouse(warehouse_url)
    with database.reading() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"


def test_a_database_with_tables_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE reports (id INTEGER PRIMARY KEY, title TEXT)")
    connection.close()
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(WarehouseError, match=r"tables of another program \(reports\)"):
        open_warehouse(f"sqlite:///{file}")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [path.name for path in tmp_path.iterdir()] == ["station.db"]


def test_a_view_of_another_program_is_no_view_of_ours(warehouse_url: str) -> None:
    with connect_database(warehouse_url).writing() as connection:
        connection.execute(sa.text("CREATE VIEW failing_agents AS SELECT 1 AS id"))
    with pytest.raises(WarehouseError, match=r"tables of another program \(failing_agents\)"):
        open_warehouse(warehouse_url)


def test_a_database_that_prefect_uses_too_is_no_hindrance(warehouse_url: str) -> None:
    with connect_database(warehouse_url).writing() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('prefect-1')"))
    assert open_warehouse(warehouse_url).create_report({"environment": "prod"}) == 1


def test_a_migration_that_is_interrupted_leaves_nothing_behind(warehouse_url: str) -> None:
    """A table in the way of the last statement: what came before it is taken back, and the next start goes through."""
    database = connect_database(warehouse_url)
    with database.writing() as connection:
        connection.execute(sa.text("CREATE TABLE blocker (fingerprint TEXT, id BIGINT)"))
        connection.execute(sa.text("CREATE INDEX ix_judge_calls_fingerprint ON blocker (fingerprint)"))
    with pytest.raises(WarehouseError, match="ix_judge_calls_fingerprint"):
        open_warehouse(warehouse_url)
    with database.writing() as connection:
        assert sa.inspect(connection).get_table_names() == ["blocker"]
        connection.execute(sa.text("DROP TABLE blocker"))
    assert open_warehouse(warehouse_url).create_report({"environment": "prod"}) == 1


def test_runs_of_an_earlier_schema_completed_by_their_status(warehouse_url: str, bring_to: BringTo) -> None:
    bring_to(warehouse_url, "0001")
    statuses = {1: "completed", 2: " Completed", 3: "failed", 4: "timeout", 5: "error", 6: "running", 7: "cancelled"}
    with connect_database(warehouse_url).writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO reports (id, name, environment, status, progress, created_at) "
                "VALUES (1, '', 'prod', 'completed', 100, '2026-01-01 00:00:00')"
            )
        )
        for run_id, status in statuses.items():
            connection.execute(
                sa.text("INSERT INTO report_runs (report_id, agent_id, run_id, status) VALUES (1, 1, :run, :status)"),
                {"run": run_id, "status": status},
            )
    runs = open_warehouse(warehouse_url).load_runs(1)
    completed = {run["run_id"]: run["completed"] for run in runs}
    assert completed == {"1": True, "2": True, "3": False, "4": False, "5": False, "6": None, "7": None}


def test_claims_of_an_earlier_schema_count_when_they_have_died(warehouse_url: str, bring_to: BringTo) -> None:
    bring_to(warehouse_url, "0003")
    with connect_database(warehouse_url).writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO judge_calls (fingerprint, status, kind, model, report_id, agent_id, sample, created_at) "
                "VALUES ('f', 'claimed', 'agent', 'm', 1, 7, 0, '2026-01-01 00:00:00')"
            )
        )
    database = open_warehouse(warehouse_url).database
    ledger = SqlLedger(database)
    ledger.lapse_claims(1)
    assert ledger.spent_usd(1, 0.5) == 0.5
    with database.reading() as connection:
        seen = connection.execute(sa.text("SELECT calls, unanswered_calls, cost_usd FROM judge_costs")).all()
    assert [tuple(row) for row in seen] == [(0, 1, None)]
