"""What must not be read in what an endpoint echoes: keys, tokens and the values of headers."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping

# Shorter ones ("none", "simulated") are words that an answer may hold.
_LENGTH_IN_ANSWERS = 16
_LENGTH_IN_ERRORS = len("none") + 1


class Secrets:
    """Values that are replaced in answers and errors, each by its ``mark`` in brackets; shared by all threads.

    Values may be added at any time: a token is renewed while others of its kind are still echoed.
    """

    def __init__(self, values: Mapping[str, Iterable[str]] | None = None) -> None:
        self._lock = threading.Lock()
        self._marks: dict[str, str] = {}
        self._written: dict[str, re.Pattern[str]] = {}
        for mark, secrets in (values or {}).items():
            for secret in secrets:
                self.add(secret, mark)

    def add(self, value: str, mark: str) -> None:
        """Hide ``value``, and each of its long words, such as the token of ``Bearer …``."""
        if value in self._marks:
            return
        with self._lock:
            words = [word for word in value.split() if len(word) >= _LENGTH_IN_ANSWERS]
            marks = {part: f"[{mark}]" for part in (value, *words) if len(part) >= _LENGTH_IN_ERRORS}
            # The longest first: one may be a part of another.
            self._marks = dict(sorted((self._marks | marks).items(), key=lambda item: -len(item[0])))
            self._written = {part: _as_json(part) for part in self._marks if len(part) >= _LENGTH_IN_ANSWERS}

    def hide_in_body(self, body: bytes) -> bytes:
        """A reply's body without the long ones as they are."""
        for value in self._written:
            body = body.replace(value.encode(), self._marks[value].encode())
        return body

    def hide_in_text(self, text: str) -> str:
        """A text read from JSON, which may be JSON once more, without the long ones."""
        for value, written in self._written.items():
            text = self._marks[value].join(written.split(text))
        return text

    def hide_in_error(self, text: str) -> str:
        """An error's text without any of them."""
        text = self.hide_in_text(text)
        for value, mark in self._marks.items():
            text = text.replace(value, mark)
        return text


def _as_json(value: str) -> re.Pattern[str]:
    """``value`` in all the ways in which JSON can write it: a character as ``\\/`` or ``\\u002b``."""
    return re.compile("".join(rf"(?:\\?{re.escape(char)}|(?i:\\u{ord(char):04x}))" for char in value))
