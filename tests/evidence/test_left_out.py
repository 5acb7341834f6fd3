"""Which statuses runs are left out for, in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.evidence.left_out import LeftOut, is_future
from tasks.evidence.types import FutureRuns, Run

MakeRun = Callable[..., Run]
STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _runs(make_run: MakeRun, *statuses: str, **fields: Any) -> list[Run]:
    return [
        make_run(number, status=status, outcome="unfinished", **fields) for number, status in enumerate(statuses, 1)
    ]


def test_every_status_is_named_with_its_number_of_runs(make_run: MakeRun) -> None:
    odd = _runs(make_run, "zzz-done", "zzz-done", "", "zzz\n-done", left_out_for="unknown status")
    left_out = LeftOut().add([*odd, *_runs(make_run, "running", "cancelled", "running", left_out_for="status")])
    assert left_out.sentences() == [
        "3 runs are left out as unfinished: running (2), cancelled (1)",
        "4 runs are left out for an unknown status: zzz-done (2), no status (1), zzz -done (1) "
        "(statuses in AGENT_REPORT_SOURCE_MAPPING gives a word its meaning)",
    ]
    assert left_out.short() == "running (2), zzz-done (2), cancelled (1), no status (1), zzz -done (1)"


def test_finished_runs_are_not_left_out(make_run: MakeRun) -> None:
    left_out = LeftOut().add(
        [make_run(1, status="completed", outcome="completed"), make_run(2, status="failed", outcome="failed")]
    )
    assert not left_out
    assert left_out.sentences() == []
    assert left_out.short() == ""


def test_a_finished_run_that_ends_in_the_future_is_not_one_of_an_odd_status(make_run: MakeRun) -> None:
    left_out = LeftOut(now=STARTED).add(
        _runs(make_run, " Completed", left_out_for="end", completed_at=STARTED + timedelta(hours=3))
    )
    assert left_out.sentences() == [
        "1 finished run is left out for ending in the future, as run 1 at 2026-03-01 15:00 UTC "
        "(is duration_seconds in seconds, and are the dates in UTC?)"
    ]
    assert left_out.short() == "ending in the future (1)"


def test_a_duration_beyond_all_dates_ends_in_the_future(make_run: MakeRun) -> None:
    ends = {"completed_at": None, "duration_seconds": 1e300, "left_out_for": "end"}
    left_out = LeftOut(now=STARTED).add(_runs(make_run, "failed", **ends))
    assert left_out.short() == "ending in the future (1)"


def test_a_run_that_ended_while_the_report_was_made_does_not_lie_in_the_future(make_run: MakeRun) -> None:
    """Also where a report is resumed, days after the moment up to which it looks."""
    left_out = LeftOut(now=STARTED + timedelta(days=3)).add(_runs(make_run, "completed", left_out_for="end"))
    assert left_out.sentences() == ["1 run is left out for ending after the moment up to which the report looks"]
    assert left_out.short() == "ended since (1)"


def test_runs_that_start_in_the_future_are_counted_over_agents() -> None:
    left_out = LeftOut().add([], FutureRuns(count=2, latest=STARTED)).add([], FutureRuns())
    left_out.add([], FutureRuns(count=1, latest=STARTED + timedelta(hours=1)))
    assert left_out
    assert left_out.sentences() == [
        "3 runs are left out for starting in the future, the last at 2026-03-01 13:00 UTC (are the dates in UTC?)"
    ]
    assert left_out.short() == "starting in the future (3)"


def test_clocks_may_differ_by_seconds() -> None:
    assert not is_future(STARTED + timedelta(seconds=50), STARTED)
    assert is_future(STARTED + timedelta(seconds=70), STARTED)


def test_many_and_long_statuses_are_cut(make_run: MakeRun) -> None:
    statuses = (f"status {number:02}" for number in range(12))
    (sentence,) = LeftOut().add(_runs(make_run, *statuses, "x" * 5000)).sentences()
    assert "5 other statuses (5)" in sentence
    assert len(sentence) < 500
