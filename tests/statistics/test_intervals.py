"""Intervals of proportions, compared with those of statsmodels."""

from __future__ import annotations

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tasks.statistics.intervals import newcombe_interval, wilson_interval

_TABLES = [(20, 18, 20, 8), (20, 20, 20, 19), (7, 3, 25, 20), (1, 0, 1, 1), (20, 0, 20, 0), (300, 270, 280, 230)]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(14, 20, 0.48, 0.85), (3, 3, 0.44, 1.0), (0, 3, 0.0, 0.56), (50, 100, 0.40, 0.60)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float) -> None:
    found = wilson_interval(successes, trials)
    assert found is not None
    assert found == pytest.approx((low, high), abs=0.005)
    assert 0 <= found[0] <= successes / trials <= found[1] <= 1


def test_wilson_interval_at_its_ends_and_without_trials() -> None:
    assert wilson_interval(0, 7)[0] == 0.0  # type: ignore[index]
    assert wilson_interval(7, 7)[1] == 1.0  # type: ignore[index]
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize(("successes", "trials"), [(14, 20), (3, 3), (0, 3), (7.3, 7.3), (2.5, 11.2)])
def test_wilson_interval_is_that_of_statsmodels(successes: float, trials: float) -> None:
    expected = proportion_confint(successes, trials, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx(expected)


@pytest.mark.parametrize("table", _TABLES)
def test_newcombe_interval_is_that_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    n1, x1, n2, x2 = table
    low, high = confint_proportions_2indep(x2, n2, x1, n1, method="newcomb")
    assert newcombe_interval(x1, n1, x2, n2) == pytest.approx((max(low, -1.0), min(high, 1.0)))
