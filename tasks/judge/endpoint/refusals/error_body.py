"""The body of an error, whatever its shape: its words, and what it names.

Servers agree on little: ``error.message``, ``message``, ``detail``, ``errors[]``, a list around all of it, JSON within
text within JSON, plain text, HTML. Only known keys are read, as others echo the request (``input``, ``body``) or the
model (``failed_generation``), and with them what agents wrote.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.judge.endpoint.event_stream import event_data

_MOST_WORDS = 1500
_MOST_BYTES = 1_000_000
# One text of it: an echo comes behind the endpoint's own words.
_MOST_OF_A_TEXT = 1000
_MOST_TO_SEARCH = 20_000
_DEEPEST = 8
_MOST_PARTS = 20
_MOST_FIGURE = 10**12
_LONGEST_NAME = 40

_TEXTS = (
    "message",
    "Message",
    "msg",
    "error_message",
    "errorMessage",
    "error_msg",
    "err_msg",
    "errmsg",
    "status_msg",
    "faultstring",
    "error_description",
    "description",
    "title",
    "detail",
    "error",
    "raw",
)
_NESTED = (
    "errors",
    "details",
    "fault",
    "innererror",
    "inner_error",
    "cause",
    "metadata",
    "base_resp",
    "violations",
    "fieldViolations",
    "field_violations",
    "provider_specific_fields",
)
_CODES = ("code", "error_code", "errorCode", "errorcode", "err_code", "errcode", "status_code", "reason", "Code")
_TYPES = ("type", "error_type", "__type", "status")
_PARAMS = ("param", "parameter", "field")
_NO_NAMES = frozenset({"", "error", "none", "null", "failure", "0"})
_MOST_SPACES_OF_A_NAME = 4
# Keys that only a moderation's error has.
_MARKS = frozenset({"flagged_input", "reasons"})
_DELAYS = ("retryDelay", "retry_delay", "retry_after", "retryAfter", "retry_after_seconds", "estimated_time")
_DURATION = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*s?\s*")
_IS_HTML = re.compile(r"\s{0,99}<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(title|h1|Message)\b[^<>]{0,200}>([^<>]{1,500})</\1>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,500}>")
# A validation error as pydantic writes it: what was sent stands in it.
_INPUT = re.compile(r"input_value=[^\]]{0,2000}")
_OPENING, _CLOSING = "{[(", "}])"


@dataclass(slots=True)
class ErrorBody:
    """The contents of an error's body; what it lacks is "", empty or None.

    ``words`` is one line. ``code``, ``type`` and ``param`` are the first of their kind, ``names`` all codes and types
    in lower case, with the keys that mark a moderation. ``figures`` are whole numbers by their names, ``statuses`` the
    HTTP statuses among them, in order.
    """

    words: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    names: set[str] = field(default_factory=set)
    figures: dict[str, int] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    retry_seconds: float | None = None
    per_day: bool = False

    def read(self, value: object, levels: int = _DEEPEST) -> None:
        """Add what ``value`` holds: JSON, or a text with JSON in it."""
        if levels <= 0:
            return
        if isinstance(value, str):
            self._read_text(value, levels)
        elif isinstance(value, Mapping):
            self._read_object(value, levels)
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            for part in value[:_MOST_PARTS]:
                self.read(part, levels - 1)

    def _read_text(self, text: str, levels: int) -> None:
        text = _INPUT.sub("", text[:_MOST_TO_SEARCH])
        before, inner, after = _split_at_data(text)
        if inner is None:
            self._add_words(text)
            return
        self._add_words(before.rstrip(" -:\r\n\t"))
        self.read(inner, levels - 1)
        self._add_words(after)

    def _read_object(self, value: Mapping[Any, Any], levels: int) -> None:
        message = value.get("msg", value.get("message"))
        if isinstance(value.get("loc"), list | tuple) and isinstance(message, str):
            # One of a list of validation errors: where, and what.
            path = ".".join(str(part)[:100] for part in value["loc"][:_MOST_PARTS] if part != "body")
            self.param = self.param or path
            self._add_words(f"{path}: {message}")
            return
        self._read_names(value)
        for key in (*_TEXTS, *_NESTED):
            self.read(value.get(key), levels - 1)

    def _read_names(self, value: Mapping[Any, Any]) -> None:
        for key in _CODES:
            self.code = self._note(value.get(key), self.code)
        for key in _TYPES:
            self.type = self._note(value.get(key), self.type)
        for key in _PARAMS:
            self.param = self.param or _short(value.get(key))
        self.names |= _MARKS & value.keys()
        for result in ("content_filter_result", "content_filter_results"):
            if '"filtered": true' in json.dumps(value.get(result), default=str)[:_MOST_TO_SEARCH]:
                self.names.add("filtered")
        self.per_day = self.per_day or "perday" in _short(value.get("quotaId")).lower()
        for key in _DELAYS:
            if self.retry_seconds is None:
                self.retry_seconds = _seconds(value.get(key))
        for name, number in list(value.items())[: 2 * _MOST_PARTS]:
            if isinstance(name, str) and len(name) <= _LONGEST_NAME and _is_figure(number):
                self.figures.setdefault(name, number)

    def _note(self, value: object, first: str) -> str:
        """Keep ``value`` among the names; the first that there was."""
        text = _short(value)
        if text.count(" ") > _MOST_SPACES_OF_A_NAME:
            self._add_words(text)
            return first
        if re.fullmatch(r"[45]\d\d", text):
            self.statuses.append(int(text))
            return first
        if text.lower() in _NO_NAMES:
            return first
        self.names.add(text.lower())
        return first or text

    def _add_words(self, text: str) -> None:
        line = "".join(char if char.isprintable() else " " for char in text[:_MOST_OF_A_TEXT])
        line = " ".join(line.split())
        if line and line not in self.words and len(self.words) < _MOST_WORDS:
            self.words = f"{self.words}; {line}"[:_MOST_WORDS] if self.words else line


def read_error_body(body: bytes) -> ErrorBody:
    """The contents of ``body``: JSON, events (SSE), HTML, XML or plain text; nothing when it is empty."""
    found = ErrorBody()
    text = body[:_MOST_BYTES].decode("utf-8", "replace").strip().lstrip("\ufeff")
    data = load_json(text)
    if data is None and text.startswith(("data:", "event:", "id:", ":")):
        for event in read_events(text):
            found.read(event)
    elif data is not None:
        found.read(data)
    elif _IS_HTML.match(text) or text.startswith("<?xml") or text.startswith("<Error"):
        title = _TITLE.search(text[:_MOST_TO_SEARCH])
        found.read(html.unescape(title[2]) if title else _TAG.sub(" ", text[:_MOST_TO_SEARCH]) or "an HTML page")
    else:
        found.read(text)
    return found


def read_events(text: str) -> list[Any]:
    """The data of an event stream, of which each event is JSON; the first and the last ten where there are more."""
    events = [load_json(value) for value in event_data(text) if value.startswith(("{", "["))]
    events = [event for event in events if event is not None]
    return events if len(events) <= _MOST_PARTS else [*events[: _MOST_PARTS // 2], *events[-_MOST_PARTS // 2 :]]


def load_json(text: str) -> Any:
    """``text`` as JSON, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _split_at_data(text: str) -> tuple[str, Any, str]:
    """``text`` before and after the first object or list in it, as JSON or as Python writes it, and that; or None."""
    for start in (match.start() for match in re.finditer(r"\{\s{0,9}[\"']|\[\s{0,9}[{\"]", text)):
        end = _end_of_data(text, start)
        data = _load_data(text[start:end]) if end else None
        if _speaks(data, alone=not text[:start].strip()):
            return text[:start], data, text[end:]
        # Of a broken one the parts are not read on their own.
        break
    return text, None, ""


def _speaks(data: object, *, alone: bool) -> bool:
    """Whether there is a key in ``data`` that is read; a list of texts is an error's only where it stands alone."""
    if isinstance(data, dict):
        return not data.keys().isdisjoint((*_TEXTS, *_NESTED))
    if isinstance(data, list) and data:
        return _speaks(data[0], alone=alone) or (alone and isinstance(data[0], str))
    return False


def _end_of_data(text: str, start: int) -> int:
    """Behind the bracket that closes the one at ``start``; 0 when none does."""
    depth, quote, escaped = 0, "", False
    for place in range(start, len(text)):
        char = text[place]
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "\"'":
            quote, escaped = char, False
        elif char in _OPENING:
            depth += 1
        elif char in _CLOSING:
            depth -= 1
            if depth == 0:
                return place + 1
    return 0


def _load_data(text: str) -> Any:
    data = load_json(text)
    if data is None:
        try:
            data = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    return data


def _short(value: object) -> str:
    """A name, such as a code: a text or a whole number; "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(str(value)[:200].split())


def _is_figure(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_FIGURE


def _seconds(value: object) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("seconds")
    if isinstance(value, bool):
        return None
    match = _DURATION.fullmatch(str(value)[:40]) if isinstance(value, str | int | float) else None
    return float(match[1]) if match else None
