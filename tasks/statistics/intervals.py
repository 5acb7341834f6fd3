"""Confidence intervals of proportions."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's score interval of a proportion; None without trials. 14 of 20: 0.48 to 0.85.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927), 209-212. Unlike Wald's interval it holds its level for few trials and near
    0 and 1: 3 of 3 gives 0.44 to 1. Effective numbers of trials need not be whole.
    """
    if trials <= 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    # Exactly 0 and 1 at the ends, despite rounding.
    return (0.0 if successes == 0 else max(0.0, centre - half), 1.0 if successes == trials else min(1.0, centre + half))


def newcombe_interval(x1: float, n1: int, x2: float, n2: int) -> tuple[float, float]:
    """The 95% interval of x2/n2 - x1/n1; ``n1`` and ``n2`` are at least 1.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17, 1998,
    873-890, method 10: combined from the Wilson intervals of both proportions. A little too wide for paired data.
    """
    low1, high1 = wilson_interval(round(x1), n1) or (0.0, 1.0)
    low2, high2 = wilson_interval(round(x2), n2) or (0.0, 1.0)
    p1, p2 = x1 / n1, x2 / n2
    difference = p2 - p1
    return (
        max(-1.0, difference - math.hypot(p2 - low2, high1 - p1)),
        min(1.0, difference + math.hypot(high2 - p2, p1 - low1)),
    )
