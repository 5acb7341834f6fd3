"""Whole traces from pages in which they are mixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.evidence.traces.spans import Span
from tasks.sources.spans.whole import Whole

_SECOND = 1_000_000


def _span(trace: str, number: int, parent: int | None, second: int) -> Span:
    return Span(trace, f"{trace}{number}", f"{trace}{parent}" if parent else None, "op", second * _SECOND, 0, {})


def _ids(traces: Iterator[Sequence[Span]]) -> list[list[str]]:
    return [sorted(span.span_id for span in spans) for spans in traces]


def test_a_trace_over_two_pages_is_given_once_and_whole() -> None:
    pages = [
        [_span("a", 2, 1, 1010), _span("b", 2, 1, 1005)],
        [_span("a", 1, None, 1000), _span("b", 1, None, 995)],
    ]
    assert _ids(Whole().of(pages)) == [["a1", "a2"], ["b1", "b2"]]


def test_a_trace_is_given_as_soon_as_the_pages_are_well_before_its_root() -> None:
    read: list[int] = []

    def pages() -> Iterator[list[Span]]:
        for number, second in enumerate((1000, 900, 800)):
            read.append(number)
            yield [_span(f"t{number}", 1, None, second)]

    assert next(Whole().of(pages()))[0].trace_id == "t0"
    assert read == [0, 1]


def test_a_child_whose_clock_is_behind_its_parents_is_not_lost() -> None:
    pages = [[_span("a", 1, None, 1000)], [_span("a", 2, 1, 990)], [_span("b", 1, None, 100)]]
    assert _ids(Whole().of(pages)) == [["a1", "a2"], ["b1"]]


def test_a_trace_without_its_root_comes_at_the_end() -> None:
    pages = [[_span("a", 2, 1, 1000)], [_span("b", 1, None, 100)], [_span("c", 1, None, 10)]]
    assert _ids(Whole().of(pages)) == [["b1"], ["a2"], ["c1"]]


def test_what_comes_after_its_trace_was_given_makes_no_second_one() -> None:
    pages = [[_span("a", 1, None, 1000)], [_span("b", 1, None, 100)], [_span("a", 2, 1, 50)]]
    assert _ids(Whole().of(pages)) == [["a1"], ["b1"]]
