"""The gate bounds a process's calls to one endpoint, and holds all of them back when the endpoint says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from tasks.errors import JudgeError, JudgingEndedError


class DeadlineError(JudgeError):
    """The time for one agent is up."""


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


class Gate:
    """At most ``width`` calls in flight (0: no bound); a Retry-After holds back everything behind it.

    Times are of ``time.monotonic``. One per process, base URL and key; safe to use from many threads.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._in_flight = 0
        self._held_until = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self, deadline: float, stop: Stop) -> Iterator[None]:
        """Hold one place; waits for it until ``deadline``.

        Raises:
            DeadlineError: no place came free in time, or none can, as the endpoint is held back for longer.
            JudgingEndedError: judging ended first.
        """
        with stop.listening(self._wake), self._changed:
            while True:
                stop.check()
                now = time.monotonic()
                if now >= deadline:
                    raise DeadlineError("no judge call could start in the time for this agent")
                if self._held_until >= deadline:
                    # A hold only ever grows: waiting for the deadline would be of no use.
                    raise DeadlineError("the endpoint may not be asked again in the time for this agent")
                held = self._held_until - now
                if held <= 0 and (not self._width or self._in_flight < self._width):
                    break
                self._changed.wait(min(deadline - now, held) if held > 0 else deadline - now)
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """Start no call for ``seconds``: the endpoint said Retry-After."""
        with self._changed:
            self._held_until = max(self._held_until, time.monotonic() + seconds)

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

    def widen(self, width: int) -> None:
        """Set the width for the next calls (reports of one process may come with different limits)."""
        with self._changed:
            self._width = width
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
