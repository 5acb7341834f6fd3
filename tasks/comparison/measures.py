"""What is counted and measured of runs, before and after, of an agent and of the team: rates, duration, cost."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist
from typing import Literal

from tasks.comparison.amounts import AmountTest, compare_amounts, rank_all
from tasks.comparison.change_tests import WEIGHTS, Draft, Test
from tasks.comparison.comparison import Change
from tasks.comparison.rates import strata_of
from tasks.comparison.samples import Samples, pair_samples, reach_of, weighted_mean
from tasks.report.rows import RunRow
from tasks.statistics.correction import POWER_SD, Hypothesis
from tasks.statistics.intervals import newcombe_interval
from tasks.statistics.rates import compare_rates, detectable_rate
from tasks.wording.counts import counted

Column = Literal["duration_seconds", "cost_usd", "completed", "succeeded"]
Rate = Literal["completion_rate", "success_rate"]
AMOUNTS: dict[str, Column] = {"avg_duration_seconds": "duration_seconds", "avg_cost_usd": "cost_usd"}
"""Metrics that are means over runs, and the column of ``report_runs`` that each is the mean of."""

Shown = tuple[float, float]
"""What two reports show of a metric, before and after."""

_NORMAL = NormalDist()
_NOTHING_NEW = "no new runs"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the runs of one agent give: which completed, which succeeded, and what is known of each of ``AMOUNTS``.

    ``tests`` has those that can be tested, once ``measure_amounts`` has filled it in. ``reason`` is why the runs of
    the two reports cannot be compared at all; None: they can. ``success_reason`` is the same for their success alone.
    ``shown`` has what the reports show by metric, where that is of all runs of a population and the runs here are a
    sample of it.
    """

    runs: tuple[int, int]
    completion: Samples
    success: Samples
    amounts: Mapping[str, Samples]
    tests: dict[str, AmountTest | None] = field(default_factory=dict)
    reason: str | None = None
    shown: Mapping[str, Shown] = field(default_factory=dict)
    success_reason: str | None = None

    @property
    def outcomes(self) -> Samples:
        """What a score of the runs follows: their success, or where that is not known, their completion."""
        return self.success if self.success.measured else self.completion


def measure_runs(before: Sequence[RunRow], after: Sequence[RunRow], *, same_source: bool) -> Measured:
    """The finished runs of an agent in both reports, measured; ``same_source`` when run ids mean the same in both."""
    amounts = {
        metric: pair_samples(before, after, partial(_column, column), same_source=same_source)
        for metric, column in AMOUNTS.items()
    }
    return Measured(
        runs=(len(before), len(after)),
        completion=pair_samples(before, after, partial(_column, "completed"), same_source=same_source),
        success=pair_samples(before, after, partial(_column, "succeeded"), same_source=same_source),
        amounts=amounts,
    )


def measure_amounts(agents: Sequence[Measured]) -> None:
    """Fill in ``tests`` of every agent; all at once, as that takes a third of the time."""
    tested = [
        (agent, metric, samples)
        for agent in agents
        for metric, samples in agent.amounts.items()
        if samples.measured and not samples.nothing_new
    ]
    ranks = rank_all([samples for _, _, samples in tested])
    for (agent, metric, samples), found in zip(tested, ranks, strict=True):
        agent.tests[metric] = compare_amounts(samples, found)


def _column(name: Column, run: RunRow) -> float | None:
    value = run.get(name)
    return None if value is None else float(value)


def completion_draft(measured: Measured, reason: str | None, *, by_task: bool) -> Draft:
    """The change of an agent's completion rate; with ``reason`` it is not comparable."""
    samples = measured.completion
    if not samples.measured and reason is None:
        reason = "no finished run before" if not samples.before else "no finished run now"
    shown = measured.shown.get("completion_rate")
    return _rate("completion_rate", [samples], reason, "", by_task=by_task, shown=shown)


def success_draft(measured: Measured, reason: str | None, *, by_task: bool) -> Draft:
    """The change of an agent's success rate over the runs of which it is known whether they did their task; with
    ``reason`` it is not comparable."""
    samples = measured.success
    if not samples.measured and reason is None:
        reason = f"success is not known of any run {'before' if not samples.before else 'now'}"
    return _rate("success_rate", [samples], reason, "", by_task=by_task)


def team_rate_draft(metric: Rate, many: Sequence[Samples], reason: str | None, *, by_task: bool) -> Draft:
    """The change of a rate of all runs of the agents that have some in both reports, tested within agents: that one
    agent had more runs than before is no change. ``many`` has a sample an agent."""
    known = [samples for samples in many if samples.measured]
    if not known and reason is None:
        what = "finished runs" if metric == "completion_rate" else "runs of known success"
        reason = f"no agent has {what} in both reports"
    return _rate(metric, known or many, reason, f" within {counted(len(known), 'agent')}", by_task=by_task)


def _rate(
    metric: Rate,
    many: Sequence[Samples],
    reason: str | None,
    over: str,
    *,
    by_task: bool,
    shown: Shown | None = None,
) -> Draft:
    change = _change(metric, *(shown or (_mean_rate(many, 0), _mean_rate(many, 1))))
    if reason is not None:
        return _not_comparable(change, reason)
    if all(samples.nothing_new for samples in many):
        return _unchanged(change)
    strata = [stratum for samples in many for stratum in strata_of(samples, by_task=by_task)]
    test = compare_rates(strata)
    n1, n2 = sum(stratum[0] for stratum in strata), sum(stratum[2] for stratum in strata)
    x1 = sum(stratum[1] for stratum in strata)
    low, high = _rate_interval(many, n1, n2, change.difference or 0.0)
    share = sum(samples.share_new * len(samples.after) for samples in many) / sum(len(s.after) for s in many)

    def detectable(bound: float) -> float | None:
        size = detectable_rate(n1, x1, n2, WEIGHTS.fall * bound, WEIGHTS.rise * bound)
        return None if size is None else size * share

    return Draft(
        change.model_copy(update={"low": low, "high": high, "method": f"{test.method}{over}, Newcombe's interval"}),
        Test(
            hypotheses=(
                Hypothesis(test.worse, WEIGHTS.fall, test.attainable_worse),
                Hypothesis(test.better, WEIGHTS.rise, test.attainable_better),
            ),
            detectable=detectable,
        ),
    )


def _mean_rate(many: Sequence[Samples], side: int) -> float | None:
    """The rate before (0) or after (1) over all runs; an agent whose runs weigh differently counts by its rate."""
    known = [(mean, len((samples.before, samples.after)[side])) for samples in many
             if (mean := samples.means[side]) is not None]  # fmt: skip
    return math.fsum(mean * runs for mean, runs in known) / sum(runs for _, runs in known) if known else None


def _rate_interval(many: Sequence[Samples], n1: int, n2: int, difference: float) -> tuple[float, float]:
    """Newcombe's interval of new runs against old ones, taken to the difference that is shown: that of all runs."""
    old = _pooled((samples.old, samples.weights.old if samples.weights else None) for samples in many)
    new = _pooled((samples.new, samples.weights.new if samples.weights else None) for samples in many)
    before, after = _worth(old, n1), _worth(new, n2)
    low, high = newcombe_interval(*before, *after)
    centre = after[0] / after[1] - before[0] / before[1]
    reach = reach_of(many)
    return max(-1.0, difference - reach * (centre - low)), min(1.0, difference + reach * (high - centre))


Tasks = Mapping[Hashable, Sequence[float]]


def _pooled(sides: Iterable[tuple[Tasks, Tasks | None]]) -> tuple[float, int]:
    """Successes and runs of one side over all agents; an agent whose runs weigh differently counts by its rate."""
    hits, runs = 0.0, 0
    for tasks, weights in sides:
        values = _flat(tasks)
        rate = weighted_mean(values, None if weights is None else _flat(weights))
        hits += len(values) * (rate or 0.0)
        runs += len(values)
    return hits, runs


def _flat(tasks: Tasks) -> list[float]:
    return [value for values in tasks.values() for value in values]


def _worth(counted_runs: tuple[float, int], most: int) -> tuple[float, int]:
    """Successes and runs; fewer of both where runs of one task, or of unequal weight, are worth fewer."""
    hits, runs = counted_runs
    size = max(1, min(runs, most) if most else runs)
    return hits * size / runs, size


def amount_draft(metric: str, measured: Measured, reason: str | None) -> Draft:
    """The change of a mean over an agent's runs; runs that were not measured are left out, which is noted."""
    samples, test = measured.amounts[metric], measured.tests.get(metric)
    of_sample = _change(metric, *samples.means)
    change = _change(metric, *(measured.shown.get(metric) or samples.means))
    if reason is None and not samples.measured:
        reason = "not measured before" if not samples.before else "not measured now"
    if reason is not None:
        return _not_comparable(change, reason)
    if samples.nothing_new:
        return _unchanged(change)
    if test is None:
        return _not_comparable(change, "fewer than two runs to compare")
    counts = [len(samples.before), len(samples.after)]
    known = "" if counts == list(measured.runs) else (
        f"; known for {counts[0]} of {counted(measured.runs[0], 'run')} before, {counts[1]} of {measured.runs[1]} now"
    )  # fmt: skip
    # The sample's interval, around the difference of all runs.
    shift = (change.difference or 0.0) - (of_sample.difference or 0.0)
    bounds = {"low": test.low + shift, "high": test.high + shift}
    return _tested(
        change.model_copy(update=bounds | {"method": test.method + known}),
        test.p_value,
        test.standard_error,
        test.direction,
    )


def team_amount_draft(metric: str, agents: Sequence[Measured], reason: str | None) -> Draft:
    """The change of a mean over the team's runs, from the agents that were measured in both reports.

    Each agent counts with its share of all runs of both reports, the same before and after; the agents' tests are put
    together by Stouffer's method with the same weights. An agent without new runs counts as one that did not change.
    """
    known = [
        (samples, test)
        for agent in agents
        if (samples := agent.amounts[metric]).measured
        and ((test := agent.tests.get(metric)) is not None or samples.nothing_new)
    ]
    if not known:
        return _not_comparable(Change(metric=metric, verdict="no_change"), reason or "measured of no agent in both")
    total = sum(len(samples.before) + len(samples.after) for samples, _ in known)
    shares = [(len(samples.before) + len(samples.after)) / total for samples, _ in known]
    means = [samples.means for samples, _ in known]
    before = math.fsum(share * (mean[0] or 0.0) for share, mean in zip(shares, means, strict=True))
    after = math.fsum(share * (mean[1] or 0.0) for share, mean in zip(shares, means, strict=True))
    change = _change(metric, before, after)
    if reason is not None:
        return _not_comparable(change, reason)
    tested = [(share, test) for share, (_, test) in zip(shares, known, strict=True) if test is not None]
    if not tested:
        return _unchanged(change)
    still = math.fsum(
        share * ((mean[1] or 0.0) - (mean[0] or 0.0))
        for share, mean, (_, test) in zip(shares, means, known, strict=True)
        if test is None
    )
    error = math.hypot(*(share * test.standard_error for share, test in tested))
    z = math.fsum(math.sqrt(share) * test.direction for share, test in tested)
    z /= math.hypot(*(math.sqrt(share) for share, _ in tested))
    if len(tested) == 1:
        [(share, test)] = tested
        low, high = still + share * test.low, still + share * test.high
    else:
        centre = still + math.fsum(share * (test.low + test.high) / 2 for share, test in tested)
        low, high = centre - 1.96 * error, centre + 1.96 * error
    method = f"the tests of {counted(len(tested), 'agent')} put together, interval from their errors"
    if len(tested) < len(known):
        method += f"; {len(known) - len(tested)} without new runs count as unchanged"
    p_value = min(1.0, 2 * _NORMAL.cdf(-abs(z)))
    return _tested(change.model_copy(update={"low": low, "high": high, "method": method}), p_value, error, z)


def _tested(change: Change, p_value: float, error: float, direction: float) -> Draft:
    def detectable(bound: float) -> float:
        return (POWER_SD - _NORMAL.inv_cdf(max(WEIGHTS.amount * bound, 1e-15) / 2)) * error

    hypotheses = (Hypothesis(p_value, WEIGHTS.amount),)
    return Draft(change, Test(hypotheses, detectable, falling_is_better=True, direction=direction))


def _change(metric: str, first: float | None, last: float | None) -> Change:
    difference = None if first is None or last is None else last - first
    return Change(metric=metric, verdict="no_change", before=first, after=last, difference=difference)


def _not_comparable(change: Change, reason: str) -> Draft:
    return Draft(change.model_copy(update={"verdict": "not_comparable", "difference": None, "reason": reason}))


def _unchanged(change: Change) -> Draft:
    return Draft(change.model_copy(update={"method": _NOTHING_NEW, "p_value": 1.0}))
