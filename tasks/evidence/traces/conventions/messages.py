"""The messages of an LLM call: what the model was given and what it answered, in one shape.

Read are the shapes of OpenAI (chat and responses), Anthropic, Gemini, Bedrock, OpenTelemetry's semantic conventions,
LangChain, LlamaIndex, Haystack, the AI SDK and AutoGen. Of a message only the text and the tool calls are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tasks.evidence.traces.conventions.values import as_text, dig, parse_json

_MOST_MESSAGES = 2_000
_MOST_PARTS = 200


class ToolRequest(NamedTuple):
    """A tool call that a model asked for; ``arguments`` as text, JSON where it was."""

    id: str | None
    name: str
    arguments: str | None = None


class ToolAnswer(NamedTuple):
    """What a tool's call gave back to the model. ``failed`` is None where the message does not say."""

    id: str | None
    name: str | None = None
    result: str | None = None
    failed: bool | None = None


class Message(NamedTuple):
    """One message; ``calls`` are what an assistant asked for, ``answers`` what tools gave back. Empty where none."""

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
        return item["kwargs"]
    if isinstance(item.get("output"), list) and item.get("object") == "response":
        return item["output"]
    if isinstance(item.get("content"), dict) and "type" not in item:
        return item["content"]
    return None


def _message(raw: object, role: str) -> Message | None:
    if isinstance(raw, str):
        return Message(role, raw) if raw else None
    if not isinstance(raw, dict):
        return None
    named = raw.get("role") or {"ai": "assistant", "human": "user"}.get(str(raw.get("type")), "")
    reader = _Parts()
    reader.read_call_item(raw)
    for key in ("content", "parts", "contents", "blocks"):
        reader.read_content(raw.get(key))
    for call in _dicts(raw.get("tool_calls")):
        reader.add_call(call)
    for call in _dicts(dig(raw, "additional_kwargs", "tool_calls")):
        reader.add_call(call)
    if isinstance(raw.get("function_call"), dict):
        reader.add_call(raw["function_call"])
    text = "\n".join(reader.texts) or None
    if not reader.answers and not reader.calls and _is_tool(raw, str(named)):
        status = raw.get("status")
        failed = status == "error" if isinstance(status, str) else None
        answer = ToolAnswer(_id(raw, "tool_call_id", "id"), as_text(raw.get("name")), text, failed)
        return Message("tool", None, (), (answer,))
    if text is None and not reader.calls and not reader.answers and not named:
        return None
    return Message(str(named) or role, text, reader.distinct_calls(), tuple(reader.answers))


def _is_tool(raw: dict[str, Any], role: str) -> bool:
    return role in ("tool", "function") or (raw.get("type") == "tool" and "tool_call_id" in raw)


class _Parts:
    """Collects the texts, tool calls and tool results in the parts of one message."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: list[ToolRequest] = []
        self.answers: list[ToolAnswer] = []

    def read_content(self, content: object) -> None:
        if isinstance(content, str):
            if content:
                self.texts.append(content)
            return
        for part in content[:_MOST_PARTS] if isinstance(content, list) else ():
            if isinstance(part, str):
                self.texts.append(part)
            elif isinstance(part, dict):
                self._read_part(part)

    def _read_part(self, part: dict[str, Any]) -> None:
        if self.read_call_item(part):
            return
        for key in ("tool_call", "toolUse", "functionCall", "function_call"):
            if isinstance(part.get(key), dict):
                self.add_call(part[key])
                return
        for key in ("tool_call_result", "toolResult", "functionResponse", "function_response"):
            if isinstance(part.get(key), dict):
                self._add_answer(part[key])
                return
        text = part.get("text", part.get("content"))
        if isinstance(text, str) and text:
            self.texts.append(text)
        elif "tool_kwargs" in part or "arguments" in part:
            self.add_call(part)

    def read_call_item(self, part: dict[str, Any]) -> bool:
        """Reads ``part`` where its type says that it is a call or a result; false when it does not."""
        kind = part.get("type")
        if kind in ("tool_call", "tool-call", "tool_use", "function_call", "server_tool_use"):
            self.add_call(part)
        elif kind in ("tool_call_response", "tool-result", "tool_result", "function_call_output", "tool-error"):
            self._add_answer(part, failed=True if kind == "tool-error" else None)
        else:
            return False
        return True

    def add_call(self, raw: dict[str, Any]) -> None:
        inner = raw.get("function")
        body = inner if isinstance(inner, dict) else raw
        name = body.get("name") or body.get("tool_name") or body.get("toolName")
        if not isinstance(name, str) or not name:
            return
        arguments = None
        for key in ("arguments", "args", "input", "tool_kwargs", "parameters"):
            if body.get(key) is not None:
                arguments = as_text(body[key])
                break
        self.calls.append(
            ToolRequest(_id(raw, "call_id", "id", "toolCallId", "toolUseId", "tool_call_id"), name, arguments)
        )

    def _add_answer(self, raw: dict[str, Any], failed: bool | None = None) -> None:
        origin = raw.get("origin")
        origin = origin if isinstance(origin, dict) else {}
        for key in ("is_error", "isError", "error"):
            if isinstance(raw.get(key), bool):
                failed = raw[key]
        if raw.get("status") == "error":
            failed = True
        result = None
        for key in ("response", "result", "output", "content", "error"):
            if raw.get(key) is not None and not isinstance(raw[key], bool):
                result = plain_result(raw[key])
                break
        if isinstance(raw.get("output"), dict) and str(raw["output"].get("type", "")).startswith("error"):
            failed = True
        name = raw.get("name") or raw.get("toolName") or raw.get("tool_name") or origin.get("tool_name")
        own = _id(raw, "tool_call_id", "call_id", "tool_use_id", "toolUseId", "toolCallId", "id") or _id(origin, "id")
        self.answers.append(ToolAnswer(own, as_text(name), result, failed))

    def distinct_calls(self) -> tuple[ToolRequest, ...]:
        """Each call once: some messages write a call as a part of the content and again beside it."""
        kept: dict[object, ToolRequest] = {}
        for place, call in enumerate(self.calls):
            kept.setdefault(call.id or place, call)
        return tuple(kept.values())


def plain_result(result: object) -> str | None:
    """A result as text: of parts the texts, of the AI SDK's output its value."""
    if isinstance(result, dict) and "value" in result and "type" in result:
        result = result["value"]
    if isinstance(result, list):
        texts = [part["text"] for part in _dicts(result) if isinstance(part.get("text"), str)]
        if texts and len(texts) == len(result):
            return "\n".join(texts)
    return as_text(result)


def _id(raw: dict[str, Any], *keys: str) -> str | None:
    return next((str(raw[key]) for key in keys if raw.get(key)), None)


def _dicts(items: object) -> Iterable[dict[str, Any]]:
    return [item for item in items[:_MOST_PARTS] if isinstance(item, dict)] if isinstance(items, list) else ()
