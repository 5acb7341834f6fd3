"""Which part of the evidence a judgement sees: the newest finished runs, each clipped to an equal share of a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.evidence.types import Evidence, Run, SpanCall, ToolCall, Trace

BYTES_PER_TOKEN = 2.5
"""Low on purpose: English is at 4.2 bytes a token, tool JSON at 2.8, hexadecimal at 1.8."""

DEFAULT_BUDGET_TOKENS = 60_000
_SHARES = (("task", 0.2), ("response", 0.3), ("error", 0.1), ("calls", 0.4))
_MOST_CALLS = 40
_LEAST_SHARE = 1500
_LEAST_TEXT = 40
_MOST_NAME = 80
_CALL_OVERHEAD = 30


@dataclass(frozen=True, slots=True)
class CallExcerpt:
    """One tool call as the judge sees it."""

    name: str
    arguments: str
    result: str
    error: str
    duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class RunExcerpt:
    """One run as the judge sees it; texts are clipped in the middle and say so."""

    run: Run
    trace: Trace | None
    cost_usd: float | None
    task: str
    response: str
    error: str
    calls: tuple[CallExcerpt, ...]
    calls_left_out: int


def estimate_tokens(text: str) -> int:
    """Tokens of ``text``, estimated high; 0 for no text. Bytes rather than characters: other scripts cost more."""
    return round(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)


def clip(text: str | None, limit: int) -> str:
    """``text`` in at most about ``limit`` characters: head and tail, with the number left out between them."""
    if not text:
        return ""
    mark = f" [… {len(text) - limit:,} characters left out] "
    if len(text) <= limit + len(mark):
        return text
    head = max(0, limit * 2 // 3)
    tail = max(0, limit - head)
    return text[:head] + mark + (text[-tail:] if tail else "")


def select_runs(evidence: Evidence, budget_tokens: int = DEFAULT_BUDGET_TOKENS) -> list[RunExcerpt]:
    """The finished runs, newest first, each within an equal share of ``budget_tokens``; none: an empty list.

    Of more runs than the budget has room for, the newest are taken.
    """
    budget = int(budget_tokens * BYTES_PER_TOKEN)
    runs = evidence.finished_runs[: max(1, budget // _LEAST_SHARE)]
    if not runs:
        return []
    share = max(_LEAST_SHARE, budget // len(runs))
    return [_excerpt(evidence, run, share) for run in runs]


def select_run(evidence: Evidence, run_id: int, budget_tokens: int) -> RunExcerpt | None:
    """One run within ``budget_tokens``, or None when it is not among the finished runs."""
    share = max(400, int(budget_tokens * BYTES_PER_TOKEN))
    return next((_excerpt(evidence, run, share) for run in evidence.finished_runs if run.id == run_id), None)


def _excerpt(evidence: Evidence, run: Run, share: int) -> RunExcerpt:
    limits = {part: int(share * fraction) for part, fraction in _SHARES}
    trace = evidence.traces.get(run.id)
    calls = _calls(run, trace)
    shown = _shown(calls, limits["calls"])
    return RunExcerpt(
        run=run,
        trace=trace,
        cost_usd=evidence.costs_usd.get(run.id),
        task=clip(run.task, limits["task"]),
        response=clip(run.final_response, limits["response"]),
        error=clip(run.error, limits["error"]),
        calls=shown,
        calls_left_out=len(calls) - len(shown),
    )


def _shown(calls: Sequence[ToolCall | SpanCall], limit: int) -> tuple[CallExcerpt, ...]:
    """The first calls, each clipped, as many as ``limit`` characters hold; what surrounds a text counts too."""
    shown: list[CallExcerpt] = []
    per_text = max(_LEAST_TEXT, limit // max(1, 2 * min(len(calls), _MOST_CALLS)))
    for call in calls[:_MOST_CALLS]:
        excerpt = CallExcerpt(
            name=clip(call.name, _MOST_NAME),
            arguments=clip(call.arguments, per_text),
            result=clip(call.result, per_text),
            error=clip(call.error, per_text),
            duration_seconds=call.duration_seconds if isinstance(call, SpanCall) else None,
        )
        texts = (excerpt.name, excerpt.arguments, excerpt.result, excerpt.error)
        limit -= _CALL_OVERHEAD + sum(map(len, texts))
        if limit < 0:
            break
        shown.append(excerpt)
    return tuple(shown)


def _calls(run: Run, trace: Trace | None) -> list[ToolCall | SpanCall]:
    # The row keeps whole results; the trace has times and errors but clips. The row wins where it has calls.
    if run.tool_calls:
        return list(run.tool_calls)
    return list(trace.telemetry.tool_calls) if trace and trace.telemetry else []
