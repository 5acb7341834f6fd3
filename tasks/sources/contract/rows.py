"""Rows in the contract's names, read as agents and runs. What a source does not have is absent from its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from tasks.errors import SourceError
from tasks.evidence.calls import parse_calls
from tasks.evidence.ids import read_id, whole_number
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.traces.trace_ids import read_trace_id
from tasks.evidence.types import Agent, AgentId, Outcome, Run
from tasks.evidence.values import Redact, quote_value, read_filled, read_float, read_int, read_text
from tasks.sources.contract.messages import fill_from_messages
from tasks.sources.contract.statuses import Statuses
from tasks.sources.contract.values import read_document, read_flag, read_given, read_seconds, read_tags

Row = Mapping[str, Any]
"""Values by the contract's names, of whatever type the source has."""

_NAME_CHARACTERS = 200
# More than any run takes.
_LONGEST_SECONDS = 366 * 86400.0


def read_agent(row: Row, environment: str, redact: Redact | None = None) -> Agent:
    """The agent in a row; ``redact`` is for the value that an error quotes.

    Without a name it goes by its id. A name of more than 200 characters is cut: Prefect has it in every event, and
    takes none of more than 1.5 MB.

    Raises:
        SourceError: it has no id.
    """
    agent_id = read_id(row["id"])
    if agent_id is None:
        raise SourceError(
            f"An agent of {environment} has the id {quote_value(row['id'], redact)}: ids are numbers or text, not empty"
        )
    name = read_filled(row.get("name")) or (agent_id if whole_number(agent_id) is None else f"agent {agent_id}")
    return Agent(
        id=agent_id,
        name=name if len(name) <= _NAME_CHARACTERS else name[: _NAME_CHARACTERS - 1] + "…",
        environment=environment,
        description=read_text(row.get("description")),
        prompt=read_text(row.get("prompt")),
        owner=read_filled(row.get("owner")),
        max_steps=read_int(row.get("max_steps")),
    )


def read_run(row: Row, agent_id: AgentId, started_at: datetime, until: datetime, statuses: Statuses) -> Run:
    """The run in a row whose id and start were read before; unfinished when it ended after ``until``.

    What its ``messages`` hold stands in for the columns that are empty. The duration is the column's, else the time
    between the two dates; numbers that make no sense read as None.
    """
    row = fill_from_messages(row)
    completed_at = parse_moment(row.get("completed_at"))
    duration = read_seconds(row.get("duration_seconds"))
    if duration is None and completed_at is not None and parse_moment(row.get("started_at")) is not None:
        duration = read_float((completed_at - started_at).total_seconds())
    calls, invalid = parse_calls(row.get("tool_calls"))
    status = read_text(row.get("status")) or ""
    outcome, left_out_for = _outcome(statuses.outcome(status), started_at, completed_at, duration, until)
    values = {name: read(value) for name, value in row.items() if value is not None and (read := _READERS.get(name))}
    return Run(
        id=read_id(row["id"]) or "",
        agent_id=agent_id,
        status=status,
        outcome=outcome,
        left_out_for=left_out_for,
        started_at=started_at,
        completed_at=completed_at,
        duration_seconds=duration,
        tool_calls=calls,
        tool_calls_known=bool(calls) or (read_filled(row.get("tool_calls")) or "null") != "null",
        tool_calls_invalid=invalid,
        **values,
    )


def _read_trace_id(value: object) -> str | None:
    return read_trace_id(value) or read_filled(value)


# The columns that are read by themselves. Of a scan, most are not there.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("task", "final_response", "execution_steps"), read_text),
    **dict.fromkeys(("expected", "context"), read_document),
    **dict.fromkeys(("error", "model_name", "session_id", "version", "owner"), read_filled),
    **dict.fromkeys(("steps_taken", "input_tokens", "output_tokens", "total_tokens"), read_int),
    "cost_usd": read_float,
    "messages": read_given,
    "parent_run_id": read_id,
    "trace_id": _read_trace_id,
    "succeeded": read_flag,
    "tags": read_tags,
}


def _outcome(
    outcome: Outcome | None,
    started_at: datetime,
    completed_at: datetime | None,
    duration: float | None,
    until: datetime,
) -> tuple[Outcome, Literal["status", "unknown status", "end"] | None]:
    """How a run counts whose status means ``outcome``, and why it is unfinished."""
    if outcome is None or outcome == "unfinished":
        return "unfinished", "status" if outcome else "unknown status"
    if completed_at is None and duration is not None:
        # Without its end, a run ended when its duration was over.
        completed_at = started_at + timedelta(seconds=min(duration, _LONGEST_SECONDS))
    if completed_at is not None and completed_at > until:
        return "unfinished", "end"
    return outcome, None
