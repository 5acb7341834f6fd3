"""Values of attributes: text, JSON, counts. Attributes come from anywhere, so nothing here trusts them or raises."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from tasks.evidence.traces.spans import Span

_MOST_TOKENS = 10**12
_LONGEST_LITERAL = 20_000
_LONGEST_JSON = 5_000_000
_DEEPEST_PATH = 50


def as_text(value: object) -> str | None:
    """``value`` as text, JSON unless it is text already; None when it is None or cannot be written."""
    if value is None or isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        return None


def first_text(*keys: str) -> Callable[[Span], str | None]:
    """A reader of the first of the attributes ``keys`` that a span has, as text."""

    def read(span: Span) -> str | None:
        tags = span.tags
        for key in keys:
            if key in tags and (text := as_text(tags[key])) is not None:
                return text
        return None

    return read


def first_filled(*keys: str) -> Callable[[Span], str | None]:
    """A reader of the first of the attributes ``keys`` that is not empty, as text."""

    def read(span: Span) -> str | None:
        return next((as_text(value) for key in keys if (value := span.tags.get(key))), None)

    return read


def parse_json(value: object) -> Any:
    """What the JSON text ``value`` holds, twice over where JSON holds JSON as text; None when it is no such text.

    A value that is no text comes back as it is: attributes can be lists and maps.
    """
    for _ in range(2):
        if not isinstance(value, str) or len(value) > _LONGEST_JSON:
            break
        text = value.strip()
        if text[:1] not in ("{", "[", '"'):
            return None
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
    return None if isinstance(value, str) else value


def json_object(value: object) -> dict[str, Any]:
    """``value`` as a dict, parsed where it is JSON text; anything else is empty."""
    parsed = parse_json(value)
    return parsed if isinstance(parsed, dict) else {}


def literal_object(value: object) -> dict[str, Any]:
    """A dict that is written as JSON or as Python writes it (``{'city': 'Paris', 'when': None}``), else empty."""
    found = _literal(value)
    return found if isinstance(found, dict) else {}


def literal_list(value: object) -> list[Any]:
    """A list that is written as JSON or as Python writes it, else empty."""
    found = _literal(value)
    return found if isinstance(found, list) else []


def _literal(value: object) -> Any:
    if not isinstance(value, str):
        return value
    if (found := parse_json(value)) is not None:
        return found
    text = value.strip()
    if text[:1] not in ("{", "[") or len(text) > _LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def unquoted(value: object) -> str | None:
    """``value`` as text without the quotes of a JSON string around it; None when it is empty or no text."""
    if not isinstance(value, str):
        return None
    text: object = value
    if value[:1] == '"':
        try:
            text = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return text if isinstance(text, str) and text else None


def count(value: object) -> int | None:
    """``value`` as a count of tokens; None when it is none: negative, too large, a boolean, a word."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= _MOST_TOKENS else None


def first_count(values: Mapping[str, Any], keys: Iterable[str]) -> int | None:
    """The first of ``values`` under ``keys`` that is a count."""
    for key in keys:
        if key in values and (number := count(values[key])) is not None:
            return number
    return None


def dig(value: object, *path: str | int) -> Any:
    """What lies under ``path`` (keys of dicts, places of lists) in ``value``; None where the path ends early."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
    return value


def numbered(tags: Mapping[str, Any], prefix: str) -> list[Any]:
    """The attributes under ``prefix`` (``llm.output_messages``), which flatten a list, as nested lists and dicts.

    ``prefix.0.role``, ``prefix.0.tool_calls.1.name`` become ``[{"role": …, "tool_calls": [{}, {"name": …}]}]``. Places
    are closed up where some are missing; a list of no attribute is empty.
    """
    start = prefix + "."
    root: dict[str, Any] = {}
    for key, value in tags.items():
        if key.startswith(start):
            node = root
            *path, last = key[len(start) :].split(".", _DEEPEST_PATH)
            for step in path:
                below = node.setdefault(step, {})
                if not isinstance(below, dict):
                    break
                node = below
            else:
                node.setdefault(last, value)
    found = _lists(root)
    return found if isinstance(found, list) else []


def _lists(node: object) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() and len(key) < 6 for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}
