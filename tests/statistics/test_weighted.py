"""Shares of a population from samples with unequal weights: exact where weights are equal, and covering elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.weighted import build_group, estimate_groups, estimate_share, groups_worth, weighted_share


@pytest.mark.parametrize("weight", [1.0, 250.0, 1e-9, 1e9])
@pytest.mark.parametrize(("hits", "runs"), [(14, 20), (0, 3), (3, 3), (1, 1), (500, 1000)])
def test_equal_weights_give_wilsons_interval(hits: int, runs: int, weight: float) -> None:
    found = estimate_share([True] * hits + [False] * (runs - hits), [weight] * runs)
    assert (found.low, found.high) == pytest.approx(wilson_interval(hits, runs))
    assert found.value == pytest.approx(hits / runs)
    assert found.n == runs


def test_a_share_is_of_the_population() -> None:
    # 8 of 10 failed runs were read, and 2 of 90 others.
    found = estimate_share([False] * 8 + [True] * 2, [10 / 8] * 8 + [45.0] * 2)
    assert found.value == pytest.approx(0.9)
    assert found.low is not None
    # Two runs stand for almost all of it: little is known.
    assert found.low < 0.35


def test_numbers_from_0_to_1_count_as_parts_of_a_hit() -> None:
    found = estimate_share([0.5, 0.75], [1.0, 1.0])
    assert found.value == pytest.approx(0.625)
    assert found.low is not None
    assert found.low < 0.2


def test_none_is_not_zero() -> None:
    assert estimate_share([], []) == Estimate()
    assert estimate_groups([]) == Estimate()
    share, worth = weighted_share(np.array([]), np.array([]))
    assert math.isnan(share)
    assert worth == 0


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="each of 2 observations needs a weight above 0"):
        estimate_share([True, False], weights)


def test_what_is_lost_may_have_been_anything() -> None:
    found = estimate_share([True] * 12 + [False] * 2, [1.0] * 14, unknown=[1.0] * 6)
    assert (found.value, found.n) == (12 / 14, 14)
    assert (found.low, found.high) == (wilson_interval(12, 20)[0], wilson_interval(18, 20)[1])
    assert estimate_share([], [], unknown=[1.0] * 6) == Estimate()


def test_one_run_that_stands_for_almost_all_shows_little() -> None:
    found = estimate_share([True, *[False] * 19], [1e6, *[1.0] * 19])
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 0.7


def test_a_group_counts_by_its_size_whatever_was_decided_of_it() -> None:
    large = build_group([True] * 4, [1.0] * 4, 900)
    small = build_group([False] * 20, [1.0] * 20, 100)
    found = estimate_groups([large, small, build_group([], [], 5000), build_group([True], [1.0], 0)])
    assert found.value == pytest.approx(0.9)
    assert found.n == 24
    # Almost all of it is known from four runs.
    assert groups_worth([large, small]) == pytest.approx(1 / (0.81 / 4 + 0.01 / 20))


def test_groups_in_proportion_are_one_sample() -> None:
    groups = [build_group([True] * 6 + [False] * 4, [1.0] * 10, 50), build_group([True] * 20, [1.0] * 20, 100)]
    for together, alone in (
        (estimate_groups(groups), estimate_share([True] * 26 + [False] * 4, [5.0] * 30)),
        (estimate_groups(groups[:1]), estimate_share([True] * 6 + [False] * 4, [1.0] * 10)),
    ):
        assert (together.value, together.low, together.high) == pytest.approx((alone.value, alone.low, alone.high))


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("failed", [0.02, 0.2, 0.5])
def test_it_covers_where_failures_are_drawn_more_often(rate: float, failed: float) -> None:
    """20 of 1,000 runs, half of them from those whose status shows a failure."""
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(300):
        succeeded = rng.random(1000) < rate
        status = ~succeeded & (rng.random(1000) < failed)
        strata = [np.flatnonzero(status), np.flatnonzero(~status)]
        counts = [min(10, len(strata[0]))]
        counts.append(20 - counts[0])
        chosen = [rng.choice(part, count, replace=False) for part, count in zip(strata, counts, strict=True)]
        weights = np.repeat([len(part) / max(1, count) for part, count in zip(strata, counts, strict=True)], counts)
        found = estimate_share(list(succeeded[np.concatenate(chosen)]), list(weights))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= succeeded.mean() <= found.high
    assert held >= 0.93 * 300
