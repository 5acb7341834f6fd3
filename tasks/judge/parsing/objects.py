"""The JSON objects in a text: within fences and prose, in a list, encoded once more."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

from tasks.errors import UnusableAnswerError
from tasks.judge.parsing.syntax import ValueReader

# Each costs a pass over the rest: a page of opening braces must not take minutes.
_MOST_TRIED = 50
# What a judge answers has some 10,000 characters; only so many are read with patience, twice in all.
_LONGEST_TOLERATED = 400_000
_START = re.compile(r"\{|\[(?=\s{0,99}\{)")
# An object that cannot be read begins so: what follows may be its inside.
_HEAD = re.compile(r"[\[\s]{0,99}\{\s{0,99}(?:[\"'“„‘`][^\"“”„:\n{}]{1,200}[\"'”“’`]|\w{1,60})\s{0,99}[:：]")
# Unless it ends before another begins: what was quoted with dots, {"order": 7, ...}, holds no answer.
_FLAT = re.compile(r"\{[^{}]{0,2000}\}")
# So does the inside of an object whose head went with the reasoning.
_KEY_BEFORE = re.compile(r"[,{\[]\s{0,99}[\"'“„‘`][^\"“”„:\n{}]{1,200}[\"'”“’`]\s{0,99}[:：]\s{0,99}\Z")
# JSON within a text of JSON, with or without its quotes, once or more often; and as HTML.
_ENCODED = re.compile(r"\{(?:\s|\\{1,9}[nrt]){0,99}\\{1,9}\"")
_QUOTE_BEFORE = re.compile(r"\"\s{0,20}\[?\s{0,20}\Z")
_ESCAPED = re.compile(r"\{\s{0,99}&(?:quot|#34|#x22|#39|apos);", re.IGNORECASE)
_MOST_LAYERS = 3
_FENCE = re.compile(r"\s*(?:`{3,9}|~{3,9})?[ \t]*(?:json\w{0,2})?[:\s]*\"?\s*", re.IGNORECASE)


def find_values(text: str, *, cut_off: bool = False) -> list[Any]:
    """The objects, and lists of objects, in ``text``, in their order; empty when there are none.

    ``cut_off``: the text ended at a limit. Then only one object at its very start counts, which is whole: a draft may
    stand before an answer that was never written, and another object behind may have been meant instead.

    Raises:
        UnusableAnswerError: an object begins and cannot be read, with what was wrong; or it has two values for one key.
    """
    return _values(text, cut_off, _MOST_LAYERS)


def require_object(values: Sequence[Any], text: str) -> None:
    """Refuse ``text`` where none of the ``values`` that were found in it is an object.

    Raises:
        UnusableAnswerError: none is, and how the text begins.
    """
    if not any(isinstance(value, dict) for value in values):
        start = " ".join(text.split())[:80]
        raise UnusableAnswerError([f"the answer is not a JSON object (it starts with {start!r})"])


def _values(text: str, cut_off: bool, layers: int) -> list[Any]:
    values: list[Any] = []
    reader = ValueReader(text, 2 * len(text) if len(text) <= _LONGEST_TOLERATED else 0)
    position, room = 0, 2 * len(text)
    for _ in range(_MOST_TRIED):
        start = _START.search(text, position)
        if start is None:
            break
        position = start.start()
        encoded = _encoded(text, position) if layers and room > 0 else None
        room -= len(encoded[0]) if encoded else 0
        found = None
        if encoded is not None and (inside := _values(encoded[0], cut_off, layers - 1)):
            found = inside, encoded[1]
        elif (whole := _read(reader, position)) is not None:
            found = [whole[0]], whole[1]
        if found is None:
            position += 1
            continue
        if cut_off and (values or _FENCE.fullmatch(text, 0, position) is None or "{" in text[found[1] :]):
            raise UnusableAnswerError(["the answer was cut off, and its JSON object does not stand by itself"])
        values += found[0]
        position = found[1]
    return values


def _read(reader: ValueReader, position: int) -> tuple[Any, int] | None:
    """What ``reader`` reads at ``position``; None where no object begins."""
    text = reader.text
    if _KEY_BEFORE.search(text, max(0, position - 500), position):
        raise UnusableAnswerError(["the answer is the inside of a JSON object whose beginning is missing"])
    found = reader.read(position)
    if found is None and _HEAD.match(text, position) and not _FLAT.match(text, position):
        raise UnusableAnswerError([f"the answer is not a JSON object that can be read ({_why(text, position)})"])
    return found


def _encoded(text: str, start: int) -> tuple[str, int] | None:
    """What stands at ``start`` as JSON within a text of JSON, or in HTML, and where it ends; None if nothing does."""
    if _ESCAPED.match(text, start):
        return html.unescape(text[start:]), len(text)
    quote = _QUOTE_BEFORE.search(text, max(0, start - 50), start)
    if quote is not None and (found := _read_text(text, quote.start())) is not None:
        return found
    if not _ENCODED.match(text, start):
        return None
    # Up to the quote that ends it, or the end, where it came without.
    found = _read_text(f'"{text[start:].rstrip()}"', 0)
    return None if found is None else (found[0], start + found[1] - 1)


def _read_text(text: str, start: int) -> tuple[str, int] | None:
    """The text of JSON that starts at ``start``, and where it ends; None when none does."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
    except ValueError:
        return None
    return (value, end) if isinstance(value, str) else None


def _why(text: str, start: int) -> str:
    """Why no object can be read at ``start``."""
    try:
        json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()):
            return "it ends before its brackets are closed"
        return f"{error.msg} at {text[error.pos : error.pos + 20]!r}"
    except (ValueError, RecursionError):
        return "its values are too large or too deep"
    return "it is no object"
