"""How often pairs of reports without a change have anything called changed, where runs depend on each other.

``python -m benchmarks.false_alarms [--pairs 100] [--seed 1]`` prints the share for each case: 14 agents anywhere from
0.5 to 0.98 with 20 runs a report, a judge that is the truth and noise (``simulated_reports``). What changes from case
to case is how alike the runs of one night are, how slow it was, and which tasks there were.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.simulated_reports import Truth, World, score_rows, team_of
from tasks.comparison.compare import compare_reports
from tasks.comparison.comparison import Comparison
from tasks.report.stored_report import StoredReport


@dataclass(frozen=True)
class Case:
    """How the pairs of one case come about; values are those of ``World``. ``named``: whether runs name their task."""

    night_icc: float = 0.0
    task_icc: float = 0.0
    night_seconds_sd: float = 0.0
    tasks: int = 0
    other_tasks: bool = False
    named: bool = True


CASES: Mapping[str, Case] = {
    "independent runs": Case(),
    "runs of one night alike, ICC 0.02": Case(night_icc=0.02),
    "runs of one night alike, ICC 0.05": Case(night_icc=0.05),
    "runs of one night alike, ICC 0.1": Case(night_icc=0.1),
    "whole nights slower or faster by some 10%": Case(night_seconds_sd=0.1),
    "the same 2 tasks of 10 runs, ICC of tasks 0.4": Case(task_icc=0.4, tasks=2),
    "2 other tasks of 10 runs each night, ICC of tasks 0.4": Case(task_icc=0.4, tasks=2, other_tasks=True),
    "the same, where runs do not name their task": Case(task_icc=0.4, tasks=2, other_tasks=True, named=False),
}


def is_changed(comparison: Comparison) -> bool:
    """Whether anything is called better or worse, of any agent or the team."""
    return any(subject.verdict in ("better", "worse") for subject in (comparison.team, *comparison.agents))


def count_alarms(case: Case, pairs: int, rng: np.random.Generator) -> int:
    """How many of ``pairs`` pairs of ``case`` have anything called changed, though nothing did."""
    alarms = 0
    for _ in range(pairs):
        world = World(
            team_of("mixed", rng),
            tasks=case.tasks,
            night_icc=case.night_icc,
            task_icc=case.task_icc,
            night_seconds_sd=case.night_seconds_sd,
        )
        before = world.report(rng, 1)
        after = (replace(world, task_set=1) if case.other_tasks else world).report(rng, 2)
        if not case.named:
            before, after = _unnamed(before), _unnamed(after)
        alarms += is_changed(compare_reports(before, after))
    return alarms


def _unnamed(reading: StoredReport) -> StoredReport:
    runs = [run | {"task_hash": None} for run in reading.runs]
    return StoredReport(reading.report, reading.details, reading.criteria, runs)


def count_falls(pairs: int, rng: np.random.Generator) -> tuple[int, int]:
    """Of 14 agents at 0.9: unchanged pairs that have anything called changed, and falls to 0.4 that are found."""
    alarms = found = 0
    for _ in range(pairs):
        world = World(team_of("high", rng))
        before = world.report(rng, 1)
        alarms += is_changed(compare_reports(before, world.report(rng, 2)))
        found += has_fallen(compare_reports(before, world.changed(0, completion_rate=0.4).report(rng, 2)))
    return alarms, found


def count_falls_of_one(pairs: int, rng: np.random.Generator) -> int:
    """The same falls found where the agent is alone with its team: nothing to correct for but its own metrics."""
    world = World((Truth(0.9),))
    later = world.changed(0, completion_rate=0.4)
    return sum(has_fallen(compare_reports(world.report(rng, 1), later.report(rng, 2))) for _ in range(pairs))


def count_alarms_with_history(pairs: int, step: int, rng: np.random.Generator) -> int:
    """Pairs called changed, of 14 agents at 0.8 and two reports without a run in common.

    Six reports between them, each with ``step`` new runs of the newest 20, show how far scores move.
    """
    world = World((Truth(0.8),) * 14, judge_sd=0.5)
    alarms = 0
    for _ in range(pairs):
        baseline, *earlier, report = world.windows(rng, [0, *(20 + step * number for number in range(7))])
        history = [row for reading in earlier for row in score_rows(reading)]
        alarms += is_changed(compare_reports(baseline, report, history))
    return alarms


def has_fallen(comparison: Comparison) -> bool:
    """Whether the first agent's completion rate is called worse."""
    changes = {change.metric: change.verdict for change in comparison.agents[0].changes}
    return changes["completion_rate"] == "worse"


def main() -> None:
    """Measure and print a line for every case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_alarms")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for title, case in CASES.items():
        rng = np.random.default_rng(given.seed)
        alarms = count_alarms(case, given.pairs, rng)
        _print(alarms, given.pairs, title)
    rng = np.random.default_rng(given.seed)
    alarms, found = count_falls(given.pairs, rng)
    _print(alarms, given.pairs, "independent runs, every agent at 0.9")
    _print(found, given.pairs, "found: a fall from 0.9 to 0.4 of one of 14 agents")
    _print(count_falls_of_one(given.pairs, rng), given.pairs, "found: the same of one agent alone")
    for step in (1, 20):
        title = f"with a history of six reports, {step} new runs each"
        _print(count_alarms_with_history(given.pairs, step, rng), given.pairs, title)


def _print(count: int, pairs: int, title: str) -> None:
    print(f"{100 * count / pairs:5.1f} of 100  {title}", flush=True)


if __name__ == "__main__":
    main()
