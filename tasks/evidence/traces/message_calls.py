"""Tool calls in the messages of LLM calls, for traces whose tools have no spans: a loop of one's own over an SDK.

A call is asked for in what a model answers, and its result is in what the model is given next. All later inputs
repeat both, so of inputs only those calls are taken that no answer before held: not all answers are recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from tasks.evidence.traces.conventions.messages import Message
from tasks.evidence.traces.conventions.tool_parts import ToolAnswer, ToolRequest


class Turn(NamedTuple):
    """One LLM call with the messages that its spans hold; without any, empty."""

    start_us: int
    end_us: int
    given: tuple[Message, ...] = ()
    made: tuple[Message, ...] = ()


class MessageCall(NamedTuple):
    """A tool call that only messages mention: when it was asked for, but not how long it took.

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

    What the first input of a conversation holds already was called before the trace began, and is left out.
    """
    ordered = sorted(turns, key=lambda turn: (turn.start_us, turn.end_us))
    asked = _asked(ordered)
    answers, ids = _by_id(ordered), {found.request.id for found in asked}
    unnamed: dict[int, list[ToolAnswer]] = {}
    calls = []
    for turn, at_us, request in asked:
        answer = next((found for place, found in answers.get(request.id or "", ()) if place > turn), None)
        if answer is None:
            if turn not in unnamed:
                unnamed[turn] = _answers_next(ordered, turn, ids)
            answer = _taken(unnamed[turn], request)
        error = (answer.result or "error") if answer and answer.failed else None
        calls.append(MessageCall(request.name, at_us, request.arguments, answer and answer.result, error))
    return calls


def _asked(turns: Sequence[Turn]) -> list[_Asked]:
    """The requests, with the place of the last turn that cannot hold their answer."""
    asked: list[_Asked] = []
    seen: set[str | None] = set()
    conversations: dict[object, _Conversation] = {}
    for place, turn in enumerate(turns):
        conversation = conversations.get(key := _begin(turn.given))
        nameless = 0
        for call in _calls(turn.given):
            nameless += call.id is None
            # Inputs and answers of one instrumentation can write different ids, so the answer before decides.
            if conversation is not None and not conversation.answered_with_calls:
                fresh = call.id not in seen if call.id else nameless > conversation.nameless
                asked += [_Asked(place - 1, turn.start_us, call)] if fresh else []
            seen.add(call.id)
        made = _calls(turn.made)
        asked += [_Asked(place, turn.end_us, call) for call in made]
        seen.update(call.id for call in made)
        conversations[key] = _Conversation(bool(made), nameless + sum(call.id is None for call in made))
    return asked


class _Conversation(NamedTuple):
    """Whether its last answer asked for calls, and how many calls without an id it has had."""

    answered_with_calls: bool
    nameless: int


def _begin(messages: Sequence[Message]) -> object:
    """What distinguishes conversations: the first words of a user, which every input of one repeats."""
    spoken = (message.text for message in messages if message.role in ("user", "human") and message.text)
    return next(spoken, messages[0] if messages else None)


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


def _answers_next(turns: Sequence[Turn], turn: int, ids: Container[str | None]) -> list[ToolAnswer]:
    """The answers that the next input ends with, but for those that name a call by its id."""
    for later in turns[turn + 1 :]:
        found: list[ToolAnswer] = []
        for message in later.given:
            if message.calls:
                found = []
            found += [answer for answer in message.answers if answer.id is None or answer.id not in ids]
        if found:
            return found
    return []


def _taken(answers: list[ToolAnswer], request: ToolRequest) -> ToolAnswer | None:
    """The first of ``answers`` that can be of ``request``; it is removed from them."""
    for place, answer in enumerate(answers):
        if answer.name in (None, request.name):
            return answers.pop(place)
    return None
