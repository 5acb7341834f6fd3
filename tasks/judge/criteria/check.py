"""Whether one run meets one computed criterion: 1 when it does, 0 when it does not, None when that is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import orjson
import regex

from tasks.evidence.known_calls import KnownCalls
from tasks.evidence.types import Run
from tasks.judge.criteria.criterion import Criterion, Kind
from tasks.judge.criteria.function import UndecidedError, call_function

_PATTERN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a criterion can ask of a finished run: its row, its tool calls, its cost, and whether it did its task."""

    run: Run
    calls: KnownCalls
    cost_usd: float | None = None
    success: bool | None = None

    @property
    def whole_run(self) -> Run:
        """The run as a person's function is given it: with the calls of its trace, and its cost by the price list."""
        changed: dict[str, object] = {}
        if self.calls.calls != self.run.tool_calls:
            changed["tool_calls"] = self.calls.calls
        if self.calls.is_whole != self.run.tool_calls_known:
            changed["tool_calls_known"] = self.calls.is_whole
        if self.cost_usd != self.run.cost_usd:
            changed["cost_usd"] = self.cost_usd
        return self.run.model_copy(update=changed) if changed else self.run


Functions = Mapping[str, Callable[[Run], object]]
"""A person's functions by the names that criteria give them."""


def check_run(criterion: Criterion, facts: RunFacts, functions: Functions) -> float | None:
    """How far a run meets ``criterion``, 0 to 1: a number between them only from a person's function.

    None: the run lacks what is needed (no duration, no expected answer, calls that are unknown).

    Raises:
        UndecidedError: a function failed, or a pattern took too long; the message explains how.
    """
    if criterion.function is not None:
        return call_function(functions[criterion.function], facts.whole_run)
    met = _CHECKS[criterion.kind](criterion, facts)
    return None if met is None else float(met)


def _completion(_: Criterion, facts: RunFacts) -> bool | None:
    return facts.run.outcome == "completed"


def _success(_: Criterion, facts: RunFacts) -> bool | None:
    return facts.success


def _within(value: float | None, criterion: Criterion) -> bool | None:
    return None if value is None or criterion.limit is None else value <= criterion.limit


def _duration(criterion: Criterion, facts: RunFacts) -> bool | None:
    return _within(facts.run.duration_seconds, criterion)


def _cost(criterion: Criterion, facts: RunFacts) -> bool | None:
    return _within(facts.cost_usd, criterion)


def _max_calls(criterion: Criterion, facts: RunFacts) -> bool | None:
    within = _within(len(facts.calls.calls), criterion)
    return within if facts.calls.is_whole or within is False else None


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _must(criterion: Criterion, facts: RunFacts) -> bool | None:
    tools = criterion.tools or ()
    if all(any(_is_any(call.name, (tool,)) for call in facts.calls.calls) for tool in tools):
        return True
    return False if facts.calls.is_whole else None


def _never(criterion: Criterion, facts: RunFacts) -> bool | None:
    if any(_is_any(call.name, criterion.tools or ()) for call in facts.calls.calls):
        return False
    return True if facts.calls.is_whole else None


def _order(criterion: Criterion, facts: RunFacts) -> bool | None:
    """Whether every call of a tool in the list came after calls of all those before it."""
    if not facts.calls.is_whole:
        return None
    tools, seen = criterion.tools or (), 0
    for call in facts.calls.calls:
        places = [place for place, tool in enumerate(tools) if _is_any(call.name, (tool,))]
        if places and min(places) > seen:
            return False
        # A name may stand for several places: it takes the first that is still open.
        if seen in places:
            seen += 1
    return True


def _no_repeats(_: Criterion, facts: RunFacts) -> bool | None:
    return None if facts.calls.has_repeats is None else not facts.calls.has_repeats


def _missing_response(facts: RunFacts) -> bool | None:
    """A run that failed without a response has given none; of one that completed it may only be unrecorded."""
    return False if facts.run.outcome == "failed" else None


def _matches(criterion: Criterion, facts: RunFacts) -> bool | None:
    if facts.run.final_response is None:
        return _missing_response(facts)
    try:
        found = regex.search(criterion.pattern or "", facts.run.final_response, timeout=_PATTERN_SECONDS)
    except TimeoutError:
        raise UndecidedError(f"pattern took longer than {_PATTERN_SECONDS:g} s on a response") from None
    return found is not None


def _equals(_: Criterion, facts: RunFacts) -> bool | None:
    if facts.run.expected is None:
        return None
    if facts.run.final_response is None:
        return _missing_response(facts)
    return _plain(facts.run.final_response) == _plain(facts.run.expected)


def _plain(text: str) -> object:
    """A text without the white space around it; JSON as what it holds, so that its layout does not count."""
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        try:
            return orjson.dumps(orjson.loads(stripped), option=orjson.OPT_SORT_KEYS).decode()
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            return stripped
    return stripped


_CHECKS: dict[Kind, Callable[[Criterion, RunFacts], bool | None]] = {
    "success": _success,
    "completion": _completion,
    "max_duration_seconds": _duration,
    "max_cost_usd": _cost,
    "max_tool_calls": _max_calls,
    "tool_must": _must,
    "tool_never": _never,
    "tool_order": _order,
    "no_repeats": _no_repeats,
    "response_matches": _matches,
    "response_equals_expected": _equals,
}
