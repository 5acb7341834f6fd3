"""Rates of several agents moved towards each other by how little is known of each: for ordering them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.special import betaln

_MEANS = np.linspace(0.01, 0.99, 50)
_ALIKE = np.linspace(0.01, 0.99, 50)


def shrink_rates(rates: Sequence[float | None], trials: Sequence[float]) -> list[float | None]:
    """The expected true rate of each agent, given those of all; None where ``rates`` is None or nothing was tried.

    ``trials`` are (effective) numbers of observations. Each agent's true rate is taken to be drawn from one Beta
    distribution, so that an agent with few runs is expected close to the others: of a hundred agents with 5 runs each,
    the one with the lowest observed rate is mostly the unluckiest (B. Efron and C. Morris, "Stein's paradox in
    statistics", Scientific American 236 (1977), 119-127). The Beta distribution's mean and correlation 1 / (1 + a + b)
    are averaged over by their likelihood (both uniform before; C. Christiansen and C. Morris, "Hierarchical Poisson
    regression modeling", JASA 92 (1997), 618-632), as the single likeliest often puts all of few agents at one value.

    The expected rate is no estimate of a single agent: it is biased towards the team's, by intent. Use it to order
    agents, and each agent's own rate with its interval for anything else.
    """
    known = [i for i, (rate, n) in enumerate(zip(rates, trials, strict=True)) if rate is not None and n > 0]
    found: list[float | None] = [None] * len(rates)
    if not known:
        return found
    n = np.array([trials[i] for i in known], dtype=np.float64)
    hits = np.array([rates[i] for i in known], dtype=np.float64) * n
    mean, alike = (grid.ravel() for grid in np.meshgrid(_MEANS, _ALIKE, indexing="ij"))
    size = 1 / alike - 1
    a, b = mean * size, (1 - mean) * size
    likelihood = np.zeros(len(mean))
    # Many agents have had as many hits in as many runs.
    for (x, m), agents in Counter(zip(hits, n, strict=True)).items():
        likelihood += agents * betaln(a + x, b + m - x)
    likelihood -= len(known) * betaln(a, b)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    for i, x, m in zip(known, hits, n, strict=True):
        found[i] = float(weight @ ((a + x) / (size + m)))
    return found
