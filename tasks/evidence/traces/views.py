"""One call seen by several instrumentations: which spans of LLM calls (or of tool calls) are views of the same call.

A view inside another in the tree is found by the tree. Here are siblings and cousins: the client library's own span
beside that of an instrumentation, both below whatever span was current. Two calls by the same instrumentation are never
one, however alike: a retry is a call, and so are equal calls in parallel.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

# Open calls with the same key that are compared with one that starts: bounds the time for hostile traces.
_COMPARED = 64


class View(NamedTuple):
    """One span of a call, as far as it matters here.

    ``scope`` is the instrumentation that wrote it; ``call_id`` what the provider calls the call. ``key`` is the same in
    views of the same call (its tokens; its arguments), None where it is unknown.
    """

    start_us: int
    end_us: int
    scope: str
    call_id: str | None = None
    key: Hashable = None


def same_calls(
    views: Sequence[View], can_be: Callable[[int, int], bool] = lambda outer, inner: True
) -> list[list[int]]:
    """The positions of ``views`` in groups, one a call, in order of their first; no views give no groups.

    Two views are of the same call if they are of different scopes and have the same id, or if one lies within the
    other in time, their keys are equal, and their ids do not differ. A view joins one call at most, and a call has at
    most one view of a scope. ``can_be`` is asked before two views are joined for their times.
    """
    groups = _Groups(views)
    if len({view.scope for view in views}) > 1:
        groups.join_by_id()
        groups.join_by_time(can_be)
    return groups.listed()


class _Groups:
    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self._group = list(range(len(views)))
        self._members = {position: [position] for position in range(len(views))}

    def listed(self) -> list[list[int]]:
        return sorted(sorted(members) for members in self._members.values())

    def join_by_id(self) -> None:
        by_id: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for position, view in enumerate(self._views):
            if view.call_id and view.scope:
                by_id[view.call_id][view.scope].append(position)
        for by_scope in by_id.values():
            first, *others = sorted(by_scope.values(), key=len, reverse=True)
            for other in others:
                for one, another in _nearest(self._by_start(first), self._by_start(other), self._views):
                    self._join(one, another)

    def join_by_time(self, can_be: Callable[[int, int], bool]) -> None:
        by_key: dict[Hashable, list[int]] = defaultdict(list)
        for position, view in enumerate(self._views):
            if view.key is not None and view.scope:
                by_key[view.key].append(position)
        for positions in by_key.values():
            if len({self._views[position].scope for position in positions}) < 2:
                continue
            open_calls: list[tuple[int, int]] = []  # by end
            for position in self._by_start(positions):
                view = self._views[position]
                del open_calls[: bisect_left(open_calls, (view.start_us, -1))]
                # Of those around it the one that ends first, so that a longer one is left for the next.
                around = bisect_left(open_calls, (view.end_us, -1))
                for _, outer in open_calls[around : around + _COMPARED]:
                    if self._may_join(outer, position) and can_be(outer, position):
                        self._join(outer, position)
                        break
                insort(open_calls, (view.end_us, position))

    def _by_start(self, positions: Iterable[int]) -> list[int]:
        return sorted(positions, key=lambda position: (self._views[position].start_us, -self._views[position].end_us))

    def _may_join(self, one: int, another: int) -> bool:
        """Whether no scope would be twice in a group, nor two different ids."""
        groups = [self._members[self._group[position]] for position in (one, another)]
        scopes = [{self._views[member].scope for member in group} for group in groups]
        ids = {call_id for group in groups for member in group if (call_id := self._views[member].call_id)}
        return groups[0] is not groups[1] and not scopes[0] & scopes[1] and len(ids) < 2

    def _join(self, one: int, another: int) -> None:
        target, gone = self._group[one], self._group[another]
        if target == gone:
            return
        for member in self._members.pop(gone):
            self._group[member] = target
            self._members[target].append(member)


def _nearest(more: list[int], fewer: list[int], views: Sequence[View]) -> Iterable[tuple[int, int]]:
    """Each of ``fewer`` with one of ``more``, both in order of start: the nearest that leaves one for the others."""
    at = 0
    for done, position in enumerate(fewer):
        start = views[position].start_us
        last = len(more) - (len(fewer) - done)
        while at < last and abs(views[more[at + 1]].start_us - start) < abs(views[more[at]].start_us - start):
            at += 1
        yield more[at], position
        at += 1
