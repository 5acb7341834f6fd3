"""Which statuses runs are left out for, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.evidence.left_out import LeftOut
from tasks.evidence.types import Run

MakeRun = Callable[..., Run]


def _runs(make_run: MakeRun, *statuses: str, **fields: Any) -> list[Run]:
    return [
        make_run(number, status=status, outcome="unfinished", **fields) for number, status in enumerate(statuses, 1)
    ]


def test_every_status_is_named_with_its_number_of_runs(make_run: MakeRun) -> None:
    left_out = LeftOut().add(_runs(make_run, "zzz-done", "running", "zzz-done", "", "zzz\n-done"))
    assert left_out.sentences() == [
        "5 runs are left out for a status other than completed, failed, timeout or error: "
        "zzz-done (2), no status (1), running (1), zzz -done (1)"
    ]
    assert left_out.short() == "zzz-done (2), no status (1), running (1), zzz -done (1)"


def test_finished_runs_are_not_left_out(make_run: MakeRun) -> None:
    left_out = LeftOut().add(
        [make_run(1, status="completed", outcome="success"), make_run(2, status="failed", outcome="failure")]
    )
    assert not left_out
    assert left_out.sentences() == []
    assert left_out.short() == ""


def test_a_finished_run_that_ends_in_the_future_is_not_one_of_an_odd_status(make_run: MakeRun) -> None:
    left_out = LeftOut().add(_runs(make_run, " Completed"))
    assert left_out.sentences() == [
        "1 finished run is left out for ending in the future (is duration_seconds in seconds?)"
    ]
    assert left_out.short() == "ending in the future (1)"


def test_many_and_long_statuses_are_cut(make_run: MakeRun) -> None:
    (said,) = LeftOut().add(_runs(make_run, *(f"status {number:02}" for number in range(12)), "x" * 5000)).sentences()
    assert "5 other statuses (5)" in said
    assert len(said) < 500
