"""What is odd in the rows of one agent's runs, so that a figure may be wrong: a sentence each, for the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tasks.evidence.calls import UNNAMED, unnamed_keys
from tasks.evidence.ids import quote_id
from tasks.evidence.traces.spans import normalized_trace_id
from tasks.evidence.traces.trace_ids import is_decimal, read_trace_id
from tasks.evidence.types import Run, RunId
from tasks.evidence.values import Redact, quote_value
from tasks.sources.contract.rows import Row
from tasks.wording.counts import counted

_MOST_KEYS = 8
_IN_A_SECOND = 1000
# Milliseconds in the place of seconds, where the two dates are rounded to seconds.
_SHORTEST_SECONDS = 2.0


def describe_oddities(runs: Sequence[Run], rows: Mapping[RunId, Row], redact: Redact | None) -> Iterator[str]:
    """Sentences on tool calls, trace ids and durations; ``rows`` are the rows of the runs, by id."""
    yield from _broken_calls(runs, redact)
    yield from _unnamed_calls(runs, rows, redact)
    yield from _trace_ids(runs, redact)
    yield from _milliseconds(runs, redact)


def _broken_calls(runs: Sequence[Run], redact: Redact | None) -> Iterator[str]:
    invalid = [run.id for run in runs if run.tool_calls_invalid is not None]
    if invalid:
        yield (
            f"The tool calls of {counted(len(invalid), 'run')} are not a JSON array of objects and are kept as text, "
            f"as in run {quote_id(invalid[0], redact)}"
        )


def _unnamed_calls(runs: Sequence[Run], rows: Mapping[RunId, Row], redact: Redact | None) -> Iterator[str]:
    unnamed = [run for run in runs if any(call.name == UNNAMED for call in run.tool_calls)]
    keys = next((keys for run in unnamed if (keys := unnamed_keys(rows[run.id].get("tool_calls"))) is not None), None)
    if keys is None:
        return
    shown = ", ".join(keys[:_MOST_KEYS]) + (", …" if len(keys) > _MOST_KEYS else "")
    yield (
        f"Tool calls of {counted(len(unnamed), 'run')} have no name and are counted as {UNNAMED}: as in run "
        f"{quote_id(unnamed[0].id, redact)}, where a call has the keys {quote_value(shown, redact)} "
        "(a name is read from tool_name or name)"
    )


def _trace_ids(runs: Sequence[Run], redact: Redact | None) -> Iterator[str]:
    known = [(run, run.trace_id) for run in runs if run.trace_id]
    decimal = [(run, trace_id) for run, trace_id in known if is_decimal(trace_id)]
    # Of 2,000 ids of 16 hex digits one has no letter.
    if len(decimal) * 2 < len(known):
        decimal = [(run, trace_id) for run, trace_id in decimal if read_trace_id(trace_id) is None]
    if decimal:
        run, trace_id = decimal[0]
        yield (
            f"The trace ids of {counted(len(decimal), 'run')} are decimal numbers, as Datadog writes them, so that "
            f"Jaeger has no such trace: as in run {quote_id(run.id, redact)}, {quote_value(trace_id, redact)}"
        )
    odd = [(run, trace_id) for run, trace_id in known if not is_decimal(trace_id) and not normalized_trace_id(trace_id)]
    if odd:
        run, trace_id = odd[0]
        yield (
            f"The trace ids of {counted(len(odd), 'run')} cannot be read, as in run {quote_id(run.id, redact)}, "
            f"{quote_value(trace_id, redact)}: a trace id has 32 or 16 hex digits"
        )


def _milliseconds(runs: Sequence[Run], redact: Redact | None) -> Iterator[str]:
    """Runs whose duration is a thousand times what lies between their two dates."""
    found = []
    for run in runs:
        if run.completed_at is None or run.duration_seconds is None:
            continue
        # Zero where the start is unknown and the end stands in for it.
        seconds = (run.completed_at - run.started_at).total_seconds()
        if seconds >= _SHORTEST_SECONDS and 0.5 <= run.duration_seconds / seconds / _IN_A_SECOND <= 2:
            found.append((run, seconds))
    if found:
        run, seconds = found[0]
        yield (
            f"duration_seconds of {counted(len(found), 'run')} seems to be in milliseconds: it is "
            f"{run.duration_seconds:g} in run {quote_id(run.id, redact)}, whose dates are {seconds:g} s apart"
        )
