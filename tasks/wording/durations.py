"""How long something took, as people read it: the same words on the page, in Markdown and on the terminal."""

from __future__ import annotations


def format_duration(seconds: float | None) -> str:
    """``0.45 s``, ``8.0 s``, ``1 min 12 s``, ``2.1 h``; a dash when it was not measured."""
    if seconds is None:
        return "–"
    if seconds < 59.95:
        # What is shown as 1.0 s is not 1.00 s a hair below.
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{seconds / 3600:.1f} h"
