"""The gate bounds a process's calls to one endpoint: as many as are configured, or as many as the endpoint takes.

Nobody knows a provider's limit beforehand, and it changes. So the width follows the refusals (429): down to the calls
that were not refused, up again in small steps, each step the later the more steps before it have failed.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from tasks.errors import JudgeError, JudgingEndedError


class DeadlineError(JudgeError):
    """The time for one agent is up."""


_COOLDOWN_SECONDS = 1.0
_BUSY_SHARE = 0.8
_GROWTH = 0.1
_MOST_ROUNDS = 16
_FIRST_HOLD_SECONDS, _LONGEST_HOLD_SECONDS = 0.1, 5.0

StopKind = Literal["endpoint", "fail_fast", "timeout", "cancelled"]


class Stop:
    """Ends a report's judging, once and for one reason; whoever waits behind a gate for it wakes and gives up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: tuple[StopKind, str] | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def kind(self) -> StopKind | None:
        """What ended the judging, or None while it goes on."""
        return self._ended[0] if self._ended else None

    @property
    def reason(self) -> str | None:
        """Why judging has ended, as a sentence for people, or None while it goes on."""
        return self._ended[1] if self._ended else None

    def end(self, kind: StopKind, reason: str) -> None:
        """End judging; the first reason stays."""
        with self._lock:
            self._ended = self._ended or (kind, reason)
            listeners = list(self._listeners)
        for wake in listeners:
            wake()

    def check(self) -> None:
        """Raise JudgingEndedError when judging has ended."""
        if self._ended is not None:
            raise JudgingEndedError(self._ended[1])

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` when judging ends."""
        with self._lock:
            self._listeners.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(wake)


class Permit:
    """One call's place behind the gate; the call says here how it went."""

    __slots__ = ("_gate", "began", "refused_at")

    def __init__(self, gate: Gate, began: float) -> None:
        self._gate = gate
        self.began = began
        self.refused_at: float | None = None

    def answered(self) -> None:
        """The endpoint took the call."""
        self._gate._answered(self)

    def refused(self, pause_seconds: float | None) -> None:
        """The endpoint answered 429, and said to come back in ``pause_seconds`` (None: it did not say)."""
        self._gate._refused(self, pause_seconds)


class Gate:
    """At most so many calls in flight; a Retry-After holds back everything behind it. First come, first served.

    ``width`` is the configured one, 0 without a bound. On a 429 the width becomes the number of calls in flight that
    were not refused (at least 1), at most once in a second: further refusals of the same burst only correct that
    number. It grows back by a tenth (at least 1) after a clean round at high use, never above the configured width;
    when such a step is refused, the next one waits for twice as many rounds. Where even a single call is refused and
    nothing says for how long, the pauses double.

    ``per_minute`` spaces the starts of calls evenly, 0 not at all: providers count in windows of unknown borders, so a
    bucket that lets a burst through would be refused at one of them.

    Times are of ``time.monotonic``. One per process, base URL, model and key; safe to use from many threads.
    """

    def __init__(self, width: int, per_minute: int = 0) -> None:
        self._limit = float(width or "inf")
        self._width = self._limit
        self._spacing = 60 / per_minute if per_minute else 0.0
        self._in_flight = 0
        self._held_until = 0.0
        self._next_start = 0.0
        self._shrunk_at = float("-inf")
        self._grew = False
        self._clean = 0
        self._rounds = 1
        self._refusals = 0
        self._turns = itertools.count()
        self._waiting: list[int] = []
        self._changed = threading.Condition()

    @property
    def width(self) -> float:
        """Calls that may be in flight now; infinite without a bound."""
        return self._width

    def turn(self) -> int:
        """A place in the queue, to be kept over the attempts of one call: who was refused does not start at its end."""
        with self._changed:
            return next(self._turns)

    @contextmanager
    def slot(self, deadline: float, stop: Stop, turn: int | None = None) -> Iterator[Permit]:
        """Hold one place; waits for it until ``deadline``.

        Raises:
            DeadlineError: no place came free in time, or none can, as the endpoint is held back for longer.
            JudgingEndedError: judging ended first.
        """
        mine = self.turn() if turn is None else turn
        with stop.listening(self._wake), self._changed:
            self._waiting.append(mine)
            try:
                while (pause := self._pause(mine, deadline, stop)) > 0:
                    self._changed.wait(pause)
                self._in_flight += 1
                permit = Permit(self, time.monotonic())
                self._next_start = permit.began + self._spacing
            finally:
                self._waiting.remove(mine)
                # Who is first now may have been waiting for this one only.
                self._changed.notify_all()
        try:
            yield permit
        finally:
            with self._changed:
                if permit.refused_at is None:
                    self._in_flight -= 1
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Start no call for ``seconds``: the endpoint said Retry-After."""
        with self._changed:
            self._hold(seconds)

    def wait(self, seconds: float, deadline: float, stop: Stop) -> None:
        """Wait ``seconds`` before a retry, outside any slot; ends early when judging ends or time is up."""
        until = time.monotonic() + seconds
        if until >= deadline:
            raise DeadlineError("the time for this agent is up before the endpoint may be asked again")
        with stop.listening(self._wake), self._changed:
            while (left := until - time.monotonic()) > 0:
                stop.check()
                self._changed.wait(left)
        stop.check()

    def widen(self, width: int, per_minute: int = 0) -> None:
        """Set what is configured for the next calls (reports of one process may come with different limits).

        What was learned from refusals stays, within the new limit.
        """
        with self._changed:
            limit = float(width or "inf")
            self._width = limit if self._width == self._limit else min(self._width, limit)
            self._limit = limit
            self._spacing = 60 / per_minute if per_minute else 0.0
            self._changed.notify_all()

    def _pause(self, turn: int, deadline: float, stop: Stop) -> float:
        """Seconds after which to look again, 0 when the call of ``turn`` may start now."""
        stop.check()
        now = time.monotonic()
        if now >= deadline:
            raise DeadlineError("no judge call could start in the time for this agent")
        if self._held_until >= deadline:
            # A hold only ever grows: waiting for the deadline would be of no use.
            raise DeadlineError("the endpoint may not be asked again in the time for this agent")
        held = max(self._held_until, self._next_start) - now
        if held > 0:
            return min(deadline - now, held)
        if self._in_flight < self._width and turn == min(self._waiting):
            return 0.0
        return deadline - now

    def _answered(self, permit: Permit) -> None:
        with self._changed:
            self._refusals = 0
            if permit.began <= self._shrunk_at or self._in_flight < _BUSY_SHARE * self._width:
                return
            self._clean += 1
            if self._width < self._limit and self._clean >= self._rounds * self._width:
                self._width = min(self._limit, self._width + max(1, int(self._width * _GROWTH)))
                self._clean = 0
                self._grew = True

    def _refused(self, permit: Permit, pause_seconds: float | None) -> None:
        with self._changed:
            now = permit.refused_at = time.monotonic()
            self._in_flight -= 1
            taken = max(1, self._in_flight)
            if permit.began <= self._shrunk_at:
                # Of the same burst: when its first refusal came, not all of them had.
                self._width = min(self._width, taken)
            elif now - self._shrunk_at >= _COOLDOWN_SECONDS:
                self._rounds = min(_MOST_ROUNDS, 2 * self._rounds) if self._grew else 1
                self._width = min(self._width, taken)
                self._shrunk_at = now
                self._grew = False
            self._clean = 0
            if pause_seconds is not None:
                self._hold(pause_seconds)
            elif self._in_flight == 0 and permit.began > self._held_until:
                # Even one at a time is too many: it is a limit by time, which nobody has told us.
                self._hold(min(_LONGEST_HOLD_SECONDS, _FIRST_HOLD_SECONDS * 2.0 ** min(self._refusals, 10)))
                self._refusals += 1
            self._changed.notify_all()

    def _hold(self, seconds: float) -> None:
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
