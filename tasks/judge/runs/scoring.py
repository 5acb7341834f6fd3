"""Verdicts on runs counted: over samples of the judge, and into the scores of criteria."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from tasks.evidence.types import RunId
from tasks.judge.runs.verdict import Check, RunVerdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.passing import decide_share
from tasks.statistics.weighted import estimate_share

LEAST_DECIDED = 3
"""Below so many decided runs a criterion has no score."""

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class RunScore:
    """A criterion over runs. ``score`` is 0 to 10 with its 95% interval; None each below three decided runs.

    ``coverage`` is the share of runs (0 to 1) that are decided. ``is_every``: all that the report is about are.
    """

    score: float | None
    low: float | None
    high: float | None
    runs_passed: int
    runs_decided: int
    coverage: float
    is_every: bool = False

    def passed(self, threshold: float) -> bool | None:
        """Whether the whole interval is at ``threshold`` or above, or below it; None: too close, or no score."""
        value, low, high = (None if bound is None else bound / 10 for bound in (self.score, self.low, self.high))
        return decide_share(Estimate(value=value, low=low, high=high), threshold / 10, is_every=self.is_every)


def score_checks(checks: Mapping[RunId, Check | None], inclusion_of: Callable[[RunId], float]) -> RunScore:
    """Ten times the share of decided runs that pass, weighted by how many runs of the population each stands for.

    ``checks`` holds every run that was judged; None is an answer that could not be used. Which runs
    these are is not random: the interval also holds the score if they all passed, or all failed.
    """
    decided = {run_id: check == "pass" for run_id, check in checks.items() if check in ("pass", "fail")}
    coverage = len(decided) / len(checks) if checks else 0.0
    passed = sum(decided.values())
    if len(decided) < LEAST_DECIDED:
        return RunScore(None, None, None, passed, len(decided), coverage)
    weights = [1 / inclusion_of(run_id) for run_id in decided]
    unusable = [1 / inclusion_of(run_id) for run_id, check in checks.items() if check is None]
    share = estimate_share(list(decided.values()), weights, unusable)
    score, low, high = (None if value is None else 10 * value for value in (share.value, share.low, share.high))
    is_every = len(decided) == len(checks) and all(inclusion_of(run_id) >= 1 for run_id in checks)
    return RunScore(score, low, high, passed, len(decided), coverage, is_every)


def combine_samples(samples: Sequence[Sequence[RunVerdict]]) -> tuple[RunVerdict, ...]:
    """One verdict for each run over all samples: what most samples answered, cannot_tell where as many are against.

    The words and quotes are of the first sample that answers so. In the order of first appearance.
    """
    by_run: dict[RunId, list[RunVerdict]] = {}
    for sample in samples:
        for verdict in sample:
            by_run.setdefault(verdict.run_id, []).append(verdict)
    return tuple(_combined(verdicts) for verdicts in by_run.values())


def _combined(verdicts: Sequence[RunVerdict]) -> RunVerdict:
    if len(verdicts) == 1:
        return verdicts[0]
    usable = [verdict for verdict in verdicts if verdict.success is not None]
    if not usable:
        return verdicts[0]
    success = _most(verdict.success for verdict in usable if verdict.success is not None)
    words = next((verdict for verdict in usable if verdict.success == success), usable[0])
    names = dict.fromkeys(name for verdict in usable for name in verdict.checks)
    return replace(
        words,
        success=success,
        checks={name: _most(verdict.checks[name] for verdict in usable if name in verdict.checks) for name in names},
        unstable=len({verdict.success for verdict in usable}) > 1,
        quotes_dropped=sum(verdict.quotes_dropped for verdict in verdicts),
    )


def _most(answers: Iterable[T]) -> T:
    """What most ``answers`` (at least one) are; cannot_tell where two are as frequent."""
    counts = Counter(answers).most_common(2)
    is_tie = len(counts) > 1 and counts[0][1] == counts[1][1]
    return cast(T, "cannot_tell") if is_tie else counts[0][0]
