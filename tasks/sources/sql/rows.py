"""Rows of the source, read as agents and runs. Columns that the source lacks are absent from the row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from tasks.errors import SourceError
from tasks.evidence.calls import parse_calls
from tasks.evidence.ids import read_id
from tasks.evidence.left_out import FINISHED
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.trace_ids import read_trace_id
from tasks.evidence.types import Agent, Outcome, Run
from tasks.evidence.values import Redact, quote_value, read_filled, read_float, read_int, read_text

Row = Mapping[str, Any] | RowMapping
_NAME_CHARACTERS = 200


def read_agent(row: Row, environment: str, redact: Redact | None = None) -> Agent:
    """The agent in a row of ``agents``; ``redact`` is for the value that an error quotes.

    A name of more than 200 characters is cut: Prefect has it in every event, and takes none of more than 1.5 MB.

    Raises:
        SourceError: it has no id.
    """
    agent_id = read_id(row["id"])
    if agent_id is None:
        raise SourceError(
            f"An agent of {environment} has the id {quote_value(row['id'], redact)}: ids are numbers or text, not empty"
        )
    name = read_filled(row["name"]) or f"agent {agent_id}"
    return Agent(
        id=agent_id,
        name=name if len(name) <= _NAME_CHARACTERS else name[: _NAME_CHARACTERS - 1] + "…",
        environment=environment,
        description=read_text(row.get("description")),
        prompt=read_text(row.get("prompt")),
        max_steps=read_int(row.get("max_steps")),
    )


def read_run(row: Row, agent: Agent, started_at: datetime, until: datetime) -> Run:
    """The run in a row of ``agent_runs`` whose id and start were read before; unfinished when it ended after ``until``.

    The duration is the column's, else the time between the two dates; numbers that make no sense read as None.
    """
    completed_at = parse_moment(row.get("completed_at"))
    duration = read_float(row.get("duration_seconds"))
    if duration is None and completed_at is not None and parse_moment(row.get("started_at")) is not None:
        duration = read_float((completed_at - started_at).total_seconds())
    calls, invalid = parse_calls(row.get("tool_calls"))
    status = read_text(row["status"]) or ""
    return Run(
        id=read_id(row["id"]) or "",
        agent_id=agent.id,
        status=status,
        outcome=_outcome(status, started_at, completed_at, duration, until),
        started_at=started_at,
        completed_at=completed_at,
        duration_seconds=duration,
        task=read_text(row.get("task")),
        final_response=read_text(row.get("final_response")),
        error=read_filled(row.get("error")),
        steps_taken=read_int(row.get("steps_taken")),
        input_tokens=read_int(row.get("input_tokens")),
        output_tokens=read_int(row.get("output_tokens")),
        total_tokens=read_int(row.get("total_tokens")),
        model_name=read_filled(row.get("model_name")),
        tool_calls=calls,
        tool_calls_invalid=invalid,
        execution_steps=read_text(row.get("execution_steps")),
        parent_run_id=read_id(row.get("parent_run_id")),
        trace_id=read_trace_id(row.get("trace_id")) or read_filled(row.get("trace_id")),
    )


def _outcome(
    status: str, started_at: datetime, completed_at: datetime | None, duration: float | None, until: datetime
) -> Outcome:
    if completed_at is None and duration is not None:
        # Without its end, a run ended when its duration was over; a year is more than any run takes.
        completed_at = started_at + timedelta(seconds=min(duration, 366 * 86400))
    if completed_at is not None and completed_at > until:
        return "unfinished"
    return FINISHED.get(status.strip().casefold(), "unfinished")
