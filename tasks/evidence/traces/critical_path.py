"""The critical path of a tree of spans, and unions of intervals. Times are whole microseconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from tasks.evidence.traces.span_tree import SpanTree

Interval: TypeAlias = tuple[int, int]

_NEVER = 2**64


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """``intervals`` without overlaps, in order; empty ones are left out."""
    merged: list[Interval] = []
    start = end = -_NEVER
    for first, last in sorted(intervals):
        if first > end:
            if end > start:
                merged.append((start, end))
            start, end = first, last
        elif last > end:
            end = last
    if end > start:
        merged.append((start, end))
    return merged


def covered(intervals: Iterable[Interval]) -> int:
    """The length of the union of ``intervals``: time that several of them share counts once; none is 0."""
    return sum(end - start for start, end in merge(intervals))


def subtract(intervals: Iterable[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """The parts of ``intervals`` that no hole covers, merged and in order."""
    left: list[Interval] = []
    gaps = merge(holes)
    first = 0
    for start, end in merge(intervals):
        while first < len(gaps) and gaps[first][1] <= start:
            first += 1
        at = first
        while at < len(gaps) and gaps[at][0] < end:
            if gaps[at][0] > start:
                left.append((start, gaps[at][0]))
            start = max(start, gaps[at][1])
            at += 1
        if start < end:
            left.append((start, end))
    return left


def critical_path(tree: SpanTree, root: int) -> list[tuple[int, int]]:
    """The critical path of the tree under position ``root``, from its end backwards: (position, microseconds).

    As Jaeger's UI finds it: from the end of a span go to the child that finished last, and from that child's start
    back in the parent to the child that ended at or before it. Children are clipped to their parents and those that
    their parent did not wait for (FOLLOWS_FROM) are left out, so the parts add up to the root's duration.
    """
    spans = tree.spans
    # The root's entry only matters for its own tree; clipped times of the others follow from their parents'.
    starts = {root: spans[root].start_us}
    ends = {root: spans[root].end_us}
    waited: dict[int, list[int]] = {}
    level = [root]
    while level:
        below: list[int] = []
        for index in level:
            first, last = starts[index], ends[index]
            kept = []
            for child in tree.children[index]:
                span = spans[child]
                start, end = max(first, span.start_us), min(last, span.end_us)
                # A child outside its parent's time (clock skew, background work) cannot have held the parent up.
                if span.follows or end < start:
                    continue
                starts[child], ends[child] = start, end
                kept.append(child)
            if kept:
                # The last to finish at the end of the list: each is taken or passed over once.
                kept.sort(key=lambda child: (ends[child], starts[child]))
                waited[index] = kept
                below += kept
        level = below

    parts: list[tuple[int, int]] = []
    current, now = root, ends[root]
    while True:
        candidates = waited.get(current)
        child = -1
        while candidates:
            candidate = candidates.pop()
            if ends[candidate] <= now:
                child = candidate
                break
        if child >= 0:
            if now > ends[child]:
                parts.append((current, now - ends[child]))
            current, now = child, ends[child]
            continue
        if now > starts[current]:
            parts.append((current, now - starts[current]))
        now = starts[current]
        if current == root:
            return parts
        current = tree.parents[current]
