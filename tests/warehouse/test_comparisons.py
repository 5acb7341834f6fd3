"""Comparisons in the warehouse, on both databases: what is read, which baseline is chosen, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from benchmarks.simulated_reports import Truth, World, store
from tasks.comparison.compare import compare_reports
from tasks.errors import WarehouseError
from tasks.report.stored_report import StoredReport
from tasks.warehouse.comparisons import (
    find_baseline,
    load_comparison,
    load_score_history,
    load_stored_report,
    write_comparison,
)
from tasks.warehouse.schema import report_comparisons
from tasks.warehouse.sql import Warehouse

_WORLD = World((Truth(0.9), Truth(0.8)), runs=5)


def _store(warehouse: Warehouse, world: World = _WORLD, **report: Any) -> int:
    reading = world.report(np.random.default_rng(1), 1)
    return store(warehouse, StoredReport(reading.report | report, reading.details, reading.criteria, reading.runs))


def _baseline(warehouse: Warehouse, report_id: int) -> int | None:
    return find_baseline(warehouse, warehouse.load_report(report_id) or {})


def test_a_reading_is_what_was_stored(warehouse: Warehouse) -> None:
    stored = _WORLD.report(np.random.default_rng(1), 1)
    reading = load_stored_report(warehouse, _store(warehouse))
    assert reading is not None
    assert [row["score"] for row in reading.details] == [row["score"] for row in stored.details]
    assert len(reading.runs_of("1")) == 5
    assert set(reading.criteria_of(None)) == {"accuracy", "efficiency", "reliability"}
    assert reading.team_goal() == "g"
    assert load_stored_report(warehouse, 99) is None


def test_the_baseline_is_the_last_comparable_report(warehouse: Warehouse) -> None:
    some = {"options": {"agents": ["agent-1"]}}
    other = {"model": "other"}
    first = _store(warehouse)
    assert _baseline(warehouse, first) is None
    second = _store(warehouse, judge_settings=other)
    third = _store(warehouse, parameters=some)
    _store(warehouse, status="failed")
    _store(warehouse, environment="staging")
    last = _store(warehouse)
    assert _baseline(warehouse, last) == first
    # By another judge, over other agents: never one that differs instead.
    assert _baseline(warehouse, _store(warehouse, judge_settings={"model": "third"})) is None
    assert _baseline(warehouse, third) is None
    assert _baseline(warehouse, second) is None
    assert _baseline(warehouse, _store(warehouse, parameters=some)) == third
    assert _baseline(warehouse, _store(warehouse, judge_settings=other)) == second


def test_an_ad_hoc_report_is_never_the_last_one(warehouse: Warehouse) -> None:
    nightly = _store(warehouse)
    row = warehouse.load_report(nightly) or {}
    criteria = row["parameters"]["criteria"]
    for values in (
        {"judge_fingerprint": "g"},
        {"judge_model": "n"},
        {"parameters": row["parameters"] | {"criteria": criteria | {"default": {}}}},
        {"parameters": row["parameters"] | {"options": {"filter_model": "m"}}},
        {"parameters": row["parameters"] | {"options": {"agents": ["id:1"]}}},
    ):
        assert _baseline(warehouse, _store(warehouse, **values)) is None, values
    # However many of them came since, and whatever else was asked for.
    for _ in range(51):
        warehouse.create_report({"environment": "prod", "status": "completed", "judge_fingerprint": "g"})
    asked = row["parameters"] | {"options": {"runs_per_agent": 5, "agents": [], "filter_model": ""}}
    assert _baseline(warehouse, _store(warehouse, parameters=asked)) == nightly


def test_history_is_of_reports_that_were_judged_alike(warehouse: Warehouse) -> None:
    first, second = _store(warehouse), _store(warehouse)
    _store(warehouse, judge_fingerprint="other")
    _store(warehouse, status="failed")
    row = warehouse.load_report(_store(warehouse)) or {}
    rows = load_score_history(warehouse, row)
    assert {score.report_id for score in rows} == {first, second}
    assert len(rows) == 2 * (2 + 2 * 3)
    assert {score.criterion for score in rows} == {None, "accuracy", "efficiency", "reliability"}
    # The runs of two scores show how far they may have moved.
    reading = load_stored_report(warehouse, first)
    assert reading is not None
    runs = {agent: {run["run_id"] for run in reading.runs_of(agent)} for agent in ("1", "2")}
    assert all(score.run_ids == runs[score.agent_id or ""] for score in rows)


def test_a_comparison_is_kept_once_for_each_pair_and_reads_back(warehouse: Warehouse) -> None:
    rng = np.random.default_rng(2)
    ids = [store(warehouse, world.report(rng, 1)) for world in (_WORLD, _WORLD.changed(0, completion_rate=0.0))]
    before, after = (load_stored_report(warehouse, report_id) for report_id in ids)
    assert before is not None
    assert after is not None
    renamed = [row | {"agent_name": "new name"} if row["agent_id"] == "2" else row for row in after.details]
    comparison = compare_reports(
        before, replace(after, details=renamed, report=after.report | {"judge_settings": {"model": "n"}})
    )
    comparison = comparison.model_copy(update={"reasons": (*comparison.reasons, "a reason; with a semicolon")})
    for _ in range(2):
        write_comparison(warehouse, comparison)
    assert load_comparison(warehouse, ids[1]) == comparison
    assert load_comparison(warehouse, ids[1], ids[0]) == comparison
    assert load_comparison(warehouse, ids[0]) is None
    with warehouse.database.reading() as connection:
        rows = connection.execute(sa.select(report_comparisons)).mappings().all()
    assert len(rows) == sum(1 + len(subject.changes) for subject in (comparison.team, *comparison.agents))
    assert [row["metric"] for row in rows].count("overall") == 3
    assert comparison.reasons


def test_a_comparison_of_a_report_that_is_gone_is_refused_and_goes_with_its_report(warehouse: Warehouse) -> None:
    ids = [_store(warehouse), _store(warehouse)]
    before, after = (load_stored_report(warehouse, report_id) for report_id in ids)
    assert before is not None
    assert after is not None
    comparison = compare_reports(before, after)
    write_comparison(warehouse, comparison)
    warehouse.discard_report(ids[0])
    assert load_comparison(warehouse, ids[1]) is None
    with pytest.raises(WarehouseError, match="not both in the warehouse"):
        write_comparison(warehouse, comparison)


def _compare(warehouse: Warehouse, baseline_id: int, report_id: int) -> None:
    before, after = load_stored_report(warehouse, baseline_id), load_stored_report(warehouse, report_id)
    assert before is not None
    assert after is not None
    write_comparison(warehouse, compare_reports(before, after))


def _told(warehouse: Warehouse, report_id: int) -> int | None:
    found = load_comparison(warehouse, report_id)
    return None if found is None else found.baseline_id


def test_what_changed_is_told_since_the_last_comparable_report_whatever_was_compared_since(
    warehouse: Warehouse,
) -> None:
    first, other = _store(warehouse), _store(warehouse, environment="staging")
    second, third = _store(warehouse), _store(warehouse)
    # Before it is compared with the last one nothing is shown: not of one before that, nor of another environment.
    for baseline in (other, first):
        _compare(warehouse, baseline, third)
        assert _told(warehouse, third) is None
    _compare(warehouse, second, third)
    for baseline in (first, other):
        _compare(warehouse, baseline, third)
        assert _told(warehouse, third) == second
    # Nor what came later.
    _compare(warehouse, third, first)
    assert _told(warehouse, first) is None


def test_a_report_that_is_written_again_has_no_comparison_of_its_old_rows(warehouse: Warehouse) -> None:
    ids = [_store(warehouse) for _ in range(3)]
    _compare(warehouse, ids[0], ids[1])
    _compare(warehouse, ids[1], ids[2])
    _compare(warehouse, ids[0], ids[2])
    rows = (warehouse.load_agents(ids[1]), warehouse.load_criteria(ids[1]), warehouse.load_runs(ids[1]))
    warehouse.write_report(ids[1], {"status": "completed"}, *rows)
    assert load_comparison(warehouse, ids[1], ids[0]) is None
    assert load_comparison(warehouse, ids[2], ids[1]) is None
    assert load_comparison(warehouse, ids[2], ids[0]) is not None
