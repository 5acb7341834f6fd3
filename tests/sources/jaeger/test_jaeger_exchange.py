"""One GET to Jaeger against a server that trickles, redirects, or packs its answer twice."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from deployments.demo.loopback import LoopbackServer, Request, Response
from tasks.sources.jaeger.http import JaegerHttp, open_http

FOUND = b'{"data": []}'


def get(url: str, **options: Any) -> Any:
    with open_http(url, max_concurrent=1, timeout_seconds=60) as http:
        limits: dict[str, Any] = {"max_concurrent": 1, "timeout_seconds": 60, "max_response_bytes": 1_000_000}
        return JaegerHttp(http, sleep=lambda seconds: None, **{**limits, **options}).get("/api/traces", [], attempts=1)


def serving(response: Response) -> LoopbackServer:
    return LoopbackServer(lambda request: response)


def test_a_redirect_is_not_followed() -> None:
    asked: list[Request] = []

    def note(request: Request) -> Response:
        asked.append(request)
        return Response(body=FOUND)

    with LoopbackServer(note) as other:
        with serving(Response(307, b"", headers={"Location": f"{other.url}/api/traces?key=s3cret"})) as server:
            answer = get(server.url)
        assert answer.reason == (
            f"HTTP 307 at /api/traces: it redirects to {other.url}/api/traces, which is not followed "
            "(a login page? AGENT_REPORT_JAEGER_URL)"
        )
    assert asked == []


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "reason"),
    [
        (gzip.compress(FOUND), "gzip", "found", ""),
        (
            gzip.compress(gzip.compress(FOUND)),
            "gzip, gzip",
            "fault",
            "encoded as 'gzip, gzip', which was not asked for",
        ),
        (gzip.compress(b" " * 2_000_000), "gzip", "fault", "larger than 0.954 MiB"),
        (b"no gzip", "gzip", "fault", "cannot be decompressed"),
    ],
    # gzip holds the time: as parts of names it would be another test in each process.
    ids=["gzip", "twice", "bomb", "no gzip"],
)
def test_an_encoded_answer_is_bounded(body: bytes, encoding: str, kind: str, reason: str) -> None:
    with serving(Response(200, body, headers={"Content-Encoding": encoding})) as server:
        answer = get(server.url)
        assert server.requests[0].headers["Accept-Encoding"] == "identity"
    assert answer.kind == kind
    assert reason in answer.reason


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_an_answer_that_trickles_ends_at_its_time_out(head: bytes, send_raw: Callable[..., Any]) -> None:
    """The clock goes on by a second with every look at it."""
    seconds = itertools.count()
    server = send_raw([head, *[b" "] * 20_000], pause_seconds=0.002)
    answer = get(server.base_url, timeout_seconds=30, clock=lambda: float(next(seconds)))
    assert (answer.slow, answer.reason) == (True, "no complete answer at /api/traces within 30 s")


def test_no_connection_names_the_setting_and_the_way() -> None:
    answer = get("http://127.0.0.1:9", route=" (through HTTP_PROXY=http://proxy:1)")
    where = "http://127.0.0.1:9 (AGENT_REPORT_JAEGER_URL) (through HTTP_PROXY=http://proxy:1)"
    assert answer.reason == f"no connection to {where}: Connection refused"
