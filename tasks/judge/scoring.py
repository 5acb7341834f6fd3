"""The arithmetic of a judgement: code computes the score and what is passed, never the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tasks.judge.answer import Example, JudgeAnswer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.rubric import weighted_mean


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score on one criterion, compared with its threshold; ``score`` and ``passed`` are None without evidence.

    ``kind`` says who decided, the judge or code. Of a score that is a share of runs, ``score_low`` to ``score_high`` is
    the 95 % interval, ``runs_passed`` of ``runs_decided`` are the runs behind it, and ``coverage`` is the share of runs
    (0 to 1) that are decided; None of any other.

    ``supported``: at least one citation holds. Of several samples ``score`` is the mean, ``spread`` the difference
    between the highest and the lowest (None for less than two scores), ``unstable`` that they lie on both sides of the
    threshold.
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

    ``score`` is None when no criterion was scored; ``passed`` is None then, and False when any was not scored.
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
    """The weighted mean over the scored criteria, coverage by weight, passed: all scored and at threshold."""
    scored = [(verdict.score, verdict.weight) for verdict in verdicts if verdict.score is not None]
    score = weighted_mean(scored)
    if not verdicts:
        return Score(score=None, passed=None, coverage=0.0)
    covered = sum(weight for _, weight in scored) / sum(verdict.weight for verdict in verdicts)
    passed = None if score is None else all(verdict.passed is True for verdict in verdicts)
    return Score(score=score, passed=passed, coverage=1.0 if len(scored) == len(verdicts) else covered)
