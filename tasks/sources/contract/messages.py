"""A conversation in the column ``messages`` read as a run's task, steps, tool calls and final response.

Chat completions (also with ``function_call``), items of the Responses API and Anthropic's content blocks are read by
the same search as the messages in spans; see ``tasks.evidence.traces.conventions.messages``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Any

from tasks.evidence.calls import UNNAMED, parse_calls
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.tool_parts import ToolAnswer
from tasks.evidence.traces.conventions.values import parse_json
from tasks.evidence.values import read_filled, read_text, write_json

_READ = ("task", "execution_steps", "tool_calls", "final_response")
_USERS = frozenset({"user", "human"})
_AGENTS = frozenset({"assistant", "ai", "model", "agent", ""})
_INSTRUCTIONS = frozenset({"system", "developer"})
# A request and its response kept as one object.
_REQUESTS = ("messages", "input")
_RESPONSES = ("output", "choices", "response")


def fill_from_messages(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """``row`` (of a run, by the contract's names) with its empty columns filled from its ``messages``.

    The task is the first text of a user, or the last of several in a row; the final response is the last text of the
    agent, unless a tool call comes after it. Steps are a JSON array of ``{role, content}`` in order, without the
    instructions at the beginning, where a call has ``tool_calls`` and its result the role ``tool``; or the messages as
    they are, where their calls are read from them as from ``tool_calls``. A column that holds no conversation changes
    nothing.
    """
    if row.get("messages") is None or all(read_filled(row.get(name)) is not None for name in _READ):
        return row
    try:
        found = _read(_conversation(row["messages"]))
    except RecursionError:
        # Nested deeper than any conversation.
        return row
    absent = {name: text for name, text in found.items() if text and read_filled(row.get(name)) is None}
    return {**row, **absent} if absent else row


def _instructs(item: Any) -> bool:
    return isinstance(item, dict) and item.get("role") in _INSTRUCTIONS


def _read(raw: list[Any]) -> dict[str, str | None]:
    messages = read_messages(raw)
    steps, calls = list(_steps(messages)), _calls(raw, messages) if messages else []
    if len(calls) > sum(len(message.calls) for message in messages):
        # A shape that holds calls elsewhere, such as the AI SDK's parts: as it is, as it shows their places.
        steps = list(dropwhile(_instructs, raw))
    return {
        "task": _task(messages),
        "execution_steps": write_json(steps) if steps else None,
        # A conversation without a call states that there was none.
        "tool_calls": write_json(calls) if messages else None,
        "final_response": _final_response(messages),
    }


def _conversation(value: object) -> list[Any]:
    """The raw messages in the column, none when it holds no JSON array or object."""
    parsed = parse_json(read_text(value) if isinstance(value, (bytes, bytearray, memoryview)) else value)
    if isinstance(parsed, dict):
        wrapped = [parsed[key] for names in (_REQUESTS, _RESPONSES) for key in names if parsed.get(key)][:2]
        # One alone is found where the messages of spans are.
        parsed = [_as_user(part) for part in wrapped] if len(wrapped) > 1 else [parsed]
    if not isinstance(parsed, (list, tuple)):
        return []
    return [parse_json(item) or item if isinstance(item, str) else item for item in parsed]


def _as_user(part: object) -> object:
    return {"role": "user", "content": part} if isinstance(part, str) else part


def _task(messages: Sequence[Message]) -> str | None:
    task = None
    for message in messages:
        if message.role in _USERS and message.text and not message.answers:
            task = message.text
        elif task is not None:
            break
    return task


def _final_response(messages: Sequence[Message]) -> str | None:
    for message in reversed(messages):
        if message.answers:
            return None
        if message.role in _AGENTS:
            if message.text:
                return message.text
            if message.calls:
                return None
    return None


def _steps(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    names: dict[str | None, str] = {call.id: call.name for message in messages for call in message.calls if call.id}
    begun = False
    for message in messages:
        begun = begun or message.role not in _INSTRUCTIONS
        if not begun:
            continue
        for answer in message.answers:
            yield _result(answer, names)
        role = "assistant" if message.role in _AGENTS else message.role
        if message.calls:
            calls = [
                {"name": call.name, "arguments": call.arguments} | ({"id": call.id} if call.id else {})
                for call in message.calls
            ]
            yield {"role": role, "content": message.text, "tool_calls": calls}
        elif message.text:
            yield {"role": role, "content": message.text}


def _result(answer: ToolAnswer, names: dict[str | None, str]) -> dict[str, Any]:
    step: dict[str, Any] = {"role": "tool", "name": answer.name or names.get(answer.id), "content": answer.result}
    if answer.id:
        step["tool_call_id"] = answer.id
    return {**step, "error": True} if answer.failed else step


def _calls(raw: list[Any], messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The tool calls with their results, as an array of ``tool_calls`` has them."""
    calls = [call for call in parse_calls(write_json(raw))[0] if call.name != UNNAMED]
    if calls:
        return [call.model_dump(exclude_none=True) for call in calls]
    # Shapes that only the messages of spans have.
    answers: dict[str | None, ToolAnswer] = {
        answer.id: answer for message in messages for answer in message.answers if answer.id
    }
    return [_call(call.name, call.arguments, answers.get(call.id)) for message in messages for call in message.calls]


def _call(name: str, arguments: str | None, answer: ToolAnswer | None) -> dict[str, Any]:
    call = {"name": name, "arguments": arguments, "result": answer.result if answer else None}
    if answer is not None and answer.failed:
        call["error"] = answer.result or "error"
    return {key: value for key, value in call.items() if value is not None}
