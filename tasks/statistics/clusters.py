"""Estimates from clustered observations: observations of one cluster are correlated, so clusters are resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tasks.statistics.estimate import Estimate

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Keys = NDArray[np.str_]
"""The cluster of each observation, by any text."""


def clusters_of(keys: Keys) -> tuple[Codes, int]:
    """``keys`` numbered from 0, and the number of distinct keys."""
    unique, codes = np.unique(keys, return_inverse=True)
    return codes.astype(np.intp), len(unique)


def jackknife(
    value: float, replicates: Floats, n: int, *, lowest: float, highest: float, worth: float | None = None
) -> Estimate:
    """``value`` with a delete-one-cluster jackknife interval, by Student's t (Shao and Tu 1995, 2.2).

    ``replicates`` has the value without each cluster in turn. There is no interval for fewer than two clusters, where
    a replicate is undefined (the value depends on that one cluster), or where all replicates are equal (the interval
    would have no width). ``worth`` is the effective number of clusters, where they differ in weight.
    """
    groups = len(replicates)
    if not np.isfinite(value):
        return Estimate(n=n)
    if groups < 2 or not np.all(np.isfinite(replicates)):
        return Estimate(value=float(value), n=n)
    error = np.sqrt((groups - 1) / groups * np.sum((replicates - replicates.mean()) ** 2))
    if error < 1e-12:
        return Estimate(value=float(value), n=n)
    reach = error * special.stdtrit(max(1.0, (groups if worth is None else worth) - 1), 0.975)
    return Estimate(
        value=float(value), low=float(max(lowest, value - reach)), high=float(min(highest, value + reach)), n=n
    )


def positive_jackknife(value: float, replicates: Floats, n: int, *, worth: float | None = None) -> Estimate:
    """``jackknife`` on the log scale, for a value that cannot be negative, such as a standard deviation."""
    if not value > 0 or not np.all(replicates > 0):
        return Estimate(value=float(value), n=n) if np.isfinite(value) else Estimate(n=n)
    found = jackknife(float(np.log(value)), np.log(replicates), n, lowest=-np.inf, highest=np.inf, worth=worth)
    if found.low is None or found.high is None:
        return Estimate(value=float(value), n=n)
    return Estimate(value=float(value), low=float(np.exp(found.low)), high=float(np.exp(found.high)), n=n)


def effective_share(hits: Floats, keys: Keys, weights: Floats | None = None) -> tuple[float, float]:
    """The weighted share of ``hits`` (0 or 1) and its effective sample size; (NaN, 0) without observations.

    The effective sample size is p(1-p) over the variance between clusters (the design effect of Kish 1965), at most
    Kish's effective size for the weights, and the number of clusters where all hits are equal. It is reduced for few
    clusters, whose variance is uncertain (the degrees of freedom of Korn and Graubard 1998).
    """
    if not len(hits):
        return float("nan"), 0.0
    weights = np.ones(len(hits)) if weights is None else weights
    codes, groups = clusters_of(keys)
    total = weights.sum()
    share = float((weights * hits).sum() / total)
    most = float(total**2 / (weights**2).sum())
    if groups < 2:
        return share, 1.0
    residuals = np.bincount(codes, weights * (hits - share), groups) / total
    variance = float((residuals**2).sum() * groups / (groups - 1))
    # Equal hits show nothing about the variance.
    worth = share * (1 - share) / variance if variance > 0 else 1.0 * groups
    few = (special.ndtri(0.975) / special.stdtrit(groups - 1, 0.975)) ** 2
    return share, float(min(worth, most) * few)


def share_estimate(hits: Floats, keys: Keys, weights: Floats | None = None) -> Estimate:
    """A share with Jeffreys' interval (Brown, Cai and DasGupta 2001) at the effective sample size."""
    share, worth = effective_share(hits, keys, weights)
    if not len(hits):
        return Estimate()
    low, high = special.betaincinv(share * worth + 0.5, (1 - share) * worth + 0.5, [0.025, 0.975])
    return Estimate(value=share, low=min(float(low), share), high=max(float(high), share), n=len(hits))


def kish_share(weights: Floats) -> float:
    """The effective sample size of weighted observations (Kish 1965) as a share of their number; 1 for none."""
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights)) if len(weights) else 1.0
