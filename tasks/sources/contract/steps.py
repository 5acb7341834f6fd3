"""Records of the kind ``step`` read into the run that they are a part of: its tool calls and messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.evidence.timestamps import parse_moment
from tasks.evidence.values import read_filled, read_int, read_text, write_json

Row = Mapping[str, Any]

_ROLES = frozenset({"assistant", "agent", "ai", "user", "human", "system", "developer", "tool"})
_LATEST = datetime.max.replace(tzinfo=UTC)


def fill_from_steps(row: Row, steps: Sequence[Row]) -> Row:
    """``row`` (of a run) with ``tool_calls`` and ``execution_steps`` of its ``steps``, where it has none of its own.

    Steps are in the order of ``seq``, then of ``started_at``. A step ``tool`` is a tool call, and the messages name it
    at its place. The outputs of a ``message`` and of an ``llm`` or ``agent`` call are the agent's words, unless the
    message's name is another role or it has an ``input`` alone. Other kinds are left out.
    """
    ordered = sorted(steps, key=_place)
    found = {
        "tool_calls": [_call(step) for step in ordered if _kind(step) == "tool"],
        "execution_steps": [message for step in ordered for message in _messages(step)],
    }
    if not any("content" in message for message in found["execution_steps"]):
        # Calls alone are in their order.
        found["execution_steps"] = []
    return {**row, **{name: write_json(of) for name, of in found.items() if of and read_filled(row.get(name)) is None}}


def _place(step: Row) -> tuple[bool, int, datetime]:
    seq = read_int(step.get("seq"))
    return seq is None, seq or 0, parse_moment(step.get("started_at")) or _LATEST


def _kind(step: Row) -> str:
    return (read_filled(step.get("kind")) or "").casefold()


def _call(step: Row) -> dict[str, str]:
    values = {
        "name": read_filled(step.get("name")),
        "arguments": read_text(step.get("input")),
        "result": read_text(step.get("output")),
        "error": read_filled(step.get("error")),
    }
    return {name: value for name, value in values.items() if value is not None}


def _messages(step: Row) -> Iterator[dict[str, Any]]:
    given, made = read_filled(step.get("input")), read_filled(step.get("output"))
    kind, error = _kind(step), read_filled(step.get("error"))
    if kind == "tool":
        yield {"role": "assistant", "tool_calls": [{"name": read_filled(step.get("name"))}]}
    elif kind == "message":
        role = (read_filled(step.get("name")) or "").casefold()
        if role not in _ROLES:
            role = "assistant" if made else "user"
        if text := made or given:
            yield {"role": role, "content": text}
    elif kind in ("llm", "agent"):
        if made:
            yield {"role": "assistant", "content": made}
        if error:
            yield {"role": "environment", "content": error}
