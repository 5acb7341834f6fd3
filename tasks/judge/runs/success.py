"""Whether runs did their task: by the source's own outcome, else by the judge's verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tasks.evidence.types import Evidence, Run, RunId, VerdictCounts
from tasks.judge.runs.verdict import RunVerdict
from tasks.statistics.estimate import Estimate, widen
from tasks.statistics.weighted import Group, build_group, estimate_groups, groups_worth

Verdicts = Mapping[RunId, RunVerdict]


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


@dataclass(frozen=True, slots=True)
class KnownSuccess:
    """What is known of the success of an agent's ``runs``: of one part or two, as of some the source has the outcome.

    ``looked_at`` are those with an outcome, and those that were read; ``succeeded`` of them did their task.
    ``coverage`` is the share of all runs (0 to 1) whose success is known, the sample standing for the others.
    ``counts`` has the finished runs that were read. ``worst`` and ``best`` are the parts if all runs without a
    usable verdict failed, or all succeeded: which these are is not random.
    """

    runs: int = 0
    groups: tuple[Group, ...] = ()
    looked_at: int = 0
    succeeded: int = 0
    coverage: float = 0.0
    counts: VerdictCounts = field(default_factory=VerdictCounts)
    worst: tuple[Group, ...] = ()
    best: tuple[Group, ...] = ()

    @property
    def rate(self) -> Estimate:
        """The share of the population that did its task; of no known run, an estimate of None."""
        return widen(*map(estimate_groups, (self.groups, self.worst, self.best)))

    @property
    def whole(self) -> Group:
        """All runs of the agent as one part of the team's; nothing is known of it where ``n`` is 0."""
        return self._join(self.groups)

    @property
    def bounds(self) -> tuple[Group, Group]:
        """As ``whole``, at worst and at best."""
        return self._join(self.worst), self._join(self.best)

    def _join(self, groups: Sequence[Group]) -> Group:
        rate = estimate_groups(groups)
        return Group(rate.value or 0.0, groups_worth(groups), rate.n, self.runs)


def read_success(evidence: Evidence, verdicts: Verdicts) -> KnownSuccess:
    """What is known of the success of the population of ``evidence``.

    Outcomes that the source has are counted over all runs, where these were scanned; the runs of the sample that the
    judge decided stand for the rest. Without a scan, or without an outcome, the sample stands for all. Runs on which
    the judge gave no usable verdict make the interval wider, those of which it cannot tell do not.
    """
    population = evidence.population
    runs = population.runs if population else len(evidence.finished_runs)
    outcomes = population.succeeded + population.not_succeeded if population else 0
    sample = [run for run in evidence.finished_runs if not outcomes or run.succeeded is None]
    weights = {run.id: 1 / evidence.inclusion_of(run.id) for run in sample}
    decided = {
        run.id: success for run in sample if (success := run_success(run, verdicts.get(run.id)).succeeded) is not None
    }
    lost = [run.id for run in sample if is_unusable(run, verdicts.get(run.id))]
    counted = [Group(population.succeeded / outcomes, outcomes, outcomes, outcomes)] if population and outcomes else []
    groups, worst, best = (
        tuple(counted + _group(decided | hits, weights, runs - outcomes))
        for hits in ({}, dict.fromkeys(lost, False), dict.fromkeys(lost, True))
    )
    known = float(outcomes)
    if decided:
        share = math.fsum(weights[run_id] for run_id in decided) / math.fsum(weights.values())
        known += (runs - outcomes) * share
    return KnownSuccess(
        runs=runs,
        groups=groups,
        looked_at=outcomes + len(sample),
        succeeded=(population.succeeded if population else 0) + sum(decided.values()),
        coverage=known / runs if runs else 0.0,
        counts=count_verdicts(evidence, verdicts),
        worst=worst,
        best=best,
    )


def _group(hits: Mapping[RunId, bool], weights: Mapping[RunId, float], size: float) -> list[Group]:
    """The part of a population that the runs of ``hits`` stand for; none without any."""
    return (
        [build_group([float(hit) for hit in hits.values()], [weights[run_id] for run_id in hits], size)] if hits else []
    )


def is_unusable(run: Run, verdict: RunVerdict | None) -> bool:
    """Whether nothing is known of ``run`` as what the judge answered on it could not be used."""
    return run.succeeded is None and verdict is not None and verdict.success is None


def count_verdicts(evidence: Evidence, verdicts: Verdicts) -> VerdictCounts:
    """The finished runs by where their success is known from."""
    counts = dict.fromkeys(VerdictCounts.model_fields, 0)
    for run in evidence.finished_runs:
        verdict = verdicts.get(run.id)
        source = run_success(run, verdict).source
        if source is not None:
            counts[f"from_{source}"] += 1
        elif verdict is None:
            counts["not_judged"] += 1
        else:
            counts["cannot_tell" if verdict.success == "cannot_tell" else "unusable"] += 1
    return VerdictCounts(**counts)
