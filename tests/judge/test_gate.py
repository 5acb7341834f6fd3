"""The gate and the stop: how many calls at once, who waits for what, and who wakes whom."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.errors import JudgingEndedError
from tasks.judge.gate import DeadlineError, Gate, Stop


class Meter:
    """Counts who is inside at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.most = self.entered = 0

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1
            self.entered += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1


def pass_through(gate: Gate, meter: Meter, seconds: float = 0.005, stop: Stop | None = None) -> None:
    with gate.slot(time.monotonic() + 20, stop or Stop()), meter:
        time.sleep(seconds)


@pytest.mark.parametrize(("width", "most"), [(1, 1), (4, 4), (0, 40)])
def test_the_width_is_reached_and_never_exceeded(width: int, most: int) -> None:
    gate, meter = Gate(width), Meter()
    together = threading.Barrier(40)

    def enter() -> None:
        together.wait()
        pass_through(gate, meter, 0.3 if not width else 0.005)

    with ThreadPoolExecutor(40) as pool:
        for future in [pool.submit(enter) for _ in range(40)]:
            future.result()
    assert (meter.most, meter.entered, meter.inside) == (most, 40, 0)


def test_a_call_that_raises_gives_its_place_back() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), gate.slot(time.monotonic() + 5, Stop()):
            raise ZeroDivisionError


def test_a_hold_keeps_everybody_out_and_never_gets_shorter() -> None:
    gate = Gate(0)
    started = time.monotonic()
    gate.hold(0.3)
    gate.hold(0.05)
    with ThreadPoolExecutor(5) as pool:
        entered = list(pool.map(lambda _: _enter(gate), range(5)))
    assert all(0.3 <= moment - started < 2 for moment in entered)


def _enter(gate: Gate, seconds: float = 20, stop: Stop | None = None) -> float:
    with gate.slot(time.monotonic() + seconds, stop or Stop()):
        return time.monotonic()


def test_a_hold_that_comes_while_one_waits_holds_him_too() -> None:
    gate = Gate(1)
    with ThreadPoolExecutor(1) as pool:
        with gate.slot(time.monotonic() + 5, Stop()):
            waiting = pool.submit(_enter, gate)
            time.sleep(0.05)
            gate.hold(0.3)
            held = time.monotonic()
        assert waiting.result() - held >= 0.29


def test_who_waits_for_a_place_gives_up_at_the_deadline() -> None:
    gate = Gate(1)
    with gate.slot(time.monotonic() + 5, Stop()):
        started = time.monotonic()
        with pytest.raises(DeadlineError, match="no judge call could start"):
            _enter(gate, 0.2)
        assert 0.2 <= time.monotonic() - started < 1.5
    _enter(gate)


def test_a_hold_beyond_the_deadline_is_known_at_once() -> None:
    gate = Gate(0)
    gate.hold(60)
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="may not be asked again"):
        _enter(gate, 20)
    assert time.monotonic() - started < 1


def test_a_hold_beyond_the_deadline_reaches_those_who_wait_already() -> None:
    gate = Gate(1)
    with ThreadPoolExecutor(1) as pool, gate.slot(time.monotonic() + 5, Stop()):
        waiting = pool.submit(_enter, gate, 20)
        time.sleep(0.05)
        gate.hold(60)
        gate.set_limits(1)
        with pytest.raises(DeadlineError, match="may not be asked again"):
            waiting.result(timeout=3)


def test_the_end_wakes_everybody_who_waits() -> None:
    gate, stop, other = Gate(1), Stop(), Stop()
    with ThreadPoolExecutor(12) as pool, gate.slot(time.monotonic() + 30, Stop()):
        places = [pool.submit(_enter, gate, 25, stop) for _ in range(5)]
        pauses = [pool.submit(stop.wait, 20, time.monotonic() + 25) for _ in range(5)]
        untouched = pool.submit(other.wait, 0.5, time.monotonic() + 25)
        time.sleep(0.1)
        started = time.monotonic()
        stop.end("timeout", "the time is up")
        for future in places + pauses:
            with pytest.raises(JudgingEndedError, match="the time is up"):
                future.result(timeout=5)
        assert time.monotonic() - started < 2
        untouched.result()


def test_after_the_end_nobody_enters() -> None:
    gate, stop = Gate(0), Stop()
    stop.end("cancelled", "stopped")
    with pytest.raises(JudgingEndedError, match="stopped"):
        _enter(gate, 5, stop)
    with pytest.raises(JudgingEndedError, match="stopped"):
        stop.wait(0, time.monotonic() + 5)


def test_the_first_reason_stays() -> None:
    stop = Stop()
    stop.check()
    assert (stop.kind, stop.reason) == (None, None)
    stop.end("fail_fast", "first")
    stop.end("timeout", "second")
    assert (stop.kind, stop.reason) == ("fail_fast", "first")


def test_listeners_are_told_once_and_only_while_they_listen() -> None:
    stop, told = Stop(), []
    with stop.listening(lambda: told.append("early")):
        pass
    with stop.listening(lambda: told.append("now")):
        stop.end("cancelled", "stopped")
    stop.end("cancelled", "again")
    assert told == ["now"]


def test_a_wait_that_cannot_end_in_time_is_not_begun() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="before the endpoint may be asked again"):
        Stop().wait(10, started + 5)
    assert time.monotonic() - started < 1


def test_a_wider_gate_lets_in_who_waits() -> None:
    gate = Gate(1)
    with ThreadPoolExecutor(1) as pool, gate.slot(time.monotonic() + 5, Stop()):
        waiting = pool.submit(_enter, gate)
        time.sleep(0.05)
        assert not waiting.done()
        gate.set_limits(2)
        waiting.result(timeout=3)
