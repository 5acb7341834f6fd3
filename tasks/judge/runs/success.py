"""Whether runs did their task: by the source's own outcome, else by the judge's verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tasks.evidence.types import Evidence, Run, RunId
from tasks.judge.runs.verdict import RunVerdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.weighted import estimate_share

Verdicts = Mapping[RunId, RunVerdict]
"""The judge's verdicts on an agent's runs."""


class RunSuccess(NamedTuple):
    """Whether a run did its task, and from where that is known; None each where it is not."""

    succeeded: bool | None
    source: Literal["source", "judge"] | None


def run_success(run: Run, verdict: RunVerdict | None) -> RunSuccess:
    """The source's own outcome of ``run``, else the judge's; a run that has not finished has none."""
    if run.outcome == "unfinished":
        return RunSuccess(None, None)
    if run.succeeded is not None:
        return RunSuccess(run.succeeded, "source")
    if verdict is not None and verdict.success in ("yes", "no"):
        return RunSuccess(verdict.success == "yes", "judge")
    return RunSuccess(None, None)


def estimate_success(evidence: Evidence, verdicts: Verdicts) -> Estimate:
    """The share of the population that did its task; an estimate of None where it is known of no run.

    Where the source has the outcome of every run of the population, that is counted; else it is estimated by the runs
    of the sample of which it is known.
    """
    population = evidence.population
    if population is not None and population.runs and known_by_source(evidence) == population.runs:
        low, high = wilson_interval(population.succeeded, population.runs) or (None, None)
        return Estimate(value=population.succeeded / population.runs, low=low, high=high, n=population.runs)
    known = [
        (found.succeeded, 1 / evidence.inclusion_of(run.id))
        for run in evidence.finished_runs
        if (found := run_success(run, verdicts.get(run.id))).succeeded is not None
    ]
    return estimate_share([bool(hit) for hit, _ in known], [weight for _, weight in known])


def known_by_source(evidence: Evidence) -> int:
    """Of how many runs of the population the source has the outcome itself; 0 where only the sample is known."""
    population = evidence.population
    return 0 if population is None else population.succeeded + population.not_succeeded
