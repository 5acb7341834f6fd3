"""Inclusion probabilities of samples that are drawn in proportion to sizes."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.statistics.sampling import inclusion_probabilities


@pytest.mark.parametrize(
    ("sizes", "count", "chances"),
    [
        ([1, 1, 1, 1], 2, [0.5, 0.5, 0.5, 0.5]),
        ([1, 3], 1, [0.25, 0.75]),
        # 3 of [1, 1, 1, 9]: the large one for certain, and the others share the two that are left.
        ([1, 1, 1, 9], 3, [2 / 3, 2 / 3, 2 / 3, 1]),
        # The second would be above 1 only after the first is.
        ([1, 1, 4, 10], 3, [0.5, 0.5, 1, 1]),
        ([1, 5], 2, [1, 1]),
        ([1, 5], 7, [1, 1]),
        ([2, 2], 0, [0, 0]),
        ([], 0, []),
    ],
)
def test_inclusion_probabilities(sizes: list[float], count: int, chances: list[float]) -> None:
    assert inclusion_probabilities(np.array(sizes, dtype=float), count) == pytest.approx(chances)


def test_they_are_those_of_sequential_poisson_sampling() -> None:
    rng = np.random.default_rng(3)
    sizes = np.repeat([1.0, 3.0, 20.0], [40, 20, 2])
    drawn = np.zeros(len(sizes))
    for _ in range(4000):
        drawn[np.argsort(rng.random(len(sizes)) / sizes)[:30]] += 1 / 4000
    chances = inclusion_probabilities(sizes, 30)
    for size in (1.0, 3.0, 20.0):
        assert drawn[sizes == size].mean() == pytest.approx(chances[sizes == size].mean(), abs=0.02)


@pytest.mark.parametrize(("sizes", "count"), [([0.0, 1.0], 1), ([np.nan], 1), ([np.inf, 1.0], 1), ([1.0], -1)])
def test_wrong_sizes(sizes: list[float], count: int) -> None:
    with pytest.raises(ValueError, match="sizes must be above 0"):
        inclusion_probabilities(np.array(sizes), count)
