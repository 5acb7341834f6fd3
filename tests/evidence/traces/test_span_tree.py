"""Spans as a forest, whatever is broken in it, and the part of it that is one run's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.traces.span_tree import SpanTree, cut_at, cut_run
from tasks.evidence.traces.spans import Span

MakeSpan = Callable[..., Span]


def _ids(tree: SpanTree) -> set[str]:
    return {span.span_id for span in tree.spans}


def test_no_spans_are_an_empty_tree() -> None:
    tree = SpanTree([])
    assert (tree.roots, tree.orphans, tree.depth, tree.order) == (0, 0, 0, [])


def test_roots_and_orphans_are_counted(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("a"), make_span("b", "a"), make_span("c"), make_span("d", "gone"), make_span("e", "d")])
    assert (tree.roots, tree.orphans, tree.depth) == (2, 1, 2)
    assert [tree.spans[top].span_id for top in tree.tops] == ["a", "c", "d"]


def test_parents_come_before_their_children(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("c", "b"), make_span("b", "a"), make_span("a")])
    assert [tree.spans[index].span_id for index in tree.order] == ["a", "b", "c"]
    assert [tree.depths[index] for index in tree.order] == [1, 2, 3]


def test_a_span_that_comes_twice_counts_once_and_the_longer_one_stays(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("a", end=0), make_span("a", end=5), make_span("b", "a")])
    assert (len(tree.spans), tree.duplicates, tree.spans[0].end_us) == (2, 1, 5_000_000)


def test_two_sides_of_a_call_that_share_an_id_are_parent_and_child(make_span: MakeSpan) -> None:
    client, server = make_span("a", "r", 0, 5, "GET"), make_span("a", "r", 1, 4, "handle GET")
    tree = SpanTree([make_span("r", end=6), server, client])
    assert (len(tree.spans), tree.duplicates, tree.orphans, tree.depth) == (3, 0, 0, 3)
    assert [tree.spans[index].operation for index in tree.order] == ["r", "GET", "handle GET"]


@pytest.mark.parametrize("reverse", [False, True])
def test_cycles_are_opened_at_their_earliest_span(make_span: MakeSpan, reverse: bool) -> None:
    spans = [
        make_span("root"),
        make_span("a", "c", 1),
        make_span("b", "a", 2),
        make_span("c", "b", 3),
        make_span("hanging", "b", 0),
        make_span("self", "other", 5),
        make_span("other", "self", 6),
    ]
    tree = SpanTree(spans[::-1] if reverse else spans)
    assert (tree.roots, tree.orphans, tree.cycles, len(tree.order)) == (1, 2, 2, 7)
    assert {tree.spans[top].span_id for top in tree.tops} == {"root", "a", "self"}


def test_a_tree_can_be_10_000_deep(make_span: MakeSpan) -> None:
    spans = [make_span(str(number), str(number - 1) if number else None) for number in range(10_000)]
    assert SpanTree(spans[::-1]).depth == 10_000


def _shared(make_span: MakeSpan) -> list[Span]:
    """A web request that starts run 1, which has run 2 as a child, and a second run 3 beside it."""
    return [
        make_span("web", None, 0, 30),
        make_span("one", "web", 1, 20, tags={"run.id": 1}),
        make_span("llm", "one", 2, 5),
        make_span("two", "one", 6, 15, tags={"run.id": "2"}),
        make_span("tool", "two", 7, 8),
        make_span("three", "web", 21, 29, tags={"run.id": 3}),
    ]


@pytest.mark.parametrize(
    ("run_id", "spans", "others"),
    [("1", {"one", "llm", "two", "tool"}, 1), ("2", {"two", "tool"}, 0), ("3", {"three"}, 0)],
)
def test_a_run_is_what_hangs_below_its_span(make_span: MakeSpan, run_id: str, spans: set[str], others: int) -> None:
    part, strays, nested = cut_run(SpanTree(_shared(make_span)), "run.id", run_id)
    assert (_ids(part), strays, nested) == (spans, 0, others)
    assert (part.roots, part.orphans) == (1, 0)


def test_a_trace_without_the_runs_tag_is_the_run(make_span: MakeSpan) -> None:
    tree = SpanTree(_shared(make_span))
    assert cut_run(tree, "run.id", "4") == (tree, 0, 3)
    assert cut_run(tree, "another.tag", "1") == (tree, 0, 0)


def test_a_run_that_is_the_whole_trace_is_not_cut(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("a", tags={"run.id": 1}), make_span("b", "a", tags={"run.id": 1})])
    assert cut_run(tree, "run.id", "1")[0] is tree


def test_a_run_started_by_a_caller_who_sends_no_spans_has_a_root(make_span: MakeSpan) -> None:
    part, *_ = cut_run(SpanTree([make_span("a", "caller", tags={"run.id": 1}), make_span("b", "a")]), "run.id", "1")
    assert (_ids(part), part.roots, part.orphans) == ({"a", "b"}, 1, 0)


def test_orphans_in_the_time_of_the_only_run_are_its_own(make_span: MakeSpan) -> None:
    spans = [
        make_span("web", None, 0, 30),
        make_span("one", "web", 1, 20, tags={"run.id": 1}),
        make_span("lost", "gone", 5, 6),
        make_span("below", "lost", 5, 6),
        make_span("later", "gone", 25, 26),
    ]
    part, strays, _ = cut_run(SpanTree(spans), "run.id", "1")
    assert (_ids(part), part.orphans, strays) == ({"one", "lost", "below"}, 1, 0)


def test_orphans_in_a_trace_of_several_runs_are_only_counted(make_span: MakeSpan) -> None:
    part, strays, _ = cut_run(SpanTree([*_shared(make_span), make_span("lost", "gone", 7, 8)]), "run.id", "1")
    assert ("lost" in _ids(part), part.orphans, strays) == (False, 0, 1)


def test_a_part_is_what_hangs_below_a_span(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("web"), make_span("run", "web"), make_span("call", "run"), make_span("other", "web")])
    part, strays = cut_at(tree, "run")
    assert ([span.span_id for span in part.spans], strays) == (["run", "call"], 0)
    assert (part.roots, part.orphans) == (1, 0)
    assert cut_at(tree, "web")[0] is tree
    assert cut_at(tree, "gone")[0].spans == []


def test_a_part_whose_span_is_not_there_yet_is_what_waits_for_it(make_span: MakeSpan) -> None:
    tree = SpanTree([make_span("one", "run"), make_span("two", "run"), make_span("below", "two"), make_span("web")])
    part, _ = cut_at(tree, "run", shared=True)
    assert [span.span_id for span in part.spans] == ["one", "two", "below"]
    assert (part.roots, part.orphans) == (0, 2)


@pytest.mark.parametrize(("shared", "spans", "strays"), [(False, ["run", "lost"], 0), (True, ["run"], 1)])
def test_a_lost_span_may_be_of_another_run_of_the_trace(
    make_span: MakeSpan, shared: bool, spans: list[str], strays: int
) -> None:
    tree = SpanTree([make_span("run", None, 0, 9), make_span("lost", "gone", 1, 2)])
    part, found = cut_at(tree, "run", shared=shared)
    assert ([span.span_id for span in part.spans], found) == (spans, strays)
