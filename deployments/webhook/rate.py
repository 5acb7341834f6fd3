"""How many requests a minute: a token bucket."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """At most ``per_minute`` at once, and as many in every minute that follows. For one event loop; no locks."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._tokens = self._capacity
        self._filled_at = clock()

    def take(self) -> float:
        """Take one: 0.0, or the seconds until there is one again (and nothing is taken)."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._per_second
        self._tokens -= 1
        return 0.0
