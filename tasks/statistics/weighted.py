"""A share of a population from a sample whose observations stand for unequal numbers of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tasks.statistics.clusters import Floats
from tasks.statistics.estimate import Estimate, widen
from tasks.statistics.intervals import wilson_interval


def estimate_share(hits: Sequence[float], weights: Sequence[float], unknown: Sequence[float] = ()) -> Estimate:
    """The share of a population that ``hits`` are, with a 95% interval; each observation stands for ``weights``.

    ``unknown`` are the weights of observations that should be among them and are lost, as they could not be read: what
    is lost need not be like the rest, so that the interval also holds the share that there would be if all of them
    were hits, or none. The value and ``n`` are those of the others.

    A hit is True or False, or a number from 0 to 1, whose variance is at most that of one that is True or False.

    A weight is 1 / inclusion probability, up to a factor that all have in common. The value is Hájek's: the weights of
    the hits over all weights. ``n`` is the number of observations; without any, all is None. 14 of 20 with equal
    weights: 0.48 to 0.85.

    The interval is Wilson's at the effective number of observations (``weighted_share``), and where weights are unequal
    each of its ends is at least as far out as that of Jeffreys' interval. C. Franco, R. Little, T. Louis and E. Slud
    ("Comparative study of confidence intervals for proportions in complex sample surveys", Journal of Survey Statistics
    and Methodology 7 (2019), 334-364) recommend Wilson's, with Jeffreys' close behind. Simulated with 3 to 20 runs of
    which failures are drawn more often, or with heavy-tailed weights, at rates from 0.3 to 0.97, the worst case of 48:
    Wilson's alone covers 88%, Jeffreys' alone 92%, both together 93% (98% on average) and are 3% wider; of few
    runs with unequal weights the effective number is uncertain itself. Exact intervals (Korn and Graubard 1998) are
    20% wider still.

    The population is treated as drawn from what its agents do, so that an interval has a width also where every run
    of it was seen.

    Raises:
        ValueError: the lengths differ, or a weight is not a positive number.
    """
    share, worth = weighted_share(np.asarray(hits, dtype=np.float64), np.asarray(weights, dtype=np.float64))
    estimate = _estimate(share, worth, len(hits))
    if not len(unknown):
        return estimate
    worst, best = (estimate_share([*hits, *[value] * len(unknown)], [*weights, *unknown]) for value in (0.0, 1.0))
    return widen(estimate, worst, best)


def _estimate(share: float, worth: float, n: int) -> Estimate:
    interval = wilson_interval(share * worth, worth)
    if interval is None:
        return Estimate()
    low, high = min(interval[0], share), max(interval[1], share)
    if worth < n * (1 - 1e-9):
        # Of unequal weights.
        jeffreys = special.betaincinv(share * worth + 0.5, (1 - share) * worth + 0.5, [0.025, 0.975])
        low, high = min(low, float(jeffreys[0])), max(high, float(jeffreys[1]))
    return Estimate(value=share, low=low, high=high, n=n)


def weighted_share(hits: Floats, weights: Floats) -> tuple[float, float]:
    """The weighted share of ``hits`` (n; 0 or 1) and how many equal observations it is worth; (NaN, 0) for none.

    Raises:
        ValueError: as ``estimate_share``.
    """
    if len(hits) != len(weights) or not np.all((weights > 0) & np.isfinite(weights)):
        raise ValueError(f"each of {len(hits)} observations needs a weight above 0; {len(weights)} were given")
    if not len(hits):
        return float("nan"), 0.0
    # Tiny and huge weights are no reason to lose digits.
    weights = weights / weights.max()
    total = weights.sum()
    share = float(min(1.0, (weights * hits).sum() / total))
    return share, _effective_size(share, hits, weights)


def _effective_size(share: float, hits: Floats, weights: Floats) -> float:
    """p(1-p) over the variance of the share by linearization (Korn and Graubard 1998), at most Kish's (1965).

    Kish's (Σw)² / Σw² alone takes hits to be spread over weights evenly; linearization alone finds no variance where
    the observations that weigh most are alike by chance.
    """
    total = weights.sum()
    kish = float(total**2 / (weights**2).sum())
    n = len(hits)
    variance = float((weights**2 * (hits - share) ** 2).sum() / total**2) * n / max(1, n - 1)
    if np.ptp(weights) <= 1e-9 or variance <= 0:
        return kish
    return min(kish, share * (1 - share) / variance)


@dataclass(frozen=True, slots=True)
class Group:
    """What is known of one part of a population, of ``size``: the ``share`` of hits in it, from ``n`` observations that
    are worth ``worth`` with equal weights."""

    share: float
    worth: float
    n: int
    size: float


def build_group(hits: Sequence[float], weights: Sequence[float], size: float) -> Group:
    """A part of a population by a sample of it, as in ``estimate_share``.

    Raises:
        ValueError: as ``estimate_share``.
    """
    share, worth = weighted_share(np.asarray(hits, dtype=np.float64), np.asarray(weights, dtype=np.float64))
    return Group(share, worth, len(hits), size)


def estimate_groups(groups: Sequence[Group]) -> Estimate:
    """The share of hits in several parts of a population together, with a 95% interval.

    Each part counts by its size, however much was observed of it: an agent with 5,000 runs counts 250 times as much as
    one with 20, also where 20 of either were observed. Parts of which nothing is known, or that are empty, are left
    out; of no part, all is None. The interval is that of ``estimate_share``, with ``groups_worth`` observations.
    """
    known = [group for group in groups if group.n and group.size > 0]
    if not known:
        return Estimate()
    total = sum(group.size for group in known)
    share = min(1.0, sum(group.size / total * group.share for group in known))
    return _estimate(share, groups_worth(known), sum(group.n for group in known))


def groups_worth(groups: Sequence[Group]) -> float:
    """How many observations with equal weights all together are worth; 0 for none.

    What the groups differ by is taken for chance as well, so that it is rather too small.
    """
    known = [group for group in groups if group.n and group.size > 0]
    total = sum(group.size for group in known)
    return 1 / sum((group.size / total) ** 2 / group.worth for group in known) if known else 0.0
