"""How much scores move when nothing has changed: the judge's own noise, that of which runs there were, and history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tasks.comparison.samples import variance_factor
from tasks.evidence.types import AgentId
from tasks.report.rows import CriterionRow
from tasks.report.stored_report import ScoreRow, StoredReport

JUDGE_SD = 0.9
"""Standard deviation of one judge answer's weighted score, in points of 10, where nothing better is known. Chosen on
the high side: judges asked the same twice differ by half a point to a point on such scales."""

CRITERION_SD = 1.2
"""The same of one criterion, which no other averages out."""

_LEAST_DIFFERENCES = 12
# How many of the differences of history what is assumed beforehand is worth.
_PRIOR_WORTH = 6
# Of normally distributed values, a median absolute deviation is as good an estimate of the spread as a standard
# deviation over 37% of them.
_MAD_EFFICIENCY = 0.37
# A run more or less makes no other pair of reports.
_ALIKE = 0.89
_MAD_TO_SD = 1.4826
_TENTH_TO_SD = 1.6449


@dataclass(frozen=True, slots=True)
class Spread:
    """The standard deviation of the difference of two scores without a change, in points of 10; how many degrees of
    freedom it is known with (None: assumed, taken as known); and where it is from."""

    sd: float
    freedom: float | None
    method: str

    def p_value(self, difference: float) -> float:
        """Two-sided."""
        size = -abs(difference) / self.sd
        return float(2 * (special.ndtr(size) if self.freedom is None else special.stdtr(self.freedom, size)))

    def half_width(self, p_value: float = 0.05) -> float:
        """The difference that has this p-value: of 0.05, half of the 95% interval."""
        tail = max(p_value, 1e-15) / 2
        size = special.ndtri(tail) if self.freedom is None else special.stdtrit(self.freedom, tail)
        return float(-size) * self.sd


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of the noise of the scores in two reports; ``spread`` has it for one agent.

    ``judge_variance`` is of one answer on one criterion, from reports that asked several times; ``moved`` how far
    scores moved between earlier comparable reports, as a standard deviation, and over how many differences, between
    which as many runs were others as give ``moved_factor`` (see ``variance_factor``), or more.
    """

    judge_variance: float | None = None
    moved_factor: float = 0.0
    moved: tuple[float, int] | None = None
    moved_criterion: tuple[float, int] | None = None

    def spread(self, *, criterion: bool, samples: tuple[int, int], runs: tuple[RunNoise, RunNoise]) -> Spread:
        """The spread of a difference; ``samples`` are the answers before and after, ``runs`` the noise of the runs.

        Three parts. The judge: an answer's variance as measured (else as assumed), over the number of answers. The
        runs: a report sees some 20 of all that might have been, and a score of 0 to 10 that follows their success
        varies as ten times the completion rate does. History: from 12 differences between earlier comparable reports
        on, their robust spread, which holds both and everything else that moves scores, is weighed against the sum of
        the first two, that sum being worth 6 differences. What an agent's fewer or other runs add to that comes on top.
        """
        assumed = CRITERION_SD if criterion else JUDGE_SD
        answer = assumed**2 if self.judge_variance is None else max(self.judge_variance, 0.01)
        judge = answer / max(1, samples[0]) + answer / max(1, samples[1])
        expected = judge + runs[0].variance + runs[1].variance
        words = "assumed" if self.judge_variance is None else "measured by several answers"
        moved = self.moved_criterion if criterion else self.moved
        if moved is None or moved[1] < _LEAST_DIFFERENCES:
            return Spread(expected**0.5, None, f"judge's noise {words}, runs' from their outcomes")
        worth = _MAD_EFFICIENCY * moved[1]
        variance = (worth * moved[0] ** 2 + _PRIOR_WORTH * expected) / (worth + _PRIOR_WORTH)
        factor = runs[0].factor + runs[1].factor
        if factor > self.moved_factor:
            variance += (1 - self.moved_factor / factor) * (runs[0].variance + runs[1].variance)
        if self.judge_variance is not None:
            # Scores cannot be steadier than the judge is with itself.
            variance = max(variance, judge)
        return Spread(variance**0.5, worth + _PRIOR_WORTH, f"noise from {moved[1]} moves between earlier reports")


@dataclass(frozen=True, slots=True)
class RunNoise:
    """The variance of a score (points of 10) that comes from which runs there were; as if ``own`` of ``runs`` were
    read by this report only: those that both saw make no difference, unless one had fewer, and each counted more.
    """

    hits: int
    runs: int
    own: float

    @property
    def factor(self) -> float:
        """How often the variance of one run; 0 without runs."""
        return self.own / self.runs**2 if self.runs else 0.0

    @property
    def variance(self) -> float:
        """By the rule of succession, as 20 of 20 are no proof of a rate of 1; 0 without runs."""
        rate = (self.hits + 1) / (self.runs + 2)
        return 100 * rate * (1 - rate) * self.factor


def measure_noise(readings: Sequence[StoredReport], history: Sequence[ScoreRow], factor: float = 0.0) -> Noise:
    """The noise from the several answers in ``readings`` and from the scores of earlier comparable reports.

    ``factor`` is how much other runs make of the difference between the two that are compared (``variance_factor``).
    Reports that have more runs in common move less: such a pair is no measure of the noise of these two, and each is
    compared with the next one that has as many others. A reused score (the same answer, from the ledger) is no new
    measurement, and is left out.
    """
    answers = [
        scores for reading in readings for row in reading.criteria if (scores := row["scores"]) and len(scores) > 1
    ]
    return Noise(
        judge_variance=_pooled(answers),
        moved_factor=factor,
        moved=_moved([row for row in history if row.criterion is None], factor),
        moved_criterion=_moved([row for row in history if row.criterion is not None], factor),
    )


def _pooled(answers: Sequence[Sequence[float]]) -> float | None:
    freedom = sum(len(scores) - 1 for scores in answers)
    if freedom < _LEAST_DIFFERENCES:
        return None
    return float(sum((len(scores) - 1) * np.var(scores, ddof=1) for scores in answers)) / freedom


def _moved(rows: Sequence[ScoreRow], factor: float) -> tuple[float, int] | None:
    """The robust standard deviation of the moves from one report to a later one, and their number; None without any.

    The median is right whatever few agents really changed; the tenth largest of a hundred shows that some agents move
    more than most, which the median does not: the larger of both counts.
    """
    series: dict[tuple[AgentId | None, str | None], list[ScoreRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.report_id):
        series[row.agent_id, row.criterion].append(row)
    moves = [move for scores in series.values() for move in _moves(scores, factor)]
    if not moves:
        return None
    return max(_MAD_TO_SD * float(np.median(moves)), float(np.percentile(moves, 90)) / _TENTH_TO_SD), len(moves)


def _moves(scores: Sequence[ScoreRow], factor: float) -> Iterator[float]:
    """How far one score moved, from each report to the next that has enough other runs, and on from there."""
    earlier: ScoreRow | None = None
    for later in scores:
        if earlier is None:
            earlier = later
        elif not later.reused and _factor(earlier, later) >= _ALIKE * factor:
            yield abs(later.score - earlier.score)
            earlier = later


def _factor(earlier: ScoreRow, later: ScoreRow) -> float:
    return variance_factor(len(earlier.run_ids), len(later.run_ids), len(earlier.run_ids & later.run_ids))


def count_samples(rows: Sequence[CriterionRow]) -> int:
    """How many answers the scores of an agent are the means of; at least 1."""
    return max([1, *(len(row["scores"] or ()) for row in rows)])
