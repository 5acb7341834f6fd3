"""Small spans, traces and runs for the tests of traces. Times are seconds from a fixed moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tasks.evidence.jaeger import JaegerClient, open_jaeger
from tasks.evidence.spans import Span
from tasks.evidence.types import Run

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STARTED_US = int(STARTED.timestamp()) * 1_000_000


@pytest.fixture
def now() -> datetime:
    """A day after the runs."""
    return STARTED + timedelta(days=1)


@pytest.fixture
def make_span() -> Callable[..., Span]:
    """``make_span("b", "a", 0.5, 2)``: span b, child of a, from 0.5 s to 2 s; other fields by name."""

    def make(
        span_id: str, parent_id: str | None = None, start: float = 0, end: float = 1, operation: str = "", **fields: Any
    ) -> Span:
        return Span(
            trace_id="1".zfill(32),
            span_id=span_id,
            parent_id=parent_id,
            operation=operation or span_id,
            start_us=round(start * 1_000_000),
            end_us=round(end * 1_000_000),
            tags=fields.pop("tags", {}),
            **fields,
        )

    return make


@pytest.fixture
def make_trace() -> Callable[..., dict[str, Any]]:
    """A v1 trace: ``make_trace(7, run_id=12)`` has a root of service station with that tag, an LLM call and a tool."""

    def make(number: int, run_id: int | None = None, *, orphan: bool = False, root: bool = True) -> dict[str, Any]:
        trace_id = f"{number:032x}"
        rows: list[tuple[int, int, str, float, float, Mapping[str, Any]]] = [
            (1, 0, "agent_execution_engine.execute", 0, 10, {} if run_id is None else {"run.id": run_id}),
            (2, 1, "chat", 1, 4, {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100}),
            (3, 9 if orphan else 1, "__search", 4, 6, {"genkit:input": '{"q":"cats"}', "genkit:output": '"two"'}),
        ]
        spans = []
        for span, parent, operation, start, end, tags in rows if root else rows[1:]:
            reference = {"refType": "CHILD_OF", "traceID": trace_id, "spanID": f"{parent:016x}"}
            spans.append(
                {
                    "traceID": trace_id,
                    "spanID": f"{span:016x}",
                    "operationName": operation,
                    "references": [reference] if parent else [],
                    "startTime": STARTED_US + int(start * 1_000_000),
                    "duration": int((end - start) * 1_000_000),
                    "tags": [
                        {"key": key, "type": "int64" if isinstance(value, int) else "string", "value": value}
                        for key, value in tags.items()
                    ],
                    "logs": [],
                    "processID": "p1",
                    "warnings": None,
                }
            )
        return {
            "traceID": trace_id,
            "spans": spans,
            "processes": {"p1": {"serviceName": "station", "tags": []}},
            "warnings": None,
        }

    return make


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """``make_run(12, "0a")``: a run that took 10 s from the fixed moment; other fields by name."""

    def make(run_id: int, trace_id: str | None = None, **fields: Any) -> Run:
        values: dict[str, Any] = {
            "id": run_id,
            "agent_id": 1,
            "status": "completed",
            "outcome": "success",
            "started_at": STARTED,
            "completed_at": STARTED + timedelta(seconds=10),
            "trace_id": trace_id,
        }
        return Run(**(values | fields))

    return make


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
    """A clock that moves when somebody sleeps, or is told to."""

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
