"""The rate limiter: bounds a process's calls to one endpoint by what it takes, and pauses all when it asks for it."""

from __future__ import annotations

import math
import threading
import time
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tasks.errors import DeadlineError
from tasks.judge.endpoint.listeners import Listeners
from tasks.judge.endpoint.stop_signal import StopSignal

_HIGH_USE = 0.8
# What a clean round adds: a twentieth, or a fifth of a permit where the limiter is narrow. So a width that the endpoint
# has just refused is tried again after five rounds, at the cost of one refusal.
_GROWTH = 0.05
_FIRST_STEP = 0.2


class Permit:
    """One call's permit behind the limiter; reports to the limiter how the endpoint responded to the call."""

    def __init__(self, limiter: RateLimiter, number: int) -> None:
        self._limiter = limiter
        self.number = number

    def answered(self) -> None:
        """The endpoint answered. A call that reports neither this nor ``refused`` (5xx, time-out) changes no width."""
        self._limiter._note_answer()

    def refused(self, retry_after_seconds: float | None = None) -> None:
        """The endpoint returned 429; ``retry_after_seconds`` holds back everything behind the limiter, None nothing."""
        self._limiter._note_refusal(self, retry_after_seconds)


@dataclass(slots=True, eq=False)
class _Waiter:
    deadline: float
    changed: threading.Condition


class RateLimiter:
    """Bounds the calls to one endpoint, model and key; one per process, safe to use from many threads.

    At most ``width`` calls are in flight (0: no bound until the endpoint sets one), and at most
    ``requests_per_minute`` start (0: no bound), retries too. Who waits is let in by deadline, the nearest first, so a
    call that was refused keeps its turn. Deadlines and holds are times of ``clock``; waiting takes real seconds, so
    another clock than ``time.monotonic`` is for tests.

    The width adapts. On a 429 it becomes the number of calls in flight that were not refused, at least 1, once in
    ``cooldown_seconds``. It grows back, never beyond ``width``, after every round (as many answers as the limiter is
    wide) without a 429 in which at least 80% of it was used.
    """

    def __init__(
        self,
        width: int,
        requests_per_minute: int = 0,
        *,
        cooldown_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []
        self._when_full = Listeners()
        self._most = width or math.inf
        self._width = self._most
        self._spacing = _spacing(requests_per_minute)
        self._cooldown = cooldown_seconds
        self._clock = clock
        self._in_flight = 0
        self._started = 0
        self._next_start = 0.0
        self._held_until = 0.0
        # Of the last time that the width shrank: which calls were in flight then, and how many of them were refused.
        self._shrunk_after = 0
        self._shrunk_in_flight = 0
        self._shrunk_refused = 0
        self._shrunk_to = 0
        self._cooling_until = 0.0
        # Of the round: answers, the most in flight, and by how much a clean one widens the limiter.
        self._answers = 0
        self._busiest = 0
        self._step = _FIRST_STEP
        self._has_answered = False

    @property
    def has_answered(self) -> bool:
        """Whether any call was answered so far: then the endpoint takes the key."""
        return self._has_answered

    @property
    def width(self) -> int:
        """Calls that may be in flight now; 0: no bound."""
        with self._lock:
            return 0 if math.isinf(self._width) else int(self._width)

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return self._in_flight

    @property
    def is_full(self) -> bool:
        """Whether who comes now has to wait for another one's end."""
        return self._in_flight + 1 > self._width

    def announcing_full(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call ``wake`` whenever the last permit is taken; not when the limiter narrows and is full by that.

        ``wake`` runs under the limiter's lock: it must return at once, not raise, and take no permit.
        """
        return self._when_full.listening(wake)

    @contextmanager
    def slot(self, deadline: float, stop: StopSignal) -> Iterator[Permit]:
        """Hold one permit; waits for it until ``deadline`` (``math.inf``: no bound).

        Raises:
            DeadlineError: no permit came free in time, or none can, as the endpoint is held back for longer.
            JudgingEndedError: judging ended first.
        """
        waiter = _Waiter(deadline, threading.Condition(self._lock))
        with stop.listening(lambda: self._wake(waiter)), self._lock:
            insort(self._waiting, waiter, key=_deadline)
            try:
                self._wait_for_place(waiter, stop)
                self._in_flight += 1
                self._started += 1
                self._busiest = max(self._busiest, self._in_flight)
                if self.is_full:
                    self._when_full.wake_all()
                self._next_start = max(self._next_start, self._clock()) + self._spacing
                permit = Permit(self, self._started)
            finally:
                self._waiting.remove(waiter)
                self._wake_first()
        try:
            yield permit
        finally:
            with self._lock:
                self._in_flight -= 1
                self._wake_first()

    def hold(self, seconds: float) -> None:
        """Start no call for ``seconds``: the endpoint sent Retry-After. A hold never gets shorter."""
        with self._lock:
            self._hold(seconds)

    def set_limits(self, width: int, requests_per_minute: int = 0) -> None:
        """Other limits for the next calls (reports of one process may come with different ones); 0: no bound.

        What the endpoint has taught stays: a limiter that has shrunk grows to the new width and does not jump there.
        """
        with self._lock:
            most = width or math.inf
            self._width = most if self._width == self._most else min(self._width, most)
            self._most = most
            self._spacing = _spacing(requests_per_minute)
            self._wake_first()

    def _wait_for_place(self, waiter: _Waiter, stop: StopSignal) -> None:
        while True:
            stop.check()
            now = self._clock()
            left = waiter.deadline - now
            if left <= 0:
                raise DeadlineError("no judge call could start in the time for this agent")
            if self._held_until >= waiter.deadline:
                # A hold only ever grows: waiting for the deadline would be of no use.
                raise DeadlineError("the endpoint may not be asked again in the time for this agent")
            if self._waiting[0] is waiter and self._in_flight + 1 <= self._width:
                # Evenly spaced, and no bucket of saved-up starts: endpoints count a minute's limit by the second
                # too, and a full bucket at its start would send twice the limit within one minute.
                pause = max(self._held_until, self._next_start) - now
                if pause <= 0:
                    return
                left = min(left, pause)
            waiter.changed.wait(min(left, threading.TIMEOUT_MAX))

    def _hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, self._clock() + seconds)
        for waiter in self._waiting:
            if waiter.deadline > self._held_until:
                break
            waiter.changed.notify()

    def _note_refusal(self, permit: Permit, retry_after_seconds: float | None) -> None:
        with self._lock:
            if retry_after_seconds is not None:
                self._hold(retry_after_seconds)
            now = self._clock()
            if permit.number > self._shrunk_after:
                if now < self._cooling_until:
                    return
                self._shrunk_after = self._started
                self._shrunk_in_flight = self._in_flight
                self._shrunk_refused = 0
                self._cooling_until = now + self._cooldown
            # The refusals of one burst come one by one: each shows that there was room for one fewer of those that
            # were in flight. What has been answered meanwhile was not refused and counts as room.
            self._shrunk_refused += 1
            room = self._shrunk_in_flight - self._shrunk_refused
            self._shrunk_to = max(1, room)
            self._width = min(self._width, self._shrunk_to)
            # When not one got in, it was no matter of how many at once: the way back is quick.
            self._step = _FIRST_STEP if room else 1.0
            self._answers = self._busiest = 0

    def _note_answer(self) -> None:
        with self._lock:
            self._has_answered = True
            if self._width >= self._most or self._clock() < self._cooling_until:
                return
            self._answers += 1
            if self._answers < int(self._width):
                return
            if self._busiest >= _HIGH_USE * int(self._width):
                growth = min(self._width, max(self._step, _GROWTH * self._width))
                if int(self._width) > self._shrunk_to:
                    # The endpoint bears more now than when it last refused: the way back gets quicker.
                    self._step *= 2
                self._width = min(self._most, self._width + growth)
            self._answers, self._busiest = 0, self._in_flight
            self._wake_first()

    def _wake(self, waiter: _Waiter) -> None:
        with self._lock:
            waiter.changed.notify()

    def _wake_first(self) -> None:
        # One at a time, who wakes the next when he is through: a thousand who wait are not all woken for one permit.
        if self._waiting:
            self._waiting[0].changed.notify()


def _deadline(waiter: _Waiter) -> float:
    return waiter.deadline


def _spacing(requests_per_minute: int) -> float:
    return 60 / requests_per_minute if requests_per_minute else 0.0
