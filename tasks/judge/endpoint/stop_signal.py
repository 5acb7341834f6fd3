"""The end of a report's judging, and whom it wakes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

from tasks.errors import DeadlineError, JudgingEndedError
from tasks.judge.endpoint.listeners import Listeners

StopKind = Literal["endpoint", "warehouse", "fail_fast", "timeout", "cancelled"]


class StopSignal:
    """Ends a report's judging, once and for one reason; every call that waits in a limiter then gives up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: tuple[StopKind, str] | None = None
        self._listeners = Listeners()

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
        self._listeners.wake_all()

    def check(self) -> None:
        """Raise JudgingEndedError when judging has ended."""
        if self._ended is not None:
            raise JudgingEndedError(self._ended[1])

    def wait(self, seconds: float, deadline: float) -> None:
        """Wait ``seconds``, unless that would pass ``deadline`` (of ``time.monotonic``) or judging ends first.

        Raises:
            DeadlineError: at once, when the wait could not end in time.
            JudgingEndedError: judging has ended.
        """
        if time.monotonic() + seconds >= deadline:
            raise DeadlineError("the time for this agent is up before the endpoint may be asked again")
        ended = threading.Event()
        with self.listening(ended.set):
            # Checked between listening and waiting: an end just before would wake no one.
            self.check()
            ended.wait(seconds)
        self.check()

    def listening(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Call ``wake`` when judging ends."""
        return self._listeners.listening(wake)
