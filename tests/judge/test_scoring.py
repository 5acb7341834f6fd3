"""Scores are computed by code: weighted over what was scored, with coverage, passed only as a whole."""

from __future__ import annotations

import pytest

from tasks.judge.answer import Citation, CriterionAnswer, Example, JudgeAnswer
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.scoring import Score, build_verdicts, score_verdicts, typical_first


def score(scores: dict[str, float | None], rubric: dict[str, Criterion]) -> Score:
    answer = JudgeAnswer({name: CriterionAnswer("why", value) for name, value in scores.items()})
    return score_verdicts(build_verdicts([answer], rubric))


@pytest.mark.parametrize(
    ("accuracy", "care", "expected"),
    [
        (8, 6, Score(7.5, True, 1.0)),
        (7, 5, Score(6.5, True, 1.0)),
        (6.9, 10, Score((6.9 * 3 + 10) / 4, False, 1.0)),
        (10, 4.9, Score((30 + 4.9) / 4, False, 1.0)),
        (0, 0, Score(0.0, False, 1.0)),
        # Not measured is left out and makes it no pass; it is never a zero.
        (8, None, Score(8.0, False, 0.75)),
        (None, 6, Score(6.0, False, 0.25)),
        (None, None, Score(None, None, 0.0)),
    ],
)
def test_score_passed_and_coverage(
    accuracy: float | None, care: float | None, expected: Score, rubric: dict[str, Criterion]
) -> None:
    found = score({"accuracy": accuracy, "care": care}, rubric)
    assert found.score == (None if expected.score is None else pytest.approx(expected.score))
    assert (found.passed, found.coverage) == (expected.passed, pytest.approx(expected.coverage))


def test_whole_coverage_is_exactly_one() -> None:
    rubric = {f"c{n}": Criterion(weight=0.1) for n in range(3)}
    assert score(dict.fromkeys(rubric, 7.0), rubric) == Score(pytest.approx(7.0), True, 1.0)


def test_weights_are_relative() -> None:
    scores: dict[str, float | None] = {"a": 2, "b": 8}
    for factor in (1e-6, 1, 1e5):
        rubric = {"a": Criterion(weight=factor), "b": Criterion(weight=2 * factor)}
        assert score(scores, rubric).score == pytest.approx(6)


def test_verdicts_come_in_the_order_of_the_rubric(rubric: dict[str, Criterion]) -> None:
    examples = (Example(Citation("R1", 3, "", "ok"), "Seen."),)
    answer = JudgeAnswer({"care": CriterionAnswer("why", None), "accuracy": CriterionAnswer("because", 7.0, examples)})
    first, second = build_verdicts([answer], rubric)
    assert (first.criterion, first.weight, first.threshold, first.score, first.passed) == ("accuracy", 3, 7, 7, True)
    assert (first.reasoning, first.examples) == ("because", examples)
    assert (second.criterion, second.score, second.passed, second.examples) == ("care", None, None, ())
    assert (first.supported, second.supported) == (True, False)
    assert (first.scores, first.spread, first.unstable) == ((7.0,), None, False)


def answers(*accuracies: float | None) -> list[JudgeAnswer]:
    """An answer for each score for accuracy; its reasoning is the score."""
    return [
        JudgeAnswer({"accuracy": CriterionAnswer(str(score), score), "care": CriterionAnswer("", 6)})
        for score in accuracies
    ]


@pytest.mark.parametrize(
    ("given", "score", "spread", "unstable"),
    [
        ([8.0, 9.0, 7.0], 8.0, 2.0, False),
        ([6.0, 8.0], 7.0, 2.0, True),
        ([6.5, 6.0, 2.0], 4.833, 4.5, False),
        ([8.0, None, 9.0], 8.5, 1.0, False),
        ([8.0, None, None], None, None, False),
        ([8.0, None], None, None, False),
        ([None, None], None, None, False),
    ],
)
def test_of_several_samples_the_mean_and_the_spread(
    given: list[float | None], score: float | None, spread: float | None, unstable: bool, rubric: dict[str, Criterion]
) -> None:
    accuracy, care = build_verdicts(answers(*given), rubric)
    assert accuracy.score == (None if score is None else pytest.approx(score, abs=1e-3))
    assert (accuracy.spread, accuracy.unstable) == (spread, unstable)
    assert accuracy.scores == tuple(value for value in given if value is not None)
    assert (care.score, care.unstable) == (6, False)


@pytest.mark.parametrize(
    ("given", "first"),
    [([2.0, 8.0, 7.0], "7.0"), ([None, 5.0], "5.0"), ([5.0, 5.0], "5.0"), ([None, None], "None")],
)
def test_the_words_are_those_of_the_sample_nearest_to_the_mean(
    given: list[float | None], first: str, rubric: dict[str, Criterion]
) -> None:
    ordered = typical_first(answers(*given), rubric)
    assert ordered[0].criteria["accuracy"].reasoning == first
    assert len(ordered) == len(given)
