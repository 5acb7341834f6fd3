"""Scores before and after: of the whole, and of each criterion, against how much scores move by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from tasks.comparison.change_tests import WEIGHTS, Draft, Test
from tasks.comparison.comparison import Change
from tasks.comparison.score_noise import Noise, RunNoise, Spread, count_samples
from tasks.report.rows import CriterionRow
from tasks.statistics.correction import POWER_SD, Hypothesis

Rubrics = tuple[Mapping[str, CriterionRow], Mapping[str, CriterionRow]]


@dataclass(frozen=True, slots=True)
class Judged:
    """The judge's results for an agent, or for the team, in both reports: scores, criteria by name, the reports' ids,
    and the noise that comes from which runs there were."""

    scores: tuple[float | None, float | None]
    rubrics: Rubrics
    report_ids: tuple[int, int]
    runs: tuple[RunNoise, RunNoise]
    is_team: bool = False


def score_drafts(judged: Judged, noise: Noise, reason: str | None) -> list[Draft]:
    """The change of the score, then of each criterion that is in both reports; with ``reason`` none is comparable.

    A criterion that the judge gave no score in one of the reports has none to compare, and the whole score is then
    over other criteria and not comparable either.
    """
    before, after = judged.rubrics
    shared = [name for name in after if name in before]
    unscored = {name: why for name in shared if (why := _unscored(name, judged))}
    whole = reason or next(iter(unscored.values()), None)
    samples = count_samples(list(before.values())), count_samples(list(after.values()))
    factor = WEIGHTS.team if judged.is_team else 1.0
    spread = noise.spread(criterion=False, samples=samples, runs=judged.runs)
    drafts = [_draft("score", judged.scores, spread, factor * WEIGHTS.score, whole)]
    spread = noise.spread(criterion=True, samples=samples, runs=judged.runs)
    for name in shared:
        scores = before[name]["score"], after[name]["score"]
        drafts.append(
            _draft(f"criterion:{name}", scores, spread, factor * WEIGHTS.criterion, reason or unscored.get(name))
        )
    return drafts


def _unscored(name: str, judged: Judged) -> str | None:
    given = [rubric[name]["score"] for rubric in judged.rubrics]
    if None not in given or given == [None, None]:
        return None
    return f"{name} was not scored in report {judged.report_ids[given.index(None)]}: not enough evidence"


def _draft(
    metric: str, scores: tuple[float | None, float | None], spread: Spread, weight: float, reason: str | None
) -> Draft:
    before, after = scores
    if before is None or after is None or reason is not None:
        reason = reason or "the judge found not enough evidence in both reports"
        return Draft(Change(metric=metric, verdict="not_comparable", before=before, after=after, reason=reason))
    difference = after - before
    half = spread.half_width()
    change = Change(
        metric=metric,
        verdict="no_change",
        before=before,
        after=after,
        difference=difference,
        low=max(-10.0, difference - half),
        high=min(10.0, difference + half),
        method=spread.method,
    )
    hypothesis = Hypothesis(spread.p_value(difference), weight)
    return Draft(change, Test((hypothesis,), partial(_detectable, spread, weight)))


def _detectable(spread: Spread, weight: float, bound: float) -> float:
    """The size of a true change that had been found in 80 of 100 cases; at most 10, which is all there is."""
    return min(10.0, spread.half_width(weight * bound) + POWER_SD * spread.sd)
