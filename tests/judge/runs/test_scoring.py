"""Verdicts on runs counted into the scores of criteria, and over samples of the judge."""

from __future__ import annotations

import pytest

from tasks.judge.runs.scoring import combine_samples, score_checks
from tasks.judge.runs.verdict import Check, RunVerdict, Success
from tasks.statistics.weighted import estimate_share


def _checks(passes: int, fails: int, undecided: int = 0, unusable: int = 0) -> dict[str, Check | None]:
    given: list[Check | None] = ["pass"] * passes + ["fail"] * fails + ["cannot_tell"] * undecided + [None] * unusable
    return {str(number): check for number, check in enumerate(given)}


def _sure(run_id: str) -> float:
    return 1.0


def test_the_score_is_ten_times_the_share_of_decided_runs_that_pass() -> None:
    found = score_checks(_checks(12, 4, undecided=4), _sure)
    assert (found.score, found.runs_passed, found.runs_decided, found.coverage) == (7.5, 12, 16, 0.8)
    assert (found.low, found.high) == _interval(12, 4)


def test_the_interval_holds_what_the_score_would_be_whatever_answers_that_cannot_be_used_had_been() -> None:
    found = score_checks(_checks(12, 4, undecided=3, unusable=4), _sure)
    assert (found.score, found.runs_passed, found.runs_decided) == (7.5, 12, 16)
    assert (found.low, found.high) == (_interval(12, 8)[0], _interval(16, 4)[1])
    # A judge that leaves out what failed cannot make an agent pass.
    assert score_checks(_checks(12, 0), _sure).passed(7) is True
    assert score_checks(_checks(12, 0, undecided=8), _sure).passed(7) is True
    assert score_checks(_checks(12, 0, unusable=8), _sure).passed(7) is None
    assert score_checks(_checks(0, 12, unusable=8), _sure).passed(5) is None


def _interval(passes: int, fails: int) -> tuple[float, float]:
    share = estimate_share([True] * passes + [False] * fails, [1.0] * (passes + fails))
    assert share.low is not None
    assert share.high is not None
    return 10 * share.low, 10 * share.high


@pytest.mark.parametrize(("passes", "fails", "score"), [(2, 0, None), (1, 1, None), (0, 0, None), (3, 0, 10.0)])
def test_below_three_decided_runs_there_is_no_score(passes: int, fails: int, score: float | None) -> None:
    found = score_checks(_checks(passes, fails, undecided=5), _sure)
    assert found.score == score
    if score is None:
        assert (found.low, found.high, found.passed(0)) == (None, None, None)
    assert score_checks({}, _sure).coverage == 0.0


@pytest.mark.parametrize(
    ("passes", "fails", "threshold", "passed"),
    [
        (20, 0, 7, True),
        (0, 20, 7, False),
        (14, 6, 7, None),
        (19, 1, 7, True),
        (5, 15, 7, False),
        (20, 0, 10, True),
        (99, 1, 10, False),
    ],
)
def test_what_passes_for_certain_what_fails_and_what_is_too_close(
    passes: int, fails: int, threshold: float, passed: bool | None
) -> None:
    assert score_checks(_checks(passes, fails), _sure).passed(threshold) is passed


def test_every_run_passes_where_all_are_decided_and_all_were_read() -> None:
    assert score_checks(_checks(20, 0, undecided=1), _sure).passed(10) is None
    assert score_checks(_checks(20, 0), lambda _: 0.5).passed(10) is None


def test_a_run_stands_for_as_many_as_its_inclusion_has_it() -> None:
    # Five failing runs were all drawn, of a hundred others every twentieth.
    inclusion = {str(number): 0.05 if number < 5 else 1.0 for number in range(10)}
    found = score_checks(_checks(5, 5), inclusion.__getitem__)
    assert found.score == pytest.approx(10 * 100 / 105)


def _verdict(success: Success | None, check: Check = "pass", **fields: object) -> RunVerdict:
    return RunVerdict("7", "R1", success, {"accuracy": check} if success else {}, **fields)  # type: ignore[arg-type]


def test_samples_are_combined_by_what_most_of_them_answer() -> None:
    [one] = combine_samples([[_verdict("yes")], [_verdict("no", "fail", failure_mode="x")], [_verdict("no", "fail")]])
    assert (one.success, one.checks, one.failure_mode, one.unstable) == ("no", {"accuracy": "fail"}, "x", True)


def test_samples_that_are_evenly_divided_cannot_tell() -> None:
    [one] = combine_samples([[_verdict("yes")], [_verdict("no", "fail")]])
    assert (one.success, one.checks, one.unstable) == ("cannot_tell", {"accuracy": "cannot_tell"}, True)


def test_a_sample_without_a_usable_verdict_does_not_count() -> None:
    unusable = _verdict(None, problem="left out")
    [one] = combine_samples([[unusable], [_verdict("yes")]])
    assert (one.success, one.unstable) == ("yes", False)
    assert combine_samples([[unusable], [unusable]]) == (unusable,)
