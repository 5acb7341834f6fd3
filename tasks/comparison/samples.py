"""The runs of one agent in two reports, side by side: which are new, and which tasks repeat."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tasks.report.rows import RunRow

_LEAST_TASKS = 5
_MOST_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Weights:
    """How many runs of the population each run stands for, in the order of the values that ``Samples`` has; of ``old``
    and ``new`` by task."""

    before: Sequence[float]
    after: Sequence[float]
    old: Mapping[Hashable, Sequence[float]]
    new: Mapping[Hashable, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured of one agent before and after, by task; a run without a task is a task of its own.

    ``before`` and ``after`` hold a value for every run. What is tested are two sides that have no run in common, by
    task: ``new``, the runs that only the later report looked at, and ``old``, all runs of the earlier one; both empty
    when nothing is new. ``paired`` when the tasks repeat. ``shared_runs`` is how many runs were measured in both.
    ``weights`` is None where all runs of a report count the same; else the runs were drawn with unequal probabilities.
    """

    before: Sequence[float]
    after: Sequence[float]
    old: Mapping[Hashable, Sequence[float]]
    new: Mapping[Hashable, Sequence[float]]
    paired: bool
    shared_runs: int
    weights: Weights | None = None

    @property
    def measured(self) -> bool:
        """Whether there is anything on both sides."""
        return bool(self.before) and bool(self.after)

    @property
    def nothing_new(self) -> bool:
        """Whether the later report saw no run that the earlier one had not: what is the same cannot have changed."""
        return self.measured and not self.new

    @property
    def means(self) -> tuple[float | None, float | None]:
        """The mean of the population before and after, as estimated from the runs; None without any."""
        weights = self.weights
        return (
            weighted_mean(self.before, weights.before if weights else None),
            weighted_mean(self.after, weights.after if weights else None),
        )

    @property
    def share_new(self) -> float:
        """The share (0 to 1) of the runs after that are new."""
        return sum(map(len, self.new.values())) / max(1, len(self.after))

    @property
    def reach(self) -> float:
        """The error of the difference between the means of all runs, relative to that between ``new`` and ``old``."""
        return reach_of([self])


def reach_of(many: Sequence[Samples]) -> float:
    """``Samples.reach`` of the runs of several agents as if they were of one; 1 where no run is in both reports.

    A run that is in both reports cancels out of the difference of all runs but for how much it counts in each.
    """
    n, m = (sum(len(side) for side in sides) for sides in zip(*((one.before, one.after) for one in many), strict=True))
    s = sum(one.shared_runs for one in many)
    if not n or m <= s:
        return 1.0
    return math.sqrt(variance_factor(n, m, s) / (1 / (m - s) + 1 / n))


def variance_factor(before: int, after: int, shared: int) -> float:
    """The variance of the difference of two means over runs, ``shared`` of them the same, if that of a run is 1; 0 for
    the same runs, infinite without any on a side."""
    if not before or not after:
        return math.inf
    own = (before - shared) / before**2 + (after - shared) / after**2
    return own + shared * (1 / after - 1 / before) ** 2


def pair_samples(
    before: Sequence[RunRow],
    after: Sequence[RunRow],
    value: Callable[[RunRow], float | None],
    *,
    same_source: bool = True,
) -> Samples:
    """The runs of both reports by task; those whose ``value`` is None are left out.

    A run that both reports looked at is one of the earlier report, and no second proof of how the agent does now. With
    ``same_source`` False the ids are of different things, and nothing is shared.

    Tasks repeat (``paired``) when at least 5 of them are on both sides, with at least 80% of the runs on either side;
    where reports have runs in common, of the new runs only, as then no more than a part of the tasks can repeat. Runs
    that were drawn with unequal probabilities are never pairs.
    """
    shared = {run["run_id"] for run in before} & {run["run_id"] for run in after} if same_source else set()
    measured = [{run["run_id"] for run in runs if value(run) is not None} for runs in (before, after)]
    fresh = [run for run in after if run["run_id"] not in shared]
    old, new = _by_task(before, value), _by_task(fresh, value)
    if not new:
        old = {}
    weights = _weights(before, after, fresh if new else (), value)
    common = old.keys() & new.keys()
    covered = [
        sum(len(tasks[key]) for key in common) / max(1, sum(map(len, tasks.values())))
        for tasks in ((new,) if shared else (old, new))
    ]
    return Samples(
        before=_values(before, value),
        after=_values(after, value),
        old=old,
        new=new,
        paired=weights is None and len(common) >= _LEAST_TASKS and min(covered) >= _MOST_SHARE,
        shared_runs=len(shared & measured[0] & measured[1]),
        weights=weights,
    )


def weighted_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float | None:
    """The mean of ``values``, each standing for ``weights`` (None: all for the same); None without any."""
    if not values:
        return None
    if weights is None:
        return fmean(values)
    return math.fsum(weight * value for weight, value in zip(weights, values, strict=True)) / math.fsum(weights)


def effective_size(weights: Sequence[float]) -> float:
    """How many runs that all count the same are worth as much as these (Kish 1965); 0 without any."""
    squares = math.fsum(weight * weight for weight in weights)
    return math.fsum(weights) ** 2 / squares if squares else 0.0


def _weights(
    before: Sequence[RunRow], after: Sequence[RunRow], fresh: Sequence[RunRow], value: Callable[[RunRow], float | None]
) -> Weights | None:
    """The weights of the runs that have a value; None where they are equal within each report. ``fresh`` are the runs
    of ``after`` that are tested."""
    sides = [_values([run for run in runs if value(run) is not None], _weight) for runs in (before, after)]
    if all(len(set(side)) < 2 for side in sides):
        return None
    old = _by_task([run for run in before if value(run) is not None], _weight) if fresh else {}
    new = _by_task([run for run in fresh if value(run) is not None], _weight)
    return Weights(sides[0], sides[1], old, new)


def _weight(run: RunRow) -> float:
    return 1 / (run.get("inclusion_probability") or 1.0)


def _values(runs: Sequence[RunRow], value: Callable[[RunRow], float | None]) -> list[float]:
    return [float(measured) for run in runs if (measured := value(run)) is not None]


def _by_task(runs: Sequence[RunRow], value: Callable[[RunRow], float | None]) -> dict[Hashable, list[float]]:
    tasks: dict[Hashable, list[float]] = defaultdict(list)
    for run in runs:
        if (measured := value(run)) is not None:
            tasks[run["task_hash"] or ("run", run["run_id"])].append(float(measured))
    return dict(tasks)
