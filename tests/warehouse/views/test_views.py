"""The views: those in a database match their definitions, and each shows what its documentation promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.schema import metadata
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views.definitions import VIEWS, View, view_sql

Row = dict[str, Any]
START = datetime(2026, 5, 1, 2, tzinfo=UTC)


@pytest.fixture
def read(warehouse: Warehouse) -> Callable[..., list[Row]]:
    """The rows of a view, each with these columns only, in their order."""

    def rows(name: str, *columns: str) -> list[Row]:
        table = VIEWS[name].table
        chosen = [table.c[column] for column in columns or table.c.keys()]
        with warehouse.database.reading() as connection:
            found = connection.execute(sa.select(*chosen)).mappings().all()
        return sorted((dict(row) for row in found), key=lambda row: [(row[key] is None, row[key]) for key in columns])

    return rows


@pytest.fixture
def report(warehouse: Warehouse) -> Callable[..., int]:
    """Writes a report; ``agents`` has for each id its score, or its status where it has none. Passed is 7 or more."""

    def write(agents: dict[int, float | str], environment: str = "prod", status: str = "completed") -> int:
        details: list[Row] = []
        criteria: list[Row] = [_criterion(None, 6.0)]
        for agent_id, found in agents.items():
            row: Row = {"agent_id": str(agent_id), "agent_name": f"agent {agent_id}", "status": found}
            if isinstance(found, float):
                row |= {"status": "evaluated", "score": found, "passed": found >= 7, "completion_rate": 0.5}
                criteria += [
                    _criterion(str(agent_id), found),
                    _criterion(str(agent_id), found - 1, "tone"),
                    _criterion(str(agent_id), None, "zeal"),
                ]
            details.append(row)
        report_id = warehouse.create_report({"environment": environment, "name": "Nightly", "created_at": START})
        moment = START + timedelta(days=report_id)
        warehouse.write_report(report_id, {"status": status, "created_at": moment}, details, criteria, [])
        return report_id

    return write


def _criterion(agent_id: str | None, score: float | None, name: str = "accuracy") -> Row:
    passed = None if score is None else score >= 7
    return {
        "agent_id": agent_id,
        "criterion": name,
        "weight": 1.0,
        "threshold": 7.0,
        "score": score,
        "passed": passed,
    }


# What is there


@pytest.mark.parametrize("name", list(VIEWS))
def test_what_is_in_the_database_matches_the_definition(warehouse: Warehouse, name: str) -> None:
    """PostgreSQL keeps a view in words of its own: there the definition is made into a view as well, and both asked."""
    view = VIEWS[name]
    with warehouse.database.writing() as connection:
        dialect = connection.dialect.name
        query = view_sql(view, dialect)
        if dialect == "sqlite":
            stored = connection.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": name})
            assert stored.scalar_one().split() == f"CREATE VIEW {name} AS {query}".split()
        else:
            connection.exec_driver_sql(f"CREATE VIEW defined AS {query}")
            defined, stored = (
                connection.execute(sa.text("SELECT pg_get_viewdef(CAST(:name AS regclass))"), {"name": each}).scalar()
                for each in ("defined", name)
            )
            assert stored == defined
        there = [column["name"] for column in sa.inspect(connection).get_columns(name)]
    assert there == view.table.columns.keys()


@pytest.mark.parametrize("view", VIEWS.values(), ids=lambda view: view.name)
def test_the_comments_are_of_columns_that_are_there(view: View) -> None:
    assert view.about
    assert set(view.own) <= set(view.table.columns.keys())


def test_a_view_never_reads_what_is_long() -> None:
    """Runs and texts are most of a warehouse: no view has to go through them."""
    for view in VIEWS.values():
        query = view_sql(view, "sqlite")
        assert "report_runs" not in query
        for column in ("reasoning", "tool_usage", "telemetry_summary", "answer", "agent_reports"):
            assert f".{column}" not in query


def test_views_of_an_empty_warehouse_are_empty(read: Callable[..., list[Row]]) -> None:
    assert [read(name) for name in VIEWS] == [[]] * len(VIEWS)


def test_the_metadata_knows_no_views() -> None:
    """Alembic would make tables of them."""
    assert not set(metadata.tables) & set(VIEWS)


# Scores


def test_the_latest_score_is_of_the_newest_completed_report_that_looked(
    read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0, 2: 8.0, 3: 9.0, 4: 7.5})
    report({1: 8.5, 2: "not_started", 3: "skipped_budget"})
    for status in ("failed", "cancelled"):
        report({1: 1.0, 2: 1.0}, status=status)
    report({1: 2.0}, environment="test")
    columns = ("environment", "agent_id", "report_id", "score", "passed", "is_current", "is_gone")
    assert [tuple(row.values()) for row in read("latest_agent_scores", *columns)] == [
        ("prod", "1", 2, 8.5, True, True, False),
        ("prod", "2", 1, 8.0, True, False, False),
        ("prod", "3", 1, 9.0, True, False, False),
        ("prod", "4", 1, 7.5, True, False, True),
        ("test", "1", 5, 2.0, False, True, False),
    ]


def test_a_look_that_gave_no_score_is_the_latest_one(
    read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0, 2: 8.0, 3: 9.0})
    report({1: "failed", 2: "no_runs", 3: "no_evidence"})
    rows = read("latest_agent_scores", "agent_id", "status", "score", "report_id")
    assert [tuple(row.values()) for row in rows] == [
        ("1", "failed", None, 2),
        ("2", "no_runs", None, 2),
        ("3", "no_evidence", None, 2),
    ]


def test_a_report_that_is_made_again_counts_when_it_is_done(
    warehouse: Warehouse, read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0})
    again = report({1: 9.0})
    warehouse.take_report(again)
    assert [row["score"] for row in read("latest_agent_scores", "score")] == [4.0]
    warehouse.write_report(again, {"status": "completed"}, [], [], [])
    assert read("agent_score_history", "report_id") == [{"report_id": 1}]


def test_the_history_has_every_agent_of_every_completed_report(
    read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0, 2: "failed"})
    report({1: 9.0, 2: "not_started"})
    report({1: 1.0}, status="failed")
    rows = read("agent_score_history", "report_id", "agent_id", "status", "score", "report_created_at", "report_name")
    assert [tuple(row.values()) for row in rows] == [
        (1, "1", "evaluated", 4.0, START + timedelta(days=1), "Nightly"),
        (1, "2", "failed", None, START + timedelta(days=1), "Nightly"),
        (2, "1", "evaluated", 9.0, START + timedelta(days=2), "Nightly"),
        (2, "2", "not_started", None, START + timedelta(days=2), "Nightly"),
    ]


def test_the_history_of_criteria_has_the_team(read: Callable[..., list[Row]], report: Callable[..., int]) -> None:
    report({1: 4.0})
    report({1: 1.0}, status="cancelled")
    rows = read("criterion_history", "criterion", "agent_id", "agent_name", "score", "passed", "threshold")
    assert [tuple(row.values()) for row in rows] == [
        ("accuracy", "1", "agent 1", 4.0, False, 7.0),
        ("accuracy", None, None, 6.0, False, 7.0),
        ("tone", "1", "agent 1", 3.0, False, 7.0),
        ("zeal", "1", "agent 1", None, None, 7.0),
    ]


# Costs


def _paid(report_id: int | None, cost_usd: float | None, **changes: Any) -> PaidAnswer:
    values = {
        "fingerprint": "f",
        "kind": "agent",
        "model": "m",
        "answer": "{}",
        "outcome": "usable",
        "prompt_tokens": 100,
        "completion_tokens": None,
        "cached_tokens": 3_000_000_000,
        "latency_seconds": 1.0,
        "attempts": 1,
        "agent_id": "1",
    }
    return PaidAnswer(**(values | {"report_id": report_id, "cost_usd": cost_usd} | changes))


def test_costs_are_of_all_answers_whatever_became_of_the_report(
    warehouse: Warehouse, read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    ledger = SqlLedger(warehouse.database)
    failed = report({1: "failed"}, status="failed")
    ledger.commit(_paid(failed, 0.25))
    ledger.commit(_paid(failed, 0.5, outcome="refused"))
    ledger.commit(_paid(failed, None, kind="team"))
    ledger.commit(_paid(failed, 0.125, kind="team"))
    ledger.commit(_paid(77, 2.0))
    ledger.commit(_paid(None, None, model="other"))
    ledger.claim("g", kind="agent", model="m", report_id=failed, agent_id="1", seconds=60)
    rows = read("judge_costs", "report_id", "kind", "environment", "report_status", "calls", "unusable_calls")
    assert [tuple(row.values()) for row in rows] == [
        (failed, "agent", "prod", "failed", 2, 1),
        (failed, "team", "prod", "failed", 2, 0),
        (77, "agent", None, None, 1, 0),
        (None, "agent", None, None, 1, 0),
    ]
    rows = read("judge_costs", "report_id", "kind", "cost_usd", "known_cost_usd", "calls_with_cost", "cached_tokens")
    assert [tuple(row.values()) for row in rows] == [
        (failed, "agent", 0.75, 0.75, 2, 6_000_000_000),
        (failed, "team", None, 0.125, 1, 6_000_000_000),
        (77, "agent", 2.0, 2.0, 1, 3_000_000_000),
        (None, "agent", None, None, 0, 3_000_000_000),
    ]
    (row,) = [row for row in read("judge_costs") if row["report_id"] == 77]
    assert (row["prompt_tokens"], row["completion_tokens"], row["model"]) == (100, None, "m")
    assert abs(row["first_answer_at"] - datetime.now(UTC)) < timedelta(minutes=5)


# What needs attention


def test_failing_agents_are_those_that_need_work_now(
    read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0, 2: 8.0, 3: 4.0, 4: "no_runs", 5: 4.0, 6: 4.0})
    report({1: 8.0, 2: 5.0, 3: 4.0, 4: "no_evidence", 5: 4.0, 6: 3.0})
    report({1: 9.0, 2: 6.0, 3: 8.0, 4: "no_runs", 5: "failed", 6: "not_started"})
    report({1: 1.0, 2: 9.0}, status="failed")
    columns = ("agent_id", "report_id", "status", "score", "reports_failing", "failing_since_report_id")
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [
        ("2", 3, "evaluated", 6.0, 2, 2),
        ("5", 3, "failed", None, 3, 1),
        ("6", 2, "evaluated", 3.0, 2, 1),
    ]
    columns = ("agent_id", "criteria_not_passed", "worst_criterion", "worst_criterion_score", "failing_since")
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [
        ("2", 3, "tone", 5.0, START + timedelta(days=2)),
        ("5", 0, None, None, START + timedelta(days=1)),
        ("6", 3, "tone", 2.0, START + timedelta(days=1)),
    ]


@pytest.mark.parametrize("nothing", ["no_runs", "no_evidence"])
def test_a_look_that_saw_nothing_neither_ends_nor_hides_that_an_agent_fails(
    nothing: str, read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 9.0, 2: 4.0})
    report({1: 4.0, 2: 4.0})
    report({1: nothing, 2: nothing})
    report({1: 3.0, 2: 9.0})
    report({1: nothing, 2: nothing})
    columns = ("agent_id", "report_id", "score", "reports_failing", "failing_since_report_id")
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [("1", 4, 3.0, 2, 2)]


def test_what_is_too_close_to_call_is_neither_failing_nor_fine(
    warehouse: Warehouse, read: Callable[..., list[Row]], report: Callable[..., int]
) -> None:
    report({1: 4.0, 2: 9.0, 3: 4.0})
    close = {"status": "evaluated", "score": 6.9, "passed": None, "success_rate": 0.69, "success_rate_high": 0.86}
    details = [{"agent_id": str(number), "agent_name": f"agent {number}"} | close for number in (1, 2, 3)]
    report_id = warehouse.create_report({"environment": "prod"})
    criteria = [_criterion(str(number), 6.9) | {"passed": None} for number in (1, 2, 3)]
    warehouse.write_report(report_id, {"status": "completed"}, details, criteria, [])
    columns = ("agent_id", "report_id", "score", "reports_failing", "criteria_not_passed")
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [
        ("1", 1, 4.0, 1, 3),
        ("3", 1, 4.0, 1, 3),
    ]
    report({1: 3.0, 2: 9.0, 3: 9.0})
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [("1", 3, 3.0, 2, 3)]
    rows = read("agent_score_history", "report_id", "agent_id", "completion_rate", "success_rate", "success_rate_high")
    assert tuple(rows[3].values()) == (2, "1", None, 0.69, 0.86)


def test_what_is_too_close_to_call_twice_in_a_row_by_the_same_judge_needs_attention(
    warehouse: Warehouse, read: Callable[..., list[Row]]
) -> None:
    found: dict[str, tuple[float | None, bool | None, str]] = {
        "close": (6.9, None, "evaluated"),
        "fine": (9.0, True, "evaluated"),
        "fails": (4.0, False, "evaluated"),
        "silent": (None, None, "no_evidence"),
        "failed": (None, None, "failed"),
    }

    def write(judge: str, **agents: str) -> list[tuple[Any, ...]]:
        given = {"environment": "prod", "judge_fingerprint": judge}
        report_id = warehouse.create_report(given)
        details = [
            {"agent_id": name, "agent_name": name, **dict(zip(("score", "passed", "status"), found[of], strict=True))}
            for name, of in agents.items()
        ]
        warehouse.write_report(report_id, {"status": "completed", **given}, details, [], [])
        columns = ("agent_id", "report_id", "why", "reports_failing")
        return [tuple(row.values()) for row in read("failing_agents", *columns)]

    assert write("one", a="close", b="fine", c="silent") == []
    assert write("one", a="close", b="close", c="close") == [("a", 2, "too close", 1)]
    assert write("one", a="fails", b="fine", c="close") == [("a", 3, "fails", 2), ("c", 3, "too close", 1)]
    assert write("two", a="fine", b="failed", c="close") == [("b", 4, "not judged", 1), ("c", 3, "too close", 1)]
    assert write("two", a="close", b="close", c="fine") == [("b", 4, "not judged", 1)]


def test_an_agent_that_is_gone_needs_no_work(read: Callable[..., list[Row]], report: Callable[..., int]) -> None:
    report({1: 4.0, 2: 4.0})
    report({2: 4.0})
    assert read("failing_agents", "agent_id") == [{"agent_id": "2"}]


def test_a_criterion_without_evidence_is_named_when_no_other_failed(
    warehouse: Warehouse, read: Callable[..., list[Row]]
) -> None:
    report_id = warehouse.create_report({"environment": "prod"})
    agent = {"agent_id": "1", "agent_name": "a", "status": "evaluated", "score": 9.0, "passed": False}
    criteria = [_criterion("1", 9.0), _criterion("1", None, "tone")]
    warehouse.write_report(report_id, {"status": "completed"}, [agent], criteria, [])
    columns = ("criteria_not_passed", "worst_criterion", "worst_criterion_score", "worst_criterion_threshold")
    assert [tuple(row.values()) for row in read("failing_agents", *columns)] == [(1, "tone", None, 7.0)]
