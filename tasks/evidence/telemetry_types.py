"""The types of what one run's trace shows."""

from __future__ import annotations

from typing import Literal

from tasks.evidence.fact import Fact


class SpanCall(Fact):
    """One tool call in a trace, in order of start. Offsets are from the start of the run's part of the trace.

    A call that only the messages of an LLM call mention has no duration and starts when it was asked for.
    """

    name: str
    start_seconds: float
    duration_seconds: float | None
    error: str | None = None
    arguments: str | None = None
    result: str | None = None
    span_id: str = ""


class RepeatedCall(Fact):
    """The same tool called with the same canonical arguments more than once."""

    name: str
    arguments: str | None
    calls: int


class SlowSpan(Fact):
    """A span among those with the most self time (its duration without the time its children cover)."""

    operation: str
    kind: Literal["llm", "tool", "agent", "other"]
    self_seconds: float


class CriticalPath(Fact):
    """Seconds of the critical path by kind of span; they add up to the wall time from the root's start to its end."""

    llm_seconds: float = 0.0
    tool_seconds: float = 0.0
    other_seconds: float = 0.0


class TelemetrySummary(Fact):
    """What one run's trace shows. Times in LLM, tools and other are interval unions, never sums.

    Not measured is not zero: without spans of LLM calls, ``llm_calls`` and ``llm_seconds`` are None, and token counts
    are None when no span carried any. ``tool_calls_from`` is where the tool calls stand: in spans of their own, or
    without those in the messages of LLM calls (then ``tool_seconds`` is None). It is None when the trace does not show
    which tools were called, and then having no tool calls here means nothing.
    """

    spans: int
    roots: int
    orphans: int
    depth: int
    wall_seconds: float
    llm_seconds: float | None
    tool_seconds: float | None
    other_seconds: float
    llm_calls: int | None
    tool_calls_from: Literal["spans", "messages"] | None = None
    tool_calls: tuple[SpanCall, ...] = ()
    tool_calls_left_out: int = 0
    errors: int = 0
    error_messages: tuple[str, ...] = ()
    repeats: tuple[RepeatedCall, ...] = ()
    slowest: tuple[SlowSpan, ...] = ()
    critical_path: CriticalPath = CriticalPath()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    models: tuple[str, ...] = ()
    conventions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class WaterfallSpan(Fact):
    """One span as a waterfall shows it, in order of start. Offsets are from the start of the run's part of a trace."""

    name: str
    kind: Literal["llm", "tool", "agent", "other"]
    depth: int
    start_seconds: float
    duration_seconds: float
    error: bool = False
