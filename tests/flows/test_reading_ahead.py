"""When to read more evidence, and when to let the judge ask first."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.reading_ahead import LOOK_SECONDS, PAUSE_SECONDS, Readers, ReadingAhead, Standing

# Ten calls, twenty reads and a hundred agents, none of which has arrived; what a test names is different.
AHEAD = ReadingAhead(width=10, reads=20)


def _standing(**values: Any) -> Standing:
    counts = {"to_come": 100, "being_read": 0, "at_once": 20, "ready": 0, "in_flight": 0}
    return Standing(**(counts | {"since_arrival": 0.0, "since_hand_over": 9.0} | values))


@pytest.mark.parametrize(
    ("standing", "enough"),
    [
        (_standing(), False),
        # The first round is read, and asked, before the next one is read.
        (_standing(being_read=9), False),
        (_standing(being_read=10), True),
        (_standing(being_read=2, ready=1, in_flight=7), True),
        (_standing(being_read=1, ready=1, in_flight=7), False),
        # One slow trace idles no slot.
        (_standing(being_read=1, in_flight=9, since_arrival=PAUSE_SECONDS), False),
        # While a round is asked nobody reads for the next but one; afterwards two are read.
        (_standing(being_read=5, ready=9, in_flight=10, since_hand_over=0.0), False),
        (_standing(being_read=5, ready=10, in_flight=10, since_hand_over=0.0), True),
        (_standing(being_read=5, ready=10, in_flight=10, since_hand_over=PAUSE_SECONDS), False),
        (_standing(being_read=9, ready=10, in_flight=10), False),
        (_standing(being_read=10, ready=10, in_flight=10), True),
        # No more at once than use the CPU.
        (_standing(being_read=2, at_once=2), True),
        (_standing(being_read=1, at_once=2), False),
        # Near the end nothing waits: the team's call waits for all evidence.
        (_standing(to_come=14, being_read=10), False),
        (_standing(to_come=6, being_read=4, ready=14, in_flight=10, since_hand_over=0.0), False),
    ],
)
def test_what_is_enough(standing: Standing, enough: bool) -> None:
    assert AHEAD.is_enough(standing) is enough


def test_as_much_as_may_be_read_at_once_is_read_for_a_judge_of_one_call() -> None:
    ahead = ReadingAhead(width=1, reads=20)
    assert not ahead.is_enough(_standing(being_read=19, in_flight=1))
    assert ahead.is_enough(_standing(being_read=20, in_flight=1))


def test_a_pause_ends_by_itself() -> None:
    assert AHEAD.is_pausing(_standing(being_read=10))
    assert not AHEAD.is_pausing(_standing(being_read=10, since_arrival=PAUSE_SECONDS))
    assert AHEAD.is_pausing(_standing(in_flight=10, since_hand_over=0.0, since_arrival=9.0))
    assert not AHEAD.is_pausing(_standing(to_come=14, being_read=10))
    # More may be read at once as soon as there is CPU time for it; not if that is all there is, or as many as may be.
    assert AHEAD.is_pausing(_standing(to_come=14, being_read=2, at_once=2))
    assert not AHEAD.is_pausing(_standing(to_come=2, being_read=2, at_once=2))
    assert not AHEAD.is_pausing(_standing(to_come=20, being_read=20))


def test_more_are_read_at_once_while_that_leaves_cpu_time() -> None:
    readers = Readers(most=20)
    assert readers.look(0.0, 5.0, 2) == 2
    # Too soon to say.
    assert readers.look(LOOK_SECONDS / 2, 5.0, 2) == 2
    # They wait for others: more, and more.
    assert [readers.look(second, 5.0, 20) for second in (1.0, 2.0, 3.0, 4.0, 5.0)] == [4, 8, 16, 20, 20]
    # They keep a core busy: fewer, step by step.
    assert [readers.look(5.0 + second, 5.0 + second, 20) for second in (1.0, 2.0, 3.0)] == [19, 18, 17]
    # Nobody waits while fewer are read than may be; the one before had more.
    assert [readers.look(second, 8.0, 16) for second in (9.0, 10.0)] == [20, 20]
    readers = Readers(most=20)
    assert [readers.look(second, 8.0, 1) for second in (0.0, 1.0, 2.0)] == [2, 2, 2]
    assert [readers.look(float(second), float(second), 20) for second in range(10, 30)][-1] == 2


def test_more_are_read_at_once_also_where_every_look_follows_an_arrival() -> None:
    readers = Readers(most=20)
    at_once = readers.look(0.0, 5.0, 0)
    for turn in range(1, 9):
        # As many as may be are read, one of them arrives, and somebody looks.
        readers.look(turn - 0.05, 5.0, at_once)
        at_once = readers.look(float(turn), 5.0, at_once - 1)
    assert at_once == 20


def test_one_reader_stays_one() -> None:
    readers = Readers(most=1)
    assert [readers.look(float(second), 0.0, 1) for second in range(3)] == [1, 1, 1]
    assert readers.look(9.0, 6.0, 1) == 1
