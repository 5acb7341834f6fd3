"""The messages of an LLM call: what the model was given and what it answered, in one shape.

Messages lie in lists, requests and answers of many shapes; of each only the text and the tool calls are kept (see
``tool_parts``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tasks.evidence.traces.conventions.tool_parts import ToolAnswer, ToolRequest, find_parts
from tasks.evidence.traces.conventions.values import parse_json

_MOST_MESSAGES = 2_000
_MOST_PARTS = 200


class Message(NamedTuple):
    """One message; ``calls`` are what an assistant asked for, ``answers`` what tools gave back. Empty where none.

    The text of a message with ``answers`` is what a user wrote beside them.
    """

    role: str
    text: str | None = None
    calls: tuple[ToolRequest, ...] = ()
    answers: tuple[ToolAnswer, ...] = ()


def read_messages(value: object, role: str = "") -> tuple[Message, ...]:
    """The messages in ``value``: a list of them or one, JSON text or parsed; what is no message is left out.

    ``role`` is that of messages that name none. Text that is no JSON is one message.
    """
    parsed = parse_json(value)
    if parsed is None:
        return (Message(role, value),) if isinstance(value, str) and value else ()
    return tuple(message for raw in _listed(parsed) if (message := _message(raw, role)) is not None)


def _listed(parsed: object) -> Iterator[Any]:
    """The raw messages: lists can be nested (LangChain's batches), and lie under ``messages``, ``choices``, …"""
    pending = [parsed]
    for _ in range(_MOST_MESSAGES):
        if not pending:
            return
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item[:_MOST_MESSAGES]))
            continue
        if isinstance(item, dict):
            inner = _inside(item)
            if inner is not None:
                pending.append(inner)
                continue
        yield item


_CONTENTS = ("content", "parts", "contents", "blocks", "text")
_CLASSES = {"AIMessage": "ai", "HumanMessage": "human", "SystemMessage": "system", "ToolMessage": "tool"}
_WRAPPERS = ("messages", "choices", "replies", "generations", "candidates", "contents")


def _inside(item: dict[str, Any]) -> Any:
    """What ``item`` only wraps: a request's or an answer's messages, a choice's or a LangChain object's message."""
    if "role" in item or "parts" in item:
        return None
    for key in _WRAPPERS:
        if isinstance(item.get(key), list):
            return item[key]
    if isinstance(item.get("message"), dict):
        return item["message"]
    if item.get("type") == "constructor" and isinstance(item.get("kwargs"), dict):
        path = item.get("id")
        known = _CLASSES.get(str(path[-1]).removesuffix("Chunk")) if isinstance(path, list) and path else None
        return {"type": known, **item["kwargs"]} if known else item["kwargs"]
    if item.get("type") in ("human", "ai", "system", "tool") and isinstance(item.get("data"), dict):
        return item["data"]
    if "type" in item:
        return None
    # OpenAI's requests and responses are lists of items, Bedrock's response a message.
    for key, kinds in (("output", (dict, list)), ("input", list), ("content", dict), ("response", dict)):
        if isinstance(item.get(key), kinds):
            return item[key]
    return None


def _message(raw: object, role: str) -> Message | None:
    if isinstance(raw, str):
        return Message(role, raw) if raw else None
    if not isinstance(raw, dict):
        return None
    named = raw.get("role") or {"ai": "assistant", "human": "user"}.get(str(raw.get("type")), "")
    calls, answers = find_parts(raw)
    if answers:
        return Message(str(named) or "tool", _text_beside(raw), calls, answers)
    text = "\n".join(_texts(raw)) or None
    if text is None and not calls and not named:
        return None
    return Message(str(named) or role, text, calls)


def _text_beside(raw: dict[str, Any]) -> str | None:
    """What a person wrote in the message that gives back results: Anthropic sends both in one."""
    parts = raw.get("content")
    texts = [
        part["text"]
        for part in (parts[:_MOST_PARTS] if isinstance(parts, list) else ())
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    ]
    return "\n".join(texts) or None


def _texts(raw: dict[str, Any]) -> list[str]:
    """The texts of a message; some write them twice, under two of the names."""
    found: list[str] = []
    for key in _CONTENTS:
        content = raw.get(key)
        parts = content[:_MOST_PARTS] if isinstance(content, list) else [content]
        texts = [part.get("text", part.get("content")) if isinstance(part, dict) else part for part in parts]
        named = [text for text in texts if isinstance(text, str) and text]
        if named != found:
            found += named
    return found
