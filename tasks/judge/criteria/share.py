"""The share of runs that meet a criterion, and the verdict that follows: a score out of 10 with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.judge.criteria.criterion import EVERY_RUN, Criterion
from tasks.judge.criteria.wording import describe_rule
from tasks.judge.runs.scoring import LEAST_DECIDED
from tasks.judge.runs.success import KnownSuccess
from tasks.judge.scoring import Verdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.passing import decide_share
from tasks.statistics.weighted import estimate_share
from tasks.wording.counts import counted


@dataclass(frozen=True, slots=True)
class Share:
    """How many runs there are, on how many a criterion is decided, and which share of these meets it (0 to 1).

    ``passed`` counts the decided runs that meet it. ``is_census``: the runs are all that the report is about, so that a
    threshold of 10 can be reached.
    """

    runs: int
    decided: int
    passed: int
    coverage: float
    estimate: Estimate
    is_census: bool


def share_of_sample(values: Iterable[tuple[float | None, float]], criterion: Criterion) -> Share:
    """The share by the runs of a sample: ``(value 0 to 1, inclusion probability)`` of each; None is undecided."""
    found = list(values)
    decided = [(value, 1 / inclusion) for value, inclusion in found if value is not None]
    weight = math.fsum(1 / inclusion for _, inclusion in found)
    return Share(
        runs=len(found),
        decided=len(decided),
        passed=sum(is_met(value, criterion) for value, _ in decided),
        coverage=math.fsum(weight for _, weight in decided) / weight if found else 0.0,
        estimate=estimate_share([value for value, _ in decided], [weight for _, weight in decided]),
        is_census=all(inclusion >= 1 for _, inclusion in found),
    )


def share_of_success(known: KnownSuccess) -> Share:
    """The share of runs that did their task, as an agent's success rate has it."""
    return Share(
        runs=known.looked_at,
        decided=known.rate.n,
        passed=known.succeeded,
        coverage=known.coverage,
        estimate=known.rate,
        is_census=known.looked_at == known.runs,
    )


def share_of_all(runs: int, decided: int, passed: int, total: float) -> Share:
    """The share by counts over all runs; ``total`` is the sum of the decided runs' values."""
    low, high = wilson_interval(total, decided) or (None, None)
    return Share(
        runs=runs,
        decided=decided,
        passed=passed,
        coverage=decided / runs if runs else 0.0,
        estimate=Estimate(value=total / decided if decided else None, low=low, high=high, n=decided),
        is_census=True,
    )


def is_met(value: float, criterion: Criterion) -> bool:
    """Whether a run meets ``criterion``: a number between 0 and 1 counts from the threshold on."""
    return value >= 1 or value >= max(criterion.threshold / EVERY_RUN, 1e-9)


def build_verdict(name: str, criterion: Criterion, share: Share) -> Verdict:
    """The verdict on a computed criterion; without ``LEAST_DECIDED`` decided runs it has no score."""
    is_scored = share.decided >= LEAST_DECIDED
    estimate = share.estimate if is_scored else Estimate(n=share.decided)
    return Verdict(
        criterion=name,
        kind=criterion.kind,
        weight=criterion.weight,
        threshold=criterion.threshold,
        score=_out_of_ten(estimate.value),
        score_low=_out_of_ten(estimate.low),
        score_high=_out_of_ten(estimate.high),
        passed=_passed(criterion, share, estimate),
        runs_passed=share.passed,
        runs_decided=share.decided,
        coverage=share.coverage,
        reasoning=_reasoning(criterion, share),
        examples=(),
        supported=True,
    )


def _passed(criterion: Criterion, share: Share, estimate: Estimate) -> bool | None:
    """Whether the whole interval is on one side of the threshold; None: it is not, or there is no score."""
    is_every = share.is_census and share.decided == share.runs
    return decide_share(estimate, criterion.threshold / EVERY_RUN, is_every=is_every)


def _out_of_ten(share: float | None) -> float | None:
    return None if share is None else 10 * share


def _reasoning(criterion: Criterion, share: Share) -> str:
    unknown = share.runs - share.decided
    rest = f" Of {counted(unknown, 'run')} it is unknown." if unknown else ""
    if not share.decided:
        return f"Of none of {counted(share.runs, 'run')} it is known whether they {describe_rule(criterion)}."
    return f"{share.passed:,} of {counted(share.decided, 'run')} {describe_rule(criterion)}.{rest}"
