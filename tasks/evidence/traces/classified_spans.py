"""The spans of a trace by what they are: LLM calls, tool calls, and the kind that every span's time counts for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.evidence.traces import conventions
from tasks.evidence.traces.conventions import SpanKind, SpanReading
from tasks.evidence.traces.critical_path import Interval, subtract
from tasks.evidence.traces.span_tree import SpanTree
from tasks.evidence.traces.spans import Span


class ClassifiedSpans:
    """The spans by what they are: the lowest LLM spans, the tool calls, and the kind each span counts for."""

    def __init__(self, tree: SpanTree, found: list[SpanReading]) -> None:
        size = len(found)
        self.tree = tree
        self.found = found
        self.errors = [item.error() for item in found]
        self.near = [-1] * size  # the nearest span above that is an LLM's, a tool's or an agent's
        self.counted: list[SpanKind] = ["other"] * size
        self.inner: dict[int, list[int]] = {}  # spans of the same call, by the call's own span
        self.below: dict[int, list[int]] = {}  # LLM spans directly under an LLM span
        self.llms: list[int] = []
        self.tools: list[int] = []
        self._calls: dict[int, int] = {}
        self._entered: list[int] = []
        self._sizes: list[int] = []
        for index in tree.order:
            parent = tree.parents[index]
            if parent >= 0:
                self.near[index] = parent if found[parent].kind != "other" else self.near[parent]
            near, kind = self.near[index], found[index].kind
            if kind == "llm" and near >= 0 and found[near].kind == "llm":
                self.below.setdefault(near, []).append(index)
            elif kind == "tool":
                self._add_tool(index, near)
        for index in tree.order:
            kind, parent = found[index].kind, tree.parents[index]
            inherited = self.counted[parent] if parent >= 0 else "other"
            if kind == "tool":
                self.counted[index] = kind
            elif kind == "llm":
                if index not in self.below:
                    self.llms.append(index)
                    self.counted[index] = kind
            else:
                self.counted[index] = inherited

    def _add_tool(self, index: int, near: int) -> None:
        if near >= 0 and self.found[near].kind == "tool":
            call = self._calls[near]
            if conventions.same_tool(self.found[call].name or "", self.found[index].name or ""):
                self._calls[index] = call
                self.inner.setdefault(call, []).append(index)
                return
        self._calls[index] = index
        self.tools.append(index)

    def inner_error(self, call: int) -> str | None:
        """The error of a call that only a span inside it has (an MCP server's under its client's), else None.

        Of attempts beside each other the last to end decides: one that failed before it was retried inside the call.
        """
        attempts = [index for index in self.inner.get(call, ()) if self.near[index] == call]
        while attempts:
            last = max(attempts, key=lambda index: self.tree.spans[index].end_us)
            if (error := self.errors[last]) is not None:
                return error
            attempts = [index for index in self.inner[call] if self.near[index] == last]
        return None

    def llm_intervals(self) -> list[Interval]:
        """The time of the LLM calls: a span that also holds the tool calls it asked for is not all LLM."""
        holes: dict[int, list[Interval]] = {}
        lowest = set(self.llms)
        for index in self.tools:
            if self.near[index] in lowest:
                holes.setdefault(self.near[index], []).append(interval(self.tree.spans[index]))
        found: list[Interval] = []
        for index in self.llms:
            own = interval(self.tree.spans[index])
            found += subtract([own], holes[index]) if index in holes else [own]
        return found

    def is_inside(self, outer: int, inner: int) -> bool:
        """Whether the span ``inner`` is in the tree below ``outer``."""
        if not self._entered:
            self._number()
        first = self._entered[outer]
        return first < self._entered[inner] < first + self._sizes[outer]

    def _number(self) -> None:
        """Numbers the spans so that those below one follow it: no walk up the tree for each question."""
        tree = self.tree
        self._sizes = [1] * len(self.found)
        self._entered = [0] * len(self.found)
        for index in reversed(tree.order):
            if tree.parents[index] >= 0:
                self._sizes[tree.parents[index]] += self._sizes[index]
        following = 0
        for top in tree.tops:
            self._entered[top] = following
            following += self._sizes[top]
        for index in tree.order:
            following = self._entered[index] + 1
            for child in tree.children[index]:
                self._entered[child] = following
                following += self._sizes[child]

    def origin_errors(self, same: Iterable[Sequence[int]] = ()) -> list[str]:
        """One text for each span in error that no span in error below it explains.

        Spans without an error can lie between (a stream's writer): the error passed up over them. Of the spans that
        ``same`` has together, views of one call, the first in error counts.
        """
        failed = [index for index, text in enumerate(self.errors) if text is not None]
        again: set[int] = set()
        for views in same:
            again.update([index for index in views if self.errors[index] is not None][1:])
        explained = set()
        for index in failed:
            above = self.tree.parents[index]
            while above >= 0 and above not in explained:
                explained.add(above)
                if self.errors[above] is not None or self.found[above].kind != "other":
                    break
                above = self.tree.parents[above]
        return [
            str(self.errors[index])
            if self.found[index].kind != "other"
            else f"{self.tree.spans[index].operation}: {self.errors[index]}"
            for index in failed
            if index not in explained and index not in again
        ]


def interval(span: Span) -> Interval:
    """From the start to the end of ``span``."""
    return span.start_us, span.end_us
