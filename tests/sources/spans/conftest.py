"""A store of spans in memory, and traces for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.errors import SourceError
from tasks.evidence.traces.spans import Span


class MemoryStore:
    """The traces that it was given, newest first; counts how often each was given out."""

    def __init__(self, traces: Sequence[Sequence[Span]]) -> None:
        self._traces = sorted(traces, key=lambda spans: -min(span.start_us for span in spans))
        self.given: list[str] = []
        self.fetched: list[str] = []
        self.fault: str = ""
        self.reaches_back = True

    def check(self) -> None:
        if self.fault:
            raise SourceError(self.fault)

    def describe(self) -> str:
        return "the store"

    def traces(self, since: datetime | None, until: datetime) -> Iterator[Sequence[Span]]:
        self.check()
        if since is None and not self.reaches_back:
            raise SourceError("too long ago")
        for spans in self._traces:
            began = datetime.fromtimestamp(min(span.start_us for span in spans) / 1_000_000, UTC)
            if (since is None or began >= since) and began < until:
                self.given.append(spans[0].trace_id)
                yield spans

    def fetch(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Span]]:
        self.check()
        self.fetched += trace_ids
        return {spans[0].trace_id: spans for spans in self._traces if spans[0].trace_id in trace_ids}

    def close(self) -> None:
        self.fault = "closed"


@pytest.fixture
def make_store() -> Callable[[Sequence[Sequence[Span]]], MemoryStore]:
    """``make_store([spans, spans])``."""
    return MemoryStore


@pytest.fixture
def make_spans() -> Callable[..., list[Span]]:
    """``make_spans(7, at, "travel")``: a trace of one agent that starts ``at``, lasts 2 s and calls an LLM once."""

    def make(number: int, at: datetime, agent: str = "travel", *, model: str = "m", **fields: Any) -> list[Span]:
        start = round(at.timestamp() * 1_000_000)
        trace_id = f"{number:032x}"
        tags = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent,
            "gen_ai.input.messages": '[{"role": "user", "content": "Where?"}]',
            "gen_ai.output.messages": '[{"role": "assistant", "content": "Here."}]',
            **fields.pop("tags", {}),
        }
        call = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 1,
        }
        service = fields.pop("service", "shop")
        root = Span(
            trace_id, "a", None, f"invoke_agent {agent}", start, start + 2_000_000, tags, service=service, **fields
        )
        return [root, Span(trace_id, "b", "a", "chat m", start + 1, start + 1_000_000, call, service=service)]

    return make
