"""A chat completion in the body of a reply: as JSON, as the events of a stream, in another API's shape."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.judge.endpoint.event_stream import DONE, event_data
from tasks.judge.parsing.reasoning import answer_part

_STREAM = re.compile(r"\s*(?:data|event|id|retry)?:")
# The same without its framing: a chunk a line.
_LINES = re.compile(r"\s*\{[^\n]{0,200}\"chat\.completion\.chunk\"[^\n]*\n\s*\{")
# Some gateways put the completion under a key of their own.
_ENVELOPES = ("data", "result", "response", "body", "completion")
# Proxies hand on the words of Mistral, Anthropic and Gemini.
_FINISH_REASONS = {
    "model_length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "recitation": "content_filter",
    "refusal": "content_filter",
}
_REASONING = ("reasoning_content", "reasoning", "thinking")
# An object, rather than a name in braces.
_OBJECT = re.compile(r"\{[^{}]{0,500}:")
_FENCE = re.compile(r"\s*`{3,9}\w{0,9}\s*|\s*`{3,9}\s*\Z")


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered; ``text`` is "" when it is empty, ``reasoned`` whether there was reasoning beside it.

    ``finish_reason`` is ``length`` or ``content_filter`` whatever the endpoint calls it; "" when it gives none. The
    rest is as the endpoint sent it, of any type.
    """

    text: str
    finish_reason: str = ""
    refusal: object = None
    model: object = None
    usage: object = None
    service_tier: object = None
    reasoned: bool = False


def read_completion(body: bytes) -> Completion:
    """The completion in ``body``.

    Raises:
        ValueError: there is none in it.
    """
    try:
        # One byte that is no UTF-8 does not make a good answer a bad one.
        text = body.decode(json.detect_encoding(body), "replace")
        data = _streamed(text) if _STREAM.match(text) or _LINES.match(text) else _data(text)
        return _read(data)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no completion") from error


def _data(text: str) -> Any:
    """The JSON of a body; a gateway may put the end of a stream behind it."""
    data, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    rest = text[end:].strip()
    if rest and rest.removeprefix("data:").strip() != DONE:
        raise ValueError("more than one value")
    return data


def _object(value: object) -> Mapping[str, Any]:
    """The object that ``value`` is, or holds as a text of JSON or in a list of one; empty where it is none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _data(value)
    return value if isinstance(value, Mapping) else {}


def _read(body: object) -> Completion:
    data = _object(body)
    if "choices" not in data:
        inner = (_object(data.get(name)) for name in _ENVELOPES)
        data = next((inside for inside in inner if "choices" in inside or "output" in inside), data)
    model, usage, tier = data.get("model"), data.get("usage"), data.get("service_tier")
    if "choices" not in data and isinstance(data.get("output"), list):
        return Completion(
            _responses_text(data["output"]), _finish_reason(_why_incomplete(data)), None, model, usage, tier
        )
    choice = data["choices"][0]
    message = choice.get("message")
    if message is None and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    elif message is None:
        message = choice["delta"]
    reasoned = any(isinstance(message.get(name), str) and message[name].strip() for name in _REASONING)
    text = _message_text(message)
    finish_reason = _finish_reason(choice.get("finish_reason"))
    if not text.strip() and finish_reason != "length":
        text = next((answer for name in _REASONING if (answer := _whole_answer(message.get(name)))), text)
    return Completion(text, finish_reason, message.get("refusal"), model, usage, tier, reasoned)


def _finish_reason(value: object) -> str:
    reason = value.lower() if isinstance(value, str) else ""
    return _FINISH_REASONS.get(reason, reason)


def _message_text(message: Mapping[str, Any]) -> str:
    """The answer of a message: its content, or what stands in its place when that is empty."""
    content = _content_text(message.get("content"))
    if _OBJECT.search(content):
        return content
    calls = "\n".join(_arguments(message))
    if "{" in calls:
        return calls
    if content.strip():
        return content
    parsed = message.get("parsed")
    if isinstance(parsed, Mapping) and parsed:
        return json.dumps(parsed, ensure_ascii=False)
    return content


def _content_text(value: object) -> str:
    """The text of a content; some endpoints send it in parts, of which some are reasoning, or as the object itself."""
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        return value if isinstance(value, str) else ""
    return "".join(_part_text(part) for part in value if not _is_reasoning(part))


def _part_text(part: object) -> str:
    if not isinstance(part, Mapping):
        return ""
    for name in ("text", "json", "content"):
        given = part.get(name)
        if isinstance(given, Mapping) and isinstance(given.get("value"), str):
            given = given["value"]
        if isinstance(given, str):
            return given
        if name == "json" and isinstance(given, Mapping):
            return json.dumps(given, ensure_ascii=False)
    # The answer itself, where an endpoint parsed it.
    return "" if "type" in part or not any(isinstance(value, Mapping) for value in part.values()) else json.dumps(part)


def _is_reasoning(part: object) -> bool:
    if not isinstance(part, Mapping):
        return False
    kind = str(part.get("type")).lower()
    return part.get("thought") is True or any(word in kind for word in ("think", "reason", "thought"))


def _arguments(message: Mapping[str, Any]) -> Iterator[str]:
    """The arguments of each tool call."""
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    for function in [*functions, message.get("function_call")]:
        arguments = function.get("arguments") if isinstance(function, Mapping) else None
        if isinstance(arguments, Mapping):
            yield json.dumps(arguments, ensure_ascii=False)
        elif isinstance(arguments, str):
            yield arguments


def _whole_answer(reasoning: object) -> str:
    """Reasoning that is nothing but an object: a server took the answer for it. A draft within it is no answer."""
    if not isinstance(reasoning, str):
        return ""
    text = answer_part(reasoning)
    bare = _FENCE.sub("", text).strip()
    return text if bare.startswith("{") and bare.endswith("}") else ""


def _responses_text(output: list[Any]) -> str:
    """The text of the messages of OpenAI's other API, which some gateways answer with."""
    messages = [item for item in output if isinstance(item, Mapping) and item.get("type", "message") == "message"]
    if not messages:
        raise ValueError("no message")
    return "".join(_content_text(item.get("content")) for item in messages)


def _why_incomplete(data: Mapping[str, Any]) -> object:
    details = data.get("incomplete_details")
    return details.get("reason") if isinstance(details, Mapping) else None


def _streamed(text: str) -> Mapping[str, Any]:
    """The completion that the events of a stream add up to, though none was asked for.

    An event that is no part of a completion, such as an error, is taken for the whole reply.
    """
    merged: dict[str, Any] = {}
    parts: dict[str, list[str]] = {}
    calls: dict[Any, list[str]] = {}
    finish_reason: object = None
    for event in _events(text):
        if "choices" not in event:
            if event.get("error"):
                return event
            continue
        merged |= {name: event[name] for name in ("model", "usage", "service_tier") if event.get(name)}
        for choice in event["choices"][:1]:
            finish_reason = choice.get("finish_reason") or finish_reason
            part = choice.get("message") or choice.get("delta") or {"content": choice.get("text")}
            for name in ("content", "refusal", *_REASONING):
                piece = part.get(name)
                piece = piece if isinstance(piece, str) else _content_text(piece) if name == "content" else ""
                parts.setdefault(name, []).append(piece)
            for call in part.get("tool_calls") or []:
                arguments = (call.get("function") or {}).get("arguments")
                calls.setdefault(call.get("index"), []).append(arguments if isinstance(arguments, str) else "")
    if not parts:
        raise ValueError("no choice")
    message: dict[str, Any] = {name: "".join(pieces) for name, pieces in parts.items()}
    message["tool_calls"] = [{"function": {"arguments": "".join(pieces)}} for pieces in calls.values()]
    return merged | {"choices": [{"message": message, "finish_reason": finish_reason}]}


def _events(text: str) -> Iterator[dict[str, Any]]:
    for value in event_data(text):
        event = json.loads(value)
        if not isinstance(event, dict):
            raise ValueError("no object")
        yield event
