"""What to know of a judge whose verdicts are all alike, or that calls runs a success that did not complete."""

from __future__ import annotations

from typing import cast

import pytest

from tasks.report.doubts import doubt_judge, doubt_successes
from tasks.report.rows import RunRow

_UNKNOWN = "is not known: label some runs before you rely on its verdicts."


def _runs(*parts: tuple[int, str | None, bool]) -> list[RunRow]:
    """So many runs of each verdict, and whether they completed."""
    return [
        cast(RunRow, {"verdict": verdict, "completed": completed})
        for count, verdict, completed in parts
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("runs", "beginning"),
    [
        (
            _runs((40, "yes", True)),
            f"The judge called all 40 runs a success. Whether it would notice a failure {_UNKNOWN}",
        ),
        (
            _runs((36, "yes", True), (12, "yes", False)),
            "The judge called all 48 runs a success, also the 12 that did not complete. Whether it would notice a "
            f"failure {_UNKNOWN}",
        ),
        (
            _runs((9, "yes", True), (1, "yes", False)),
            "The judge called all 10 runs a success, also the one that did not",
        ),
        (
            _runs((40, "no", True)),
            f"The judge called none of 40 runs a success. Whether it would notice a success {_UNKNOWN}",
        ),
        # The judge distinguishes runs, or there are too few that it decided.
        (_runs((39, "yes", True), (1, "no", True)), ""),
        (_runs((9, "yes", True), (5, "cannot_tell", True), (5, None, False)), ""),
        ([], ""),
    ],
)
def test_a_judge_that_answers_the_same_on_every_run(runs: list[RunRow], beginning: str) -> None:
    found = doubt_judge(runs)
    assert found.startswith(beginning)
    assert bool(found) == bool(beginning)


def test_a_success_of_a_run_that_did_not_complete() -> None:
    runs = _runs((5, "yes", True), (2, "yes", False), (3, "no", False), (1, None, False), (1, "cannot_tell", False))
    assert doubt_successes(runs) == "the judge calls 2 of 5 runs a success that did not complete"
    assert doubt_successes(_runs((5, "yes", True), (3, "no", False))) == ""
