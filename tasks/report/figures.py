"""The figures of one agent's finished runs, which are the population's where it was scanned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.evidence.types import DayFigures, Evidence, Metrics
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
    measured: Metrics
    daily: tuple[DayFigures, ...] | None = None


def read_figures(evidence: Evidence) -> Figures:
    """The figures of ``evidence``; runs whose start is in the future count as unfinished."""
    metrics = evidence.metrics
    return Figures(
        runs=metrics.runs_in_population,
        completed=metrics.runs_completed,
        unfinished=metrics.runs_unfinished + evidence.future.count,
        completion=estimate_completion(metrics.runs_completed, metrics.runs_in_population),
        measured=metrics,
        daily=evidence.population.daily if evidence.population else None,
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
