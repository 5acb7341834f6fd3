"""Patience with a warehouse that is unreachable for a while: writes are tried again, for a limited time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tasks.errors import WarehouseError
from tasks.judge.claims import growing_pauses

logger = logging.getLogger(__name__)

OUTAGE_SECONDS = 60.0
"""How long an outage may last before the report fails."""

ENDING_SECONDS = 3600.0
"""How long a process waits to write how its report ended; after that its row is that of a process that was killed."""

T = TypeVar("T")


class Patience:
    """Tries again what fails with a *passing* ``WarehouseError``, for ``seconds`` of ``clock`` from the first failure.

    Whatever is tried again must do no harm when it had succeeded after all: a connection can break after a commit and
    before its confirmation. Safe to share between threads.
    """

    def __init__(
        self,
        seconds: float = OUTAGE_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self.clock = clock
        self.sleep = sleep

    def lasting(self, seconds: float) -> Patience:
        """The same with another limit."""
        return Patience(seconds, clock=self.clock, sleep=self.sleep)

    def keep_trying(self, action: Callable[[], T], check: Callable[[], None] = lambda: None) -> T:
        """What ``action`` returns. ``check`` is called before each further attempt; what it raises ends the waiting.

        Raises:
            WarehouseError: the last failure, when time is up; at once, when it is not passing.
        """
        until: float | None = None
        pauses = growing_pauses()
        while True:
            try:
                done = action()
            except WarehouseError as error:
                if not error.passing:
                    raise
                now = self.clock()
                if until is None:
                    until = now + self.seconds
                    logger.warning("Retrying for up to %g s: %s", self.seconds, error)
                if now >= until:
                    raise
                self.sleep(min(next(pauses), until - now))
                check()
            else:
                if until is not None:
                    logger.warning("The warehouse is available again")
                return done
