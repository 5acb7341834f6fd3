"""How much evidence to read before the judge needs it: reading takes CPU time from those who ask."""

from __future__ import annotations

from dataclasses import dataclass

# The team's call starts when all evidence is in, and takes longer than an agent's: so one round would be too few.
_ROUNDS_AHEAD = 2
# Evidence comes in faster than this while it is read as fast as it can be, and a question is put together sooner.
PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Standing:
    """Where a report is.

    Agents whose evidence is still to come, ``being_read`` of them by now; those whose evidence waits for a slot
    (``ready``), and those judged (``in_flight``); the seconds since evidence arrived, and since somebody was handed
    over to the judge.
    """

    to_come: int
    being_read: int
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

        Two rounds of judging ahead are enough in any case. With many agents left, also what fills the slots that are
        free, while it keeps arriving; and a round, while questions of the one before are put together. Where nothing
        arrives for a moment, as somebody's trace is slow, reading goes on: it must not idle the judge.
        """
        ahead = now.being_read + now.ready
        if ahead >= max(_ROUNDS_AHEAD * self.width, self.reads):
            return True
        return self.is_pausing(now) and (
            now.ready >= self.width if now.in_flight >= self.width else ahead >= self.width - now.in_flight
        )

    def is_pausing(self, now: Standing) -> bool:
        """Whether ``is_enough`` may change by the mere passing of time."""
        since = now.since_hand_over if now.in_flight >= self.width else now.since_arrival
        return self.are_many_left(now) and since < PAUSE_SECONDS
