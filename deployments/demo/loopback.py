"""A real HTTP server on 127.0.0.1 that counts what is asked of it: the demo's services and the tests stand on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; ``at`` is in seconds of ``time.monotonic``."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(slots=True)
class Response:
    """What is answered, after ``delay_seconds``. ``drop``: the connection is closed without an answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drop: bool = False


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no event."""


class LoopbackServer:
    """Serves ``respond(request)`` on 127.0.0.1, a thread per connection, while used as a context.

    ``port`` 0 is any free one.
    ``requests`` holds every request in order of arrival, ``most_in_flight`` the most that were being answered at once.
    """

    def __init__(self, respond: Callable[[Request], Response], *, port: int = 0) -> None:
        self._respond = respond
        self._lock = threading.Lock()
        self._in_flight = 0
        self._closing = threading.Event()
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self._server = _Server(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="loopback", daemon=True
        )

    @property
    def url(self) -> str:
        """Base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            response = self._respond(request)
            left = response.delay_seconds - (time.monotonic() - request.at)
            if left > 0:
                self._closing.wait(left)
            return response
        finally:
            with self._lock:
                self._in_flight -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it the header and the body of an answer are two packets, 40 ms apart.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else b""
                request = Request(self.command, self.path, dict(self.headers.items()), body, time.monotonic())
                response = answer(request)
                if response.drop:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(response.status)
                self.send_header("Content-Type", response.content_type)
                self.send_header("Content-Length", str(len(response.body)))
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(response.body)

            do_POST = do_GET  # noqa: N815 - the base class's name

            def log_message(self, *args: object) -> None:
                """The server is silent; what was asked stands in ``requests``."""

        return Handler
