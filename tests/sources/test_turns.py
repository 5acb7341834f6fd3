"""The lock goes to the lowest number that waits."""

from __future__ import annotations

import threading
import time

import pytest

from tasks.sources.turns import Turns


def _wait_for(number: int, turns: Turns, order: list[int]) -> threading.Thread:
    def take() -> None:
        with turns.take(number):
            order.append(number)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_the_lowest_number_is_first_and_the_same_number_may_wait_twice() -> None:
    turns, order = Turns(), list[int]()
    with turns.take(7):
        threads = [_wait_for(number, turns, order) for number in (3, 1, 2, 1)]
        while len(turns._waiting) < len(threads):
            time.sleep(0.01)
        assert order == []
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert order == [1, 1, 2, 3]


def test_an_error_gives_the_lock_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="lost"), turns.take(0):
        raise ValueError("lost")
    with turns.take(1):
        pass
