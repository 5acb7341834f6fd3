"""Requests whose end two readers could see in different places: refused, and nothing behind them is read."""

from __future__ import annotations

import socket
from collections.abc import Callable

import h11
import pytest

from deployments.webhook.framing import StrictConnection

LINE = b"POST /webhooks/reports HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
DOUBTFUL = {
    "both lengths": LINE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way round": LINE + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "no length and chunked": LINE + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length twice": LINE + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": LINE + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    "a list of lengths": LINE + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": LINE + b"Content-Length: +2\r\n\r\n{}",
    "a length below zero": LINE + b"Content-Length: -2\r\n\r\n{}",
    "a length in hexadecimal": LINE + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": LINE + b"Content-Length:\r\n\r\n",
    "chunked twice": LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": LINE + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": LINE + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": LINE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": LINE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": LINE + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "folded": LINE + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded with a tab": LINE + b"X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    "folded first": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "bare LF": LINE + b"Content-Length: 2\n\r\n{}",
    "bare LF at the end": LINE + b"Content-Length: 2\r\n\n{}",
    "bare LF throughout": LINE.replace(b"\r", b"") + b"Content-Length: 0\n\n",
    "bare CR": LINE + b"X: a\rContent-Length: 2\r\n\r\n{}",
    "NUL": LINE + b"X: a\x00\r\nContent-Length: 2\r\n\r\n{}",
    "chunked in HTTP/1.0": LINE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no Host": b"POST /webhooks/reports HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "two Hosts": LINE + b"Host: y\r\nContent-Length: 2\r\n\r\n{}",
}
CHUNKED = LINE + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
DOUBTFUL_BODIES = {
    "chunk size with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "chunk that is longer": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
    "bare LF in an extension": CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "bare LF behind the data": CHUNKED + b"2\r\n{}\n0\r\n\r\n",
    "bare LF at the end": CHUNKED + b"2\r\n{}\r\n0\r\n\n",
    "trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: a\r\n\r\n",
    "trailer with a length": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
    "trailer with bare LF": CHUNKED + b"2\r\n{}\r\n0\r\nX: a\n\n",
}


def _events(sent: bytes, step: int) -> list[object]:
    """What a connection makes of bytes that come ``step`` at a time; the error is the last of them."""
    connection = StrictConnection(h11.SERVER)
    events: list[object] = []
    for place in range(0, len(sent), step):
        connection.receive_data(sent[place : place + step])
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return [*events, error]
            if event in (h11.NEED_DATA, h11.PAUSED):
                break
            events.append(event)
    return events


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("sent", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_head_that_can_be_read_in_two_ways_is_no_request(sent: bytes, step: int) -> None:
    (event,) = _events(sent + NEXT, step)
    assert isinstance(event, h11.RemoteProtocolError)


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("sent", DOUBTFUL_BODIES.values(), ids=DOUBTFUL_BODIES)
def test_a_body_that_can_be_read_in_two_ways_never_ends(sent: bytes, step: int) -> None:
    events = _events(sent + NEXT, step)
    assert isinstance(events[-1], h11.RemoteProtocolError)
    assert [type(event) for event in events].count(h11.Request) == 1
    assert not [event for event in events if isinstance(event, h11.EndOfMessage)]


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_plain_requests_are_read_one_after_another(step: int) -> None:
    for sent in (
        LINE + b"Content-Length: 2\r\n\r\n{}",
        CHUNKED + b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
        LINE + b"Content-Length:0\r\n\r\n",
        NEXT,
    ):
        assert [type(event) for event in _events(sent, step) if not isinstance(event, h11.Data)] == [
            h11.Request,
            h11.EndOfMessage,
        ]


@pytest.fixture
def ask(receiver: object) -> Callable[[bytes], bytes]:
    """Sends bytes to the receiver, and gives all that it answers until it closes the connection."""
    port = int(receiver.url.rpartition(":")[2])  # type: ignore[attr-defined]

    def asked(sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(4096), b""))

    return asked


@pytest.mark.parametrize("name", ["both lengths", "length twice", "chunked twice", "folded", "bare LF", "two Hosts"])
def test_it_is_answered_with_400_once_and_the_connection_is_closed(ask: Callable[[bytes], bytes], name: str) -> None:
    answer = ask(DOUBTFUL[name] + NEXT)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("name", ["trailer", "bare LF at the end"])
def test_so_is_a_body(ask: Callable[[bytes], bytes], name: str) -> None:
    answer = ask(DOUBTFUL_BODIES[name] + NEXT)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
