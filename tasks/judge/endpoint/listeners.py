"""Functions that are called when something happens, such as those that wake waiting threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Listeners:
    """Functions that are called when something happens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """``wake`` is one of them within the block."""
        with self._lock:
            self._wakes.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)

    def wake_all(self) -> None:
        """Call them all, in the order in which they came."""
        with self._lock:
            wakes = list(self._wakes)
        for wake in wakes:
            wake()
