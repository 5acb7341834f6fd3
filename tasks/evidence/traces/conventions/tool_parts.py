"""Tool calls and their results in messages of every provider and framework, by one search.

OpenAI (chat, Responses), Anthropic, Gemini, Bedrock, OpenTelemetry GenAI, OpenInference, LangChain, LlamaIndex,
Haystack, AutoGen, pydantic-ai, Genkit and the AI SDK write the same things under other names, so the names are the
tables below and the search goes through all of a message. Text that a person or a model wrote is never searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from tasks.evidence.traces.conventions.values import as_text, parse_json


class ToolRequest(NamedTuple):
    """A tool call that a model asked for; ``arguments`` as text, JSON where it was."""

    id: str | None
    name: str
    arguments: str | None = None


class ToolAnswer(NamedTuple):
    """What a tool's call gave back to the model. ``failed`` is None where the message leaves it open."""

    id: str | None
    name: str | None = None
    result: str | None = None
    failed: bool | None = None


Part: TypeAlias = ToolRequest | ToolAnswer

# Objects that hold a request or an answer below such a key, and the types of those that are one themselves.
_REQUESTS_UNDER = ("function_call", "functionCall", "toolUse", "toolRequest", "function", "custom", "tool_call")
_DEFINED_UNDER = frozenset({"function", "custom"})
_REQUEST_TYPES = frozenset({"tool_call", "tool-call", "tool_use", "function_call", "custom_tool_call", "toolCall"})
_ANSWERS_UNDER = ("functionResponse", "function_response", "toolResult", "toolResponse", "tool_call_result")
_ANSWER_TYPES = frozenset(
    {
        "tool_result", "tool-result", "tool-error", "tool-return", "tool_call_response", "function_call_output",
        "custom_tool_call_output", "function_result", "retry-prompt",
    }
)  # fmt: skip
_TYPES = ("type", "part_kind", "block_type", "content_type")
_ROLES = frozenset({"tool", "function"})
_CONTENTS = ("content", "contents", "parts", "message")
_IDS = ("call_id", "tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "id", "ref")
_NAMES = ("name", "toolName", "tool_name")
_ARGUMENTS = ("arguments", "args", "input", "tool_kwargs", "parameters")
_RESULTS = ("content", "contents", "output", "result", "response", "parts", "blocks", "text", "error")
# Definitions of tools look like calls of them.
_NEVER_INSIDE = frozenset(
    {"tools", "functions", "tool_choice", "toolChoice", "toolConfig", "tool_definitions", "response_format"}
)
_CALLS = ("tool_calls", "toolCalls")
_DEEPEST = 48


def find_parts(message: object) -> tuple[tuple[ToolRequest, ...], tuple[ToolAnswer, ...]]:
    """The requests and the answers in a parsed ``message`` (or in several), in order, each id once a message."""
    requests: list[ToolRequest] = []
    answers: list[ToolAnswer] = []
    for part in _search(message, 0):
        if isinstance(part, ToolRequest):
            requests.append(part)
        else:
            answers.append(part)
    return tuple(requests), tuple(answers)


def _search(value: object, depth: int) -> Iterator[Part]:
    if depth > _DEEPEST:
        return
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _search(item, depth + 1)
    elif isinstance(value, dict):
        yield from _of_object(value, depth)


def _of_object(value: dict[Any, Any], depth: int) -> Iterator[Part]:
    if part := _request(value) or _answer(value):
        yield part
        return
    searched: set[object] = {"additional_kwargs", *_NEVER_INSIDE}
    found: list[Part] = []
    if _lower(value.get("role")) in _ROLES:
        searched.update(_CONTENTS)
        for key in _CONTENTS:
            found += _search(_nested(key, value.get(key)), depth + 1)
        if not found:
            yield from _of_role(value)
            return
    # A message repeats its calls in its content, and LangChain's once more in what the provider sent.
    for key in _CALLS:
        calls = value.get(key)
        if isinstance(calls, list) and calls:
            searched.add(key)
            if asked := [part for call in calls for part in _called(call, depth)]:
                yield from asked
                return
    for key, item in value.items():
        if key not in searched:
            found += _search(_nested(key, item), depth + 1)
    yield from _once(found or list(_search(value.get("additional_kwargs"), depth + 1)))


def _called(call: object, depth: int) -> Iterator[Part]:
    """An entry of a list of tool calls: a request, whatever its type."""
    if not isinstance(call, dict):
        return
    if request := _request(call) or _named(call):
        yield request
    else:
        yield from _search(call, depth + 1)


def _once(parts: list[Part]) -> Iterator[Part]:
    seen: set[tuple[type[Part], str]] = set()
    for part in parts:
        key = (type(part), part.id or "")
        if part.id is None or key not in seen:
            seen.add(key)
            yield part


def _nested(key: object, item: object) -> object:
    """``item``, parsed where an instrumentation wrote a message's list of answers as text."""
    if key == "content" and isinstance(item, str) and item.startswith("[{") and '"tool_result"' in item:
        return parse_json(item)
    return item


def _request(value: dict[Any, Any]) -> ToolRequest | None:
    if _types(value) & _REQUEST_TYPES and (request := _named(value)):
        return request
    for key in _REQUESTS_UNDER:
        inner = value.get(key)
        # A definition, and the choice of a tool to use, name a function too, but no arguments.
        if not isinstance(inner, dict) or (
            key in _DEFINED_UNDER and not any(name in inner for name in _ARGUMENTS[:-1])
        ):
            continue
        if request := _named(inner):
            return request._replace(id=request.id or _text_of(value, _IDS))
    return None


def _named(value: dict[Any, Any]) -> ToolRequest | None:
    name = _text_of(value, _NAMES)
    if not name:
        return None
    arguments = next((value[key] for key in _ARGUMENTS if value.get(key) is not None), None)
    return ToolRequest(_text_of(value, _IDS), name, as_text(arguments))


def _answer(value: dict[Any, Any]) -> ToolAnswer | None:
    for key in _ANSWERS_UNDER:
        inner = value.get(key)
        if isinstance(inner, dict):
            answer = _answered(inner)
            response = inner.get("response")
            if key.startswith("function") and isinstance(response, dict) and response.get("error"):
                # Gemini's own way to report that a function failed.
                answer = answer._replace(failed=True)
            return answer
    types = _types(value)
    if types & _ANSWER_TYPES:
        # pydantic-ai sends a model's answer that did not validate back in the same way, without a tool's name.
        return None if "retry-prompt" in types and not value.get("tool_name") else _answered(value)
    if ("tool" in types or "is_error" in value) and _text_of(value, ("tool_call_id", "call_id")):
        return _answered(value)
    return None


def _of_role(value: dict[Any, Any]) -> Iterator[ToolAnswer]:
    """A message that only its role marks as the answer to a tool call."""
    extra = value.get("additional_kwargs")
    answer = _answered({**extra, **value} if isinstance(extra, dict) else value)
    if answer.id or answer.name or answer.result:
        yield answer


def _answered(value: dict[Any, Any]) -> ToolAnswer:
    origin = value.get("origin")
    source = origin if isinstance(origin, dict) else value
    result = next((value[key] for key in _RESULTS if value.get(key) is not None), None)
    failed = _failed(value)
    if isinstance(result, dict) and "value" in result and isinstance(result.get("type"), str):
        # The AI SDK gives the type with the value: text, json, error-text, error-json.
        failed = True if result["type"].startswith("error") else failed
        result = result["value"]
    text = None if isinstance(result, bool) else result_text(result)
    return ToolAnswer(_text_of(source, _IDS), _text_of(source, _NAMES), text, failed)


def _failed(value: dict[Any, Any]) -> bool | None:
    """Whether an answer reports that its call failed; None where it leaves it open."""
    if value.get("error") or _types(value) & {"tool-error", "retry-prompt"}:
        return True
    for key in ("is_error", "isError", "error"):
        if isinstance(value.get(key), bool):
            return bool(value[key])
    status = value.get("status")
    return status.lower() == "error" if isinstance(status, str) else None


def result_text(result: object) -> str | None:
    """A tool's result as text: of a list of texts (parts of a content) those, of anything else its JSON."""
    if isinstance(result, list) and result:
        texts = [_part_text(item) for item in result]
        if None not in texts:
            return "\n".join(text for text in texts if text is not None)
    return as_text(result)


def _types(value: dict[Any, Any]) -> set[str]:
    return {kind for key in _TYPES if isinstance(kind := value.get(key), str)}


def _text_of(value: dict[Any, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        found = value.get(key)
        if isinstance(found, (str, int)) and not isinstance(found, bool) and found != "":
            return str(found)
    return None


def _lower(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _part_text(part: object) -> str | None:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        inner = part.get("message_content")
        part = inner if isinstance(inner, dict) else part
        return next((part[key] for key in ("text", "content") if isinstance(part.get(key), str)), None)
    return None
