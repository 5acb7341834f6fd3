"""Values of the contract's columns that a database, a file or a span can have in many types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from tasks.evidence.values import read_filled, read_float, read_text, write_json

_DURATIONS = TypeAdapter(timedelta)
_LONGEST_DURATION = 64
_YES = frozenset({"true", "t", "yes", "y", "1", "1.0", "pass", "passed", "success", "succeeded", "successful", "ok"})
_NO = frozenset({"false", "f", "no", "n", "0", "0.0", "fail", "failed", "failure", "error", "unsuccessful"})
_MOST_TAGS = 100
_TAG_CHARACTERS = 200


def read_seconds(value: object) -> float | None:
    """A duration in seconds: a number, an interval, or text such as ``1.5``, ``00:01:30`` and ``PT1M30S``; None for
    everything else, and for less than nothing."""
    if not isinstance(value, timedelta):
        seconds = read_float(value)
        text = read_filled(value)
        if seconds is not None or text is None or len(text) > _LONGEST_DURATION or not (":" in text or "P" in text):
            return seconds
        try:
            value = _DURATIONS.validate_python(text)
        except ValidationError:
            return None
    return read_float(value.total_seconds())


def read_flag(value: object) -> bool | None:
    """Whether ``value`` is a yes: true, 1, ``passed``, ``success``; a no: false, 0, ``failed``; None for the rest."""
    if isinstance(value, bool):
        return value
    if isinstance(value, bytes) and value in (b"\x00", b"\x01"):
        # MySQL's BIT(1).
        return value == b"\x01"
    word = (read_filled(value) or "").casefold()
    return True if word in _YES else False if word in _NO else None


def read_given(value: object) -> str | None:
    """``read_text``; None where that is blank, or JSON's null."""
    text = read_text(value)
    return text if text is not None and text.strip() not in ("", "null") else None


def read_document(value: object) -> str | None:
    """``read_given``; JSON is written compactly, as every database and file has it in a way of its own."""
    text = read_given(value)
    if text is None or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return write_json(json.loads(text))
    except (ValueError, RecursionError):
        return text


def read_tags(value: object) -> tuple[str, ...]:
    """The words in a list, in a JSON array, or between commas; at most a hundred of 200 characters."""
    words = (word for word in _words(value) if word)
    return tuple(word[:_TAG_CHARACTERS] for _, word in zip(range(_MOST_TAGS), dict.fromkeys(words), strict=False))


def _words(value: object) -> Iterator[str | None]:
    text = None if isinstance(value, (list, tuple, set)) else read_filled(value)
    items: object = value if text is None else text.split(",")
    if text is not None and text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = [text]
    return (read_filled(item) for item in items) if isinstance(items, (list, tuple, set)) else iter(())
