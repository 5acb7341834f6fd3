"""A number with the noun that goes with it."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 report``, ``2 reports``, ``1,200 tokens``; ``plural`` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def is_are(number: int) -> str:
    """The verb for a counted subject."""
    return "is" if number == 1 else "are"


def was_were(number: int) -> str:
    """The verb for a counted subject, in the past."""
    return "was" if number == 1 else "were"
