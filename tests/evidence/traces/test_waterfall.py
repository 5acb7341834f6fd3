"""The waterfall of a run: which spans stay, in which order, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.waterfall import WATERFALL_SPANS, build_waterfall, build_waterfalls
from tasks.evidence.types import Metrics, RunRef, WaterfallSpan
from tasks.redaction.redaction_batch import RedactionBatch
from tasks.redaction.redactor import Redactor

MakeSpan = Callable[..., Span]
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


def _tree(make_span: MakeSpan, count: int) -> SpanTree:
    """A root with ``count`` children, of which each is longer than the one before."""
    root = make_span("root", None, 10, 10 + count * count)
    children = [make_span(f"s{number}", "root", 10 + number, 10 + 1.1 * number) for number in range(1, count + 1)]
    return SpanTree([root, *children])


def test_no_spans_are_no_waterfall() -> None:
    assert build_waterfall(SpanTree([])) == ()
    assert build_waterfalls(_metrics(1, 2), {"1": SpanTree([])}) == {}


def test_the_longest_stay_in_order_of_start(make_span: MakeSpan) -> None:
    found = build_waterfall(_tree(make_span, 100))
    assert len(found) == WATERFALL_SPANS
    assert found[0].depth == 0
    assert {span.depth for span in found[1:]} == {1}
    # The root and the 39 longest of its children.
    assert found[1].duration_seconds == pytest.approx(6.2)
    starts = [span.start_seconds for span in found]
    assert starts == sorted(starts)
    assert starts[:2] == [0.0, pytest.approx(62)]


def test_kinds_names_and_errors_are_those_of_the_summary(make_span: MakeSpan) -> None:
    tree = SpanTree(
        [
            make_span("a", None, 0, 100, operation="invoke_agent x", tags={"gen_ai.operation.name": "invoke_agent"}),
            make_span("b", "a", 10, 50, operation="execute_tool search", tags=TOOL | {"error.type": "timeout"}),
        ]
    )
    assert build_waterfall(tree) == (
        WaterfallSpan(name="invoke_agent x", kind="agent", depth=0, start_seconds=0.0, duration_seconds=100.0),
        WaterfallSpan(name="search", kind="tool", depth=1, start_seconds=10.0, duration_seconds=40.0, error=True),
    )


def test_names_are_redacted_before_they_are_cut(make_span: MakeSpan) -> None:
    key = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 3
    tree = SpanTree([make_span("a", None, 0, 100, operation="x" * 100 + " " + key)])
    [span] = build_waterfall(tree, RedactionBatch(Redactor()).redact_names)
    assert key[:12] not in span.name
    assert span.name.startswith("x" * 100 + " [")
    [long] = build_waterfall(SpanTree([make_span("a", None, 0, 100, operation="y" * 5000 + "\x00")]))
    assert len(long.name) < 200
    assert "\x00" not in long.name


def _metrics(typical: int, worst: int) -> Metrics:
    return Metrics(
        runs_analyzed=2,
        runs_completed=1,
        runs_failed=1,
        runs_unfinished=0,
        typical_run=RunRef(run_id=str(typical), status="completed", reason="r"),
        worst_run=RunRef(run_id=str(worst), status="failed", reason="r"),
    )


def test_only_the_typical_and_the_worst_run_have_one(make_span: MakeSpan) -> None:
    trees = {str(number): _tree(make_span, 3) for number in range(10)}
    assert list(build_waterfalls(_metrics(4, 2), trees)) == ["2", "4"]
    assert list(build_waterfalls(_metrics(4, 4), trees)) == ["4"]
    assert list(build_waterfalls(_metrics(4, 77), trees)) == ["4"]
