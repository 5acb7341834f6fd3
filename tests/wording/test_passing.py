"""Passing in words."""

from __future__ import annotations

import pytest

from tasks.wording.passing import describe_passed, describe_undecided


@pytest.mark.parametrize(
    ("passed", "score", "words"),
    [
        (True, 9.0, "passes"),
        (False, 2.0, "fails"),
        (None, 7.1, "too close to call"),
        (None, None, "not scored"),
    ],
)
def test_describe_passed(passed: bool | None, score: float | None, words: str) -> None:
    assert describe_passed(passed, score) == words


@pytest.mark.parametrize(
    ("more_runs", "words"),
    [
        (0, ""),
        (1, "about 1 more run would decide it"),
        (7, "about 7 more runs would decide it"),
        (41, "about 50 more runs would decide it"),
        (1234, "about 1,240 more runs would decide it"),
        (None, "the rate is so close to the threshold that more runs would hardly decide it"),
    ],
)
def test_describe_undecided(more_runs: int | None, words: str) -> None:
    assert describe_undecided(more_runs) == words
