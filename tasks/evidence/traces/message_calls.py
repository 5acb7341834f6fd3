"""Tool calls in the messages of LLM calls, for traces whose tools have no spans: a loop of one's own over an SDK.

A call is asked for in what a model answers, and its result is in what the model is given next. All later inputs
repeat both, so calls are taken from answers, and from inputs only where answers were not recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasks.evidence.traces.conventions.messages import Message, ToolAnswer, ToolRequest


class Turn(NamedTuple):
    """One LLM call with the messages that its spans hold; without any, empty."""

    start_us: int
    end_us: int
    given: tuple[Message, ...] = ()
    made: tuple[Message, ...] = ()


class MessageCall(NamedTuple):
    """A tool call that only messages tell of: when it was asked for, but not how long it took.

    ``error`` only where a message states one: a result that reads like an error is a result.
    """

    name: str
    asked_us: int
    arguments: str | None = None
    result: str | None = None
    error: str | None = None


class _Asked(NamedTuple):
    turn: int
    at_us: int
    request: ToolRequest


def calls_in_messages(turns: Iterable[Turn]) -> list[MessageCall]:
    """The tool calls of ``turns`` (in any order), each once, in the order they were asked for; without any, none.

    What the first input holds already was called before the trace began, and is left out.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start_us, turn.end_us))
    asked = _asked(ordered)
    answers = _by_id(ordered)
    unnamed: dict[int, list[ToolAnswer]] = {}
    calls = []
    for turn, at_us, request in asked:
        answer = next((found for place, found in answers.get(request.id or "", ()) if place > turn), None)
        if answer is None:
            if turn not in unnamed:
                unnamed[turn] = _answers_without_id(ordered, turn)
            answer = _taken(unnamed[turn], request)
        error = (answer.result or "error") if answer and answer.failed else None
        calls.append(MessageCall(request.name, at_us, request.arguments, answer and answer.result, error))
    return calls


def _asked(turns: Sequence[Turn]) -> list[_Asked]:
    """The requests, with the place of the last turn that cannot hold their answer."""
    asked: list[_Asked] = []
    if not turns:
        return asked
    # An id can come again: servers of one's own count from 0 in every conversation.
    unrecorded = not all(turn.made for turn in turns[:-1])
    seen = {call.id for call in _calls(turns[0].given)}
    before = sum(call.id is None for call in _calls(turns[0].given))
    for place, turn in enumerate(turns):
        if unrecorded:
            repeated = before
            for call in _calls(turn.given):
                if call.id is None:
                    repeated -= 1
                    if repeated >= 0:
                        continue
                    before += 1
                elif call.id in seen:
                    continue
                seen.add(call.id)
                asked.append(_Asked(place - 1, turn.start_us, call))
        for call in _calls(turn.made):
            seen.add(call.id)
            before += call.id is None
            asked.append(_Asked(place, turn.end_us, call))
    return asked


def _calls(messages: Iterable[Message]) -> list[ToolRequest]:
    return [call for message in messages for call in message.calls]


def _by_id(turns: Sequence[Turn]) -> dict[str, list[tuple[int, ToolAnswer]]]:
    """The answers by the id of their call, each where an input holds it for the first time."""
    found: dict[str, list[tuple[int, ToolAnswer]]] = defaultdict(list)
    known: set[tuple[str, str | None]] = set()
    for place, turn in enumerate(turns):
        for message in turn.given:
            for answer in message.answers:
                if answer.id and (answer.id, answer.result) not in known:
                    known.add((answer.id, answer.result))
                    found[answer.id].append((place, answer))
    return found


def _answers_without_id(turns: Sequence[Turn], turn: int) -> list[ToolAnswer]:
    """The answers without an id that the next input ends with."""
    for later in turns[turn + 1 :]:
        found: list[ToolAnswer] = []
        for message in later.given:
            if message.calls:
                found = []
            found += [answer for answer in message.answers if not answer.id]
        if found:
            return found
    return []


def _taken(answers: list[ToolAnswer], request: ToolRequest) -> ToolAnswer | None:
    """The first of ``answers`` that can be of ``request``; it is removed from them."""
    for place, answer in enumerate(answers):
        if answer.name in (None, request.name):
            return answers.pop(place)
    return None
