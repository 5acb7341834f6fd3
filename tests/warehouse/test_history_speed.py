"""A long history answers at once: what a view goes through grows with its rows, and one agent is found by an index."""

from __future__ import annotations

import timeit
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from benchmarks.history import ENVIRONMENT, build_history
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.listing import list_reports
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views import VIEWS


def _count(warehouse: Warehouse, name: str) -> int:
    with warehouse.database.reading() as connection:
        return len(connection.execute(sa.select(VIEWS[name].table)).all())


def _read_newest(warehouse: Warehouse) -> int:
    newest = list_reports(warehouse.database)[0]["id"]
    assert load_comparison(warehouse, newest) is not None
    return len(warehouse.load_agents(newest))


def _fastest(read: Callable[[], int]) -> float:
    return min(timeit.repeat(read, number=1, repeat=5))


def test_what_a_history_takes_grows_with_its_rows(warehouse: Warehouse) -> None:
    """Four times the reports; a join that goes through all rows for each row takes 16 times as long.

    Not fewer: a history of five reports is read from SQLite's own cache, which holds no more. The seconds:
    ``benchmarks.history_speed``.
    """
    reads = {name: lambda name=name: _count(warehouse, name) for name in VIEWS}
    reads["newest"] = lambda: _read_newest(warehouse)
    build_history(warehouse, agents=40, count=12, runs=10)
    short = {name: _fastest(read) for name, read in reads.items()}
    build_history(warehouse, agents=40, count=36, runs=10)
    rows = {name: read() for name, read in reads.items()}
    known = {"latest_agent_scores": 40, "agent_score_history": 1920, "criterion_history": 5904, "newest": 40}
    assert rows == rows | known
    assert min(rows.values()) > 0
    grown = {name: _fastest(read) / short[name] for name, read in reads.items()}
    assert max(grown.values()) < 10, grown


@pytest.fixture
def history(warehouse: Warehouse) -> Warehouse:
    """40 agents × 25 reports: a fifth of what the benchmark has, with a tenth of its runs."""
    build_history(warehouse, agents=40, count=25, runs=10)
    return warehouse


@pytest.mark.parametrize("name", ["agent_score_history", "criterion_history"])
def test_one_agent_is_found_by_the_index(history: Warehouse, name: str) -> None:
    table = VIEWS[name].table
    query = sa.select(table).where(table.c.environment == ENVIRONMENT, table.c.agent_id == 7)
    with history.database.reading() as connection:
        explain = "EXPLAIN QUERY PLAN " if history.database.is_sqlite else "EXPLAIN "
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + text).all())
    source = "criterion_scores" if name == "criterion_history" else "agent_report_details"
    assert f"ix_{source}_agent_id" in plan
