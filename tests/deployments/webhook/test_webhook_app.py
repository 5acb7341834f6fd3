"""What the application does about unexpected errors, and about connections on which nothing happens."""

from __future__ import annotations

import select
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn
from prefect.client.orchestration import PrefectClient
from pydantic import SecretStr

from deployments.webhook.app import Rates, Receiver, build_app
from deployments.webhook.body import BodyReader
from deployments.webhook.connections import PromptProtocol
from deployments.webhook.orders import open_allow_list
from deployments.webhook.rate import Rate
from deployments.webhook.runs import FlowRuns
from deployments.webhook.signatures import open_signatures

HEAD = b"POST /webhooks/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Hasty(PromptProtocol):
    """Looks more often."""

    seconds_between_looks = 0.4


class Crowded(PromptProtocol):
    """Has room for few."""

    most_at_once = 20
    seconds_between_looks = 60.0


@contextmanager
def _serve(load_report: Any, protocol: type[PromptProtocol] = Hasty, *, at_once: int = 256) -> Iterator[str]:
    """A receiver before a Prefect that knows every run, and was ordered every one of them here."""
    names: list[str] = []

    def prefect(request: httpx.Request) -> httpx.Response:
        run = {"id": request.url.path.rpartition("/")[2], "flow_id": str(uuid.uuid4()), "name": "r"}
        return httpx.Response(200, json={**run, "idempotency_key": f"{names[0]}x"})

    @asynccontextmanager
    async def opened() -> AsyncIterator[Receiver]:
        settings = {"transport": httpx.MockTransport(prefect)}
        async with PrefectClient("http://prefect.test/api", httpx_settings=settings) as client:
            runs = FlowRuns(client, "f/d")
            names.append(runs.key_prefix)
            rates = Rates(Rate(100), Rate(100), Rate(100))
            signatures = open_signatures([SecretStr("whsec_" + "bmV3" * 8)], [])
            yield Receiver(
                signatures,
                open_allow_list([], []),
                rates,
                runs,
                load_report,
                BodyReader(seconds=60, at_once=at_once),
                load_seconds=0.5,
            )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(build_app(opened), http=protocol, log_config=None, access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            assert httpx.get(url + "/healthz", timeout=30, trust_env=False).status_code == 200
            yield url
        finally:
            server.should_exit = True
            thread.join(20)


def _send_all(connection: socket.socket, parts: list[bytes], *, seconds: float = 0) -> list[bytes]:
    """Those of ``parts`` that were sent before the other side closed."""
    sent: list[bytes] = []
    with suppress(ConnectionError):
        for part in parts:
            connection.sendall(part)
            sent.append(part)
            time.sleep(seconds)
    return sent


def _show(url: str, running: Any) -> httpx.Response:
    run_id = str(uuid.uuid4())
    headers = running.signed(b"", run_id, "whsec_" + "bmV3" * 8, {})
    return httpx.get(f"{url}/webhooks/reports/{run_id}", headers=headers, timeout=30, trust_env=False)


def test_what_nobody_foresaw_is_500_without_a_word_of_it(receiver: Any) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError("hunter2")

    with _serve(fail) as url:
        answer = _show(url, receiver)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 500
    assert "hunter2" not in answer.text


def test_a_warehouse_that_hangs_is_503_in_time(receiver: Any) -> None:
    over = threading.Event()
    with _serve(lambda _: over.wait(30)) as url:
        answer = _show(url, receiver)
        over.set()
    assert answer.status_code == 503


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_connection_on_which_no_request_comes_is_closed(first: bytes) -> None:
    with _serve(lambda _: None) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            connection.sendall(first)
            if first:
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            # A header that drips, and never ends.
            drops = [b"GET / HTTP/1.1\r\nX-", *[b"X"] * 100]
            assert len(_send_all(connection, drops, seconds=0.1)) < 80


def test_where_there_are_too_many_connections_an_idle_one_makes_room() -> None:
    with _serve(lambda _: None, Crowded) as url, ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        order = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
        order.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
        time.sleep(0.2)
        idle = []
        for _ in range(50):
            idle.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15)))
            assert httpx.get(url + "/healthz", timeout=30, trust_env=False).status_code == 200
        order.sendall(b"}")
        assert order.recv(4096).startswith(b"HTTP/1.1 401")
        closed, _, _ = select.select(idle, [], [], 1)
        assert 30 <= len(closed) <= 32


def test_slow_bodies_do_not_shut_out_who_signs(receiver: Any) -> None:
    """More of them than there is room for, connections and bodies, without a signature that holds."""
    with _serve(lambda _: None, Crowded, at_once=10) as url, ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        for number in range(70):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
            slow.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
            if number % 10 == 9:
                assert _show(url, receiver).status_code == 200
        # One that connects first and takes its time to ask is not the one to go.
        late = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
        for _ in range(15):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
            slow.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
            assert httpx.get(url + "/healthz", timeout=30, trust_env=False).status_code == 200
        late.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert late.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("length", ["81920", "9999999"])
def test_whoever_sends_too_much_sees_the_answer(length: str) -> None:
    with _serve(lambda _: None) as url:
        for _ in range(20):
            headers = {"content-type": "application/json", "content-length": length}
            content = iter([b"x" * 16_384] * (int(length) // 16_384) + [b"x" * (int(length) % 16_384)])
            answer = httpx.post(
                url + "/webhooks/reports", content=content, headers=headers, timeout=30, trust_env=False
            )
            assert answer.status_code == 413


def test_a_request_that_takes_its_time_is_not_closed() -> None:
    with _serve(lambda _: None) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            connection.sendall(HEAD + b"Content-Length: 30\r\n\r\n")
            for _ in range(30):
                time.sleep(0.1)
                connection.sendall(b" ")
            assert connection.recv(4096).startswith(b"HTTP/1.1 401")


def test_a_body_that_never_ends_ends_the_connection() -> None:
    with _serve(lambda _: None) as url:
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            chunks = [b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 20_000
            assert len(_send_all(connection, chunks, seconds=0.001)) < 15_000
