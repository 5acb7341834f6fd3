"""The runs of an agent as strata for the test of its completion rate."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from tasks.comparison.samples import Samples, effective_size, weighted_mean
from tasks.statistics.rates import Stratum, design_effect

_ALIKE = 0.2


def tasks_matter(agents: Sequence[Samples]) -> bool:
    """Whether pairing by task pays: whether tasks that repeat come out alike in both reports.

    Where they do not (a correlation below 0.2 within agents, over all of them) a test of pairs only finds less, and
    one of all runs is as exact. Asked of all agents at once, so that hardly anything hangs on the runs of any. Where
    tasks have several runs in a report they always matter: these runs depend on each other.
    """
    products = np.zeros(3)
    for samples in agents:
        if not samples.paired:
            continue
        keys = [key for key in samples.old if key in samples.new]
        if any(len(samples.old[key]) > 1 or len(samples.new[key]) > 1 for key in keys):
            return True
        before, after = (np.array([side[key][0] for key in keys]) for side in (samples.old, samples.new))
        before, after = before - before.mean(), after - after.mean()
        products += (before @ after, before @ before, after @ after)
    both, first, last = products
    return bool(both > _ALIKE * math.sqrt(first * last))


def strata_of(samples: Samples, *, by_task: bool) -> list[Stratum]:
    """The strata of an agent's runs: one for each task that repeats where these matter, else one of all runs."""
    if samples.weights is not None:
        sides = zip((samples.old, samples.new), (samples.weights.old, samples.weights.new), strict=True)
        (n1, x1), (n2, x2) = (_effective(tasks, weights) for tasks, weights in sides)
        return [(n1, x1, n2, x2)]
    if samples.paired and by_task:
        common = [key for key in samples.old if key in samples.new]
        return [_stratum(samples.old[key], samples.new[key]) for key in common]
    effect = design_effect(samples.old, samples.new)
    counts = []
    for tasks in (samples.old, samples.new):
        values = [value for runs in tasks.values() for value in runs]
        size = math.floor(len(values) / effect)
        counts.append((size, round(sum(values) * size / len(values)) if values else 0))
    (n1, x1), (n2, x2) = counts
    return [(n1, x1, n2, x2)]


def _effective(
    tasks: Mapping[Hashable, Sequence[float]], weights: Mapping[Hashable, Sequence[float]]
) -> tuple[int, int]:
    """Runs and successes of as many equal runs as these are worth, which were drawn with unequal probabilities."""
    shares = [weight for each in weights.values() for weight in each]
    size = math.floor(effective_size(shares))
    rate = weighted_mean([value for values in tasks.values() for value in values], shares)
    return size, round((rate or 0.0) * size)


def _stratum(before: Sequence[float], after: Sequence[float]) -> Stratum:
    return len(before), round(sum(before)), len(after), round(sum(after))
