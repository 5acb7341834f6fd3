"""Parsing of scores and verdicts, the same on the terminal and in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "skip", "back", "quit", "help", "unclear"]

HELP = (
    "A score from 0 (worst) to 10 (best), or p (passed) or f (failed), optionally followed by a note: 6 wrong amount. "
    "s skips, b goes back, q quits, ? shows this help. Every answer is stored immediately."
)
PASSED = ("p", "pass", "passed", "yes", "y", "true", "1")
FAILED = ("f", "fail", "failed", "no", "n", "false", "0")


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """One parsed line: a label has a score or a verdict; the ``note`` of an unclear line is the reason."""

    kind: Kind
    score: float | None = None
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
    commands: dict[str, Kind] = {"s": "skip", "b": "back", "q": "quit", "?": "help", "h": "help"}
    if not note and word.casefold() in commands:
        return LabelEntry(commands[word.casefold()])
    kept = " ".join(note.split()) or None
    if (score := parse_score(word)) is not None:
        return LabelEntry("label", score=score, note=kept)
    if word.casefold() in ("p", "pass", "f", "fail"):
        return LabelEntry("label", passed=parse_passed(word), note=kept)
    if not word:
        return LabelEntry("unclear", note="Type an answer, or s to skip.")
    shown = "".join(char if char.isprintable() else "�" for char in word[:40])
    return LabelEntry("unclear", note=f"{shown!r} is neither a score from 0 to 10 nor one of p, f, s, b, q, ?")
