"""One agent of a long history is found by an index. How long views take: ``benchmarks.history_speed``."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from benchmarks.history import ENVIRONMENT, build_history
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views.definitions import VIEWS


@pytest.fixture
def history(warehouse: Warehouse) -> Warehouse:
    """40 agents × 25 reports: a fifth of what the benchmark has, with a tenth of its runs."""
    build_history(warehouse, agents=40, count=25, runs=10)
    return warehouse


def test_one_agent_is_found_by_the_index(history: Warehouse) -> None:
    assert "ix_agent_report_details_agent_id" in _plan(history, "agent_score_history")
    plan = _plan(history, "criterion_history")
    # Of so few rows PostgreSQL reads them in the order of the other index, to merge them with the agents.
    assert "ix_criterion_scores_agent_id" in plan or "Index Scan using uq_criterion_scores_agent" in plan


def _plan(history: Warehouse, name: str) -> str:
    table = VIEWS[name].table
    query = sa.select(table).where(table.c.environment == ENVIRONMENT, table.c.agent_id == "7")
    with history.database.reading() as connection:
        explain = "EXPLAIN QUERY PLAN " if history.database.is_sqlite else "EXPLAIN "
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
        return "\n".join(str(row) for row in connection.exec_driver_sql(explain + text).all())
