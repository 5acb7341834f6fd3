"""The gate before endpoints that refuse: how long it takes, and how many requests, as shares of the best possible."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.judge.client import JudgeClient, Reply
from tasks.judge.gate import Gate, Permit, Stop

Serve = Callable[..., SimulatedJudge]
MakeClient = Callable[..., JudgeClient]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


def few_at_once(most: int, seconds: float, retry_after: str) -> Callable[..., Response]:
    """An endpoint that takes ``most`` calls at once and refuses the others."""
    places = threading.Semaphore(most)

    def respond(payload: Any, request: Any) -> Response:
        if not places.acquire(blocking=False):
            headers = {"Retry-After": retry_after} if retry_after else {}
            return Response(429, b'{"error": {"message": "slow down"}}', headers=headers, delay_seconds=1e-9)
        try:
            time.sleep(seconds)
        finally:
            places.release()
        return Response(body=json.dumps(completion("{}")).encode(), delay_seconds=1e-9)

    return respond


def few_a_second(most: int, window: float) -> Callable[..., Response]:
    """An endpoint that takes ``most`` calls in any window and refuses the others."""
    lock, taken = threading.Lock(), deque[float]()

    def respond(payload: Any, request: Any) -> Response:
        with lock:
            now = time.monotonic()
            while taken and taken[0] <= now - window:
                taken.popleft()
            if len(taken) >= most:
                return Response(429, b'{"error": {"message": "rate limit"}}', delay_seconds=1e-9)
            taken.append(now)
        return Response(body=json.dumps(completion("{}")).encode(), delay_seconds=1e-9)

    return respond


def ask_all(client: JudgeClient, calls: int, seconds: float) -> list[Reply]:
    """``calls`` at once, each with ``seconds`` of its own."""
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    with ThreadPoolExecutor(calls) as pool:
        futures = [
            pool.submit(client.complete, messages, SCHEMA, deadline=time.monotonic() + seconds, stop=Stop())
            for _ in range(calls)
        ]
        return [future.result() for future in futures]


def test_an_endpoint_that_takes_fewer_is_found_out_and_kept_busy(serve: Serve, make_client: MakeClient) -> None:
    seconds = 0.4
    server = serve(few_at_once(4, seconds, "0.2"))
    client = make_client(server.base_url, width=10)
    started = time.monotonic()
    replies = ask_all(client, 21, 60)
    took = time.monotonic() - started
    assert len(replies) == 21
    assert len(server.requests) <= 31
    # Six rounds of four, at 2 s a call 12 s; 13.5 s are allowed for, and the overhead weighs more with short calls.
    assert took <= 6 * seconds * 1.4


def test_a_limit_by_the_second_lets_everybody_through_in_time(serve: Serve, make_client: MakeClient) -> None:
    server = serve(few_a_second(5, 0.2))
    client = make_client(server.base_url, width=10, first_backoff_seconds=0.1)
    assert len(ask_all(client, 40, 30)) == 40
    assert len(server.requests) < 160


def test_requests_a_minute_are_spaced(serve: Serve, make_client: MakeClient) -> None:
    server = serve("{}")
    client = make_client(server.base_url, width=10)
    client.gate.widen(10, per_minute=1200)
    ask_all(client, 8, 30)
    starts = [request.at for request in server.requests]
    assert all(later - earlier > 0.025 for earlier, later in itertools.pairwise(starts))


def take(gate: Gate, count: int) -> list[tuple[Any, Permit]]:
    taken = []
    for _ in range(count):
        slot = gate.slot(time.monotonic() + 5, Stop())
        taken.append((slot, slot.__enter__()))
    return taken


def leave(taken: list[tuple[Any, Permit]], how: str) -> None:
    for slot, permit in taken:
        if how == "refused":
            permit.refused(None)
        elif how == "answered":
            permit.answered()
        slot.__exit__(None, None, None)


@pytest.mark.parametrize("width", [10, 0])
def test_the_width_becomes_what_was_not_refused(width: int) -> None:
    gate = Gate(width)
    taken = take(gate, 10)
    leave(taken[:6], "refused")
    assert gate.width == 4
    leave(taken[6:], "answered")
    assert gate.width == 4, "those were under way before: they say nothing of the new width"


def test_when_everything_is_refused_one_may_still_try() -> None:
    gate = Gate(3)
    leave(take(gate, 3), "refused")
    assert gate.width == 1


def test_one_shrink_in_a_cooldown() -> None:
    gate = Gate(10)
    burst = take(gate, 10)
    leave(burst[:2], "refused")
    leave(burst[2:], "answered")
    assert gate.width == 8
    later = take(gate, 3)
    leave(later[:1], "refused")
    assert gate.width == 8, "a second shrink within the cooldown"
    leave(later[1:], "left")


def test_it_grows_by_clean_rounds_at_high_use_and_never_beyond_what_is_configured() -> None:
    gate = Gate(6)
    burst = take(gate, 6)
    leave(burst[:2], "refused")
    leave(burst[2:], "answered")
    assert gate.width == 4
    for _ in range(20):
        leave(take(gate, 1), "answered")
    assert gate.width == 4, "one call at a time says nothing of four"
    widths = []
    for _ in range(4):
        round_ = take(gate, int(gate.width))
        for _, permit in round_:
            permit.answered()
        leave(round_, "left")
        widths.append(gate.width)
    assert widths == [5, 6, 6, 6]


def test_a_step_that_was_refused_is_tried_again_later_and_later() -> None:
    gate = Gate(6)
    burst = take(gate, 6)
    leave(burst[:2], "refused")
    leave(burst[2:], "left")

    def rounds_until_it_grows() -> int:
        rounds = 0
        width = gate.width
        while gate.width == width:
            round_ = take(gate, int(width))
            for _, permit in round_:
                permit.answered()
            leave(round_, "left")
            rounds += 1
        time.sleep(1.05)  # The cooldown.
        round_ = take(gate, int(gate.width))
        leave(round_[:1], "refused")
        leave(round_[1:], "left")
        assert gate.width == width
        return rounds

    assert [rounds_until_it_grows() for _ in range(3)] == [1, 2, 4]


def test_who_was_refused_keeps_his_turn() -> None:
    gate, order = Gate(1), []
    first = gate.turn()

    def enter(name: str, turn: int | None) -> None:
        with gate.slot(time.monotonic() + 5, Stop(), turn):
            order.append(name)

    with ThreadPoolExecutor(2) as pool, gate.slot(time.monotonic() + 5, Stop()):
        pool.submit(enter, "later", None)
        time.sleep(0.05)
        pool.submit(enter, "refused before", first)
        time.sleep(0.05)
    assert order == ["refused before", "later"]


def test_a_server_error_does_not_shrink(serve: Serve, make_client: MakeClient) -> None:
    server = serve(Response(503, b"{}", headers={"Retry-After": "0.05"}), Response(500, b"{}"), "{}")
    client = make_client(server.base_url, width=4)
    ask_all(client, 1, 20)
    assert client.gate.width == 4
