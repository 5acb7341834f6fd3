"""One GET: how many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from tasks.sources.jaeger.http import JaegerHttp


def test_callers_of_any_thread_share_the_limit() -> None:
    lock = threading.Lock()
    third = threading.Event()
    at_once, most = [0], [0]

    def handler(request: httpx.Request) -> httpx.Response:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        if at_once[0] > 2:
            third.set()
        # Long enough for another one to come in, if it may.
        third.wait(0.2)
        with lock:
            at_once[0] -= 1
        return httpx.Response(200, json={"data": []})

    with httpx.Client(transport=httpx.MockTransport(handler), base_url="http://jaeger") as client:
        http = JaegerHttp(client, max_concurrent=2, timeout_seconds=60, max_response_bytes=1000)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda number: http.get(f"/api/traces/{number}", []), range(6)))
    assert [answer.kind for answer in answers] == ["found"] * 6
    assert most == [2]
