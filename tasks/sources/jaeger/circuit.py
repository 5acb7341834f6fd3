"""Whether it is worth asking a server at all: after failures in a row it is left alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Circuit:
    """Remembers that a server is down, so that 2,000 requests do not each find out with their own retries.

    Thread-safe. ``threshold`` failures without a success between them make it ask ``check`` (one cheap request; None
    is health, a text the reason): single bad traces fail too, and they must not cost the others.
    """

    def __init__(
        self, check: Callable[[], str | None], *, clock: Callable[[], float], threshold: int, cooldown_seconds: float
    ) -> None:
        self._check = check
        self._clock = clock
        self._threshold = threshold
        self._cooldown_seconds = cooldown_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._checking = False
        self._reason: str | None = None
        self._until = 0.0

    @property
    def reason(self) -> str | None:
        """Why nothing should be asked now; None when it may be."""
        with self._lock:
            if self._reason is not None and self._clock() >= self._until:
                self._reason = None
            return self._reason

    def open(self, reason: str, seconds: float | None = None) -> None:
        """Nothing is asked for ``seconds`` (None: the usual cool-down)."""
        with self._lock:
            self._reason = reason
            self._until = self._clock() + (self._cooldown_seconds if seconds is None else seconds)
            self._failures = 0

    def succeeded(self) -> None:
        """A request was answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """A request failed for good, after its retries."""
        with self._lock:
            self._failures += 1
            if self._failures < self._threshold or self._checking or self._reason is not None:
                return
            self._checking = True
        try:
            reason = self._check()
        finally:
            with self._lock:
                self._checking = False
                self._failures = 0
        if reason is not None:
            self.open(reason)
