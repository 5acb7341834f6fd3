"""A budget of tokens shared among texts that want more of it than there is."""

from __future__ import annotations

from collections.abc import Sequence


def water_fill(sizes: Sequence[int], total: int) -> list[int]:
    """``total`` shared among demands of ``sizes``: those below an equal share are met, the others share the rest.

    The sum is at most ``total``; no share is larger than its demand.
    """
    given = [0] * len(sizes)
    left = max(0, total)
    for waiting, index in zip(range(len(sizes), 0, -1), sorted(range(len(sizes)), key=sizes.__getitem__), strict=True):
        given[index] = min(sizes[index], left // waiting)
        left -= given[index]
    return given


def share_in_order(needs: Sequence[int], total: int) -> list[int]:
    """``total`` shared among ``needs``, the most important first: each takes at most half of what is left.

    What remains is given out in a second round, in the same order.
    """
    given = []
    left = total
    for place, need in enumerate(needs):
        waits = any(needs[place + 1 :])
        given.append(min(need, left // 2 if waits else left))
        left -= given[-1]
    for place, need in enumerate(needs):
        more = min(need - given[place], left)
        given[place] += more
        left -= more
    return given
