"""Where a run's tool calls stand in its conversation: by ids, by names and contents, by number, or by time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate

from tasks.evidence.calls import UNNAMED
from tasks.evidence.traces.conventions import same_tool
from tasks.evidence.traces.tool_calls import canonical
from tasks.judge.prompt.conversation import Event, RequestedCall, Returned, Words

# Beyond it, calls are placed by their names alone, the first that fits.
_MOST_PAIRS = 250_000
# Of requests without a result, so many are looked through for the one that a result is of.
_MOST_WAITING = 200
_SHORTEST_BEGINNING = 20


@dataclass(eq=False)
class Slot:
    """A call in the conversation: the places (of events) where it was asked for and where its result stands.

    ``asked`` is None where only the result is recorded, ``returned`` where only the request is.
    """

    name: str
    asked: int | None = None
    returned: int | None = None
    arguments: str | None = None
    result: str | None = None
    error: str | None = None
    call_id: str = ""

    @property
    def place(self) -> int:
        """The event at which the call is shown."""
        return self.asked if self.asked is not None else self.returned or 0

    @cached_property
    def key(self) -> Contents:
        """What it is recognized by."""
        return Contents(self.name, self.arguments, self.result or self.error)


@dataclass(eq=False)
class Contents:
    """What a call is recognized by; the texts are compared as JSON where they are."""

    name: str
    arguments: str | None
    result: str | None
    started_at: datetime | None = None

    def can_be(self, other: Contents) -> bool:
        """Whether the names allow them to be one call."""
        unknown = ("", UNNAMED)
        return self.name in unknown or other.name in unknown or same_tool(self.name, other.name)

    def likeness(self, other: Contents) -> int:
        """How strongly their contents suggest that they are one call; 0: not at all."""
        if not self.can_be(other):
            return 0
        named = self.name not in ("", UNNAMED) and other.name not in ("", UNNAMED)
        return (
            2 * named
            + 3 * (bool(self.arguments) and self._arguments == other._arguments)
            + 4 * same_text(self.result, other.result)
        )

    @cached_property
    def _arguments(self) -> str:
        return canonical(self.arguments or "")


def same_text(one: str | None, other: str | None) -> bool:
    """Whether two records of a result are the same: as text, as JSON, or one is the other's beginning."""
    if not one or not other:
        return False
    one, other = one.strip(), other.strip()
    shorter, longer = sorted((one, other), key=len)
    shorter = shorter.rstrip(". …")
    if one == other or (len(shorter) >= _SHORTEST_BEGINNING and longer.startswith(shorter)):
        return True
    return one[:1] in '{["' and other[:1] in '{["' and canonical(one) == canonical(other)


def find_slots(events: Sequence[Event]) -> list[Slot]:
    """The calls in ``events``, in the order in which they were asked for.

    A result belongs to the request that its id names, else to the first of its name without a result, else to the first
    without one. What belongs to none is a call of which only the result is recorded.
    """
    slots: list[Slot] = []
    waiting: list[Slot] = []
    by_id: dict[str, deque[Slot]] = defaultdict(deque)
    for place, event in enumerate(events):
        if isinstance(event, Words):
            continue
        if isinstance(event, RequestedCall):
            slot = Slot(event.name, asked=place, arguments=event.arguments, call_id=event.call_id)
            slots.append(slot)
            waiting.append(slot)
            if event.call_id:
                by_id[event.call_id].append(slot)
            continue
        # Some models use an id again.
        named = by_id.get(event.call_id)
        found = named.popleft() if named else _waiting_for(event, waiting[:_MOST_WAITING])
        if found is None or found.returned is not None:
            found = Slot(event.name, call_id=event.call_id)
            slots.append(found)
        elif found in waiting:
            waiting.remove(found)
        found.returned, found.result, found.error = place, event.result, event.error
        found.name = found.name or event.name
    if not any(slot.result for slot in slots):
        # Its messages have no contents, which is not that the calls returned nothing.
        for slot in slots:
            slot.result = None
    return slots


def _waiting_for(event: Returned, waiting: Sequence[Slot]) -> Slot | None:
    can_be = [slot for slot in waiting if not (event.call_id and slot.call_id and event.call_id != slot.call_id)]
    named = (slot for slot in can_be if event.name and same_tool(slot.name, event.name))
    return next(named, None) or next((slot for slot in can_be if not event.name or not slot.name), None)


def match_calls(calls: Sequence[Contents], slots: Sequence[Slot]) -> dict[int, Slot]:
    """The slot of each of ``calls`` (by its number) that has one; both stay in their order.

    As many of one as of the other are the same calls unless their names rule it out. Else the calls are matched by
    names, arguments and results so that as much as possible agrees.
    """
    if len(calls) == len(slots) and all(call.can_be(slot.key) for call, slot in zip(calls, slots, strict=True)):
        return dict(enumerate(slots))
    if len(calls) * len(slots) > _MOST_PAIRS:
        return _first_that_fit(calls, slots)
    # The longest common subsequence, weighted.
    best = [[0] * (len(slots) + 1) for _ in range(len(calls) + 1)]
    scores = [[call.likeness(slot.key) for slot in slots] for call in calls]
    for row in range(len(calls) - 1, -1, -1):
        for column in range(len(slots) - 1, -1, -1):
            score = scores[row][column]
            paired = best[row + 1][column + 1] + score if score else 0
            best[row][column] = max(best[row + 1][column], best[row][column + 1], paired)
    found: dict[int, Slot] = {}
    row = column = 0
    while row < len(calls) and column < len(slots):
        score = scores[row][column]
        if score and best[row][column] == best[row + 1][column + 1] + score:
            found[row] = slots[column]
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return found


def _first_that_fit(calls: Sequence[Contents], slots: Sequence[Slot]) -> dict[int, Slot]:
    found: dict[int, Slot] = {}
    begin = 0
    for number, call in enumerate(calls):
        for place in range(begin, len(slots)):
            if call.name and slots[place].name and same_tool(call.name, slots[place].name):
                found[number], begin = slots[place], place + 1
                break
    return found


Key = tuple[int, int, int]
"""Where a step stands: the number of an event, before (-1), at (0) or after it (1), and which of those there."""


def place_calls(
    calls: Sequence[Contents], events: Sequence[Event], matched: Mapping[int, Slot]
) -> tuple[dict[int, Key], set[int]]:
    """Where each of ``calls`` stands among ``events``, and which of them only by their order among the calls.

    A call that is not ``matched`` is placed by its time where it and the messages have one, else after the call before
    it, else before the one after it. Without any of that, all calls come before the conversation.
    """
    places: dict[int, Key] = {number: (slot.place, 0, 0) for number, slot in matched.items()}
    timed = [place for place, event in enumerate(events) if event.at is not None]
    # Of messages whose times go back, the latest so far counts.
    times = list(accumulate((event.at for event in events if event.at is not None), max))
    for number, call in enumerate(calls):
        if times and number not in places and call.started_at is not None:
            later = bisect_right(times, call.started_at)
            places[number] = (timed[later] if later < len(timed) else len(events), -1, number)
    unsure = set(range(len(calls))) - places.keys()
    for number in sorted(unsure):
        if number - 1 in places:
            event, side, _ = places[number - 1]
            places[number] = (event, max(side, 1) if side >= 0 else side, number)
            continue
        following = next((places[later] for later in range(number + 1, len(calls)) if later in places), None)
        places[number] = (following[0], -1, number) if following else (-1, 0, number)
    return places, unsure if any(isinstance(event, Words) for event in events) else set()
