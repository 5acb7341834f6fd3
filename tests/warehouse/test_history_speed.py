"""A long history answers at once: what a view has to go through, and a bound that no busy machine passes."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from benchmarks.history import ENVIRONMENT, build_history
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.listing import list_reports
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views import VIEWS

# In 0.1 s on an idle machine; a join without its index takes a hundred times as long.
_BOUND_SECONDS = 3.0


@pytest.fixture
def history(warehouse: Warehouse) -> Warehouse:
    """40 agents × 25 reports: a fifth of what the benchmark has, with a tenth of its runs."""
    build_history(warehouse, agents=40, count=25, runs=10)
    return warehouse


def test_views_and_lists_of_a_long_history_answer_at_once(history: Warehouse) -> None:
    rows = {"latest_agent_scores": 40, "agent_score_history": 1000, "criterion_history": 3075, "judge_costs": 50}
    for name, view in VIEWS.items():
        started = time.perf_counter()
        with history.database.reading() as connection:
            found = len(connection.execute(sa.select(view.table)).all())
        assert time.perf_counter() - started < _BOUND_SECONDS, name
        assert found == rows.get(name, found) > 0
    started = time.perf_counter()
    newest = list_reports(history.database)[0]["id"]
    assert len(history.load_agents(newest)) == 40
    assert load_comparison(history, newest) is not None
    assert time.perf_counter() - started < _BOUND_SECONDS


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
