"""Tests of two completion rates, compared with SciPy's; detectable changes, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.statistics.intervals import newcombe_interval
from tasks.statistics.rates import compare_rates, detectable_rate

_TABLES = [(20, 18, 20, 8), (20, 20, 20, 19), (7, 3, 25, 20), (1, 0, 1, 1), (20, 0, 20, 0), (300, 270, 280, 230)]


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


def test_what_is_called_a_change_after_a_correction_has_an_interval_without_0() -> None:
    for n1, n2 in ((20, 20), (8, 20), (40, 15)):
        for x1 in range(n1 + 1):
            for x2 in range(n2 + 1):
                found = compare_rates([(n1, x1, n2, x2)])
                low, high = newcombe_interval(x1, n1, x2, n2)
                if min(found.worse, found.better) <= 0.025:
                    assert low * high > 0, (n1, x1, n2, x2)


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
