"""Samples with unequal chances: how likely each item was to be drawn."""

from __future__ import annotations

import numpy as np

from tasks.statistics.clusters import Floats


def inclusion_probabilities(sizes: Floats, count: int) -> Floats:
    """The chance of each item to be among ``count`` that are drawn in proportion to ``sizes`` (n; each above 0).

    It is proportional to the size, at most 1, and sums to ``count``: what would be above 1 is drawn for certain, and
    the rest share what is left. All 1 where ``count`` is n or more; empty for none. This is exact for Poisson sampling
    of that expected size, and very close for sequential Poisson sampling (E. Ohlsson, "Sequential Poisson sampling",
    Journal of Official Statistics 14 (1998), 149-162), of which the first items are a sample wherever one stops.

    Raises:
        ValueError: a size is not a positive number, or ``count`` is negative.
    """
    if count < 0 or not np.all((sizes > 0) & np.isfinite(sizes)):
        raise ValueError(f"sizes must be above 0 and count at least 0, not {count}")
    if count >= len(sizes):
        return np.ones(len(sizes))
    certain = np.zeros(len(sizes), dtype=bool)
    while True:
        chances = np.where(certain, 1.0, sizes * (count - certain.sum()) / sizes[~certain].sum())
        above = ~certain & (chances >= 1)
        if not above.any():
            return chances
        certain |= above
