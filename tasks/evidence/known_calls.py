"""The tool calls of one run as far as they are known: from its row, or from its trace."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.evidence.traces.tool_calls import canonical
from tasks.evidence.types import Run, ToolCall, Trace


@dataclass(frozen=True, slots=True)
class KnownCalls:
    """Tool calls in their order. ``is_whole``: there were no others, so that one that is not here was not made.

    ``has_repeats``: the same tool was called with the same arguments more than once; None where that is unknown.
    """

    calls: tuple[ToolCall, ...]
    is_whole: bool
    has_repeats: bool | None


def known_calls(run: Run, trace: Trace | None = None) -> KnownCalls:
    """The calls of ``run``: its row's, which are whole; its trace's where the row has none, or fewer.

    Without a call, the row's are whole where the row has a list of calls, even an empty one (``Run.tool_calls_known``),
    and the trace's where the trace is complete and shows which tools were called.
    """
    telemetry = trace.telemetry if trace is not None else None
    spans = telemetry.tool_calls if telemetry is not None else ()
    in_row = run.tool_calls_known or bool(run.tool_calls)
    if telemetry is not None and trace is not None and (len(spans) > len(run.tool_calls) or not in_row):
        has_calls = telemetry.tool_calls_from is not None or bool(spans)
        is_whole = has_calls and trace.state == "complete" and not telemetry.tool_calls_left_out
        calls = tuple(
            ToolCall(name=span.name, arguments=span.arguments, result=span.result, error=span.error) for span in spans
        )
        # Counted when the trace was read, with the whole arguments; here they are cut.
        return KnownCalls(calls, is_whole, True if telemetry.repeats else False if is_whole else None)
    is_whole = in_row and run.tool_calls_invalid is None
    keys = [(call.name, canonical(call.arguments)) for call in run.tool_calls if call.arguments is not None]
    repeats = len(set(keys)) < len(keys)
    return KnownCalls(run.tool_calls, is_whole, True if repeats else False if is_whole else None)
