"""The runs of an agent as strata: tasks that repeat, runs of both reports, unfinished runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.comparison.rates import strata_of, tasks_matter
from tasks.comparison.samples import Samples, pair_samples
from tasks.statistics.rates import compare_rates, design_effect


def _runs(values: list[Any], start: int, tasks: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {"run_id": str(start + index), "completed": value, "task_hash": tasks[index] if tasks else f"{start}-{index}"}
        for index, value in enumerate(values)
    ]


def _samples(before: list[dict[str, Any]], after: list[dict[str, Any]], *, same_source: bool = True) -> Samples:
    return pair_samples(before, after, lambda run: run["completed"], same_source=same_source)


def test_tasks_that_repeat_are_strata_where_they_come_out_alike() -> None:
    tasks = [f"t{index}" for index in range(20)]
    easy = [index % 2 == 0 for index in range(20)]
    alike = _samples(_runs(easy, 1, tasks), _runs(easy, 100, tasks))
    assert alike.paired
    assert tasks_matter([alike])
    assert len(strata_of(alike, by_task=True)) == 20
    rng = np.random.default_rng(3)
    chance = [_samples(*(_runs(list(rng.random(20) < 0.5), s, tasks) for s in (1, 100))) for _ in range(14)]
    assert not tasks_matter(chance)
    assert strata_of(alike, by_task=False) == [(20, 10, 20, 10)]
    assert not tasks_matter([])


def test_few_common_tasks_are_no_pairs() -> None:
    before = _runs([True] * 20, 1, [f"t{index}" for index in range(20)])
    assert not _samples(before, _runs([True] * 20, 100, [f"t{index + 10}" for index in range(20)])).paired
    assert not _samples(before[:4], _runs([True] * 4, 100, [f"t{index}" for index in range(4)])).paired


def test_new_runs_are_held_against_all_earlier_ones() -> None:
    shared = _runs([True] * 15, 1)
    samples = _samples(shared + _runs([True] * 5, 50), shared + _runs([False] * 5, 100))
    assert samples.shared_runs == 15
    assert strata_of(samples, by_task=False) == [(20, 20, 5, 0)]
    assert len(samples.before) == 20
    assert samples.share_new == 0.25
    # 5 of 20 are others: the difference of the means has a quarter of the error of 5 against 5.
    assert samples.reach * (1 / 5 + 1 / 20) ** 0.5 == pytest.approx(0.25 * (2 / 5) ** 0.5)
    assert _samples(_runs([True] * 4, 1), _runs([True] * 9, 50)).reach == 1
    grown = _samples(shared, shared + _runs([False] * 5, 100))
    assert strata_of(grown, by_task=False) == [(15, 15, 5, 0)]
    assert grown.reach == pytest.approx(grown.share_new)
    assert not grown.nothing_new
    assert _samples(shared, shared).nothing_new
    assert _samples(shared, shared[3:]).nothing_new
    # Between environments an id is another run.
    assert not _samples(shared, shared, same_source=False).nothing_new


def test_new_runs_of_some_tasks_are_held_against_the_same_tasks() -> None:
    tasks = [f"t{index}" for index in range(20)]
    shared = _runs([index >= 8 for index in range(20)], 1, tasks)
    grown = _samples(shared, shared + _runs([False] * 8, 100, tasks[:8]))
    assert grown.paired
    # The same eight hard tasks fail as before.
    assert compare_rates(strata_of(grown, by_task=True)).worse == 1.0


def test_unfinished_runs_are_left_out() -> None:
    samples = _samples(_runs([True, None, False], 1), _runs([None], 100))
    assert list(samples.before) == [1.0, 0.0]
    assert not samples.measured


def test_runs_of_one_task_are_worth_fewer_runs() -> None:
    same: dict[Any, list[float]] = {"a": [1.0] * 5, "b": [0.0] * 5, "c": [1.0] * 5, "d": [0.0] * 5}
    assert design_effect(same, same) == pytest.approx(5.0)
    mixed: dict[Any, list[float]] = {key: [1.0, 0.0, 1.0, 0.0] for key in "abcde"}
    assert design_effect(mixed, mixed) == 1.0
    assert design_effect({index: [1.0] for index in range(9)}) == 1.0
    assert design_effect({"only": [1.0, 0.0]}) == 1.0
    runs = _samples(
        _runs([True] * 5 + [False] * 5, 1, ["a"] * 5 + ["b"] * 5), _runs([False] * 10, 100, ["c"] * 5 + ["d"] * 5)
    )
    assert strata_of(runs, by_task=False) == [(2, 1, 2, 0)]
