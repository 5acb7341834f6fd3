"""One deadline over a whole HTTP exchange, from connecting to the last byte.

The time-outs of httpx are each between two bytes: headers that come one byte at a time have no end. httpx and httpx2
are alike in what is used here; neither has a setting for it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2

# The peer may take what is written as slowly as it likes: the deadline is checked after so many bytes.
_WRITTEN_AT_ONCE = 16_384


class _Deadline:
    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def remaining(self) -> float:
        return self._until - self._clock()


_current: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def exchange_within(seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Exchanges of this thread by clients of ``bound_time`` raise the library's TimeoutException after ``seconds``."""
    token = _current.set(_Deadline(seconds, clock))
    try:
        yield
    finally:
        _current.reset(token)


def bound_time(client: httpx.Client | httpx2.Client) -> None:
    """Make ``client`` keep the deadlines of ``exchange_within``, through proxies and TLS too."""
    core = httpcore if isinstance(client, httpx.Client) else httpcore2
    for transport in (client._transport, *client._mounts.values()):
        # A transport of a test has no pool, and no network.
        if (pool := getattr(transport, "_pool", None)) is not None:
            pool._network_backend = _Backend(pool._network_backend, core)


class _Backend:
    """A network backend of httpcore whose waits end with the deadline."""

    def __init__(self, backend: Any, core: ModuleType) -> None:
        self._backend = backend
        self._core = core

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        failure: Exception | None = None
        # One by one: for each address of a name, the operating system takes the whole time-out.
        for address in _addresses(host, port):
            seconds = _shorter(timeout, self._core.ConnectTimeout)
            try:
                return _Stream(self._backend.connect_tcp(address, port, timeout=seconds, **options), self._core)
            except (self._core.ConnectError, self._core.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    def connect_unix_socket(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        seconds = _shorter(timeout, self._core.ConnectTimeout)
        return _Stream(self._backend.connect_unix_socket(*args, timeout=seconds, **options), self._core)

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    def __init__(self, stream: Any, core: ModuleType) -> None:
        self._stream = stream
        self._core = core

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, timeout=_shorter(timeout, self._core.ReadTimeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            part = buffer[start : start + _WRITTEN_AT_ONCE]
            self._stream.write(part, timeout=_shorter(timeout, self._core.WriteTimeout))

    def start_tls(self, *args: Any, timeout: float | None = None, **options: Any) -> _Stream:
        seconds = _shorter(timeout, self._core.ConnectTimeout)
        return _Stream(self._stream.start_tls(*args, timeout=seconds, **options), self._core)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        # Connecting fails with the reason.
        return [host]
    return [*dict.fromkeys(str(place[4][0]) for place in found)]


def _shorter(timeout: float | None, expired: Callable[[str], Exception]) -> float | None:
    """``timeout``, or what is left until the deadline if that is less."""
    deadline = _current.get()
    if deadline is None:
        return timeout
    remaining = deadline.remaining()
    if remaining <= 0:
        raise expired("the exchange did not end in time")
    return remaining if timeout is None else min(timeout, remaining)
