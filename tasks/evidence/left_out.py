"""Runs that are in no figure because of their status or their dates: why, and how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tasks.evidence.types import Evidence, FutureRuns, LeftOutRuns, Run
from tasks.wording.counts import counted

FOR_STATUS = ("left out as unfinished: ", "left out for an unknown status: ")
"""What the sentences on statuses have in them."""
_MOST_STATUSES = 8
_STATUS_CHARACTERS = 40
# The clocks of the hosts that write the dates differ a little.
_CLOCKS_DIFFER = timedelta(minutes=1)


def is_future(moment: datetime, now: datetime) -> bool:
    """Whether ``moment`` lies in the future by more than clocks differ."""
    return moment - now > _CLOCKS_DIFFER


@dataclass(slots=True)
class LeftOut:
    """Runs that were left out: by status, by a status that no one has given a meaning, and how many have a finished
    status but end in the future, ended after the moment up to which the report looks, or start in the future. ``now``
    is aware."""

    statuses: Counter[str] = field(default_factory=Counter)
    unknown_statuses: Counter[str] = field(default_factory=Counter)
    ending_later: int = 0
    ended_since: int = 0
    starting_later: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _example: str = field(default="", init=False)
    _latest_start: datetime | None = field(default=None, init=False)

    def __bool__(self) -> bool:
        return bool(
            self.statuses or self.unknown_statuses or self.ending_later or self.ended_since or self.starting_later
        )

    def add(self, runs: Iterable[Run], future: FutureRuns = FutureRuns()) -> LeftOut:  # noqa: B008 - immutable
        """This, with ``future`` and the unfinished ones among ``runs`` counted."""
        for run in runs:
            if run.outcome != "unfinished":
                continue
            if run.left_out_for != "end":
                self.add_status(run.status, is_unknown=run.left_out_for == "unknown status")
            elif run.ended_at is not None and not is_future(run.ended_at, self.now):
                self.ended_since += 1
            else:
                self.ending_later += 1
                self._example = self._example or f"run {run.id}{_at(run.ended_at)}"
        self.starting_later += future.count
        self._latest_start = max(filter(None, (self._latest_start, future.latest)), default=None)
        return self

    def add_status(self, status: str, runs: int = 1, *, is_unknown: bool) -> None:
        """Count ``runs`` that are left out for their ``status``."""
        counts = self.unknown_statuses if is_unknown else self.statuses
        counts[_shorten(" ".join(status.split())) or "no status"] += runs

    def add_evidence(self, evidence: Evidence) -> LeftOut:
        """This, with what is left out of an agent's evidence counted: of its population, else of its runs."""
        self.add(evidence.runs, evidence.future)
        if evidence.population is not None:
            found = evidence.population.left_out
            self.statuses.update(found.statuses)
            self.unknown_statuses.update(found.unknown_statuses)
            self.ending_later += found.ending_later
            self.ended_since += found.ended_since
            self._example = self._example or found.example
        return self

    def counts(self) -> LeftOutRuns:
        """The counts by themselves, without the runs in the future."""
        return LeftOutRuns(
            statuses=dict(self.statuses),
            unknown_statuses=dict(self.unknown_statuses),
            ended_since=self.ended_since,
            ending_later=self.ending_later,
            example=self._example,
        )

    def sentences(self) -> list[str]:
        """What was left out and why, each reason in a sentence; empty when nothing was."""
        sentences = []
        if self.statuses:
            subject = counted(self.statuses.total(), "run is", "runs are")
            sentences.append(f"{subject} {FOR_STATUS[0]}{_listed(self.statuses)}")
        if self.unknown_statuses:
            subject = counted(self.unknown_statuses.total(), "run is", "runs are")
            what = f"{subject} {FOR_STATUS[1]}{_listed(self.unknown_statuses)}"
            sentences.append(f"{what} (statuses in AGENT_REPORT_SOURCE_MAPPING gives a word its meaning)")
        if self.ending_later:
            subject = counted(self.ending_later, "finished run is", "finished runs are")
            why = "is duration_seconds in seconds, and are the dates in UTC?"
            sentences.append(f"{subject} left out for ending in the future, as {self._example} ({why})")
        if self.starting_later:
            subject = counted(self.starting_later, "run is", "runs are")
            last = f", the last{_at(self._latest_start)}" if self._latest_start else ""
            sentences.append(f"{subject} left out for starting in the future{last} (are the dates in UTC?)")
        if self.ended_since:
            subject = counted(self.ended_since, "run is", "runs are")
            sentences.append(f"{subject} left out for ending after the moment up to which the report looks")
        return sentences

    def short(self) -> str:
        """The statuses with their numbers of runs, for a cell of a table; "" when nothing was left out."""
        dated = (
            ("ending in the future", self.ending_later),
            ("starting in the future", self.starting_later),
            ("ended since", self.ended_since),
        )
        later = [f"{why} ({count})" for why, count in dated if count]
        statuses = self.statuses + self.unknown_statuses
        return ", ".join([*([_listed(statuses)] if statuses else []), *later])


def _listed(statuses: Counter[str]) -> str:
    order = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{status} ({count})" for status, count in order[:_MOST_STATUSES]]
    if rest := order[_MOST_STATUSES:]:
        parts.append(f"{len(rest)} other statuses ({sum(count for _, count in rest)})")
    return ", ".join(parts)


def _at(moment: datetime | None) -> str:
    return f" at {moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def _shorten(status: str) -> str:
    return status if len(status) <= _STATUS_CHARACTERS else f"{status[: _STATUS_CHARACTERS - 1]}…"
