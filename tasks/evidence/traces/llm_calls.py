"""The LLM calls of a trace, each once although several spans can show it, with their tokens and models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from tasks.evidence.traces.classified_spans import ClassifiedSpans
from tasks.evidence.traces.conventions import Message, Usage
from tasks.evidence.traces.message_calls import Turn
from tasks.evidence.traces.spans import Span
from tasks.evidence.traces.views import View, same_calls
from tasks.wording.shortening import clip_end

_MODELS = 20
_MODEL_LENGTH = 200


class LlmCalls:
    """The LLM calls among ``classified`` spans.

    Of LLM spans inside each other the lowest is the call. Lowest ones that are views of one call (see ``views``) are
    together in ``groups``, the innermost first, and so is with its request the entry in which Logfire logs what a
    stream answered.
    """

    def __init__(self, classified: ClassifiedSpans) -> None:
        self._classified = classified
        self._found = classified.found
        self._spans = classified.tree.spans
        logged = dict(self._logged())
        requests = [index for index in classified.llms if index not in logged.values()]
        self._usages = {index: self._chain_usage(index) for index in classified.llms}
        self.groups: list[list[int]] = []
        for positions in same_calls(
            [self._view(index, logged.get(index)) for index in requests], self._can_be(requests)
        ):
            group = sorted((requests[position] for position in positions), key=self._innermost_first)
            self.groups.append(group + [logged[index] for index in group if index in logged])

    @property
    def count(self) -> int | None:
        """How many there were; None when no span shows one, unless MCP's spans are the only ones of an agent's kind.

        MCP's own instrumentations record a program that calls tools itself: with nothing of an agent around them there
        is no LLM whose calls could be missing.
        """
        if self.groups:
            return len(self.groups)
        kinds = {(item.kind, item.convention) for item in self._found if item.kind != "other"}
        return 0 if kinds == {("tool", "MCP")} else None

    @cached_property
    def usage(self) -> Usage:
        """The tokens of all calls; None where no span reports them.

        Of a call they are its innermost view's, and what that lacks the next one's further out. Where no LLM span has
        tokens, those of the topmost spans that sum up what is below them.
        """
        of_calls = {index: _filled(self._usages[view] for view in group) for group in self.groups for index in group}
        counted = [of_calls[group[0]] for group in self.groups]
        chained: dict[int, Usage] = {}
        for index in reversed(self._classified.tree.order):
            if self._found[index].kind != "llm":
                continue
            below = self._classified.below.get(index)
            if below is None:
                chained[index] = of_calls[index]
                continue
            lower = _sum(chained[child] for child in below)
            chained[index] = _filled((lower, self._found[index].usage()))
            # What no call below reports itself is counted here, and once.
            counted.append(_unless(chained[index], lower))
        found = _sum(counted)
        return found if found.known else _sum(self._totals())

    def models(self) -> tuple[str, ...]:
        """The models of the calls in order of first use; without any those of the agents, or of Station's run."""
        named = [self._model(group) for group in sorted(self.groups, key=lambda group: self._spans[group[0]].start_us)]
        if not any(named):
            agents = [item for item in self._found if item.kind == "agent"]
            named = [agent.model() for agent in sorted(agents, key=lambda item: item.span.start_us)]
        if not any(named):
            named = [str(value) for span in self._spans if (value := span.tags.get("execution.model"))]
        return tuple(dict.fromkeys(clip_end(name, _MODEL_LENGTH) for name in named if name))[:_MODELS]

    def turns(self) -> list[Turn]:
        """The calls in order of time with their messages, from the innermost view that holds any."""
        turns = []
        for group in self.groups:
            outer = [index for view in group for index in self._chain(view)]
            given, made = self._messages(outer, "input_messages"), self._messages(outer, "output_messages")
            start = min(self._spans[view].start_us for view in group)
            turns.append(Turn(start, max(self._spans[view].end_us for view in group), given, made))
        return sorted(turns, key=lambda turn: (turn.start_us, turn.end_us))

    def asked_for_no_tool(self) -> bool:
        """Whether the answers of all calls are recorded, and none asks for a tool or stopped for one.

        The reason to stop alone is not enough: Gemini and Ollama stop the same way with and without tool calls.
        """
        for group in self.groups:
            indices = [index for view in group for index in self._chain(view)]
            made = self._messages(indices, "output_messages")
            reasons = " ".join(self._found[index].finish_reason() or "" for index in indices).lower()
            if not made or any(message.calls for message in made) or "tool" in reasons or "function" in reasons:
                return False
        return bool(self.groups)

    def _messages(self, indices: Iterable[int], part: str) -> tuple[Message, ...]:
        return next((found for index in indices if (found := getattr(self._found[index], part)())), ())

    def _model(self, group: list[int]) -> str | None:
        return next(
            (model for view in group for index in self._chain(view) if (model := self._found[index].model())), None
        )

    def _chain(self, index: int) -> Iterator[int]:
        """``index`` and the LLM spans around it that hold no other call."""
        yield index
        near, found = self._classified.near, self._found
        above = near[index]
        while above >= 0 and found[above].kind == "llm" and len(self._classified.below[above]) == 1:
            yield above
            above = near[above]

    def _chain_usage(self, index: int) -> Usage:
        return _filled(self._found[at].usage() for at in self._chain(index))

    def _logged(self) -> Iterator[tuple[int, int]]:
        """Requests of streams with the entry that logs their answer: a span without a duration beside theirs."""
        llms = sorted(self._classified.llms, key=lambda index: self._spans[index].start_us)
        waiting: dict[tuple[int, str], list[int]] = defaultdict(list)
        for index in llms:
            span = self._spans[index]
            place = (self._classified.tree.parents[index], scope_of(span))
            if span.tags.get("logfire.span_type") != "log":
                if span.tags.get("logfire.span_type") is not None and not self._found[index].usage().known:
                    waiting[place].append(index)
            elif waiting[place]:
                yield waiting[place].pop(0), index

    def _view(self, index: int, log: int | None) -> View:
        span = self._spans[index]
        indices = [*self._chain(index), *([] if log is None else [log])]
        usage = _filled([self._usages[index], *([] if log is None else [self._usages[log]])])
        call_id = next((found for at in indices if (found := self._found[at].response_id())), None)
        key: tuple[int | None, int | None] | str | None = (usage.input_tokens, usage.output_tokens)
        if usage.input_tokens is None or usage.output_tokens is None:
            # Calls that failed have no tokens, but fail in all their views.
            key = None if usage.known or self._classified.errors[index] is None else "failed"
        end = span.end_us if log is None else max(span.end_us, self._spans[log].end_us)
        return View(span.start_us, end, scope_of(span), call_id, key)

    def _can_be(self, requests: list[int]) -> Callable[[int, int], bool]:
        is_inside = self._classified.is_inside

        def can_be(one: int, another: int) -> bool:
            """Not where an agent or a tool lies between them: one of them is then called by the other."""
            return not is_inside(requests[one], requests[another]) and not is_inside(requests[another], requests[one])

        return can_be

    def _innermost_first(self, index: int) -> tuple[int, int]:
        span = self._spans[index]
        return span.end_us - span.start_us, -self._classified.tree.depths[index]

    def _totals(self) -> Iterator[Usage]:
        parents, summed = self._classified.tree.parents, bytearray(len(self._found))
        for index in self._classified.tree.order:
            parent = parents[index]
            if parent >= 0 and summed[parent]:
                summed[index] = 1
            elif (totals := self._found[index].totals()).known:
                summed[index] = 1
                yield totals


def scope_of(span: Span) -> str:
    """The instrumentation that wrote ``span``, "" when the span does not name it."""
    scope = span.tags.get("otel.scope.name") or span.tags.get("otel.library.name")
    return scope if isinstance(scope, str) else ""


def _filled(usages: Iterable[Usage]) -> Usage:
    """Of every kind of tokens the first count that is known."""
    return Usage(*(next((count for count in counts if count is not None), None) for counts in _columns(usages)))


def _unless(usage: Usage, known: Usage) -> Usage:
    """``usage`` without the kinds of tokens that ``known`` has."""
    return Usage(*(mine if other is None else None for mine, other in zip(usage, known, strict=True)))


def _sum(usages: Iterable[Usage]) -> Usage:
    columns = [[count for count in counts if count is not None] for counts in _columns(usages)]
    return Usage(*(sum(known) if known else None for known in columns))


def _columns(usages: Iterable[Usage]) -> list[tuple[int | None, ...]]:
    listed = list(usages)
    return list(zip(*listed, strict=True)) if listed else [()] * len(Usage())
