"""A share from two phases: every observation has a kind (what a judge calls it), and some were checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.statistics.clusters import Codes, Floats
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import weighted_share

_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Kinds:
    """What is believed of each of k kinds: its share of all (``shares``) and the share of it that is true (``rates``).

    Of shape (1, k) as estimates, (draws, k) as draws from the posterior.
    """

    shares: Floats
    rates: Floats

    @property
    def true(self) -> Floats:
        """The share of all that is true."""
        found: Floats = (self.shares * self.rates).sum(axis=1)
        return found

    def among_true(self, kind: int, other: int) -> Floats:
        """Of what is true and of one of two kinds, the share of the first; NaN where nothing is."""
        both = self.shares * self.rates
        with np.errstate(invalid="ignore"):
            found: Floats = both[:, kind] / (both[:, kind] + both[:, other])
        return found

    def among_false(self, kind: int, other: int) -> Floats:
        """Of what is not true and of one of two kinds, the share of the first."""
        return Kinds(self.shares, 1 - self.rates).among_true(kind, other)


@dataclass(frozen=True, slots=True)
class TwoPhase:
    """``point`` and ``draws`` of what is believed, from ``checked`` observations."""

    point: Kinds
    draws: Kinds
    checked: int

    def estimate_true(self) -> Estimate:
        """The share of all that is true."""
        return percentiles(float(self.point.true[0]), self.draws.true, self.checked)


def estimate_kinds(kinds: Codes, count: int, weights: Floats, truths: Floats, chances: Floats) -> TwoPhase:
    """What is believed of ``count`` kinds, from n observations of them.

    ``kinds`` (n) is the kind of each, from 0; ``weights`` (n) how many of the population it stands for; ``truths`` (n)
    1 or 0 where it was checked and NaN where not; ``chances`` (n) how likely it was to be checked. n is at least 1.

    This is the estimator of C. Begg and R. Greenes ("Assessment of diagnostic tests when disease verification is
    subject to selection bias", Biometrics 39 (1983), 207-215): the share of the true within each kind, from those that
    were checked, times the kind's share, from all. Draws are of a Dirichlet posterior of the kinds' shares and a Beta
    posterior of each kind's rate (Jeffreys' priors), each worth as many observations as its weights leave
    (``weighted_share``). Nothing is assumed of how good the judge is, nor that it errs alike on all agents: unlike a
    correction by sensitivity and specificity, this holds as long as the chances are as given. A kind without any that
    was checked has the prior alone: its rate is anywhere from 0 to 1, and counts as a half in the point.
    """
    known = ~np.isnan(truths)
    parts = [kinds == kind for kind in range(count)]
    shares = np.array([weights[part].sum() for part in parts]) / weights.sum()
    worth = min(weighted_share(part.astype(np.float64), weights)[1] for part in parts if part.any())
    rng = np.random.default_rng(0)
    prior = np.array([0.5 if part.any() else 0.0 for part in parts])
    drawn = rng.standard_gamma(shares * worth + prior, (_DRAWS, count))
    rates = np.full(count, 0.5)
    drawn_rates = np.empty((_DRAWS, count))
    for kind, part in enumerate(parts):
        checked = part & known
        rate, size = weighted_share(truths[checked], weights[checked] / chances[checked])
        if size:
            rates[kind] = rate
        hits = rates[kind] * size
        drawn_rates[:, kind] = rng.beta(hits + 0.5, size - hits + 0.5, _DRAWS)
    return TwoPhase(
        point=Kinds(shares[np.newaxis], rates[np.newaxis]),
        draws=Kinds(drawn / drawn.sum(axis=1, keepdims=True), drawn_rates),
        checked=int(known.sum()),
    )


def percentiles(value: float, draws: Floats, n: int) -> Estimate:
    """``value`` with the 2.5th and 97.5th percentiles of ``draws`` as its interval; without one if it is no number."""
    if not np.isfinite(value):
        return Estimate(n=n)
    low, high = np.percentile(draws[np.isfinite(draws)], [2.5, 97.5])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)
