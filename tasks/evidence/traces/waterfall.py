"""A run's trace as a few spans on a time line: what a report draws of its typical and its worst run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest

from tasks.evidence.ids import natural_key
from tasks.evidence.traces import conventions
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.types import Metrics, RunId, WaterfallSpan
from tasks.wording.shortening import clip_end

WATERFALL_SPANS = 40
_NAME_LIMIT = 120
# Read beyond the cut, so that what redacts sees whole what would be cut in half.
_BEYOND = 400
RedactNames = Callable[[Sequence[str]], Sequence[str]]


def build_waterfall(
    tree: SpanTree, redact: RedactNames | None = None, limit: int = WATERFALL_SPANS
) -> tuple[WaterfallSpan, ...]:
    """The ``limit`` longest spans of ``tree`` in order of start; no spans, an empty tuple.

    Seconds are from the start of the first span, left out or not. ``depth`` is 0 for a root, and is that in the whole
    tree. A tool's span has the tool's name. ``redact`` gets all names at once, before they are cut to their length.
    """
    spans = tree.spans
    if not spans:
        return ()
    begin = min(span.start_us for span in spans)
    # Of equally long ones the outermost, and then the first: a root is never left out for its only child.
    kept = nsmallest(
        limit,
        range(len(spans)),
        key=lambda index: (spans[index].start_us - spans[index].end_us, tree.depths[index], spans[index].start_us),
    )
    kept.sort(key=lambda index: (spans[index].start_us, tree.depths[index], index))
    found = [conventions.read(spans[index]) for index in kept]
    names = [
        clip_end(item.name or spans[index].operation, _NAME_LIMIT + _BEYOND)
        for index, item in zip(kept, found, strict=True)
    ]
    return tuple(
        WaterfallSpan(
            name=clip_end(name, _NAME_LIMIT),
            kind=item.kind,
            depth=tree.depths[index] - 1,
            start_seconds=(spans[index].start_us - begin) / 1_000_000,
            duration_seconds=(spans[index].end_us - spans[index].start_us) / 1_000_000,
            error=item.error() is not None,
        )
        for index, item, name in zip(kept, found, redact(names) if redact else names, strict=True)
    )


def build_waterfalls(
    metrics: Metrics, trees: Mapping[RunId, SpanTree], redact: RedactNames | None = None
) -> dict[RunId, tuple[WaterfallSpan, ...]]:
    """The waterfalls of the typical and the worst run, by run id; a run without spans has none."""
    wanted = {run.run_id for run in (metrics.typical_run, metrics.worst_run) if run is not None}
    return {
        run_id: found
        for run_id in sorted(wanted & trees.keys(), key=natural_key)
        if (found := build_waterfall(trees[run_id], redact))
    }
