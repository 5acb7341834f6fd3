"""Whether a rate passes its threshold: yes, no, or too close to call; and what would decide it."""

from __future__ import annotations

import math
from statistics import NormalDist

from tasks.statistics.estimate import Estimate

_Z = NormalDist().inv_cdf(0.975)
_ROUNDING = 1e-9
MOST_RUNS = 10_000
"""What more runs than these would decide is as good as at the threshold."""


def decide(estimate: Estimate, threshold: float) -> bool | None:
    """True where the whole interval is at or above ``threshold`` (on the estimate's scale), False where the whole
    interval is below it, None where the threshold is inside the interval, or where there is none."""
    if estimate.low is None or estimate.high is None:
        return None
    if estimate.low >= threshold - _ROUNDING:
        return True
    return False if estimate.high < threshold - _ROUNDING else None


def decide_share(estimate: Estimate, threshold: float, *, is_every: bool) -> bool | None:
    """As ``decide``, of a share from 0 to 1, whose ``threshold`` may be 1: one that misses it is enough to fail, and it
    takes ``is_every`` to pass: nothing but hits was seen, and all that there is was seen."""
    if threshold >= 1 and estimate.value is not None and estimate.value >= 1:
        return True if is_every else None
    return decide(estimate, threshold)


def runs_to_decide(estimate: Estimate, threshold: float) -> int | None:
    """About how many more runs would move the ``threshold`` out of the interval of a share, if its value stayed.

    0 where it is outside already. None where no number would: there is no interval, the value is at the threshold (or
    so near that ``MOST_RUNS`` would not do), or the threshold is 1, which no finite number of runs shows.

    Wilson's interval leaves out t where (p - t)² n > z² t (1 - t). The same equation at a bound of the interval gives
    the number of equal observations that the estimate is worth, so that further runs are taken to weigh as those seen.
    """
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    if decide(estimate, threshold) is not None:
        return 0
    value = estimate.value
    distance = abs(value - threshold)
    bound = estimate.low if value - estimate.low > estimate.high - value else estimate.high
    if distance < _ROUNDING or value == bound or not 0 < threshold < 1:
        return None
    needed = threshold * (1 - threshold) / distance**2
    have = bound * (1 - bound) / (value - bound) ** 2
    more = estimate.n * (needed / have - 1) if have > 0 else math.inf
    return None if more > MOST_RUNS else max(1, math.ceil(more))
