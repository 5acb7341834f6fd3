"""A run's tool calls on the terminal: of its trace, or without one as the source has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from deployments.terminal.console import one_line
from tasks.report.nested_rows import SpanCallRow, ToolCallRow
from tasks.report.rows import RunRow
from tasks.wording.counts import counted
from tasks.wording.durations import format_duration

_MOST_CALLS = 12
_MOST_CHARACTERS = 200


def describe_calls(run: RunRow) -> Iterator[Text]:
    """A heading and the first calls, each on a line; that nothing is known of any where that is so.

    Args:
        run: A row of ``report_runs``.
    """
    telemetry, stored = run["telemetry"], run.get("tool_calls")
    calls: Sequence[SpanCallRow | ToolCallRow]
    if telemetry is not None:
        calls, left_out = telemetry["tool_calls"] or [], telemetry["tool_calls_left_out"] or 0
        llm_calls = telemetry["llm_calls"]
        known = bool(calls) or telemetry.get("tool_calls_from") is not None
        counts = [
            "LLM calls unknown" if llm_calls is None else counted(llm_calls, "LLM call"),
            counted(len(calls) + left_out, "tool call") if known else "tool calls unknown",
            counted(telemetry["errors"], "error"),
        ]
        yield Text(f"Trace: {', '.join(counts)}, {format_duration(telemetry['wall_seconds'])}", style="dim")
    elif stored is not None:
        calls, left_out = stored["calls"] or [], stored["left_out"] or 0
        yield Text(f"No trace of this run. The source has {counted(len(calls) + left_out, 'tool call')}:", style="dim")
    else:
        yield Text("No trace of this run, and no tool call in the source.", style="dim")
        return
    for call in calls[:_MOST_CALLS]:
        line = Text.assemble("  ", one_line(call["name"], "cyan"))
        for text, before in ((call["arguments"], " "), (call["result"], " → "), (call["error"], " ✗ ")):
            if text:
                line.append_text(Text.assemble(before, one_line(text[:_MOST_CHARACTERS])))
        yield line
    if more := len(calls[_MOST_CALLS:]) + left_out:
        yield Text(f"  and {more} more")
