"""JSON as models write it: read where it can mean one thing only, refused elsewhere.

A repairing library reads more, by guesses: it closes what was cut off, keeps the last of two values of one key, and
makes 75 of 7_5. Here nothing is added that a number could depend on: every bracket and every string must be closed,
and what is no number of JSON stays a text, for the rules of scores to judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tasks.errors import UnusableAnswerError

# An answer has six levels, and wrappers add a few.
_DEEPEST = 40
# What opens a text, and all that may close it.
_CLOSING = {'"': '"', "'": "'", "`": "`", "“": '”“"', "”": "”", "„": '“”"', "‘": "’‘'", "’": "’", "«": "»"}
_SPECIAL = {opening: re.compile(rf"[\\{closing}]") for opening, closing in _CLOSING.items()}
_OPENING = "".join(_CLOSING)
_COLON = ":："
_COMMA = ",，"
_BLANK = re.compile(r"\s+|//[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/))*\*/")
_BARE = re.compile(rf"[^\s{_COMMA}{_COLON}{{}}\[\]{_OPENING}/#][^{_COMMA}{_COLON}{{}}\[\]\n\"“”]{{0,60}}")
_COMMENT = re.compile(r"//|/\*|#")
_DECIMAL_COMMA = re.compile(rf"\d{{1,2}}[{_COMMA}]\d{{1,2}}(?=\s{{0,99}}[{_COMMA}}}\n])")
_WORDS: dict[str, Any] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_CONSTANT = rf"(?:{'|'.join(_WORDS)})\b"
_GAP = r"\s{0,300}"
_COMMENTS = r"(?://|/\*|\#)"
_QUOTED_KEY = rf"[{_OPENING}][^\n\"“”„{_COLON}]{{1,200}}[\"'`“”‘’»]"
_BARE_KEY = r"[^\W\d][\w-]{0,60}"
_ENDS_OUTER = rf"{_GAP}(?:[{_COMMA}}}\]]|{_COMMENTS}|\Z)"
_NOTE = rf"{_GAP}(?:[{_COMMA}]{_GAP})?{_COMMENTS}"


def _after_member(key: str) -> re.Pattern[str]:
    """What follows the value of a member, where the keys look like ``key``."""
    next_key = rf"{_GAP}{key}{_GAP}[{_COLON}]"
    return re.compile(
        rf"{_GAP}\}}{_ENDS_OUTER}|{_GAP}[{_COMMA}]{_GAP}\}}|{_GAP}[{_COMMA}]{next_key}|{_NOTE}"
        rf"|[ \t\r]{{0,99}}\n{next_key}|{_GAP}\Z"
    )


# Whether a quotation mark closes its text is decided by what follows it: models leave quotes within texts unescaped.
_AFTER_KEY = re.compile(rf"{_GAP}[{_COLON}]")
_AFTER_MEMBER = _after_member(_QUOTED_KEY)
_AFTER_BARE_MEMBER = _after_member(rf"(?:{_QUOTED_KEY}|{_BARE_KEY})")
_AFTER_ITEM = re.compile(
    rf"{_GAP}\]{_ENDS_OUTER}|{_GAP}[{_COMMA}]{_GAP}(?:[{_OPENING}{{\[\]\d+.-]|{_CONSTANT})|{_NOTE}"
    rf"|[ \t\r]{{0,99}}\n{_GAP}[{_OPENING}{{\[]|{_GAP}\Z"
)
# Behind the last bracket of all there may be anything.
_AFTER_LAST = re.compile(rf"{_GAP}\}}")
_AFTER_BARE = re.compile(rf"{_GAP}(?:[{_COMMA}}}\]]|{_COMMENTS})|[ \t\r]{{0,99}}\n")
_LONGEST_KEY = 300
_IN_WORD = re.compile(r"\w['’]\w")
_NAME = re.compile(_BARE_KEY)
_ESCAPED = re.compile(r"u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.", re.DOTALL)


class _UnclearError(ValueError):
    """What stands there is no JSON, or could mean more than one thing."""


class ValueReader:
    """Reads objects and lists out of one text. ``work`` bounds how many characters it passes over in all."""

    def __init__(self, text: str, work: int) -> None:
        self.text = text
        self.work = work
        self._decoder = json.JSONDecoder(strict=False, parse_int=_whole, object_pairs_hook=_single)

    def read(self, start: int) -> tuple[Any, int] | None:
        """The object or list that starts at ``start``, and where it ends; None where none can be read.

        Raises:
            UnusableAnswerError: a key comes twice in one object, with different values.
        """
        try:
            return self._decoder.raw_decode(self.text, start)
        except (ValueError, RecursionError):
            pass
        if self.work <= 0:
            return None
        scanner = _Scanner(self.text, start, self.work)
        try:
            return scanner.value(0, None), scanner.at
        except ValueError:
            return None
        finally:
            self.work -= scanner.at - start


class _Scanner:
    """A reader of one value, by descent."""

    def __init__(self, text: str, start: int, most: int) -> None:
        self.text = text
        self.at = start
        self._end = start + most

    def value(self, depth: int, after: re.Pattern[str] | None) -> Any:
        """The value at ``at``; a text among others ends before what ``after`` matches."""
        char = self._peek()
        if depth > _DEEPEST:
            raise _UnclearError
        if char == "{":
            return self._members(depth + 1)
        if char == "[":
            return self._items(depth + 1)
        if after is None:
            raise _UnclearError
        if char not in _CLOSING:
            return self._bare(after)
        return self._quoted(char, after, last=depth == 1 and after is not _AFTER_ITEM)

    def _members(self, depth: int) -> dict[str, Any]:
        self.at += 1
        pairs: list[tuple[str, Any]] = []
        comma = True
        while (char := self._peek()) != "}":
            if char in _COMMA:
                comma = True
                self.at += 1
                continue
            blank = self.text[self.at - 1].isspace()
            if not comma and not blank:
                raise _UnclearError
            key = self._key(char)
            self.at += 1
            after = _AFTER_MEMBER if char in _CLOSING else _AFTER_BARE_MEMBER
            pairs.append((key, self.value(depth, after)))
            comma = False
        self.at += 1
        return _single(pairs)

    def _items(self, depth: int) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        comma = True
        while (char := self._peek()) != "]":
            if char in _COMMA:
                comma = True
                self.at += 1
                continue
            # Of two things without a comma between them, one must be closed by itself.
            if not comma and char not in _CLOSING and char not in "{[":
                raise _UnclearError
            items.append(self.value(depth, _AFTER_ITEM))
            comma = False
        self.at += 1
        return items

    def _key(self, char: str) -> str:
        if char in _CLOSING:
            key = self._quoted(char, _AFTER_KEY)
        elif name := _NAME.match(self.text, self.at):
            key = name[0]
            self.at = name.end()
        else:
            raise _UnclearError
        if self._peek() not in _COLON:
            raise _UnclearError
        return key

    def _quoted(self, opening: str, after: re.Pattern[str], *, last: bool = False) -> str:
        """The text that ``opening`` opens, up to the first mark that closes it; ``last``: it may end the object."""
        special = _SPECIAL[opening]
        parts = ['"']
        first = start = self.at + 1
        while found := special.search(self.text, start, self._end):
            parts.append(self.text[start : found.start()].replace('"', '\\"'))
            self.at = start = found.end()
            if found[0] == "\\":
                escaped = _ESCAPED.match(self.text, start)
                if escaped is None:
                    break
                parts.append(_unescaped(escaped[0]))
                self.at = start = escaped.end()
            elif after.match(self.text, start) or (last and _AFTER_LAST.match(self.text, start)):
                parts.append('"')
                text = json.loads("".join(parts), strict=False)
                assert isinstance(text, str)
                return text
            elif after is _AFTER_KEY and not (_IN_WORD.match(self.text, start - 2) and start - first < _LONGEST_KEY):
                break
            else:
                parts.append(f"\\{found[0]}" if found[0] == '"' else found[0])
        raise _UnclearError

    def _bare(self, after: re.Pattern[str]) -> Any:
        if after is not _AFTER_ITEM and (number := _DECIMAL_COMMA.match(self.text, self.at)):
            # A key is never a number: what follows this comma is no member.
            self.at = number.end()
            return number[0]
        found = _BARE.match(self.text, self.at)
        if found is None:
            raise _UnclearError
        comment = _COMMENT.search(self.text, found.start() + 1, found.end())
        word = self.text[self.at : comment.start() if comment else found.end()].rstrip()
        self.at += len(word)
        if not _AFTER_BARE.match(self.text, self.at):
            raise _UnclearError
        if word in _WORDS:
            return _WORDS[word]
        try:
            return json.loads(word, parse_int=_whole)
        except ValueError:
            return word

    def _peek(self) -> str:
        """The next character that is neither blank nor in a comment."""
        while blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
        if self.at >= min(self._end, len(self.text)):
            raise _UnclearError
        return self.text[self.at]


def _unescaped(escaped: str) -> str:
    """What stands behind a backslash, as JSON has it."""
    if escaped[0] == "x" and len(escaped) > 1:
        return f"\\u00{escaped[1:]}"
    if escaped in '"\\/bfnrt' or (escaped[0] == "u" and len(escaped) > 1):
        return f"\\{escaped}"
    # \' and \_ are the mark alone; \d and \W were meant as they stand.
    return f"\\\\{escaped}" if escaped.isalnum() else escaped


def _whole(digits: str) -> float:
    # int() refuses thousands of digits; as a float they are too large for a score or a run id, and no more than that.
    return int(digits) if len(digits) <= 20 else float(digits)


def _single(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            raise UnusableAnswerError([f"the key {key[:60]!r} comes twice in one object, with different values"])
        found[key] = value
    return found
