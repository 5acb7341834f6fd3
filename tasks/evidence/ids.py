"""Ids of agents and runs: text, whatever type the source has them in, and the order in which they are listed."""

from __future__ import annotations

import hashlib
import math
import re
from decimal import Decimal
from uuid import UUID

from tasks.evidence.values import Redact, quote_value, read_text

LONGEST_ID = 200
"""Characters of an id. Two of them have to find room in one entry of PostgreSQL's indexes, 2,704 bytes."""

_DIGEST_CHARACTERS = 24
_WHOLE = re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z")
_PIECES = re.compile(r"[0-9]+|[^0-9]+")
_LARGEST = 2**63 - 1
_MOST_DIGITS = 64
# Above this a float does not hold every whole number.
_EXACT = 2**53

NaturalKey = tuple[tuple[tuple[int, int, str], ...], str]


def read_id(value: object) -> str | None:
    """``value`` as an id; None when it is empty, blank, a truth value or no finite number.

    Text stays as it is, with its case and blanks. 1, 1.0 and Decimal("1.00") are "1", a UUID is its text, and so are 16
    bytes; other bytes are UTF-8, or else hex digits. An id of more than 200 characters ends in "…" and a hash of the
    whole, so that it stays unique.
    """
    if isinstance(value, bool):
        return None
    text = _text(value)
    if text is None or not text.strip():
        return None
    if len(text) <= LONGEST_ID:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{text[: LONGEST_ID - _DIGEST_CHARACTERS - 1]}…{digest}"


def random_place(run_id: str) -> bytes:
    """A key that puts runs into a random order, which is always the same."""
    return hashlib.sha256(run_id.encode("utf-8", "surrogatepass")).digest()


def natural_key(text: str) -> NaturalKey:
    """A sort key for ids: numbers within them by their size, "2" before "10" and "bot-2" before "bot-10".

    Ids that are whole numbers come first, negative ones before the others.
    """
    number = whole_number(text)
    if number is not None:
        return ((0, number, ""),), text
    pieces = (
        (1, int(piece), "") if piece[0] in "0123456789" else (2, 0, piece)
        for piece in _PIECES.findall(text[:LONGEST_ID])
    )
    return tuple(pieces), text


def whole_number(text: str) -> int | None:
    """The whole number of 64 bits that ``text`` is, written as Python writes it; else None, as for "007"."""
    number = int(text) if _WHOLE.match(text) else None
    return number if number is not None and abs(number) <= _LARGEST else None


def quote_id(text: str, redact: Redact | None = None) -> str:
    """An id for a sentence: a whole number as it is, other text in quotes, redacted and cut."""
    return text if whole_number(text) is not None else quote_value(text, redact)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return read_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None
        is_whole = value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
        return str(int(value)) if is_whole else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _decoded(bytes(value))
    return read_text(value)


def _decoded(value: bytes) -> str | None:
    if len(value) == 16:
        return str(UUID(bytes=value))
    try:
        return read_text(value.decode())
    except UnicodeDecodeError:
        return value.hex()
