"""Judging ends once, for one reason, and everyone who listens is woken."""

from __future__ import annotations

import time

import pytest

from tasks.errors import DeadlineError
from tasks.judge.endpoint.stop_signal import StopSignal


def test_the_first_reason_stays() -> None:
    stop = StopSignal()
    stop.check()
    assert (stop.kind, stop.reason) == (None, None)
    stop.end("fail_fast", "first")
    stop.end("timeout", "second")
    assert (stop.kind, stop.reason) == ("fail_fast", "first")


def test_listeners_are_woken_once_and_only_while_they_listen() -> None:
    stop, heard = StopSignal(), []
    with stop.listening(lambda: heard.append("early")):
        pass
    with stop.listening(lambda: heard.append("now")):
        stop.end("cancelled", "stopped")
    stop.end("cancelled", "again")
    assert heard == ["now"]


def test_a_wait_that_cannot_end_in_time_is_not_begun() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="before the endpoint may be asked again"):
        StopSignal().wait(10, started + 5)
