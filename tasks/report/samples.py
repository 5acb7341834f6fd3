"""The runs of one agent in two reports, side by side: which are new, and which tasks repeat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
_LEAST_TASKS = 5
_MOST_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Samples:
    """What was measured of one agent before and after, by task; a run without a task is a task of its own.

    ``before`` and ``after`` hold a value for every run; ``old`` and ``new`` those of runs that only one report saw, by
    task. ``paired`` when the tasks repeat. ``shared_runs`` is how many runs were measured in both.
    """

    before: Sequence[float]
    after: Sequence[float]
    old: Mapping[Hashable, Sequence[float]]
    new: Mapping[Hashable, Sequence[float]]
    paired: bool
    shared_runs: int

    @property
    def measured(self) -> bool:
        """Whether there is anything on both sides."""
        return bool(self.before) and bool(self.after)

    @property
    def same_runs(self) -> bool:
        """Whether one report saw no run that the other did not: what is the same cannot have changed."""
        return self.measured and (not self.old or not self.new)


def pair_samples(
    before: Sequence[Row], after: Sequence[Row], value: Callable[[Row], float | None], *, same_source: bool = True
) -> Samples:
    """The runs of both reports by task; those whose ``value`` is None are left out.

    Tasks repeat (``paired``) when at least 80 % of the runs on either side are of tasks that both sides have, and
    there are at least 5 of these. Runs that both reports looked at say nothing about a change, and are not in ``old``
    and ``new``; with ``same_source`` False the ids are of different things, and nothing is shared.
    """
    shared = {run["run_id"] for run in before} & {run["run_id"] for run in after} if same_source else set()
    measured_in_both = shared.copy()
    sides = []
    for runs in (before, after):
        tasks: dict[Hashable, list[float]] = defaultdict(list)
        values = []
        for run in runs:
            if (measured := value(run)) is None:
                measured_in_both.discard(run["run_id"])
                continue
            values.append(float(measured))
            if run["run_id"] not in shared:
                tasks[run["task_hash"] or ("run", run["run_id"])].append(float(measured))
        sides.append((values, dict(tasks)))
    (all_before, old), (all_after, new) = sides
    common = old.keys() & new.keys()
    covered = [sum(len(tasks[key]) for key in common) / max(1, sum(map(len, tasks.values()))) for tasks in (old, new)]
    paired = len(common) >= _LEAST_TASKS and min(covered) >= _MOST_SHARE
    return Samples(all_before, all_after, old, new, paired, len(measured_in_both))
