"""How much evidence to read, and how much at once, before the judge needs it: reading takes CPU time."""

from __future__ import annotations

import math
from dataclasses import dataclass

# The team's call starts when all evidence is in, and takes longer than an agent's: so one round would be too few.
_ROUNDS_AHEAD = 2
# Evidence comes in faster than this while it is read as fast as it can be, and a question is put together sooner.
PAUSE_SECONDS = 0.3
# Python runs one thread at a time: where two readers keep it busy, more only get into each other's way. Measured with
# 100 agents and services that answer at once: 6.8 to 7.5 s with two or three, 8.5 to 9.5 s with twenty.
_FEW_READS = 2
_BUSY = 0.8
LOOK_SECONDS = 0.1


class Readers:
    """How many agents are read ``at_once``: two, and up to ``most`` while that leaves CPU time over."""

    def __init__(self, most: int) -> None:
        self._least, self._most = min(_FEW_READS, most), most
        self.at_once = self._least
        self._most_read = 0
        self._looked_at = (-math.inf, 0.0)

    def look(self, now: float, cpu: float, being_read: int) -> int:
        """Say how it is at ``now``, when this process has taken ``cpu`` seconds of CPU time and reads ``being_read``.

        ``at_once``, which this gives, is doubled when that many were read in the last tenth of a second and waited for
        others, and one less after a busy one.
        """
        # The most since the last look: whoever looks may be doing so because one has just arrived.
        self._most_read = max(self._most_read, being_read)
        since, taken = self._looked_at
        if now - since < LOOK_SECONDS:
            return self.at_once
        if (cpu - taken) / (now - since) >= _BUSY:
            self.at_once = max(self.at_once - 1, self._least)
        elif self._most_read >= self.at_once and since > -math.inf:
            self.at_once = min(self.at_once * 2, self._most)
        self._looked_at = (now, cpu)
        self._most_read = being_read
        return self.at_once


@dataclass(frozen=True)
class Standing:
    """Where a report is.

    Agents whose evidence is still to come, ``being_read`` of them by now, and how many of them may be ``at_once``;
    those whose evidence waits for a slot (``ready``), and those judged (``in_flight``); the seconds since evidence
    arrived, and since somebody was handed over to the judge.
    """

    to_come: int
    being_read: int
    at_once: int
    ready: int
    in_flight: int
    since_arrival: float
    since_hand_over: float


@dataclass(frozen=True)
class ReadingAhead:
    """``width`` judge calls and ``reads`` agents' reads are at once at most."""

    width: int
    reads: int

    def are_many_left(self, now: Standing) -> bool:
        """Whether there is more than the next two rounds: near the end nothing is to wait for reading."""
        return now.to_come + now.ready > 2 * self.width

    def is_enough(self, now: Standing) -> bool:
        """Whether to read nothing more for the moment.

        No more are read at once than may be, and two rounds of judging ahead are enough in any case. With many agents
        left, also what fills the slots that are free, while it keeps arriving; and a round, while questions of the one
        before are put together. Where nothing arrives for a moment, as somebody's trace is slow, reading goes on: it
        must not idle the judge.
        """
        ahead = now.being_read + now.ready
        if now.being_read >= now.at_once or ahead >= max(_ROUNDS_AHEAD * self.width, self.reads):
            return True
        return self._lets_the_judge_ask(now) and (
            now.ready >= self.width if now.in_flight >= self.width else ahead >= self.width - now.in_flight
        )

    def is_pausing(self, now: Standing) -> bool:
        """Whether ``is_enough`` may change by the mere passing of time."""
        return now.at_once <= now.being_read < min(self.reads, now.to_come) or self._lets_the_judge_ask(now)

    def _lets_the_judge_ask(self, now: Standing) -> bool:
        since = now.since_hand_over if now.in_flight >= self.width else now.since_arrival
        return self.are_many_left(now) and since < PAUSE_SECONDS
