"""APIs of stores for tests, whose servers are functions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tasks.sources.jaeger.http import open_http
from tasks.sources.spans.api import StoreApi


@pytest.fixture
def api_of() -> Iterator[Callable[..., StoreApi]]:
    """A ``StoreApi`` whose server is a function of the request; it does not sleep."""
    opened: list[StoreApi] = []

    def make(handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> StoreApi:
        http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://user:s3cret-word@store:1234/base")
        opened.append(StoreApi(http, sleep=lambda _: None, **options))
        return opened[-1]

    yield make
    for api in opened:
        api.close()


@pytest.fixture
def loopback_url_of() -> Iterator[Callable[[Callable[[httpx.Request], httpx.Response]], str]]:
    """The URL (without a scheme) of a real server on loopback that answers with a function of the request."""
    servers: list[ThreadingHTTPServer] = []

    def make(answer: Callable[[httpx.Request], httpx.Response]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = f"http://{self.headers['host']}{self.path}"
                sent = self.rfile.read(int(self.headers.get("content-length") or 0))
                found = answer(httpx.Request(self.command, url, headers=list(self.headers.items()), content=sent))
                self.send_response(found.status_code)
                self.send_header("Content-Type", found.headers.get("content-type", "text/plain"))
                self.send_header("Content-Length", str(len(found.content)))
                self.end_headers()
                self.wfile.write(found.content)

            def do_POST(self) -> None:
                self.do_GET()

            def do_PATCH(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        # How often a shutdown is noticed; half a second by default.
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def loopback_api_of(
    loopback_url_of: Callable[[Callable[[httpx.Request], httpx.Response]], str],
) -> Iterator[Callable[..., StoreApi]]:
    """``api_of`` with a real server on loopback, asked as ``user`` with ``headers``."""
    opened: list[StoreApi] = []

    def make(
        answer: Callable[[httpx.Request], httpx.Response],
        *,
        user: str = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> StoreApi:
        url = f"http://{user}{loopback_url_of(answer)}"
        http = open_http(url, headers, max_concurrent=8, timeout_seconds=10)
        opened.append(StoreApi(http, sleep=lambda _: None, **options))
        return opened[-1]

    yield make
    for api in opened:
        api.close()
