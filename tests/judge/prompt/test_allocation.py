"""Sharing a budget of tokens."""

from __future__ import annotations

import pytest

from tasks.judge.prompt.allocation import share_in_order, water_fill


@pytest.mark.parametrize(
    ("sizes", "total", "given"),
    [
        ([], 100, []),
        ([10, 20, 30], 100, [10, 20, 30]),
        ([10, 1000, 1000], 100, [10, 45, 45]),
        ([1000, 10, 40], 100, [50, 10, 40]),
        ([5, 5], 0, [0, 0]),
        ([5, 5], -3, [0, 0]),
    ],
)
def test_water_filling(sizes: list[int], total: int, given: list[int]) -> None:
    assert water_fill(sizes, total) == given


@pytest.mark.parametrize(
    ("needs", "total", "given"),
    [
        ([], 10, []),
        ([3, 4], 10, [3, 4]),
        ([100, 100, 100], 80, [40, 20, 20]),
        ([100, 0, 10], 80, [70, 0, 10]),
        ([100], 80, [80]),
    ],
)
def test_the_first_leaves_something_to_the_next(needs: list[int], total: int, given: list[int]) -> None:
    assert share_in_order(needs, total) == given
