"""Shares of a population, from a sample that was drawn with unequal probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval


def estimate_share(hits: Sequence[bool], weights: Sequence[float]) -> Estimate:
    """The share of hits in the population of which ``hits`` is a sample; each stands for ``weights`` units of it.

    Weights are inverse inclusion probabilities. Hájek's estimate, with Wilson's interval at the effective sample size
    (Kish 1965): (Σw)²/Σw². Empty: an estimate of None.
    """
    total = math.fsum(weights)
    if not hits or total <= 0:
        return Estimate()
    share = math.fsum(weight for hit, weight in zip(hits, weights, strict=True) if hit) / total
    effective = total * total / math.fsum(weight * weight for weight in weights)
    low, high = wilson_interval(share * effective, effective) or (0.0, 1.0)
    return Estimate(value=share, low=low, high=high, n=len(hits))
