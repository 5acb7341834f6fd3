"""Texts in short, as a report's tables and lists have them."""

from __future__ import annotations

import unicodedata

_SUMMARY_CHARACTERS = 200


def cut(text: str, limit: int = _SUMMARY_CHARACTERS) -> str:
    """``text`` on one line, in at most ``limit`` characters, cut between characters and not inside a composed one."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    end = limit - 1
    while end > 0 and _joins(line[end - 1], line[end]):
        end -= 1
    return line[:end].rstrip() + "…"


def _joins(before: str, after: str) -> bool:
    """Whether the two code points belong to one character as it is seen (accents, emoji sequences, flags)."""
    joiner, regional = "\u200d", range(0x1F1E6, 0x1F200)
    return (
        unicodedata.category(after) in ("Mn", "Me", "Mc")
        or joiner in (before, after)
        or ord(after) in range(0x1F3FB, 0x1F400)
        or (ord(before) in regional and ord(after) in regional)
    )
