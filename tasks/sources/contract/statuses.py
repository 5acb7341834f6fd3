"""What the words in the column ``status`` mean: how a run ended, or that it has not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tasks.evidence.types import Outcome

StatusMeaning = Literal["completed", "failed", "unfinished"]

BUILT_IN: Mapping[StatusMeaning, tuple[str, ...]] = {
    "completed": ("completed", "success", "succeeded", "ok", "done"),
    "failed": ("failed", "failure", "error", "errored", "timeout", "timed_out"),
    "unfinished": ("running", "pending", "queued", "cancelled", "canceled"),
}


class Statuses:
    """The built-in words and those of ``own``, which come first; case and blanks around a word do not matter."""

    def __init__(self, own: Mapping[StatusMeaning, Sequence[str]] | None = None) -> None:
        self._outcomes: dict[str, Outcome] = {}
        for words in (BUILT_IN, own or {}):
            for meaning, listed in words.items():
                self._outcomes.update({_fold(word): meaning for word in listed})

    def outcome(self, status: str) -> Outcome | None:
        """How a run with this ``status`` counts; None for an unknown word, which counts as unfinished."""
        return self._outcomes.get(_fold(status))


def _fold(word: str) -> str:
    return word.strip().casefold()
