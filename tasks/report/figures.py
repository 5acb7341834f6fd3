"""The figures of one agent's finished runs: of the whole population where it was scanned, else of the runs read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.evidence.types import DayFigures, Evidence, Metrics, Population
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts are of finished runs, but for ``unfinished``; ``measured`` has their durations, tokens, costs
    and failures.

    ``completion`` is the share whose status is completed; of no run, an estimate of None. ``daily`` is None where the
    population was not scanned.
    """

    runs: int
    completed: int
    unfinished: int
    completion: Estimate
    measured: Metrics | Population
    daily: tuple[DayFigures, ...] | None = None


def read_figures(evidence: Evidence) -> Figures:
    """The figures of ``evidence``; runs whose start is in the future count as unfinished."""
    metrics, population = evidence.metrics, evidence.population
    if population is not None:
        return Figures(
            runs=population.runs,
            completed=population.completed,
            unfinished=population.unfinished + evidence.future.count,
            completion=estimate_completion(population.completed, population.runs),
            measured=population,
            daily=population.daily,
        )
    return Figures(
        runs=metrics.runs_analyzed,
        completed=metrics.runs_completed,
        unfinished=metrics.runs_unfinished + evidence.future.count,
        completion=estimate_completion(metrics.runs_completed, metrics.runs_analyzed),
        measured=metrics,
    )


def estimate_completion(completed: int, runs: int) -> Estimate:
    """The share of ``runs`` that completed, with Wilson's interval; of none, an estimate of None."""
    interval = wilson_interval(completed, runs)
    if interval is None:
        return Estimate()
    return Estimate(value=completed / runs, low=interval[0], high=interval[1], n=runs)


def join_completion(figures: Iterable[Figures]) -> Estimate:
    """The share of the runs of several agents together that completed."""
    figures = list(figures)
    return estimate_completion(sum(found.completed for found in figures), sum(found.runs for found in figures))
