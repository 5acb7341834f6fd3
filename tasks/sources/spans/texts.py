"""What an agent was asked and what it answered: in the messages of its span, or else in those of its LLM calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tasks.evidence.traces.conventions import Message, SpanReading
from tasks.evidence.traces.conventions.messages import read_messages
from tasks.evidence.traces.conventions.values import parse_json
from tasks.evidence.traces.message_calls import Turn
from tasks.evidence.traces.tool_calls import ToolCall
from tasks.evidence.values import read_filled

_USERS = frozenset({"user", "human"})
_INSTRUCTIONS = frozenset({"system", "developer"})
_AGENTS = frozenset({"assistant", "ai", "model", "agent", ""})
# Where a framework's own objects hold the text.
_TASKS = (
    *("task", "question", "query", "prompt", "user_prompt", "user_input", "user_msg", "input", "inputs", "message"),
    *("new_message", "messages", "goal", "topic", "description", "text", "content"),
)
_RESPONSES = (
    *("final_output", "output", "answer", "response", "result", "final_result", "raw", "outputs", "final_answer"),
    *("content", "text", "completion", "message"),
)
_WRAPPERS = ("kwargs", "input_args", "args", "inputs", "data", "value")
_OWN_INPUTS = (
    *(
        "pydantic_ai.all_messages",
        "all_messages_events",
        "haystack.agent.input",
        "ai.prompt",
        "crewai.task.description",
    ),
    *("gen_ai.task.input", "gen_ai.prompt", "crewai.crew.tasks", "crew_tasks"),
)
_OWN_OUTPUTS = (
    *("crewai.crew.result", "haystack.agent.output", "ai.response.text", "pydantic_ai.all_messages"),
    *("all_messages_events", "gen_ai.task.output", "gen_ai.completion"),
)
_EMPTY = frozenset({"{}", "[]", "null", '""', '{"args":[],"kwargs":{}}', '{"args": [], "kwargs": {}}'})
# How Python shows an object: StopEvent(result=…), id='…' source='user'.
_SHOWN_OBJECT = re.compile(r"[A-Za-z_][\w.]{0,80}(?:\([A-Za-z_]\w{0,80})?=\S|<[\w.]{1,80} object at ")
_LONGEST = 200_000
_DEEPEST = 6
_MOST_MESSAGES = 500


def task_of(readings: Sequence[SpanReading], turns: Sequence[Turn]) -> str | None:
    """The last text of a user in the input of the run's own spans, outermost first; else in that of its first LLM call.

    ``readings`` are the run's span and its agent's, ``turns`` its LLM calls in order. None where none is recorded.
    """
    for reading in readings:
        text = (
            _last(reading.input_messages(), _USERS)
            or _written(reading, _OWN_INPUTS, _TASKS, _USERS)
            or _text_in(reading.arguments(), _TASKS, _USERS)
        )
        if text and text.strip():
            return text.strip()[:_LONGEST]
    asked = (_last(turn.given, _USERS) for turn in turns)
    text = next((text for text in asked if text), None) or _as_written(reading.arguments() for reading in readings)
    return text.strip()[:_LONGEST] if text else None


def response_of(readings: Sequence[SpanReading], turns: Sequence[Turn]) -> str | None:
    """The last text of the agent in the output of the run's own spans; else in that of its last LLM call.

    A result that Pydantic AI put into a type is its JSON.
    """
    for reading in readings:
        text = (
            read_filled(reading.span.tags.get("final_result"))
            or _last(reading.output_messages(), _AGENTS)
            or _written(reading, _OWN_OUTPUTS, _RESPONSES, _AGENTS)
            or _text_in(reading.written_result(), _RESPONSES, _AGENTS)
        )
        if text and text.strip():
            return text.strip()[:_LONGEST]
    answered = (_last(turn.made, _AGENTS) for turn in reversed(turns[-1:]))
    text = next((text for text in answered if text), None)
    text = text or _as_written(reading.written_result() for reading in readings)
    return text.strip()[:_LONGEST] if text else None


def conversation_of(turns: Sequence[Turn], calls: Sequence[ToolCall] = ()) -> list[dict[str, Any]]:
    """The messages that the first LLM call was given, then in order of time what each call answered, what a user wrote
    before the later ones, and the names of the tool ``calls``, as role and content or ``tool_calls``.

    Without instructions and results of tools. Empty where no text is recorded.
    """
    timed: list[tuple[int, int, dict[str, Any]]] = []
    seen: set[tuple[str, ...]] = set()
    for number, turn in enumerate(turns):
        spoken = tuple(message.text for message in turn.given if message.text and message.role not in _INSTRUCTIONS)
        given = _new_of_users(turn.given) if number else turn.given[-_MOST_MESSAGES:]
        if spoken not in seen:
            # A call that is made again, or checks what a user wrote, is given nothing new.
            timed += [(turn.start_us, 0, written) for written in _spoken_by(given, "user")]
        seen.add(spoken)
        timed += [(turn.end_us, 1, written) for written in _spoken_by(turn.made, "assistant")]
    if not timed:
        return []
    timed += [(call.start_us, 2, {"role": "assistant", "tool_calls": [{"name": call.name}]}) for call in calls]
    return [written for *_, written in sorted(timed, key=lambda item: item[:2])][:_MOST_MESSAGES]


def _spoken_by(messages: Iterable[Message], role: str) -> Iterator[dict[str, Any]]:
    for message in messages:
        if message.text and message.role not in _INSTRUCTIONS:
            by = "assistant" if message.role in _AGENTS - {""} else message.role or role
            # Beside the results of tools, a user writes.
            yield {"role": "user" if message.answers else by, "content": message.text[:_LONGEST]}


def _new_of_users(given: Sequence[Message]) -> list[Message]:
    """What users wrote after the agent's last message. Without any it is no conversation: some frameworks write all
    that happened so far into one message of the user's role.
    """
    places = [place for place, message in enumerate(given) if message.role in _AGENTS or message.calls]
    return [message for message in given[places[-1] + 1 :] if message.role in _USERS] if places else []


def instructions_of(readings: Sequence[SpanReading], turns: Sequence[Turn]) -> str | None:
    """The system's message in the first LLM call, or the instructions that stand beside the messages."""
    given = [message for turn in turns[:1] for message in turn.given]
    for message in given:
        if message.role in _INSTRUCTIONS and message.text:
            return message.text[:_LONGEST]
    for reading in readings:
        messages = read_messages(reading.span.tags.get("gen_ai.system_instructions"))
        if text := "\n".join(message.text for message in messages if message.text):
            return text[:_LONGEST]
    return None


def _as_written(values: Iterable[str | None]) -> str | None:
    """An object that no name in it explains, as it is: better than nothing."""
    return next((text for value in values if value and (text := value.strip()) not in _EMPTY), None)


def _last(messages: Iterable[Message], roles: frozenset[str]) -> str | None:
    found = None
    for message in messages:
        if message.role in roles and message.text and not message.answers:
            found = message.text
    return found


def _written(reading: SpanReading, keys: Iterable[str], names: Sequence[str], roles: frozenset[str]) -> str | None:
    tags = reading.span.tags
    return next((text for key in keys if key in tags and (text := _text_in(tags[key], names, roles))), None)


def _text_in(value: object, names: Sequence[str], roles: frozenset[str]) -> str | None:
    """The text in an input or an output: of messages the last with one of ``roles``, of an object what it names so."""
    if isinstance(value, str):
        parsed = parse_json(value)
        if parsed is None:
            return _plain(value)
        return _found(parsed, names, roles, 0)
    return _found(value, names, roles, 0)


def _plain(value: str) -> str | None:
    """Text that is no JSON, without the quotes of a JSON string."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        inner = parse_json(f"[{text}]")
        if isinstance(inner, list) and inner and isinstance(inner[0], str):
            text = inner[0].strip()
    return text if text and text[0] not in "{[" and not _SHOWN_OBJECT.match(text) else None


def _found(value: object, names: Sequence[str], roles: frozenset[str], depth: int) -> str | None:
    if isinstance(value, str):
        inner = parse_json(value) if value[:1] in "{[" else None
        return _found(inner, names, roles, depth + 1) if inner is not None else _plain(value)
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        if text := _last(read_messages(value), roles):
            return text
        return next((text for item in value[-20:] if (text := _found(item, names, roles, depth + 1))), None)
    if not isinstance(value, dict):
        return None
    if text := _of_messages(value, roles):
        return text
    for key in (*names, *_WRAPPERS):
        if (inner := value.get(key)) and (text := _found(inner, names, roles, depth + 1)):
            return text
    return _plain(only) if len(value) == 1 and isinstance(only := next(iter(value.values())), str) else None


def _of_messages(value: dict[str, Any], roles: frozenset[str]) -> str | None:
    messages = [message for message in read_messages(value) if message.role]
    return _last(messages, roles)
