"""Expected true rates given those of all agents: nearer to the truth and its order than what was observed."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.statistics.shrinkage import shrink_rates


def _errors(runs: int) -> tuple[float, float, float, float]:
    """Root mean square error of observed and shrunken rates, and the error of the lowest of either."""
    rng = np.random.default_rng(2)
    squares, lowest = [], []
    for _ in range(30):
        truth = rng.beta(7, 2.5, 100)
        observed = rng.binomial(runs, truth) / runs
        shrunk = np.array(shrink_rates(list(observed), [runs] * 100), dtype=float)
        squares.append([((observed - truth) ** 2).mean(), ((shrunk - truth) ** 2).mean()])
        lowest.append([found.min() - truth[found.argmin()] for found in (observed, shrunk)])
    return (*np.sqrt(np.mean(squares, axis=0)), *np.mean(lowest, axis=0))


@pytest.mark.parametrize(("runs", "most", "lowest"), [(5, 0.125, 0.06), (20, 0.085, 0.05)])
def test_they_are_nearer_to_the_truth(runs: int, most: float, lowest: float) -> None:
    observed, shrunk, worst_observed, worst_shrunk = _errors(runs)
    assert shrunk < most < observed
    assert abs(worst_shrunk) < lowest
    assert worst_observed < -0.1


def test_an_agent_with_few_runs_is_moved_more() -> None:
    few, many, best, good = shrink_rates([0.0, 0.3, 1.0, 0.9], [1, 50, 20, 20])
    assert few is not None
    assert many is not None
    assert few > 0.25
    assert many == pytest.approx(0.3, abs=0.06)
    assert good is not None
    assert best is not None
    assert best > good


def test_equal_rates_stay_in_order_of_how_much_is_known() -> None:
    one, twenty = shrink_rates([1.0, 1.0], [1, 20])
    assert one is not None
    assert twenty is not None
    assert one < twenty < 1


def test_what_was_not_observed_has_no_rate() -> None:
    assert shrink_rates([None, 0.5, 0.7], [0, 0, 10])[:2] == [None, None]
    assert shrink_rates([], []) == []
    assert shrink_rates([None], [0]) == [None]
