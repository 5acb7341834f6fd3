"""What one run's trace shows, short enough to travel: a ``TelemetrySummary`` from spans. Pure, and linear in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest

from tasks.evidence.traces import conventions
from tasks.evidence.traces.classified_spans import ClassifiedSpans, interval
from tasks.evidence.traces.critical_path import covered, critical_path
from tasks.evidence.traces.llm_calls import LlmCalls
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.tool_calls import ToolCall, ToolCalls, repeated
from tasks.evidence.types import CriticalPath, RepeatedCall, SlowSpan, SpanCall, TelemetrySummary
from tasks.wording.counts import counted
from tasks.wording.shortening import clip_end

TEXT_LIMIT = 400
TOOL_CALLS_LIMIT = 200
_NAME_LIMIT = 200
# Read beyond the cut, so that what redacts sees whole what would be cut in half: longer keys are known by their start.
_BEYOND = 400
_SLOWEST = 5
_REPEATS = 20
_ERROR_MESSAGES = 10
_WARNINGS = 10
_NUMBER = re.compile(r"\d+")
_CLIPPED = {
    "tool_calls": ("name", "error", "arguments", "result"),
    "repeats": ("name", "arguments"),
    "slowest": ("operation",),
}
RedactSummaries = Callable[[Sequence[TelemetrySummary]], Sequence[TelemetrySummary]]
"""Summaries to the same, in their order, without secrets and personal data in their texts."""


def summarize(spans: Sequence[Span]) -> TelemetrySummary:
    """The summary of one run's spans, in any order; of no spans nothing is known, and there are none.

    - Times in LLM, tools and other are unions of intervals. A tool that runs an agent holds LLM time too, so LLM and
      tool time can overlap; ``other`` is what a span covers and neither an LLM call nor a tool does.
    - Where instrumentations overlap (an LLM span inside an LLM span with no tool or agent between) only the lowest
      counts as a call and in time; tokens are the lowest's, or the next one's up that has any. Beside each other they
      are one call by its id, or by time and tokens (see ``views``).
    - A tool's span inside the same tool's (an MCP client's or server's) is one call; what the outer lacks is
      filled in. Without spans of tools, the messages of LLM calls are read.
    - ``errors`` counts the spans in error with no child in error: an error that is passed up is one.
    - ``slowest`` goes by self time (duration without what children cover); a span inside an LLM call or a tool is of
      its kind. The critical path is that of the longest root (see ``critical_path``).
    """
    return summarize_tree(SpanTree(spans))


def summarize_tree(tree: SpanTree, notes: Iterable[str] = ()) -> TelemetrySummary:
    """``summarize`` for spans that are linked already; ``notes`` go before the warnings."""
    return shorten(summarize_widely(tree, notes))


def summarize_widely(tree: SpanTree, notes: Iterable[str] = ()) -> TelemetrySummary:
    """``summarize_tree`` with texts that are cut a good deal later than ``shorten`` cuts them.

    For what redacts: half a secret is one too and does not look like one.
    """
    spans = tree.spans
    found = [conventions.read(span) for span in spans]
    classified = ClassifiedSpans(tree, found)
    warnings = [*notes, *_own_warnings(tree), *_grouped(warning for span in spans for warning in span.warnings)]
    if not spans:
        return TelemetrySummary(
            spans=0, roots=0, orphans=0, depth=0, wall_seconds=0.0, llm_seconds=None, tool_seconds=None,
            other_seconds=0.0, llm_calls=None, warnings=tuple(warnings),
        )  # fmt: skip
    begin = min(span.start_us for span in spans)
    llm_calls = LlmCalls(classified)
    tool_calls = ToolCalls(classified, llm_calls)
    calls, usage, timed = tool_calls.calls, llm_calls.usage, tool_calls.read_from == "spans"
    llm, tools = classified.llm_intervals(), [interval(spans[index]) for index in classified.tools]
    errors = classified.origin_errors([*llm_calls.groups, *tool_calls.groups])
    messages = Counter(message for message in errors if message)
    return TelemetrySummary(
        spans=len(spans),
        roots=tree.roots,
        orphans=tree.orphans,
        depth=tree.depth,
        wall_seconds=_seconds(max(span.end_us for span in spans) - begin),
        llm_seconds=None if llm_calls.count is None else _seconds(covered(llm)),
        tool_seconds=_seconds(covered(tools)) if timed or (tool_calls.read_from and not calls) else None,
        other_seconds=_seconds(covered(map(interval, spans)) - covered([*llm, *tools])),
        llm_calls=llm_calls.count,
        tool_calls_from=tool_calls.read_from,
        tool_calls=tuple(_span_call(call, begin) for call in calls[:TOOL_CALLS_LIMIT]),
        tool_calls_left_out=max(0, len(calls) - TOOL_CALLS_LIMIT),
        errors=messages.total(),
        error_messages=tuple(_wide(message) for message, _ in messages.most_common(_ERROR_MESSAGES)),
        repeats=_repeats(calls),
        slowest=_slowest(tree, classified),
        critical_path=_path_by_kind(tree, classified),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        models=llm_calls.models(),
        conventions=tuple(sorted({item.convention for item in found if item.convention})),
        warnings=tuple(warnings[:_WARNINGS]),
    )


def _wide(text: str, limit: int = TEXT_LIMIT) -> str:
    return clip_end(text, limit + _BEYOND)


def shorten(summary: TelemetrySummary) -> TelemetrySummary:
    """``summary`` with its texts cut to their final length."""
    limits = {"name": _NAME_LIMIT, "operation": _NAME_LIMIT}
    changed: dict[str, object] = {}
    for field, names in _CLIPPED.items():
        items: Sequence[SpanCall | RepeatedCall | SlowSpan] = getattr(summary, field)
        cut = []
        for item in items:
            long = {
                name: clip_end(text, limits.get(name, TEXT_LIMIT))
                for name in names
                if (text := getattr(item, name)) is not None and len(text) > limits.get(name, TEXT_LIMIT)
            }
            cut.append(item.model_copy(update=long) if long else item)
        changed[field] = tuple(cut)
    changed["error_messages"] = tuple(clip_end(text, TEXT_LIMIT) for text in summary.error_messages)
    return summary.model_copy(update=changed)


def _span_call(call: ToolCall, begin: int) -> SpanCall:
    return SpanCall(
        name=_wide(call.name, _NAME_LIMIT),
        start_seconds=_seconds(call.start_us - begin),
        duration_seconds=None if call.duration_us is None else _seconds(call.duration_us),
        error=None if call.error is None else _wide(call.error),
        arguments=None if call.arguments is None else _wide(call.arguments),
        result=None if call.result is None else _wide(call.result),
        span_id=call.span_id,
    )


def _repeats(calls: Sequence[ToolCall]) -> tuple[RepeatedCall, ...]:
    return tuple(
        RepeatedCall(name=_wide(name, _NAME_LIMIT), arguments=_wide(arguments), calls=count)
        for name, arguments, count in repeated(calls)[:_REPEATS]
    )


def _slowest(tree: SpanTree, classified: ClassifiedSpans) -> tuple[SlowSpan, ...]:
    own: list[tuple[int, int]] = []
    for index, span in enumerate(tree.spans):
        duration = span.end_us - span.start_us
        children = tree.children[index]
        if len(children) == 1:
            child = tree.spans[children[0]]
            duration -= max(0, min(span.end_us, child.end_us) - max(span.start_us, child.start_us))
        elif children:
            duration -= covered(
                (max(span.start_us, tree.spans[child].start_us), min(span.end_us, tree.spans[child].end_us))
                for child in children
            )
        own.append((duration, -index))
    slowest = []
    for duration, negative in nlargest(_SLOWEST, own):
        kind = classified.found[-negative].kind
        slowest.append(
            SlowSpan(
                operation=_wide(tree.spans[-negative].operation, _NAME_LIMIT),
                kind=classified.counted[-negative] if kind == "other" else kind,
                self_seconds=_seconds(duration),
            )
        )
    return tuple(slowest)


def _path_by_kind(tree: SpanTree, classified: ClassifiedSpans) -> CriticalPath:
    candidates = [top for top in tree.tops if tree.spans[top].parent_id is None] or tree.tops
    root = max(candidates, key=lambda top: tree.spans[top].end_us - tree.spans[top].start_us)
    sums = {"llm": 0, "tool": 0, "agent": 0, "other": 0}
    for index, length in critical_path(tree, root):
        sums[classified.counted[index]] += length
    return CriticalPath(
        llm_seconds=_seconds(sums["llm"]),
        tool_seconds=_seconds(sums["tool"]),
        other_seconds=_seconds(sums["agent"] + sums["other"]),
    )


def _own_warnings(tree: SpanTree) -> list[str]:
    warnings = []
    if tree.duplicates:
        warnings.append(f"{counted(tree.duplicates, 'span')} came twice")
    if tree.cycles:
        warnings.append(f"{tree.cycles} cycles of parents")
    return warnings


def _grouped(warnings: Iterable[str]) -> list[str]:
    """Warnings that differ in their numbers only (clock skew by so much) as one, with how many there were."""
    groups: dict[str, tuple[str, int]] = {}
    for warning in warnings:
        key = _NUMBER.sub("#", warning)
        example, count = groups.get(key, (warning, 0))
        groups[key] = (example, count + 1)
    return [clip_end(example, TEXT_LIMIT) + (f" (×{count})" if count > 1 else "") for example, count in groups.values()]


def _seconds(microseconds: int) -> float:
    return microseconds / 1_000_000
