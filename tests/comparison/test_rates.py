"""Success rates: exact tests that agree with SciPy's, Newcombe's interval as statsmodels has it, what is detectable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from tasks.comparison.rates import (
    compare_rates,
    design_effect,
    detectable_rate,
    newcombe_interval,
    strata_of,
    tasks_matter,
)
from tasks.comparison.samples import Samples, pair_samples

_TABLES = [(20, 18, 20, 8), (20, 20, 20, 19), (7, 3, 25, 20), (1, 0, 1, 1), (20, 0, 20, 0), (300, 270, 280, 230)]


def _runs(values: list[Any], start: int, tasks: list[str] | None = None) -> list[dict[str, Any]]:
    return [
        {"run_id": start + index, "succeeded": value, "task_hash": tasks[index] if tasks else f"{start}-{index}"}
        for index, value in enumerate(values)
    ]


def _samples(before: list[dict[str, Any]], after: list[dict[str, Any]], *, same_source: bool = True) -> Samples:
    return pair_samples(before, after, lambda run: run["succeeded"], same_source=same_source)


@pytest.mark.parametrize("table", _TABLES)
def test_one_stratum_is_fishers_test(table: tuple[int, int, int, int]) -> None:
    n1, x1, n2, x2 = table
    found = compare_rates([table])
    cells = [[x2, n2 - x2], [x1, n1 - x1]]
    assert found.worse == pytest.approx(stats.fisher_exact(cells, alternative="less").pvalue)
    assert found.better == pytest.approx(stats.fisher_exact(cells, alternative="greater").pvalue)


def test_pairs_are_mcnemars_test() -> None:
    both, fell, rose, neither = 5, 9, 1, 5
    pairs = [(1, 1, 1, 1)] * both + [(1, 1, 1, 0)] * fell + [(1, 0, 1, 1)] * rose + [(1, 0, 1, 0)] * neither
    expected = stats.binomtest(fell, fell + rose, alternative="greater").pvalue
    assert compare_rates(pairs).worse == pytest.approx(expected)


def test_what_was_attainable_is_what_can_come_out() -> None:
    found = compare_rates([(20, 18, 20, 8)])
    possible = [compare_rates([(20, 26 - x2, 20, x2)]).worse for x2 in range(6, 21)]
    assert found.attainable_worse == pytest.approx(possible)
    assert (np.diff(found.attainable_better) >= 0).all()


@pytest.mark.parametrize("table", _TABLES)
def test_the_interval_is_newcombes(table: tuple[int, int, int, int]) -> None:
    n1, x1, n2, x2 = table
    low, high = confint_proportions_2indep(x2, n2, x1, n1, method="newcomb")
    assert newcombe_interval(x1, n1, x2, n2) == pytest.approx((max(low, -1.0), min(high, 1.0)))


def test_what_is_called_a_change_after_a_correction_has_an_interval_without_0() -> None:
    for n1, n2 in ((20, 20), (8, 20), (40, 15)):
        for x1 in range(n1 + 1):
            for x2 in range(n2 + 1):
                found = compare_rates([(n1, x1, n2, x2)])
                low, high = newcombe_interval(x1, n1, x2, n2)
                if min(found.worse, found.better) <= 0.025:
                    assert low * high > 0, (n1, x1, n2, x2)


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


def test_what_is_detectable_is_found_in_80_of_100_cases() -> None:
    size = detectable_rate(20, 18, 20, 0.01, 0.001)
    assert size is not None
    before = 18.5 / 21
    rng = np.random.default_rng(4)
    counts = zip(rng.binomial(20, before, 4000), rng.binomial(20, before - size, 4000), strict=True)
    found = np.mean([compare_rates([(20, int(a), 20, int(b))]).worse <= 0.01 for a, b in counts])
    # The grid of rates is 0.01 wide.
    assert 0.78 < found < 0.86


def test_without_room_for_a_fall_a_rise_is_detectable() -> None:
    assert (detectable_rate(20, 1, 20, 0.01, 0.01) or 0) > 0.3
    assert detectable_rate(2, 1, 2, 0.001, 0.001) is None
    assert detectable_rate(0, 0, 20, 0.01, 0.01) is None
    assert (detectable_rate(1000, 900, 1000, 0.01, 0.01) or 1) < 0.2
