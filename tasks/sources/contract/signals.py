"""Records of the kind ``signal``: whether a run did its task, where they show it clearly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.evidence.values import read_filled
from tasks.sources.contract.values import read_flag

Row = Mapping[str, Any]

_OUTCOMES = frozenset({"outcome", "success", "succeeded"})
_WORDS = {
    **dict.fromkeys(("correct", "solved", "resolved", "completed", "up", "thumbs_up", "positive", "👍"), True),
    **dict.fromkeys(("incorrect", "unsolved", "unresolved", "down", "thumbs_down", "negative", "-1", "👎"), False),
}


def fill_from_signals(row: Row, signals: Sequence[Row]) -> Row:
    """``row`` (of a run) with ``succeeded`` of its ``signals``, where it has no such value of its own.

    Signals that are an outcome by their name or source come first, then checks, then what users say. Of the first
    group that has a clear yes or no, all have to agree; a number between is not clear. Other signals do not count.
    """
    if read_flag(row.get("succeeded")) is not None:
        return row
    groups: dict[str, set[bool]] = {"outcome": set(), "check": set(), "user": set()}
    for signal in signals:
        source = (read_filled(signal.get("source")) or "").casefold()
        name = (read_filled(signal.get("name")) or "").casefold()
        group = "outcome" if name in _OUTCOMES else source
        value = _read(signal.get("value"))
        if group in groups and value is not None:
            groups[group].add(value)
    clear = next((values for values in groups.values() if values), set())
    return {**row, "succeeded": clear.pop()} if len(clear) == 1 else row


def _read(value: object) -> bool | None:
    flag = read_flag(value)
    return flag if flag is not None else _WORDS.get((read_filled(value) or "").casefold())
