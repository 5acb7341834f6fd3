"""A whole exchange ends at its deadline, whatever trickles. The clock is the test's: no test waits for a time-out."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpcore2
import httpx
import httpx2
import pytest

from tasks.wire.deadline import bound_time, exchange_within

LIBRARIES: list[Any] = [httpx, httpx2]


class Trickle:
    """A server that sends ``head`` at once and then ``drop`` over and over, until the client hangs up."""

    def __init__(self, head: bytes, drop: bytes, *, read: bool = True) -> None:
        self._head, self._drop, self._read = head, drop, read
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.hung_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            try:
                if self._read:
                    connection.recv(65536)
                connection.sendall(self._head)
                while True:
                    connection.sendall(self._drop)
                    self.hung_up.wait(0.005)
            except OSError:
                self.hung_up.set()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def trickle(head: bytes, drop: bytes, *, read: bool = True) -> Iterator[Trickle]:
    server = Trickle(head, drop, read=read)
    try:
        yield server
    finally:
        server.close()


def ticking() -> Callable[[], float]:
    """A clock on which a second goes by at every reading."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["headers", "body", "chunks", "interim"],
)
def test_what_trickles_ends_at_the_deadline(library: Any, head: bytes, drop: bytes) -> None:
    with trickle(head, drop) as server, library.Client(timeout=60, trust_env=False) as client:
        bound_time(client)
        with pytest.raises(library.ReadTimeout, match="did not end in time"), exchange_within(12, ticking()):
            client.get(f"http://127.0.0.1:{server.port}/")
        assert server.hung_up.wait(30)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_a_proxy_that_trickles_too(library: Any) -> None:
    with trickle(b"HTTP/1.1 200 Connection est", b"a") as server:
        proxy = f"http://127.0.0.1:{server.port}"
        with library.Client(timeout=60, proxy=proxy) as client:
            bound_time(client)
            with pytest.raises(library.ReadTimeout), exchange_within(12, ticking()):
                client.get("https://judge.invalid/")


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_a_handshake_that_never_ends_has_what_is_left(library: Any) -> None:
    """The server accepts, and never answers the handshake: the deadline is all that ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with library.Client(timeout=600, trust_env=False, verify=ssl.create_default_context()) as client:
            bound_time(client)
            with pytest.raises(library.ConnectTimeout), exchange_within(0.2):
                client.get(f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_a_request_that_is_never_read_ends_at_the_deadline(library: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, library.Client(timeout=600, trust_env=False) as client:
        bound_time(client)
        with pytest.raises(library.TimeoutException), exchange_within(0.2):
            client.post(f"http://127.0.0.1:{listener.getsockname()[1]}/", content=b"x" * 50_000_000)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_an_exchange_after_the_deadline_does_not_begin(library: Any) -> None:
    with library.Client(trust_env=False) as client:
        bound_time(client)
        with pytest.raises(library.ConnectTimeout), exchange_within(0, ticking()):
            client.get("http://127.0.0.1:9/")


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_without_a_deadline_a_client_is_as_it_was(library: Any) -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    with trickle(body, b"") as server, library.Client(trust_env=False) as client:
        bound_time(client)
        assert client.get(f"http://127.0.0.1:{server.port}/").text == "ok"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_with_many_addresses_has_the_time_of_one(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{last}", 80)) for last in range(1, 100)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: places)
    clock, asked = [0.0], []

    class Nowhere:
        def connect_tcp(self, host: str, port: int, timeout: float, **options: Any) -> Any:
            asked.append((host, timeout))
            clock[0] += timeout
            core = httpcore if library is httpx else httpcore2
            raise core.ConnectTimeout("no answer")

    with library.Client(trust_env=False, timeout=4) as client:
        client._transport._pool._network_backend = Nowhere()
        bound_time(client)
        with exchange_within(10, lambda: clock[0]), pytest.raises(library.ConnectTimeout):
            client.get("http://many.example/")
    assert asked == [("192.0.2.1", 4), ("192.0.2.2", 4), ("192.0.2.3", 2)]
