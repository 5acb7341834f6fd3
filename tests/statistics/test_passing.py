"""Three-valued passing: by the whole interval, and what would decide it."""

from __future__ import annotations

import pytest

from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.passing import decide, runs_to_decide
from tasks.statistics.weighted import estimate_share


@pytest.mark.parametrize(
    ("low", "high", "threshold", "passed"),
    [
        (0.71, 0.9, 0.7, True),
        (0.7, 0.9, 0.7, True),
        (0.7 - 1e-12, 0.9, 0.7, True),
        (0.6, 0.9, 0.7, None),
        (0.4, 0.7, 0.7, None),
        (0.4, 0.69, 0.7, False),
        (None, None, 0.7, None),
    ],
)
def test_decide(low: float | None, high: float | None, threshold: float, passed: bool | None) -> None:
    value = None if low is None or high is None else (low + high) / 2
    assert decide(Estimate(value=value, low=low, high=high, n=20), threshold) is passed


@pytest.mark.parametrize(("hits", "runs", "threshold"), [(17, 20, 0.7), (11, 20, 0.7), (5, 6, 0.7), (20, 20, 0.9)])
def test_runs_to_decide_decides_and_one_in_five_fewer_does_not(hits: int, runs: int, threshold: float) -> None:
    def share(many: float) -> Estimate:
        good = many * hits / runs
        low, high = wilson_interval(good, many) or (0.0, 1.0)
        return Estimate(value=hits / runs, low=low, high=high, n=runs)

    more = runs_to_decide(estimate_share([True] * hits + [False] * (runs - hits), [1.0] * runs), threshold)
    assert more is not None
    assert more > 0
    assert decide(share(runs + more), threshold) is not None
    assert decide(share(runs + 0.8 * more), threshold) is None


def test_nothing_more_is_needed_where_it_is_decided() -> None:
    assert runs_to_decide(estimate_share([True] * 20, [1.0] * 20), 0.7) == 0


@pytest.mark.parametrize(
    ("estimate", "threshold"),
    [
        (Estimate(), 0.7),
        (estimate_share([True] * 14 + [False] * 6, [1.0] * 20), 0.7),
        (estimate_share([True] * 1401 + [False] * 600, [1.0] * 2001), 0.7),
        (estimate_share([True] * 20, [1.0] * 20), 1.0),
        (Estimate(value=0.5, low=0.3, high=0.7, n=20), 0.5),
    ],
)
def test_no_number_of_runs_decides_it(estimate: Estimate, threshold: float) -> None:
    assert runs_to_decide(estimate, threshold) is None


def test_runs_that_weigh_unequally_decide_less() -> None:
    hits = [True, False] * 10
    equal = runs_to_decide(estimate_share(hits, [1.0] * 20), 0.6)
    unequal = runs_to_decide(estimate_share(hits, [1.0, 1.0, 9.0, 9.0] * 5), 0.6)
    assert equal is not None
    assert unequal is not None
    assert unequal > 1.3 * equal
