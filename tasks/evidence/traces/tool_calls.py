"""The tool calls of a trace, each once although several spans can show it, or read from the messages of LLM calls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import orjson

from tasks.evidence.traces import conventions
from tasks.evidence.traces.classified_spans import ClassifiedSpans
from tasks.evidence.traces.llm_calls import LlmCalls, scope_of
from tasks.evidence.traces.message_calls import calls_in_messages
from tasks.evidence.traces.views import View, same_calls

_SEPARATORS = re.compile(r"[_.\-/:]")

CallsFrom: TypeAlias = Literal["spans", "messages"] | None


class ToolCall(NamedTuple):
    """One tool call. ``duration_us`` is None and ``span_id`` empty where only messages mention it."""

    name: str
    start_us: int
    duration_us: int | None
    error: str | None
    arguments: str | None
    result: str | None
    span_id: str = ""


class ToolCalls:
    """Every tool call in order of its start, and where they stand.

    Of tool spans of the same tool inside each other the outermost is the call, and what it lacks the others fill in; so
    do its views beside it (``groups``, see ``views``). Without tool spans the messages of LLM calls are read.
    ``read_from`` is None when neither they nor their stop reasons show whether tools were called.
    """

    def __init__(self, classified: ClassifiedSpans, llm_calls: LlmCalls) -> None:
        self._classified = classified
        self.groups = list(self._grouped())
        self.calls = sorted(map(self._call, self.groups), key=lambda call: (call.start_us, call.span_id))
        self.read_from: CallsFrom = "spans" if self.calls else None
        if not self.calls:
            self.calls = [
                ToolCall(call.name, call.asked_us, None, call.error, call.arguments, call.result)
                for call in calls_in_messages(llm_calls.turns())
            ]
            if self.calls or llm_calls.asked_for_no_tool():
                self.read_from = "messages"

    def _grouped(self) -> Iterator[list[int]]:
        tools, found, spans = self._classified.tools, self._classified.found, self._classified.tree.spans
        scopes = [scope_of(spans[index]) for index in tools]
        if len(set(scopes)) < 2:
            yield from ([index] for index in tools)
            return

        def view(index: int, scope: str) -> View:
            # What frameworks put before a tool's name does not count.
            name = _SEPARATORS.split((found[index].name or "").rstrip("_"))[-1]
            call_id, arguments = found[index].call_id(), self._arguments(index)
            key = None if arguments is None else (name, canonical(arguments))
            return View(spans[index].start_us, spans[index].end_us, scope, call_id and f"{name} {call_id}", key)

        def can_be(one: int, another: int) -> bool:
            outer, inner = tools[one], tools[another]
            return conventions.same_tool(found[outer].name or "", found[inner].name or "") and not (
                self._classified.is_inside(outer, inner) or self._classified.is_inside(inner, outer)
            )

        for positions in same_calls([view(*pair) for pair in zip(tools, scopes, strict=True)], can_be):
            yield sorted(
                (tools[at] for at in positions), key=lambda index: (spans[index].start_us, -spans[index].end_us)
            )

    def _call(self, group: list[int]) -> ToolCall:
        found, spans, errors = self._classified.found, self._classified.tree.spans, self._classified.errors
        span = spans[group[0]]
        views = [found[index] for index in self._views(group)]
        error = next((text for index in group if (text := errors[index] or self._classified.inner_error(index))), None)
        return ToolCall(
            found[group[0]].name or span.operation,
            span.start_us,
            span.end_us - span.start_us,
            error,
            next((text for view in views if (text := view.arguments())), views[0].arguments()),
            next((text for view in views if (text := view.result())), views[0].result()),
            span.span_id,
        )

    def _arguments(self, call: int) -> str | None:
        return next(
            (text for index in self._views([call]) if (text := self._classified.found[index].arguments())), None
        )

    def _views(self, group: Sequence[int]) -> Iterable[int]:
        return [*group, *(inner for index in group for inner in self._classified.inner.get(index, ()))]


def repeated(calls: Sequence[ToolCall]) -> list[tuple[str, str, int]]:
    """Tools that were called with the same arguments more than once, most often first: name, arguments, how often.

    Unknown arguments are never the same.
    """
    names = Counter(call.name for call in calls)
    counted = Counter(
        (call.name, canonical(call.arguments)) for call in calls if call.arguments is not None and names[call.name] > 1
    )
    return [(name, arguments, count) for (name, arguments), count in counted.most_common() if count > 1]


def canonical(arguments: str) -> str:
    """``arguments`` so that equal ones read the same: JSON with sorted keys and no spaces, else the stripped text."""
    try:
        parsed = orjson.loads(arguments)
        if isinstance(parsed, str):
            # Some instrumentations write JSON that holds JSON as text.
            parsed = orjson.loads(parsed)
        return orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return arguments.strip()
