"""Values: what a column of an unknown type holds, read as text, a whole number or a number, or None."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

_LARGEST_INT = 2**63 - 1
_LONGEST_NUMBER = 64
_LARGEST_NUMBER = 10**_LONGEST_NUMBER
_LONGEST_CLIP = 60
_LONGEST_READ = 1000
# Made once: the values of 2,000 runs are written one by one.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)

Redact = Callable[[str], str]
"""Text to text without secrets and personal data."""


def read_text(value: object) -> str | None:
    """``value`` as text that every database and file can hold, or None when it is None.

    Bytes are decoded as UTF-8; what is no UTF-8, NUL (PostgreSQL has none) and lone surrogates become U+FFFD or "?".
    """
    if value is None:
        return None
    if type(value) is str and value.isascii() and "\x00" not in value:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    text = write_json(value) if isinstance(value, (dict, list)) else str(value)
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def read_filled(value: object) -> str | None:
    """``read_text`` without the white space around it; None when nothing is left."""
    text = read_text(value)
    return (text.strip() or None) if text is not None else None


def quote_value(value: object, redact: Redact | None = None) -> str:
    """``value`` quoted for a message, at most some 60 characters of it, redacted before it is cut."""
    shown = (read_text(value) or "")[:_LONGEST_READ]
    if redact is not None:
        shown = redact(shown)
    return repr(shown if len(shown) <= _LONGEST_CLIP else shown[:_LONGEST_CLIP] + "…")


def write_json(value: Any) -> str:
    """``value`` as compact JSON; what JSON does not know is written as its text."""
    return _ENCODER.encode(value)


def read_float(value: object) -> float | None:
    """``value`` as a number that is finite and not negative; a number written as text counts; else None."""
    if type(value) is float or type(value) is int:
        return _plain_float(value)
    number = _decimal(value)
    if number is None or number < 0:
        return None
    size = float(number)
    return size if math.isfinite(size) else None


def _plain_float(value: float) -> float | None:
    # 10**64 is what texts may have at most.
    return float(value) if 0 <= value < _LARGEST_NUMBER else None


def read_int(value: object) -> int | None:
    """``value`` as a whole number from 0 to 2**63 - 1; a number written as text counts, "12.0" too; else None."""
    if type(value) is int:
        return value if 0 <= value <= _LARGEST_INT else None
    number = _decimal(value)
    if number is None or not 0 <= number <= _LARGEST_INT or number != int(number):
        return None
    return int(number)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    if isinstance(value, str) and (len(value) > _LONGEST_NUMBER or "_" in value):
        return None
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError):
        return None
    # A text such as 1e999999999 is a finite Decimal whose int() would fill the memory.
    return number if number.is_finite() and (not number or number.adjusted() < _LONGEST_NUMBER) else None
