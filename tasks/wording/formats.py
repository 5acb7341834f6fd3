"""Scores and rates as people read them, never rounded onto the other side of what they are compared with."""

from __future__ import annotations

import math


def format_score(score: float | None, threshold: float | None = None) -> str:
    """A score out of 10 with one decimal, a dash when there is none.

    With more decimals where rounding would put it on the other side of ``threshold``: 6.96 is not 7.0 where 7 is
    needed. Without a threshold, any whole number may be one.
    """
    if score is None:
        return "–"
    # The noise of floating point, as of a weighted mean, is no digit of the score.
    clean = round(score, 9)
    if threshold is None:
        return _rounded(clean, math.ceil(clean), 1)
    return _rounded(clean if (clean >= threshold) == (score >= threshold) else score, threshold, 1)


def format_rate(rate: float | None, bound: float | None = None) -> str:
    """A rate of 0 to 1 in percent, a dash when it was not measured; never on the wrong side of ``bound``."""
    if rate is None:
        return "–"
    return f"{rate:.0%}" if bound is None else f"{_rounded(rate * 100, bound * 100, 0)}%"


def format_threshold(threshold: float) -> str:
    """The threshold of a score, as it was given: 7, 7.25."""
    return f"{threshold:.12g}"


def format_cost(cost_usd: float | None) -> str:
    """USD, "unknown" when it is not known."""
    if cost_usd is None:
        return "unknown"
    if 0 < cost_usd < 0.0001:
        return "<$0.0001"
    return f"${cost_usd:.2f}" if cost_usd >= 1 or cost_usd == 0 else f"${cost_usd:.4f}"


def _rounded(value: float, bound: float, decimals: int) -> str:
    """``value`` with so many decimals, or as many more as it takes to stay on its side of ``bound``."""
    for more in range(decimals, 13):
        shown = f"{value:.{more}f}"
        if (float(shown) >= bound) == (value >= bound):
            return shown
    return repr(value)
