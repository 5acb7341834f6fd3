"""Tool calls as a run's row holds them: the JSON of the column ``tool_calls``."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any

from tasks.evidence.call_shapes import CallPart, read_parts
from tasks.evidence.types import ToolCall
from tasks.evidence.values import read_text

UNNAMED = "(unnamed)"
"""The name of a call whose object has none."""

_LISTS = ("tool_calls", "toolCalls", "calls", "messages", "steps", "intermediate_steps", "intermediateSteps")


def parse_calls(value: object) -> tuple[tuple[ToolCall, ...], str | None]:
    """The calls in ``value`` (the column), and the column's text when it was not an array of objects, else None.

    NULL, an empty text and JSON's ``null`` are no calls and nothing wrong. Of an array that holds other things too,
    the objects are taken and the text is returned beside them. An array that was encoded twice is read, and so is one
    under a key such as ``tool_calls`` or ``messages``. A result that has an object of its own is joined to its call.
    """
    text = read_text(value)
    parts, whole = _read(text)
    calls = tuple(
        ToolCall(name=part.name or UNNAMED, arguments=part.arguments, result=part.result, error=part.error)
        for part in parts
    )
    return calls, None if whole else text


def unnamed_keys(value: object) -> tuple[str, ...] | None:
    """The keys of the first call in ``value`` (the column) that has no name; None where every call has one."""
    return next((part.keys for part in _read(read_text(value))[0] if part.name is None), None)


def _read(text: str | None) -> tuple[list[CallPart], bool]:
    """The calls in the column's text, and whether it was whole: an array of objects, or nothing."""
    if text is None or not text.strip():
        return [], True
    try:
        items = json.loads(text)
        if isinstance(items, str):
            items = json.loads(items)
        if items is None:
            return [], True
        if isinstance(items, dict):
            items = next((items[key] for key in _LISTS if isinstance(items.get(key), list)), None)
        if not isinstance(items, list):
            return [], False
        objects = [found for item in items if (found := _object(item)) is not None]
        parts = _join(part for item in objects for part in read_parts(item))
    except (ValueError, RecursionError):
        # ValueError is also what a number of more than 4,300 digits raises, RecursionError what [[[[… does.
        return [], False
    return parts, len(objects) == len(items)


def _object(item: Any) -> dict[str, Any] | None:
    """``item`` as an object: also one that was encoded once more, and LangChain's pair of an action and what came."""
    if isinstance(item, str) and item.lstrip().startswith("{"):
        item = json.loads(item)
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], dict):
        item = {**item[0], "observation": item[1]}
    return item if isinstance(item, dict) else None


def _join(parts: Iterable[CallPart]) -> list[CallPart]:
    """The calls, in order, with the results that had objects of their own."""
    calls: list[CallPart] = []
    waiting = _Waiting()
    for part in parts:
        call = waiting.take(part)
        if call is None:
            calls.append(part)
            waiting.add(part)
        elif not call.has_outcome:
            call.name = call.name or part.name
            call.result, call.error = part.result, part.error
    return calls


class _Waiting:
    """Calls by what their results name: the id, else the tool's name, else nothing but their order."""

    def __init__(self) -> None:
        self._by_id: dict[str, CallPart] = {}
        self._by_name: dict[str | None, deque[CallPart]] = {}

    def add(self, call: CallPart) -> None:
        if call.call_id is not None:
            self._by_id[call.call_id] = call
        if not call.has_outcome:
            for name in {call.name, None}:
                self._by_name.setdefault(name, deque()).append(call)

    def take(self, part: CallPart) -> CallPart | None:
        """The call that ``part`` is the result of; None when it is a call of its own."""
        named = None if part.call_id is None else self._by_id.get(part.call_id)
        if part.is_result:
            return named or self._first(part)
        if named is None or named.has_outcome or not part.has_outcome:
            return None
        same = part.name in (None, named.name) and part.arguments in (None, named.arguments)
        return named if same else None

    def _first(self, part: CallPart) -> CallPart | None:
        """The first call without a result, of the same name if the result has one."""
        queue = self._by_name.get(part.name, deque())
        while queue and (queue[0].has_outcome or (part.call_id and queue[0].call_id)):
            queue.popleft()
        return queue.popleft() if queue else None
