"""What a person types or writes as a score or a verdict, understood the same on the terminal and in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["label", "skip", "back", "quit", "help", "unclear"]

HELP = (
    "A score from 0 (worst) to 10 (best), or p (passed) or f (failed); a remark may follow it: 6 wrong amount. "
    "s skips, b goes back, q stops, ? shows this. Every answer is stored at once."
)
PASSED = ("p", "pass", "passed", "yes", "y", "true", "1")
FAILED = ("f", "fail", "failed", "no", "n", "false", "0")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a line means; of a label its score or whether it passed, and a note; of an unclear one ``note`` says why."""

    kind: Kind
    score: float | None = None
    passed: bool | None = None
    note: str | None = None


def parse_score(text: str) -> float | None:
    """A number from 0 to 10, with a decimal point or comma; None for anything else."""
    try:
        value = float(text.strip().replace(",", ".", 1))
    except ValueError:
        return None
    # float() also takes underscores, "nan" and "inf".
    return value if "_" not in text and math.isfinite(value) and 0 <= value <= 10 else None


def parse_passed(text: str) -> bool | None:
    """Whether a word of ``PASSED`` or ``FAILED``; None for any other."""
    word = text.strip().casefold()
    return True if word in PASSED else False if word in FAILED else None


def parse_answer(line: str) -> Answer:
    """What a person means by a line on the terminal."""
    word, _, note = line.strip().partition(" ")
    commands: dict[str, Kind] = {"s": "skip", "b": "back", "q": "quit", "?": "help", "h": "help"}
    if not note and word.casefold() in commands:
        return Answer(commands[word.casefold()])
    kept = " ".join(note.split()) or None
    if (score := parse_score(word)) is not None:
        return Answer("label", score=score, note=kept)
    if word.casefold() in ("p", "pass", "f", "fail"):
        return Answer("label", passed=parse_passed(word), note=kept)
    if not word:
        return Answer("unclear", note="An answer, or s to skip.")
    shown = "".join(char if char.isprintable() else "�" for char in word[:40])
    return Answer("unclear", note=f"{shown!r} is no score from 0 to 10, and none of p, f, s, b, q, ?")
