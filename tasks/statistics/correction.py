"""The correction for many comparisons: how often anything at all may be called changed when nothing did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
"""How often a pair of reports without any change may have anything called changed."""

POWER = 0.8
"""How likely a change of the size that is called detectable would have been found."""

POWER_SD = NormalDist().inv_cdf(POWER)
"""By how many standard errors such a change is beyond the bound, of what is normally distributed."""

# Exact tests add up the same probabilities in another order.
_ROUNDING = 1 + 1e-9
_GRID = np.logspace(-9, 0, 541)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One test: its p-value, how much of ``ALPHA`` it is worth beside others (``weight``), and which p-values it could
    have had at all (``attainable``, ascending, of an exact test; None: any)."""

    p_value: float
    weight: float
    attainable: Floats | None = None

    def chance(self, bounds: Floats) -> Floats:
        """How likely a p-value of at most each of ``bounds`` was, had nothing changed."""
        if self.attainable is None:
            return np.clip(bounds, 0.0, 1.0)
        below = np.searchsorted(self.attainable, bounds * _ROUNDING, side="right")
        return np.concatenate([[0.0], self.attainable])[below]


def correct(hypotheses: Sequence[Hypothesis]) -> list[float]:
    """The corrected p-value of each: at most ``ALPHA`` is a change. Empty for none.

    The step-down minimum-p procedure of Westfall and Young (Resampling-Based Multiple Testing, 1993, algorithm 2.8) on
    weighted p-values, with the sum of the chances in the place of resampling: it is Holm's procedure where every
    p-value is possible, and asks less where few are (Tarone, A modified Bonferroni method for discrete data,
    Biometrics 46, 1990): an agent with 20 of 20 and 19 of 20 successes could not have seemed worse by chance, so it
    takes nothing from the others. The sum bounds the chance of any false alarm at ``ALPHA`` whatever depends on what.
    """
    if not hypotheses:
        return []
    ratios = np.array([hypothesis.p_value / hypothesis.weight for hypothesis in hypotheses])
    order = np.argsort(ratios, kind="stable")
    chances = np.array([hypotheses[index].chance(ratios[order] * hypotheses[index].weight) for index in order])
    # Of the k-th smallest: the chance that any of those that are not smaller comes out so small.
    adjusted = np.minimum(np.maximum.accumulate(np.tril(chances).sum(axis=0)), 1.0)
    corrected = np.empty(len(order))
    corrected[order] = adjusted
    return [float(value) for value in corrected]


def bound_of(hypotheses: Sequence[Hypothesis]) -> float:
    """The largest p-value for each unit of weight that would have been a change beside these; 1 for none.

    What is smaller than it for the smallest of all is enough for any, so it is on the careful side.
    """
    if not hypotheses:
        return 1.0
    total = np.sum([hypothesis.chance(_GRID * hypothesis.weight) for hypothesis in hypotheses], axis=0)
    fine = np.nonzero(total <= ALPHA)[0]
    return float(_GRID[fine[-1]]) if len(fine) else float(_GRID[0])
