"""A trace's spans as a forest: parents, children, depth, what is broken. No recursion: a trace can be 10,000 deep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tasks.evidence.ids import read_id
from tasks.evidence.traces.spans import Span
from tasks.evidence.types import RunId


class SpanTree:
    """The spans of one trace (or of one run's part of it), linked by position.

    ``spans`` holds each span once; ``parents[i]`` is a position or -1; ``order`` has every parent before its children.
    A span whose parent is not here is an orphan and starts a tree of its own, as does one span of every cycle.
    ``roots`` counts the spans that have no parent, ``orphans`` the others at the top; no spans: all empty.
    """

    __slots__ = ("children", "cycles", "depths", "duplicates", "order", "orphans", "parents", "roots", "spans", "tops")

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans, self.duplicates = _distinct(spans)
        positions = {span.span_id: index for index, span in enumerate(self.spans)}
        self.parents: list[int] = [-1] * len(self.spans)
        self.children: list[list[int]] = [[] for _ in self.spans]
        self.tops: list[int] = []
        self.roots = self.orphans = self.cycles = 0
        for index, span in enumerate(self.spans):
            parent_id = span.parent_id
            parent = -1 if parent_id is None else positions.get(parent_id, -1)
            if parent == -1:
                self.tops.append(index)
                if parent_id is None:
                    self.roots += 1
                else:
                    self.orphans += 1
            else:
                self.parents[index] = parent
                self.children[parent].append(index)
        self.order: list[int] = []
        self.depths: list[int] = [0] * len(self.spans)
        self._walk(self.tops)
        if len(self.order) < len(self.spans):
            self._open_cycles()

    @property
    def depth(self) -> int:
        """The number of levels; a root alone is 1, no spans are 0."""
        return max(self.depths, default=0)

    def _walk(self, tops: Sequence[int]) -> None:
        """Appends the trees under ``tops`` to ``order``, level by level."""
        level = list(tops)
        depth = 0
        while level:
            depth += 1
            for index in level:
                self.depths[index] = depth
            self.order += level
            level = [child for index in level for child in self.children[index]]

    def _open_cycles(self) -> None:
        """What no top reaches hangs on a cycle: cut each where its earliest span starts, and count it as an orphan."""
        seen = set(self.order)
        for index in sorted(
            (index for index in range(len(self.spans)) if index not in seen), key=lambda i: self.spans[i].start_us
        ):
            if index in seen:
                continue
            # Follow the parents into the cycle: a span that merely hangs on it keeps its parent.
            trail: dict[int, None] = {}
            current = index
            while current not in trail:
                trail[current] = None
                current = self.parents[current]
            members = [current]
            while (following := self.parents[members[-1]]) != current:
                members.append(following)
            cut = min(members, key=lambda i: (self.spans[i].start_us, i))
            self.children[self.parents[cut]].remove(cut)
            self.parents[cut] = -1
            self.tops.append(cut)
            self.orphans += 1
            self.cycles += 1
            before = len(self.order)
            self._walk([cut])
            seen.update(self.order[before:])


def cut_run(tree: SpanTree, tag: str, run_id: RunId) -> tuple[SpanTree, int, int]:
    """The part of a trace that belongs to one run, the orphans left outside that may, and the other runs inside.

    A child agent can share its parent's trace: where spans carry ``tag`` (``run.id``) with this run's id, the run is
    what hangs below the topmost of them, its child runs included (their time is part of its own). When no span carries
    it, or there is nothing outside, the tree comes back as it is.
    """
    tagged = [index for index, span in enumerate(tree.spans) if tag in span.tags]
    own = [index for index in tagged if read_id(tree.spans[index].tags[tag]) == run_id]
    others = {read_id(tree.spans[index].tags[tag]) for index in tagged} - {run_id}
    if not own:
        return tree, 0, len(others)
    part, strays = _below(tree, own, shared=bool(others))
    if part is tree:
        return tree, strays, len(others)
    nested = {read_id(span.tags[tag]) for span in part.spans if tag in span.tags} - {run_id}
    return part, strays, len(nested)


def cut_at(tree: SpanTree, span_id: str, *, shared: bool = False) -> tuple[SpanTree, int]:
    """The part of a trace that hangs below the span ``span_id``, and the orphans left outside that may belong to it.

    ``shared`` means that other runs are in the trace: then orphans may be theirs. Where the span itself is not there
    yet, the part is what has it for a parent, as orphans. Without either there are no spans.
    """
    own = [index for index, span in enumerate(tree.spans) if span.span_id == span_id]
    if own:
        return _below(tree, own, shared=shared)
    waiting = [top for top in tree.tops if tree.spans[top].parent_id == span_id]
    return _below(tree, waiting, shared=shared, keep_parents=True) if waiting else (SpanTree(()), 0)


def _below(tree: SpanTree, own: Sequence[int], *, shared: bool, keep_parents: bool = False) -> tuple[SpanTree, int]:
    """What hangs below the spans ``own``, and the orphans that may belong to it where the trace is ``shared``."""
    inside = bytearray(len(tree.spans))
    _mark(tree, own, inside)
    tops = {index for index in own if tree.parents[index] < 0 or not inside[tree.parents[index]]}
    strays = 0
    if tree.orphans:
        first = min(tree.spans[index].start_us for index in own)
        last = max(tree.spans[index].end_us for index in own)
        stray = [
            top
            for top in tree.tops
            if not inside[top] and tree.spans[top].parent_id is not None and first <= tree.spans[top].start_us <= last
        ]
        if shared:
            strays = len(stray)
        else:
            # The trace holds one run only: what lost its parent while that ran is its own.
            _mark(tree, stray, inside)
    if all(inside) and (keep_parents or all(tree.spans[top].parent_id is None for top in tops)):
        return tree, strays
    spans = [
        replace(span, parent_id=None, follows=False) if index in tops and not keep_parents else span
        for index, span in enumerate(tree.spans)
        if inside[index]
    ]
    return SpanTree(spans), strays


def _mark(tree: SpanTree, tops: Iterable[int], inside: bytearray) -> None:
    """Marks what hangs below ``tops``, those too; without a walk over the rest of the trace."""
    waiting = list(tops)
    while waiting:
        index = waiting.pop()
        if not inside[index]:
            inside[index] = 1
            waiting += tree.children[index]


def _distinct(spans: Sequence[Span]) -> tuple[list[Span], int]:
    """Each span once, and how many copies were dropped.

    Zipkin's way lets the two sides of a call share an id: those are no copies (operation or start differ); the one
    that starts first keeps the id and the other becomes its child, as Jaeger's own adjuster does it.
    """
    if len({span.span_id for span in spans}) == len(spans):
        return list(spans), 0
    by_id: dict[str, list[Span]] = {}
    for span in spans:
        by_id.setdefault(span.span_id, []).append(span)
    kept: list[Span] = []
    dropped = 0
    for span_id, same in by_id.items():
        unique: dict[tuple[str, int], Span] = {}
        for span in same:
            key = (span.operation, span.start_us)
            # A span can be exported twice, first unfinished: the longer one knows more.
            if key not in unique or span.end_us > unique[key].end_us:
                unique[key] = span
        dropped += len(same) - len(unique)
        ranked = sorted(unique.values(), key=lambda span: (span.start_us, -span.end_us))
        kept.append(ranked[0])
        kept += [
            replace(span, span_id=f"{span_id}~{number}", parent_id=span_id, follows=False)
            for number, span in enumerate(ranked[1:], start=2)
        ]
    return kept, dropped
