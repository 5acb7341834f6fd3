"""Texts made shorter: to one line, to their beginning, or to both their ends."""

from __future__ import annotations

import re
import unicodedata

_SUMMARY_CHARACTERS = 200
_HEAD = 2 / 3
_MARK = re.compile(r"… \[(\d+) more characters\]\Z")
_LONGEST_MARK = 60


def cut(text: str, limit: int = _SUMMARY_CHARACTERS) -> str:
    """``text`` on one line, in at most ``limit`` characters, cut between characters and not inside a composed one."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    end = limit - 1
    while end > 0 and _joins(line[end - 1], line[end]):
        end -= 1
    return line[:end].rstrip() + "…"


def clip_middle(text: str | None, limit: int) -> str:
    """``text`` in about ``limit`` characters at most: head and tail, with the number left out between them."""
    if not text:
        return ""
    mark = f" [… {len(text) - limit:,} characters left out] "
    if len(text) <= limit + len(mark):
        return text
    head = max(0, int(limit * _HEAD))
    tail = max(0, limit - head)
    return text[:head] + mark + (text[-tail:] if tail else "")


def clip_end(text: str, limit: int) -> str:
    """``text``, or its first ``limit`` characters and a mark that shows how many were left out.

    NUL, which PostgreSQL cannot store, becomes the replacement character. A text that was clipped before is clipped
    again, and its mark counts all that is left out.
    """
    text = text.replace("\x00", "\ufffd")
    if len(text) <= limit:
        return text
    marked = _MARK.search(text, max(0, len(text) - _LONGEST_MARK))
    left_out = int(marked[1]) if marked else 0
    end = marked.start() if marked else len(text)
    return text if end <= limit else f"{text[:limit]}… [{end - limit + left_out} more characters]"


def _joins(before: str, after: str) -> bool:
    """Whether the two code points belong to one character as it is seen (accents, emoji sequences, flags)."""
    joiner, regional = "\u200d", range(0x1F1E6, 0x1F200)
    return (
        unicodedata.category(after) in ("Mn", "Me", "Mc")
        or joiner in (before, after)
        or ord(after) in range(0x1F3FB, 0x1F400)
        or (ord(before) in regional and ord(after) in regional)
    )
