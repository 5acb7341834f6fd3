"""The limiter and the stop: how many calls at once, who waits for what, and who wakes whom."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tasks.errors import DeadlineError, JudgingEndedError
from tasks.judge.endpoint.limiter import Permit, RateLimiter
from tasks.judge.endpoint.stop_signal import StopSignal


class Clock:
    """A time that only the test moves on."""

    def __init__(self) -> None:
        # Deadlines of helpers that are given no clock are of this one.
        self.seconds = time.monotonic()

    def __call__(self) -> float:
        return self.seconds


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


def pass_through(limiter: RateLimiter, meter: Meter, seconds: float = 0.005, stop: StopSignal | None = None) -> None:
    with limiter.slot(time.monotonic() + 20, stop or StopSignal()), meter:
        time.sleep(seconds)


@pytest.mark.parametrize(("width", "most"), [(1, 1), (4, 4), (0, 40)])
def test_the_width_is_reached_and_never_exceeded(width: int, most: int) -> None:
    limiter, meter = RateLimiter(width), Meter()
    together = threading.Barrier(40)

    def enter() -> None:
        together.wait()
        pass_through(limiter, meter, 0.3 if not width else 0.005)

    with ThreadPoolExecutor(40) as pool:
        for future in [pool.submit(enter) for _ in range(40)]:
            future.result()
    assert (meter.most, meter.entered, meter.inside) == (most, 40, 0)


def test_a_call_that_raises_gives_its_place_back() -> None:
    limiter = RateLimiter(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limiter.slot(time.monotonic() + 5, StopSignal()):
            raise ZeroDivisionError


def test_a_hold_keeps_everybody_out_and_never_gets_shorter() -> None:
    limiter = RateLimiter(0)
    started = time.monotonic()
    limiter.hold(0.3)
    limiter.hold(0.05)
    with ThreadPoolExecutor(5) as pool:
        entered = list(pool.map(lambda _: _enter(limiter), range(5)))
    assert all(moment - started >= 0.3 for moment in entered)


def _enter(limiter: RateLimiter, seconds: float = 20, stop: StopSignal | None = None) -> float:
    with limiter.slot(time.monotonic() + seconds, stop or StopSignal()):
        return time.monotonic()


def test_a_hold_that_comes_while_one_waits_holds_him_too() -> None:
    limiter = RateLimiter(1)
    with ThreadPoolExecutor(1) as pool:
        with limiter.slot(time.monotonic() + 5, StopSignal()):
            waiting = pool.submit(_enter, limiter)
            time.sleep(0.05)
            limiter.hold(0.3)
            held = time.monotonic()
        assert waiting.result() - held >= 0.29


def test_who_waits_for_a_place_gives_up_at_the_deadline() -> None:
    limiter = RateLimiter(1)
    with (
        limiter.slot(time.monotonic() + 5, StopSignal()),
        pytest.raises(DeadlineError, match="no judge call could start"),
    ):
        _enter(limiter, 0.2)
    _enter(limiter)


def test_a_hold_beyond_the_deadline_is_known_at_once() -> None:
    limiter = RateLimiter(0)
    limiter.hold(60)
    with pytest.raises(DeadlineError, match="may not be asked again"):
        _enter(limiter, 20)


def test_a_hold_beyond_the_deadline_reaches_those_who_wait_already() -> None:
    limiter = RateLimiter(1)
    with ThreadPoolExecutor(2) as pool, limiter.slot(time.monotonic() + 5, StopSignal()):
        waiting = [pool.submit(_enter, limiter, seconds) for seconds in (10, 20)]
        time.sleep(0.05)
        limiter.hold(60)
        for future in waiting:
            with pytest.raises(DeadlineError, match="may not be asked again"):
                future.result(timeout=3)


def test_the_end_wakes_everybody_who_waits() -> None:
    limiter, stop, other = RateLimiter(1), StopSignal(), StopSignal()
    with ThreadPoolExecutor(12) as pool, limiter.slot(time.monotonic() + 30, StopSignal()):
        permits = [pool.submit(_enter, limiter, 25, stop) for _ in range(5)]
        pauses = [pool.submit(stop.wait, 20, time.monotonic() + 25) for _ in range(5)]
        untouched = pool.submit(other.wait, 0.5, time.monotonic() + 25)
        time.sleep(0.1)
        stop.end("timeout", "the time is up")
        for future in permits + pauses:
            with pytest.raises(JudgingEndedError, match="the time is up"):
                future.result(timeout=5)
        untouched.result()


def test_after_the_end_nobody_enters() -> None:
    limiter, stop = RateLimiter(0), StopSignal()
    stop.end("cancelled", "stopped")
    with pytest.raises(JudgingEndedError, match="stopped"):
        _enter(limiter, 5, stop)
    with pytest.raises(JudgingEndedError, match="stopped"):
        stop.wait(0, time.monotonic() + 5)


def test_a_wider_limiter_lets_in_who_waits() -> None:
    limiter = RateLimiter(1)
    with ThreadPoolExecutor(1) as pool, limiter.slot(time.monotonic() + 5, StopSignal()):
        waiting = pool.submit(_enter, limiter)
        time.sleep(0.05)
        assert not waiting.done()
        limiter.set_limits(2)
        waiting.result(timeout=3)


def _take(
    limiter: RateLimiter, calls: int, stack: ExitStack, clock: Callable[[], float] = time.monotonic
) -> list[Permit]:
    """Places of calls that are in flight until the stack is closed; there must be room for all of them."""
    return [stack.enter_context(limiter.slot(clock() + 2, StopSignal())) for _ in range(calls)]


def _answer_rounds(limiter: RateLimiter, rounds: int) -> list[int]:
    """As many full rounds, each answered whole; the width after each."""
    widths = []
    for _ in range(rounds):
        with ExitStack() as stack:
            for permit in _take(limiter, limiter.width, stack):
                permit.answered()
        widths.append(limiter.width)
    return widths


def _shrink(limiter: RateLimiter, in_flight: int, refused: int, clock: Callable[[], float] = time.monotonic) -> None:
    with ExitStack() as stack:
        for permit in _take(limiter, in_flight, stack, clock)[:refused]:
            permit.refused()


@pytest.mark.parametrize("width", [10, 0])
@pytest.mark.parametrize(("refused", "left"), [(1, 9), (6, 4), (9, 1), (10, 1)])
def test_the_width_becomes_what_was_not_refused(width: int, refused: int, left: int) -> None:
    limiter = RateLimiter(width)
    _shrink(limiter, 10, refused)
    assert limiter.width == left
    meter = Meter()
    with ThreadPoolExecutor(left + 2) as pool:
        for future in [pool.submit(pass_through, limiter, meter, 0.15) for _ in range(left + 2)]:
            future.result()
    assert meter.most == left


def test_what_was_answered_during_a_burst_of_refusals_was_not_refused() -> None:
    limiter = RateLimiter(10)
    with ExitStack() as refused, ExitStack() as answered:
        permits = _take(limiter, 4, refused)
        _take(limiter, 6, answered)
        permits[0].refused()
        answered.close()
        for permit in permits[1:]:
            permit.refused()
    assert limiter.width == 6


def test_it_shrinks_once_in_a_cooldown() -> None:
    clock = Clock()
    limiter = RateLimiter(10, cooldown_seconds=5, clock=clock)
    _shrink(limiter, 10, 2, clock)
    assert limiter.width == 8
    clock.seconds += 4.9
    _shrink(limiter, 8, 3, clock)
    assert limiter.width == 8
    clock.seconds += 0.2
    _shrink(limiter, 8, 3, clock)
    assert limiter.width == 5


def test_an_endpoint_of_four_at_once_refuses_few() -> None:
    """As many at once as the limiter lets in: a burst is refused at first, then one in ten at the most."""
    refused = _ask_in_rounds(lambda _, asked: min(4, asked), 200)
    assert 6 < refused <= 6 + 200 / 10


def test_an_endpoint_of_five_in_a_window_refuses_few() -> None:
    """Five may begin within two rounds."""
    begun: list[float] = []

    def accept(now: float, asked: int) -> int:
        room = min(asked, 5 - sum(now - at < 2 for at in begun))
        begun.extend([now] * room)
        return room

    assert _ask_in_rounds(accept, 200) <= 200 / 5


def _ask_in_rounds(accept: Callable[[float, int], int], calls: int) -> int:
    """How many calls are refused until ``calls`` are answered; ``accept`` is how many get in of those that ask."""
    clock, answered, refused = Clock(), 0, 0
    limiter = RateLimiter(10, clock=clock)
    while answered < calls:
        with ExitStack() as stack:
            permits = _take(limiter, limiter.width, stack, clock)
            room = accept(clock.seconds, len(permits))
            for permit in permits[room:]:
                permit.refused(1)
            clock.seconds += 1
            for permit in permits[:room]:
                permit.answered()
        answered += room
        refused += len(permits) - room
    return refused


def test_who_is_answered_while_it_cools_does_not_widen_it() -> None:
    limiter = RateLimiter(10, cooldown_seconds=60)
    _shrink(limiter, 10, 6)
    assert set(_answer_rounds(limiter, 50)) == {4}


def test_it_grows_back_by_clean_rounds_ever_quicker_and_not_beyond_its_width() -> None:
    limiter = RateLimiter(10, cooldown_seconds=0)
    _shrink(limiter, 10, 6)
    widths = _answer_rounds(limiter, 30)
    # Five rounds before what was refused is tried again.
    assert widths[:5] == [4, 4, 4, 4, 5]
    assert widths == sorted(widths)
    assert widths[14] == widths[-1] == 10


def test_a_refusal_starts_the_way_back_anew() -> None:
    limiter = RateLimiter(10, cooldown_seconds=0)
    _shrink(limiter, 10, 6)
    assert _answer_rounds(limiter, 5)[-1] == 5
    _shrink(limiter, 5, 1)
    assert _answer_rounds(limiter, 5) == [4, 4, 4, 4, 5]


def test_after_a_refusal_within_a_round_the_round_begins_anew() -> None:
    limiter = RateLimiter(8, cooldown_seconds=0)
    _shrink(limiter, 8, 4)
    with ExitStack() as stack:
        *answered, refused = _take(limiter, 4, stack)
        for permit in answered:
            permit.answered()
        refused.refused()
    assert _answer_rounds(limiter, 4) == [3, 3, 3, 3]
    with ExitStack() as stack:
        for permit, width in zip(_take(limiter, 3, stack), (3, 3, 4), strict=True):
            permit.answered()
            assert limiter.width == width


def test_a_wide_limiter_grows_by_a_twentieth() -> None:
    limiter = RateLimiter(100, cooldown_seconds=0)
    _shrink(limiter, 100, 40)
    assert _answer_rounds(limiter, 2) == [63, 66]


def test_when_nobody_got_in_the_way_back_is_quick() -> None:
    limiter = RateLimiter(10, cooldown_seconds=0)
    _shrink(limiter, 10, 10)
    assert limiter.width == 1
    assert _answer_rounds(limiter, 5) == [2, 3, 5, 9, 10]


def test_rounds_at_low_use_do_not_widen_it() -> None:
    limiter = RateLimiter(20, cooldown_seconds=0)
    _shrink(limiter, 20, 10)
    for _ in range(100):
        with ExitStack() as stack:
            for permit in _take(limiter, 7, stack):
                permit.answered()
    assert limiter.width == 10


def test_failures_that_are_no_limit_change_no_width() -> None:
    limiter = RateLimiter(4, cooldown_seconds=0)
    for _ in range(20):
        with ExitStack() as stack:
            _take(limiter, 4, stack)
    assert limiter.width == 4
    _shrink(limiter, 4, 2)
    for _ in range(50):
        with ExitStack() as stack:
            _take(limiter, 2, stack)
    assert limiter.width == 2


def test_what_was_learnt_outlives_other_limits() -> None:
    limiter = RateLimiter(10, cooldown_seconds=0)
    limiter.set_limits(20)
    assert limiter.width == 20
    _shrink(limiter, 20, 16)
    limiter.set_limits(40)
    assert limiter.width == 4
    limiter.set_limits(3)
    assert limiter.width == 3
    limiter.set_limits(0)
    assert limiter.width == 0


def test_a_refusal_holds_everybody_and_lets_no_herd_in_afterwards() -> None:
    limiter, meter = RateLimiter(10), Meter()
    started = time.monotonic()
    with ExitStack() as stack:
        for permit in _take(limiter, 10, stack)[:7]:
            permit.refused(0.3)
    entered: list[float] = []

    def enter() -> None:
        with limiter.slot(time.monotonic() + 20, StopSignal()), meter:
            entered.append(time.monotonic())
            time.sleep(0.02)

    with ThreadPoolExecutor(20) as pool:
        for future in [pool.submit(enter) for _ in range(20)]:
            future.result()
    assert min(entered) - started >= 0.3
    assert meter.most == 3


def test_who_has_least_time_left_goes_first() -> None:
    limiter, order, now = RateLimiter(1), [], time.monotonic()

    def enter(name: str, seconds: float) -> None:
        with limiter.slot(now + seconds, StopSignal()):
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        with limiter.slot(now + 5, StopSignal()):
            waiting = []
            for name, seconds in (("late", 30), ("soon", 10), ("later", 40)):
                waiting.append(pool.submit(enter, name, seconds))
                time.sleep(0.05)
        for future in waiting:
            future.result()
    assert order == ["soon", "late", "later"]


def test_who_gives_up_lets_the_next_one_go() -> None:
    limiter, stop = RateLimiter(1), StopSignal()
    with ThreadPoolExecutor(3) as pool:
        with limiter.slot(time.monotonic() + 5, StopSignal()):
            gone = [pool.submit(_enter, limiter, 1.0, stop), pool.submit(_enter, limiter, 0.2)]
            last = pool.submit(_enter, limiter, 20)
            time.sleep(0.3)
            stop.end("cancelled", "stopped")
            for future, expected in zip(gone, (JudgingEndedError, DeadlineError), strict=True):
                with pytest.raises(expected):
                    future.result(timeout=3)
        last.result(timeout=3)


def test_starts_are_spaced_evenly() -> None:
    limiter = RateLimiter(0, 60 * 20)
    with ThreadPoolExecutor(8) as pool:
        entered = sorted(pool.map(lambda _: _enter(limiter), range(8)))
    # Seven gaps of 50 ms; a thread that is late to look at its clock can only take from one of them.
    assert entered[-1] - entered[0] >= 0.25
    assert entered[3] - entered[0] >= 0.1


def test_a_pause_saves_up_no_starts() -> None:
    limiter = RateLimiter(0, 60 * 10)
    _enter(limiter)
    time.sleep(0.4)
    first, second = _enter(limiter), _enter(limiter)
    assert second - first >= 0.06


def test_who_waits_for_his_start_gives_up_at_the_deadline_and_at_the_end() -> None:
    limiter, stop = RateLimiter(0, 1), StopSignal()
    _enter(limiter)
    with pytest.raises(DeadlineError):
        _enter(limiter, 0.2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_enter, limiter, 30, stop)
        time.sleep(0.1)
        stop.end("cancelled", "stopped")
        with pytest.raises(JudgingEndedError):
            waiting.result(timeout=3)


def test_many_threads_leave_nobody_behind() -> None:
    limiter, meter = RateLimiter(7, cooldown_seconds=0.01), Meter()

    def call(number: int) -> None:
        with limiter.slot(time.monotonic() + 30, StopSignal()) as permit, meter:
            time.sleep(0.001)
            if number % 11 == 0:
                permit.refused(0.002)
            elif number % 5:
                permit.answered()

    with ThreadPoolExecutor(60) as pool:
        for future in [pool.submit(call, number) for number in range(600)]:
            future.result()
    assert (meter.entered, meter.inside) == (600, 0)
    assert meter.most <= 7


def test_who_listens_is_woken_when_the_last_permit_is_taken() -> None:
    limiter, woken, stop = RateLimiter(2), list[int](), StopSignal()
    with limiter.announcing_full(lambda: woken.append(1)), limiter.slot(math.inf, stop):
        assert woken == []
        with limiter.slot(math.inf, stop):
            assert woken == [1]
        with limiter.slot(math.inf, stop):
            assert woken == [1, 1]
    with limiter.slot(math.inf, stop), limiter.slot(math.inf, stop):
        assert woken == [1, 1]
