"""Jaeger clients for tests: with a server that is a function, and a clock that moves when one sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tasks.evidence.types import Run
from tasks.sources.jaeger.client import JaegerClient, open_jaeger


@pytest.fixture
def open_client() -> Iterator[Callable[..., JaegerClient]]:
    """``open_jaeger``, closed at the end of the test."""
    opened: list[JaegerClient] = []

    def make(url: str, **options: Any) -> JaegerClient:
        opened.append(open_jaeger(url, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


class Clock:
    """A clock that moves when a caller sleeps, or when it is set."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client_of(clock: Clock) -> Iterator[Callable[..., JaegerClient]]:
    """A client whose server is a function of the request; it sleeps by ``clock``."""
    opened: list[JaegerClient] = []

    def make(
        handler: Callable[[httpx.Request], httpx.Response], url: str = "http://jaeger:16686", **options: Any
    ) -> JaegerClient:
        headers = options.pop("headers", {})
        http = httpx.Client(transport=httpx.MockTransport(handler), base_url=url, headers=headers)
        settings = {"service": "station", "tag": "run.id", "max_concurrent": 4, "sleep": clock.sleep, "clock": clock}
        opened.append(JaegerClient(http, **(settings | options)))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def make_team(make_trace: Callable[..., Any], make_run: Callable[..., Run]) -> Callable[..., Any]:
    """``make_team(14)``: the traces and, by agent, the runs of 14 agents with 20 runs each, numbered from 1."""

    def make(agents: int, runs: int = 20) -> tuple[list[Any], list[list[Run]]]:
        numbers = range(1, agents * runs + 1)
        every = [make_run(number, f"{number:x}") for number in numbers]
        return (
            [make_trace(number, number) for number in numbers],
            [every[start : start + runs] for start in range(0, len(every), runs)],
        )

    return make
