"""A conversation as a run: what its runs are together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from tasks.evidence.ids import natural_key
from tasks.evidence.types import Run, RunId
from tasks.evidence.values import write_json

_Number = TypeVar("_Number", int, float)


def merge_session(run_id: RunId, runs: Sequence[Run]) -> Run:
    """The ``runs`` (at least one) of a conversation as one run with this id.

    It begins with the task of the first run and ends as the last one does. Its duration is the time that the agent
    worked, without what lies between; tokens and costs are sums, None unless each run has one. Its steps are what was
    asked, done and answered, in order. A trace is that of all its runs, or none.
    """
    ordered = sorted(runs, key=lambda run: (run.started_at, natural_key(run.id)))
    last = ordered[-1]
    if len(ordered) == 1:
        return last.model_copy(update={"id": run_id})
    ends = [run.completed_at for run in ordered if run.completed_at is not None]
    return last.model_copy(
        update={
            "id": run_id,
            "started_at": ordered[0].started_at,
            "completed_at": max(ends, default=None),
            "duration_seconds": _total([run.duration_seconds for run in ordered]),
            "task": next((run.task for run in ordered if run.task), None),
            "expected": _last([run.expected for run in ordered]),
            "context": next((run.context for run in ordered if run.context), None),
            "steps_taken": _total([run.steps_taken for run in ordered]),
            "input_tokens": _total([run.input_tokens for run in ordered]),
            "output_tokens": _total([run.output_tokens for run in ordered]),
            "total_tokens": _total([run.total_tokens for run in ordered]),
            "cost_usd": _total([run.cost_usd for run in ordered]),
            "model_name": _common([run.model_name for run in ordered]),
            "tool_calls": tuple(call for run in ordered for call in run.tool_calls),
            "tool_calls_invalid": next((run.tool_calls_invalid for run in ordered if run.tool_calls_invalid), None),
            "execution_steps": write_json(steps) if (steps := list(_steps(ordered))) else None,
            "messages": None,
            "parent_run_id": None,
            "trace_id": _common([run.trace_id for run in ordered]),
            "succeeded": _last([run.succeeded for run in ordered]),
            "tags": tuple(dict.fromkeys(tag for run in ordered for tag in run.tags)),
        }
    )


def _steps(runs: Sequence[Run]) -> Iterator[Any]:
    for run in runs:
        if run is not runs[0] and run.task:
            yield {"role": "user", "content": run.task}
        yield from _own_steps(run.execution_steps)
        if run is not runs[-1] and run.final_response:
            yield {"role": "assistant", "content": run.final_response}


def _own_steps(text: str | None) -> list[Any]:
    if not text or not text.strip():
        return []
    try:
        steps = json.loads(text)
    except (ValueError, RecursionError):
        steps = text
    return steps if isinstance(steps, list) else [{"role": "assistant", "content": text}]


def _total(values: Sequence[_Number | None]) -> _Number | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _last(values: Sequence[Any]) -> Any:
    return next((value for value in reversed(values) if value is not None), None)


def _common(values: Sequence[str | None]) -> str | None:
    return values[0] if len(set(values)) == 1 else None
