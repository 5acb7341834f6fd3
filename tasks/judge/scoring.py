"""The arithmetic of a judgement: code computes the score and what is passed, never the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tasks.evidence.types import RunId
from tasks.judge.answer import Example, JudgeAnswer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.rubric import weighted_mean
from tasks.judge.runs.scoring import score_checks
from tasks.judge.runs.verdict import RunVerdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """One criterion of an agent or the team, compared with its threshold; ``score`` is None without evidence.

    Counted from runs, it has an interval (``score_low`` to ``score_high``), ``runs_passed`` of ``runs_decided``, and
    ``coverage``, the share (0 to 1) of runs that are decided; ``passed`` is None where the interval holds the
    threshold. The judge's own score has none of these, and ``passed`` compares it as it is. ``kind`` is ``judge``, or
    what computed it. ``supported``: at least one citation holds. Of several samples ``score`` is the mean, ``spread``
    the difference between the highest and the lowest (None for less than two scores), ``unstable`` that they lie on
    both sides of the threshold.
    """

    criterion: str
    weight: float
    threshold: float
    score: float | None
    passed: bool | None
    reasoning: str
    examples: tuple[Example, ...]
    supported: bool
    scores: tuple[float, ...] = ()
    spread: float | None = None
    unstable: bool = False
    kind: str = "judge"
    score_low: float | None = None
    score_high: float | None = None
    runs_passed: int | None = None
    runs_decided: int | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted score over the criteria that were scored, and which share of the weight (0 to 1) that is.

    ``score`` is None when no criterion was scored. ``passed`` is False when a criterion fails, True when all pass, and
    None otherwise: too close to call, or not scored. The judge's own scores pass together only when all were given.
    """

    score: float | None
    passed: bool | None
    coverage: float


def build_verdicts(answers: Sequence[JudgeAnswer], rubric: Mapping[str, Criterion]) -> tuple[Verdict, ...]:
    """One verdict per criterion of ``rubric``, in its order, over all samples (at least one).

    The words and citations are those of the first answer: see ``typical_first``. A criterion is scored when more
    samples scored it than did not.
    """
    verdicts = []
    for name, criterion in rubric.items():
        words = answers[0].criteria[name]
        given = [answer.criteria[name].score for answer in answers]
        scores = tuple(score for score in given if score is not None)
        score = fmean(scores) if 2 * len(scores) > len(given) else None
        sides = {value >= criterion.threshold for value in scores}
        verdicts.append(
            Verdict(
                criterion=name,
                weight=criterion.weight,
                threshold=criterion.threshold,
                score=score,
                passed=None if score is None else score >= criterion.threshold,
                reasoning=words.reasoning,
                examples=words.examples,
                supported=bool(words.examples),
                scores=scores,
                spread=max(scores) - min(scores) if len(scores) > 1 else None,
                unstable=len(sides) > 1,
            )
        )
    return tuple(verdicts)


def count_verdicts(
    words: JudgeAnswer,
    run_verdicts: Sequence[RunVerdict],
    rubric: Mapping[str, Criterion],
    inclusion_of: Callable[[RunId], float],
) -> tuple[Verdict, ...]:
    """One verdict per criterion of ``rubric``, in its order, counted from the checks of runs; see ``score_checks``.

    Reasoning and examples are those of ``words``.
    """
    verdicts = []
    for name, criterion in rubric.items():
        answer = words.criteria[name]
        found = score_checks({verdict.run_id: verdict.checks.get(name) for verdict in run_verdicts}, inclusion_of)
        verdicts.append(
            Verdict(
                criterion=name,
                weight=criterion.weight,
                threshold=criterion.threshold,
                score=found.score,
                passed=found.passed(criterion.threshold),
                reasoning=answer.reasoning,
                examples=answer.examples,
                supported=bool(answer.examples) or any(verdict.evidence for verdict in run_verdicts),
                score_low=found.low,
                score_high=found.high,
                runs_passed=found.runs_passed,
                runs_decided=found.runs_decided,
                coverage=found.coverage,
            )
        )
    return tuple(verdicts)


def typical_first(answers: Sequence[JudgeAnswer], rubric: Mapping[str, Criterion]) -> list[JudgeAnswer]:
    """``answers`` with the one in front whose scores are nearest to the means: its words go with the scores."""
    means = {
        name: fmean(scores)
        for name in rubric
        if (scores := [score for answer in answers if (score := answer.criteria[name].score) is not None])
    }

    def distance(answer: JudgeAnswer) -> float:
        scores = {name: answer.criteria[name].score for name in means}
        # One that abstained where others scored is as far off as can be.
        return sum(
            rubric[name].weight * (10.0 if score is None else abs(score - means[name]))
            for name, score in scores.items()
        )

    first = min(answers, key=distance)
    return [first, *(answer for answer in answers if answer is not first)]


def score_verdicts(verdicts: tuple[Verdict, ...]) -> Score:
    """The weighted mean over the scored criteria, coverage by weight, and whether all pass; see ``Score``."""
    scored = [(verdict.score, verdict.weight) for verdict in verdicts if verdict.score is not None]
    score = weighted_mean(scored)
    if not verdicts:
        return Score(score=None, passed=None, coverage=0.0)
    covered = sum(weight for _, weight in scored) / sum(verdict.weight for verdict in verdicts)
    return Score(score=score, passed=_passed(verdicts), coverage=1.0 if len(scored) == len(verdicts) else covered)


def _passed(verdicts: Sequence[Verdict]) -> bool | None:
    if all(verdict.score is None for verdict in verdicts):
        return None
    if any(verdict.passed is False for verdict in verdicts):
        return False
    if all(verdict.passed for verdict in verdicts):
        return True
    # The judge's own score that is missing is one that it could not support.
    return False if all(verdict.runs_decided is None for verdict in verdicts) else None
