"""An agent's words in a cell of a CSV file: no spreadsheet takes them for a formula (OWASP, CSV injection)."""

from __future__ import annotations

import re

# What a spreadsheet takes for the start of a formula, also in full width and behind white space.
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
_GUARD = "'"


def guard(text: str) -> str:
    """``text`` behind an apostrophe, which spreadsheets do not show, where it would be taken for a formula."""
    return _GUARD + text if _FORMULA.match(text) else text


def unguard(text: str) -> str:
    """What was given to ``guard``."""
    return text[1:] if text.startswith(_GUARD) and _FORMULA.match(text[1:]) else text
