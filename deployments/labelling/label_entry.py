"""Parsing of answers, the same on the terminal, on the page and in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "skip", "back", "quit", "help", "unclear"]

HELP = (
    "y (yes, it passes on this run) or n (no, it fails), optionally followed by a note: n refunded twice. "
    "s skips (where the run does not show it), b goes back, q quits, ? shows this help. Every answer is stored "
    "immediately."
)
PASSED = ("y", "yes", "p", "pass", "passed", "true", "1")
FAILED = ("n", "no", "f", "fail", "failed", "false", "0")
_COMMANDS: dict[str, Kind] = {"s": "skip", "b": "back", "q": "quit", "?": "help", "h": "help"}


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """One parsed line: a label has a verdict; the ``note`` of an unclear line is the reason."""

    kind: Kind
    passed: bool | None = None
    note: str | None = None


def parse_score(text: str) -> float | None:
    """A number from 0 to 10 with a decimal point or comma, or None."""
    try:
        value = float(text.strip().replace(",", ".", 1))
    except ValueError:
        return None
    # float() also takes underscores, "nan" and "inf".
    return value if "_" not in text and math.isfinite(value) and 0 <= value <= 10 else None


def parse_passed(text: str) -> bool | None:
    """True for a word of ``PASSED``, False for one of ``FAILED``, else None."""
    word = text.strip().casefold()
    return True if word in PASSED else False if word in FAILED else None


def parse_entry(line: str) -> LabelEntry:
    """Parse a line typed on the terminal."""
    word, _, note = line.strip().partition(" ")
    folded = word.casefold()
    if not note and folded in _COMMANDS:
        return LabelEntry(_COMMANDS[folded])
    # A digit is no answer here: it would be read as a score, of which a single run has none.
    if not word.isdecimal() and (passed := parse_passed(word)) is not None:
        return LabelEntry("label", passed, " ".join(note.split()) or None)
    if not word:
        return LabelEntry("unclear", note="Type an answer, or s to skip.")
    shown = "".join(char if char.isprintable() else "�" for char in word[:40])
    return LabelEntry("unclear", note=f"{shown!r} is none of y (yes), n (no), s, b, q, ?")
