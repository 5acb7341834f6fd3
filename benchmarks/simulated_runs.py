"""Environments whose truth is known, run by run: agents, a judge that errs, and people who label.

Written apart from what is measured with it: nothing here comes from `tasks/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]

NO, YES, CANNOT_TELL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class World:
    """How the environments of one kind are made. ``icc`` are intraclass correlations of success (0: independent).

    ``populations`` are drawn from for each agent. Runs of an agent are of ``tasks`` tasks, whose popularity is that of
    Zipf (the k-th is met 1/k as often as the first), and fall on ``nights`` nights. Of runs that failed their task
    ``visible`` have a status that shows it, and of each agent's shown runs up to ``failed_share`` are of these. The
    judge's errors differ by agent (``judge_spread``, on the logit scale), and it cannot tell in a share of runs.
    """

    agents: int = 14
    shown: int = 20
    populations: tuple[int, ...] = (20, 200, 5000)
    tasks: int = 0
    task_icc: float = 0.0
    nights: int = 1
    night_icc: float = 0.0
    visible: float = 0.3
    failed_share: float = 0.5
    sensitivity: float = 0.85
    specificity: float = 0.75
    judge_spread: float = 0.5
    cannot_tell: float = 0.05
    rates: tuple[float, float] = (0.5, 0.98)


@dataclass(frozen=True, slots=True)
class Shown:
    """The shown runs of an environment (n): agent (from 0), truth, status, inclusion probability, verdict.

    ``rate`` is the share of the whole population that did its task.
    """

    agent: Codes
    truth: Bools
    completed: Bools
    inclusion: Floats
    verdict: Codes
    rate: float


def draw_rates(rng: np.random.Generator, mean: Floats | float, icc: float, size: int) -> Floats:
    """``size`` rates around ``mean``: outcomes drawn by one of them are correlated by ``icc``."""
    if icc == 0:
        return np.full(size, mean)
    spread = (1 - icc) / icc
    mean = np.clip(mean, 1e-3, 1 - 1e-3)
    return np.asarray(rng.beta(mean * spread, (1 - mean) * spread, size))


def draw_environment(rng: np.random.Generator, world: World) -> Shown:
    """One environment: its agents, all their runs, a sample of these, and the judge's verdicts on the sample."""
    populations = rng.choice(world.populations, world.agents)
    expected = rng.uniform(*world.rates, world.agents)
    columns: dict[str, list[npt.NDArray[np.generic]]] = {}
    found = 0
    for agent, (size, rate) in enumerate(zip(populations, expected, strict=True)):
        truth = _draw_truth(rng, world, rate, int(size))
        completed = np.where(truth, rng.random(size) > 0.01, rng.random(size) >= world.visible)
        chosen, inclusion = _sample(rng, completed, world)
        found += int(truth.sum())
        offset = rng.normal(0, world.judge_spread, 2)
        verdict = judge_runs(rng, truth[chosen], world, offset)
        for name, column in {
            "agent": np.full(len(chosen), agent),
            "truth": truth[chosen],
            "completed": completed[chosen],
            "inclusion": inclusion,
            "verdict": verdict,
        }.items():
            columns.setdefault(name, []).append(column)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Shown(**joined, rate=found / int(populations.sum()))


def _draw_truth(rng: np.random.Generator, world: World, rate: float, size: int) -> Bools:
    nights = draw_rates(rng, rate, world.night_icc, world.nights)
    of_night = nights[np.sort(rng.integers(world.nights, size=size))]
    if not world.tasks:
        return np.asarray(rng.random(size) < of_night)
    # Each task makes success more or less likely than the night alone would, on the logit scale.
    popularity = 1 / np.arange(1, world.tasks + 1)
    task = rng.choice(world.tasks, size, p=popularity / popularity.sum())
    easy = draw_rates(rng, 0.5, world.task_icc, world.tasks)
    odds = _logit(of_night) + _logit(np.clip(easy, 0.02, 0.98))[task]
    return np.asarray(rng.random(size) < 1 / (1 + np.exp(-odds)))


def _logit(rate: Floats) -> Floats:
    clipped = np.clip(rate, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _sample(rng: np.random.Generator, completed: Bools, world: World) -> tuple[Codes, Floats]:
    """The runs that are shown, more of the failed ones than there are, and their inclusion probabilities."""
    size = len(completed)
    if size <= world.shown:
        return np.arange(size), np.ones(size)
    failed, others = np.flatnonzero(~completed), np.flatnonzero(completed)
    most = int(world.shown * world.failed_share)
    count = min(len(failed), max(most, world.shown - len(others)))
    parts = [(failed, count), (others, world.shown - count)]
    chosen = np.concatenate([rng.choice(part, n, replace=False) for part, n in parts])
    return chosen, np.concatenate([np.full(n, n / len(part)) for part, n in parts if n])


def judge_runs(rng: np.random.Generator, truth: Bools, world: World, offset: Floats) -> Codes:
    """The judge's verdict on each run; ``offset`` (2) moves specificity and sensitivity, on the logit scale."""
    right = [
        1 / (1 + np.exp(-(_logit(np.array(rate)) + move)))
        for rate, move in zip((world.specificity, world.sensitivity), offset, strict=True)
    ]
    correct = rng.random(len(truth)) < np.where(truth, right[1], right[0])
    verdict = np.where(correct == truth, YES, NO)
    unsure = rng.random(len(truth)) < world.cannot_tell * np.where(correct, 1, 2)
    return np.asarray(np.where(unsure, CANNOT_TELL, verdict), dtype=np.intp)


def draw_sizes(shown: Shown) -> Floats:
    """How likely each shown run is to be labelled, up to a factor: more where it stands for many, or is in doubt."""
    doubt = (shown.verdict == CANNOT_TELL) | ((shown.verdict == YES) != shown.completed)
    return np.asarray(np.sqrt(1 / shown.inclusion) * np.where(doubt, 3.0, 1.0))


def draw_labels(rng: np.random.Generator, sizes: Floats, count: int) -> Codes:
    """Which runs are labelled: a sequential Poisson sample (Ohlsson 1998), ``count`` of them."""
    return np.argsort(rng.random(len(sizes)) / sizes)[:count]
