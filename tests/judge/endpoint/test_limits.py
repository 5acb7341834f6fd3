"""Many calls against an endpoint with a limit of its own, over real HTTP: all answered, few refused."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Request, Response
from tasks.judge.endpoint.client import JudgeClient, open_endpoint
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stop_signal import StopSignal

MESSAGES = [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Evidence."}]
SCHEMA = {"type": "object", "properties": {}}
CALL_SECONDS = 0.1
REFUSAL = Response(429, b'{"error": {"message": "slow down"}}', headers={"Retry-After-Ms": "100"}, delay_seconds=0.001)
DONE = json.dumps(completion("{}")).encode()
Endpoint = Callable[..., SimulatedJudge]


class FewAtOnce:
    """Refuses with 429 what comes while four calls are in flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self.refused = 0

    def __call__(self, payload: dict[str, Any], request: Request) -> Response:
        with self._lock:
            if self._in_flight >= 4:
                self.refused += 1
                return REFUSAL
            self._in_flight += 1
        # Not as the answer's delay: a caller that has its answer is not in flight any more.
        time.sleep(CALL_SECONDS)
        with self._lock:
            self._in_flight -= 1
        return Response(body=DONE, delay_seconds=0.001)


class FewInAWindow:
    """Refuses with 429 what comes when ``most`` calls have begun in the last 0.2 s."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._begun: list[float] = []
        self.refused = 0

    def __call__(self, payload: dict[str, Any], request: Request) -> Response:
        with self._lock:
            now = time.monotonic()
            if sum(now - begun < 0.2 for begun in self._begun) >= self._most:
                self.refused += 1
                return REFUSAL
            self._begun.append(now)
        return Response(body=DONE, delay_seconds=CALL_SECONDS)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with ExitStack() as stack:
        yield lambda limit: stack.enter_context(SimulatedJudge(respond=limit))


def ask_all(server: SimulatedJudge, calls: int, limiter: RateLimiter, threads: int = 10) -> list[Reply]:
    """Every reply."""
    sdk = open_endpoint(server.base_url, "sk-secret-0123456789abcdef")
    client = JudgeClient(openai=sdk, limiter=limiter, model="gpt-5.4-mini", first_backoff_seconds=0.1)

    def ask(_: int) -> Reply:
        return client.complete(MESSAGES, SCHEMA, deadline=time.monotonic() + 30, stop=StopSignal())

    with ThreadPoolExecutor(threads) as pool:
        replies = list(pool.map(ask, range(calls)))
    sdk.close()
    return replies


@pytest.mark.parametrize(("width", "threads"), [(10, 10), (10, 21), (0, 21)])
def test_an_endpoint_that_takes_four_at_once(width: int, threads: int, endpoint: Endpoint) -> None:
    server = endpoint(FewAtOnce())
    replies = ask_all(server, 21, RateLimiter(width, cooldown_seconds=0.5), threads)
    assert [reply.text for reply in replies] == ["{}"] * 21


def test_an_endpoint_that_takes_five_in_a_window(endpoint: Endpoint) -> None:
    server = endpoint(FewInAWindow(5))
    replies = ask_all(server, 40, RateLimiter(10, cooldown_seconds=0.5))
    assert [reply.text for reply in replies] == ["{}"] * 40


def test_calls_that_are_spaced_are_hardly_ever_refused(endpoint: Endpoint) -> None:
    """Sent at once, 30 of 40 would be refused the first time. On a busy machine some arrive closer than they start."""
    limit = FewInAWindow(10)
    server = endpoint(limit)
    replies = ask_all(server, 40, RateLimiter(0, 60 * 22), threads=40)
    assert [reply.text for reply in replies] == ["{}"] * 40
    assert limit.refused <= 10


def test_a_failing_endpoint_is_asked_as_widely_as_before(endpoint: Endpoint) -> None:
    lock, left = threading.Lock(), [20]

    def fail_at_first(payload: dict[str, Any], request: Request) -> Response:
        with lock:
            left[0] -= 1
            failing = left[0] >= 0
        return Response(503, b"{}", delay_seconds=0.001) if failing else Response(body=DONE, delay_seconds=0.1)

    limiter = RateLimiter(10)
    server = endpoint(fail_at_first)
    replies = ask_all(server, 20, limiter)
    assert len(replies) == 20
    assert limiter.width == 10


def test_answers_widen_the_limiter_again(endpoint: Endpoint) -> None:
    left = [Response(429, b"{}", headers={"Retry-After-Ms": "5"}, delay_seconds=0.001)]
    server = endpoint(lambda payload, request: left.pop() if left else Response(body=DONE, delay_seconds=0.001))
    limiter = RateLimiter(4, cooldown_seconds=0)
    ask_all(server, 1, limiter, threads=1)
    # Refused while it was alone: down to one, and by its answer up to two.
    assert limiter.width == 2
