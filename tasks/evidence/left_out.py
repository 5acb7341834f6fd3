"""Runs that are in no figure because of their status: which statuses, and how many runs each has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tasks.evidence.types import Outcome, Run

FINISHED: Mapping[str, Outcome] = {
    "completed": "success",
    "failed": "failure",
    "timeout": "failure",
    "error": "failure",
}
"""The outcome of a run by its status in lower case. A run of any other status is left out."""

_MOST_STATUSES = 8
_STATUS_CHARACTERS = 40


@dataclass(slots=True)
class LeftOut:
    """Runs that were left out: by status, and how many have a finished status but end in the future (after the moment
    up to which the report looks)."""

    statuses: Counter[str] = field(default_factory=Counter)
    ending_later: int = 0

    def __bool__(self) -> bool:
        return bool(self.statuses or self.ending_later)

    def add(self, runs: Iterable[Run]) -> LeftOut:
        """This, with the unfinished ones among ``runs`` counted."""
        for run in runs:
            if run.outcome != "unfinished":
                continue
            status = " ".join(run.status.split())
            if status.casefold() in FINISHED:
                self.ending_later += 1
            else:
                self.statuses[_shorten(status) or "no status"] += 1
        return self

    def sentences(self) -> list[str]:
        """What was left out and why, each reason in a sentence; empty when nothing was."""
        said = []
        if total := sum(self.statuses.values()):
            *others, last = FINISHED
            finished = f"{', '.join(others)} or {last}"
            subject = "1 run is" if total == 1 else f"{total} runs are"
            said.append(f"{subject} left out for a status other than {finished}: {self._listed()}")
        if self.ending_later:
            subject = "1 finished run is" if self.ending_later == 1 else f"{self.ending_later} finished runs are"
            said.append(f"{subject} left out for ending in the future (is duration_seconds in seconds?)")
        return said

    def short(self) -> str:
        """The statuses with their numbers of runs, for a cell of a table; "" when nothing was left out."""
        later = [f"ending in the future ({self.ending_later})"] if self.ending_later else []
        return ", ".join([*([self._listed()] if self.statuses else []), *later])

    def _listed(self) -> str:
        order = sorted(self.statuses.items(), key=lambda item: (-item[1], item[0]))
        parts = [f"{status} ({count})" for status, count in order[:_MOST_STATUSES]]
        if rest := order[_MOST_STATUSES:]:
            parts.append(f"{len(rest)} other statuses ({sum(count for _, count in rest)})")
        return ", ".join(parts)


def _shorten(status: str) -> str:
    return status if len(status) <= _STATUS_CHARACTERS else f"{status[: _STATUS_CHARACTERS - 1]}…"
