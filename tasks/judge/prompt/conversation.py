"""The conversation in a run's ``execution_steps`` as events in their order: words, calls asked for, results.

Any provider's and framework's messages are read, with the tables that also read ``tool_calls``: see
``tasks.evidence.call_shapes``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tasks.evidence.call_shapes import CallPart, read_parts
from tasks.evidence.timestamps import parse_moment
from tasks.evidence.values import read_text

Speaker = Literal["agent", "user", "tool", "other"]
"""Whose words they are; other: the system, the developer, the environment, another agent."""

_AGENTS = frozenset({"assistant", "agent", "ai", "model", "thought", "reasoning"})
_USERS = frozenset({"user", "human", "customer"})
_OTHERS = frozenset({"system", "developer", "environment", "observation"})
_TOOLS = frozenset({"tool", "function", "tool_result", "tool_output", "function_call_output"})
_SPEAKERS = ("from", "sender", "author", "speaker", "source")
_TEXT_KEYS = ("content", "text", "message", "thought", "thinking", "reasoning")
_PART_KEYS = (*_TEXT_KEYS, "parts", "contents", "blocks", "value", "summary")
_TIME_KEYS = ("timestamp", "created_at", "createdAt", "started_at", "start_time", "time", "ts")
_LISTS = ("messages", "execution_steps", "steps", "conversation", "trajectory", "events", "history", "turns")
_ENVELOPES = ("kwargs", "data", "message")
_CLASSES = {"AIMessage": "ai", "HumanMessage": "human", "SystemMessage": "system", "ToolMessage": "tool"}
# Beside a name they make an object without a role a call.
_CALL_KEYS = frozenset({"tool", "toolname", "function", "functionname", "action", "toolinput", "actioninput"})
_CALL_TYPES = ("tool", "function", "action", "call")
_SEPARATORS = str.maketrans("", "", "_-. ")
_MOST_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Words:
    """Something that was written; ``at`` is when, where the message has a time."""

    speaker: Speaker
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A tool call that the agent asked for; "" is unknown."""

    name: str
    arguments: str | None = None
    call_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What a tool call gave back; "" is unknown. ``result`` is None where the message holds none."""

    name: str
    result: str | None = None
    error: str | None = None
    call_id: str = ""
    at: datetime | None = None


Event = Words | RequestedCall | Returned


def read_conversation(column: str | None) -> list[Event]:
    """The events in the column, in its order; none where it holds none. Text that is no JSON is the agent's words."""
    if not column or not column.strip():
        return []
    try:
        parsed = json.loads(column)
        if isinstance(parsed, dict):
            parsed = next((parsed[key] for key in _LISTS if isinstance(parsed.get(key), list)), [parsed])
        return list(_events(parsed if isinstance(parsed, list) else [parsed], _MOST_DEPTH))
    except (ValueError, RecursionError):
        # Whatever it is, only the agent wrote it.
        return [Words("agent", column)]


def _events(items: list[Any], depth: int) -> Iterator[Event]:
    for item in items:
        if isinstance(item, str):
            found = _encoded(item)
            if found is None:
                yield from _words("agent", [item], None)
                continue
            item = found
        if isinstance(item, list):
            if len(item) == 2 and isinstance(item[0], dict) and not isinstance(item[1], dict):
                # LangChain's pair of an action and what came of it.
                item = {**item[0], "observation": item[1]}
            elif depth:
                yield from _events(item, depth - 1)
                continue
        if isinstance(item, dict):
            yield from _of_message(_unwrapped(item))


def _encoded(text: str) -> dict[str, Any] | None:
    """A message that was encoded once more, as an object."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and ("role" in found or "type" in found) else None


def _unwrapped(item: dict[str, Any]) -> dict[str, Any]:
    """A message without the envelope that LangChain and lists of choices put around it."""
    if item.get("role"):
        return item
    for key in _ENVELOPES:
        inner = item.get(key)
        if isinstance(inner, dict) and ("content" in inner or "role" in inner or "parts" in inner):
            path = item.get("id")
            known = _CLASSES.get(str(path[-1]).removesuffix("Chunk")) if isinstance(path, list) and path else None
            kind = inner.get("type") or known or item.get("type")
            return {**{name: item[name] for name in _TIME_KEYS if name in item}, **inner, "type": kind}
    return item


def _of_message(item: dict[str, Any]) -> Iterator[Event]:
    speaker, has_role = _speaker(item)
    times = (parse_moment(item[key]) for key in _TIME_KEYS if key in item)
    at = next((moment for moment in times if moment is not None), None)
    whole = [part for part in read_parts(item) if has_role or _is_call(item, part)]
    if speaker == "tool":
        results = [_returned(part, at) for part in whole]
        yield from results or [Returned("", text, at=at) for text in _texts(_content(item), _MOST_DEPTH)]
        return
    inline: list[Event] = []
    shown: set[str] = set()
    for key in _PART_KEYS:
        if key not in item or (key == "summary" and item.get("type") != "reasoning"):
            continue
        value = item[key]
        for part in value if isinstance(value, list) else [value]:
            calls = list(read_parts(part, known_only=True)) if isinstance(part, dict) else []
            inline += [event for call in calls for event in _of_call(call, at)]
            if not calls:
                # Some write a text twice, under two of the names.
                texts = [text for text in _texts(part, _MOST_DEPTH) if text not in shown]
                shown.update(texts)
                inline += _words(speaker, texts, at)
    if sum(not isinstance(event, Words) for event in inline) >= len(whole):
        yield from inline
        return
    yield from (event for event in inline if isinstance(event, Words))
    yield from (event for part in whole for event in _of_call(part, at))


def _speaker(item: Mapping[str, Any]) -> tuple[Speaker, bool]:
    """Whose a message is, and whether it has a role."""
    role = item.get("role")
    if not role:
        named = (str(item.get(key)).lower() for key in _SPEAKERS)
        role = next((name for name in named if name in _USERS | _AGENTS), None)
    known = str(role or item.get("type") or "assistant").lower()
    if known in _TOOLS:
        return "tool", True
    if known in _USERS:
        return "user", bool(item.get("role"))
    own = known in _AGENTS or (not role and known not in _OTHERS)
    return ("agent" if own else "other"), bool(item.get("role")) or known in ("ai", "human")


def _is_call(item: Mapping[str, Any], part: CallPart) -> bool:
    """Whether an object without a role is a call or a result: a name beside a text can be that of who wrote it."""
    if part.is_result:
        return True
    if not part.name or len(part.name.split()) > 1:
        return False
    kind = str(item.get("type") or item.get("kind") or "").lower()
    return (
        part.arguments is not None
        or part.call_id is not None
        or any(word in kind for word in _CALL_TYPES)
        or any(key.translate(_SEPARATORS).lower() in _CALL_KEYS for key in item)
    )


def _of_call(part: CallPart, at: datetime | None) -> Iterator[Event]:
    if part.is_result:
        yield _returned(part, at)
        return
    yield RequestedCall(part.name or "", part.arguments, part.call_id or "", at)
    if part.has_outcome:
        yield _returned(part, at)


def _returned(part: CallPart, at: datetime | None) -> Returned:
    return Returned(part.name or "", part.result, part.error, part.call_id or "", at)


def _content(item: Mapping[str, Any]) -> object:
    return next((item[key] for key in _PART_KEYS if item.get(key) is not None), None)


def _words(speaker: Speaker, texts: list[str], at: datetime | None) -> list[Words]:
    return [Words(speaker, stripped, at) for text in texts if (stripped := text.strip())]


def _texts(value: object, depth: int) -> Iterator[str]:
    """The texts in a message's content: a text, or a list of parts that have one."""
    if isinstance(value, str):
        yield read_text(value) or ""
    elif depth and isinstance(value, list):
        for part in value:
            yield from _texts(part, depth - 1)
    elif depth and isinstance(value, dict):
        for key in _TEXT_KEYS:
            yield from _texts(value.get(key), depth - 1)
