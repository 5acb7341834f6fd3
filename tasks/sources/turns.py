"""Whose evidence is worked on next: that of the batch that comes first."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that of all who wait for it goes to the one with the lowest number.

    Threads share one interpreter. Were all batches worked on at the same pace, all would be whole at the very end, and
    the judge would wait until then: of 100 agents at a limit of 10 the first call began 1.5 s later.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._taken = False

    @contextmanager
    def take(self, number: int) -> Iterator[None]:
        """Hold the lock; waits for it behind every lower ``number``."""
        with self._changed:
            self._waiting.append(number)
            try:
                self._changed.wait_for(lambda: not self._taken and min(self._waiting) == number)
                self._taken = True
            finally:
                self._waiting.remove(number)
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
