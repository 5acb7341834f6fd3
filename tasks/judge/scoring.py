"""The arithmetic of a judgement: code computes the score and what is passed, never the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.judge.answer import Answer, Example
from tasks.judge.rubric import Criterion, weighted_mean


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge on one criterion, held against its threshold; ``score`` and ``passed`` are None without evidence."""

    criterion: str
    weight: float
    threshold: float
    score: float | None
    passed: bool | None
    reasoning: str
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted score over the criteria that were scored, and which share of the weight (0 to 1) that is.

    ``score`` is None when no criterion was scored; ``passed`` is None then, and False when any was not scored.
    """

    score: float | None
    passed: bool | None
    coverage: float


def build_verdicts(answer: Answer, rubric: Mapping[str, Criterion]) -> tuple[Verdict, ...]:
    """One verdict per criterion of ``rubric``, in its order."""
    verdicts = []
    for name, criterion in rubric.items():
        given = answer.criteria[name]
        verdicts.append(
            Verdict(
                criterion=name,
                weight=criterion.weight,
                threshold=criterion.threshold,
                score=given.score,
                passed=None if given.score is None else given.score >= criterion.threshold,
                reasoning=given.reasoning,
                examples=given.examples,
            )
        )
    return tuple(verdicts)


def score_verdicts(verdicts: tuple[Verdict, ...]) -> Score:
    """The weighted mean over the scored criteria, coverage by weight, passed: all scored and at threshold."""
    scored = [(verdict.score, verdict.weight) for verdict in verdicts if verdict.score is not None]
    score = weighted_mean(scored)
    covered = sum(weight for _, weight in scored) / sum(verdict.weight for verdict in verdicts)
    passed = None if score is None else all(verdict.passed is True for verdict in verdicts)
    return Score(score=score, passed=passed, coverage=1.0 if len(scored) == len(verdicts) else covered)
