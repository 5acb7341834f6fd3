"""Tool calls as a run's row holds them: the JSON of the column ``tool_calls``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tasks.evidence.types import ToolCall
from tasks.evidence.values import read_filled, read_text, write_json

UNNAMED = "(unnamed)"
"""The name of a call whose object has none."""

_NAMES = ("tool_name", "name")
_ARGUMENTS = ("parameters", "input", "arguments")
_RESULTS = ("output", "result")
_ERROR_FLAGS = ("is_error", "isError")


def parse_calls(value: object) -> tuple[tuple[ToolCall, ...], str | None]:
    """The calls in ``value`` (the column), and the column's text when it was not an array of objects, else None.

    NULL, an empty text and JSON's ``null`` are no calls and nothing wrong. Of an array that holds other things too,
    the objects are taken and the text is returned beside them. An array that was encoded twice is read.
    """
    text = read_text(value)
    if text is None or not text.strip():
        return (), None
    try:
        items = json.loads(text)
        if isinstance(items, str):
            items = json.loads(items)
        if items is None:
            return (), None
        if not isinstance(items, list):
            return (), text
        objects = [item for item in items if isinstance(item, dict)]
        calls = tuple(_call(item) for item in objects)
    except (ValueError, RecursionError):
        # ValueError is also what a number of more than 4,300 digits raises, RecursionError what [[[[… does.
        return (), text
    return calls, None if len(objects) == len(items) else text


def _call(item: Mapping[str, Any]) -> ToolCall:
    function = item.get("function")
    if isinstance(function, dict):
        # The shape of OpenAI's messages.
        item = {**item, **function}
    result = _text(_first(item, _RESULTS))
    error = _error(item.get("error"), result)
    if error is None and any(item.get(flag) is True for flag in _ERROR_FLAGS):
        error = result or "error"
    return ToolCall(
        name=_text(_first(item, _NAMES)) or UNNAMED,
        arguments=_text(_first(item, _ARGUMENTS)),
        result=result,
        error=error,
    )


def _error(value: Any, result: str | None) -> str | None:
    if value is True:
        return result or "error"
    return read_filled(_text(value)) if value else None


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _text(value: Any) -> str | None:
    return read_text(value if value is None or isinstance(value, str) else write_json(value))
