"""Unions of intervals, and the critical path as Jaeger's UI finds it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.traces.critical_path import Interval, covered, critical_path, merge, subtract
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]


@pytest.mark.parametrize(
    ("intervals", "merged"),
    [
        ([], []),
        ([(3, 3)], []),
        ([(1, 2), (1, 2)], [(1, 2)]),
        ([(4, 6), (1, 3), (2, 4)], [(1, 6)]),
        ([(1, 9), (2, 3), (10, 11)], [(1, 9), (10, 11)]),
        ([(0, 0), (5, 7)], [(5, 7)]),
        ([(-3, -1)], [(-3, -1)]),
    ],
)
def test_overlaps_count_once(intervals: list[Interval], merged: list[Interval]) -> None:
    assert merge(intervals) == merged
    assert covered(intervals) == sum(end - start for start, end in merged)


@pytest.mark.parametrize(
    ("intervals", "holes", "left"),
    [
        ([(0, 10)], [], [(0, 10)]),
        ([(0, 10)], [(2, 3), (5, 6)], [(0, 2), (3, 5), (6, 10)]),
        ([(0, 10)], [(-5, 2), (9, 20)], [(2, 9)]),
        ([(0, 10), (20, 30)], [(5, 25)], [(0, 5), (25, 30)]),
        ([(0, 10)], [(0, 10)], []),
        ([], [(0, 10)], []),
    ],
)
def test_holes_are_taken_out(intervals: list[Interval], holes: list[Interval], left: list[Interval]) -> None:
    assert subtract(intervals, holes) == left


def _path(spans: list[Span]) -> list[tuple[str, float]]:
    tree = SpanTree(spans)
    return [(tree.spans[index].span_id, length / 1_000_000) for index, length in critical_path(tree, tree.tops[0])]


def test_a_span_alone_is_its_own_path(make_span: MakeSpan) -> None:
    assert _path([make_span("a", None, 2, 5)]) == [("a", 3)]


def test_the_path_goes_through_the_child_that_finished_last(make_span: MakeSpan) -> None:
    # b runs beside c and finishes first: it delayed nothing. d ended before c began.
    spans = [
        make_span("a", None, 0, 10),
        make_span("b", "a", 3, 8),
        make_span("c", "a", 4, 9),
        make_span("d", "a", 1, 3.5),
    ]
    assert _path(spans) == [("a", 1), ("c", 5), ("a", 0.5), ("d", 2.5), ("a", 1)]


def test_the_path_goes_down_and_up_again(make_span: MakeSpan) -> None:
    spans = [
        make_span("a", None, 0, 10),
        make_span("b", "a", 2, 8),
        make_span("c", "b", 3, 7),
        make_span("d", "a", 0, 2),
    ]
    assert _path(spans) == [("a", 2), ("b", 1), ("c", 4), ("b", 1), ("d", 2)]


def test_children_that_outlive_their_parent_are_clipped(make_span: MakeSpan) -> None:
    spans = [
        make_span("a", None, 1, 5),
        make_span("b", "a", 3, 9),
        make_span("c", "b", 6, 8),
        make_span("d", "a", 0, 2),
    ]
    assert _path(spans) == [("b", 2), ("a", 1), ("d", 1)]


def test_children_outside_their_parent_or_not_waited_for_are_left_out(make_span: MakeSpan) -> None:
    spans = [make_span("a", None, 0, 5), make_span("b", "a", 6, 9), make_span("c", "a", 1, 4, follows=True)]
    assert _path(spans) == [("a", 5)]


def test_spans_without_duration_do_not_hang_it(make_span: MakeSpan) -> None:
    spans = [make_span("a", None, 0, 2), *(make_span(f"b{number}", "a", 1, 1) for number in range(3))]
    assert sum(length for _, length in _path(spans)) == 2
    assert _path([make_span("a", None, 1, 1), make_span("b", "a", 1, 1)]) == []


def test_the_path_can_be_10_000_deep(make_span: MakeSpan) -> None:
    spans = [
        make_span(str(number), str(number - 1) if number else None, number, 20_001 - number) for number in range(10_000)
    ]
    path = _path(spans)
    assert len(path) == 19_999
    assert sum(length for _, length in path) == 20_001
