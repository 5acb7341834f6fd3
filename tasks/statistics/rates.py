"""Two completion rates: an exact test, the effect of repeated tasks, and the smallest detectable change."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# scipy.stats takes a second to import; as an attribute it is loaded where it is first used.
import scipy

from tasks.statistics.correction import POWER, Floats

_MOST_EXACT = 100
_RATES = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True)
class RateTest:
    """The p-values of a fall and of a rise (one-sided), with those that were attainable, ascending; and how found."""

    worse: float
    better: float
    attainable_worse: Floats
    attainable_better: Floats
    method: str


Stratum = tuple[int, int, int, int]
"""Runs before, successes before, runs after, successes after: of runs that are alike but for the report."""


def design_effect(*sides: Mapping[Hashable, Sequence[float]]) -> float:
    """How many runs are worth one independent run, as runs of one task are alike: 1 where no task has two runs.

    Kish's 1 + (m - 1) ρ, with the intraclass correlation ρ by analysis of variance over the tasks of each side.
    """
    if all(len(runs) == 1 for tasks in sides for runs in tasks.values()):
        return 1.0
    between = within = 0.0
    free_between = free_within = 0
    sizes: list[int] = []
    for tasks in sides:
        groups = [np.asarray(runs, dtype=float) for runs in tasks.values()]
        if not groups:
            continue
        mean = float(np.concatenate(groups).mean())
        sizes += [len(group) for group in groups]
        between += sum(len(group) * float(group.mean() - mean) ** 2 for group in groups)
        within += sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
        free_between += len(groups) - 1
        free_within += sum(len(group) for group in groups) - len(groups)
    if not free_within or not free_between:
        # Runs of one single task: how alike other tasks are is unknown, and no correction could help.
        return 1.0
    typical = sum(size * size for size in sizes) / sum(sizes)
    square_between, square_within = between / free_between, within / free_within
    spread = square_between + (typical - 1) * square_within
    alike = max(0.0, (square_between - square_within) / spread) if spread else 0.0
    return 1 + (typical - 1) * min(1.0, alike)


def compare_rates(strata: Sequence[Stratum]) -> RateTest:
    """The exact test of equal rates within each stratum, given how many succeeded in it.

    One stratum is Fisher's test, pairs are McNemar's, more is Birch's (The detection of partial association, JRSS B
    26, 1964). Exact because a change in the tails is what matters after a correction for many agents, and no
    approximation holds there for 20 runs. Conditional, and not Boschloo's, though that finds more when alone: its
    attainable p-values are known, and the correction gives back more than it loses (see ``correct``). Measured, 0.9
    to 0.4 at 20 runs as one of 14 agents: see tests/comparison/test_compare_simulated.py.
    """
    pmf = np.ones(1)
    successes = 0
    for n1, x1, n2, x2 in strata:
        pmf = np.convolve(pmf, _hypergeometric(n1, n2, x1 + x2))
        successes += x2
    up = np.cumsum(pmf)
    down = np.cumsum(pmf[::-1])[::-1]
    possible = pmf > 0
    method = "Fisher's exact test" if len(strata) == 1 else "exact test within tasks that repeat"
    return RateTest(
        worse=min(1.0, float(up[successes])),
        better=min(1.0, float(down[successes])),
        attainable_worse=np.minimum(up[possible], 1.0),
        attainable_better=np.minimum(down[possible][::-1], 1.0),
        method=method,
    )


@lru_cache(maxsize=4096)
def _hypergeometric(n1: int, n2: int, successes: int) -> Floats:
    """How likely 0, 1, … of ``n2`` runs are among the ``successes`` of all ``n1 + n2``."""
    pmf: Floats = scipy.stats.hypergeom.pmf(np.arange(n2 + 1), n1 + n2, successes, n2)
    return pmf


def detectable_rate(n1: int, x1: int, n2: int, worse: float, better: float) -> float | None:
    """The smallest true fall from the rate before that had been found in 80 of 100 cases, as a size (0 to 1).

    ``worse`` and ``better`` are the largest one-sided p-values that would have been a change. Where no fall is large
    enough, the smallest rise; None where none is either.
    """
    if not n1 or not n2:
        return None
    before = (x1 + 0.5) / (n1 + 1)
    # What is found shrinks with the root of the runs: above 100 it is calculated for 100.
    size1, size2 = min(n1, _MOST_EXACT), min(n2, _MOST_EXACT)
    scale = math.sqrt((1 / n1 + 1 / n2) / (1 / size1 + 1 / size2))
    first = scipy.stats.binom.pmf(np.arange(size1 + 1), size1, before)
    last = _binomials(size2)
    falls = first @ (_fisher(size1, size2, False) <= worse) @ last
    rises = first @ (_fisher(size1, size2, True) <= better) @ last
    low = _RATES[(before > _RATES) & (falls >= POWER)]
    high = _RATES[(before < _RATES) & (rises >= POWER)]
    if len(low):
        return float(before - low[-1]) * scale
    return float(high[0] - before) * scale if len(high) else None


@lru_cache(maxsize=64)
def _fisher(n1: int, n2: int, rise: bool) -> Floats:
    """Fisher's one-sided p-value for each number of successes before (rows) and after (columns)."""
    x1, x2 = np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij")
    if rise:
        return np.asarray(scipy.stats.hypergeom.sf(x2 - 1, n1 + n2, x1 + x2, n2), dtype=float)
    return np.asarray(scipy.stats.hypergeom.cdf(x2, n1 + n2, x1 + x2, n2), dtype=float)


@lru_cache(maxsize=64)
def _binomials(n: int) -> Floats:
    return np.asarray(scipy.stats.binom.pmf(np.arange(n + 1)[:, None], n, _RATES[None, :]), dtype=float)
