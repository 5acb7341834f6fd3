"""Failures that a tool's result reports although its span is fine: MCP, LangChain, LlamaIndex, AutoGen, strands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from tasks.evidence.traces.conventions.values import as_text, parse_json

_SIGNS = ('"isError"', '"is_error"', '"status"')
# How a LangChain ToolMessage ends when it is written as text.
_WRITTEN_STATUS = "status='error'"


def failure_in(result: str | None) -> str | None:
    """What went wrong in a tool's call according to its ``result``; None when it reports no failure.

    Only the marks that frameworks put there count: ``isError`` of MCP, ``is_error``, and the status of a LangChain
    ToolMessage. A tool is free to return the word "error".
    """
    if result is None:
        return None
    if result.endswith(_WRITTEN_STATUS) and " tool_call_id=" in result:
        return _written_content(result)
    if not any(sign in result for sign in _SIGNS):
        return None
    for answer in answers_in(parse_json(result)):
        if answer.get("isError") is True or answer.get("is_error") is True:
            return reason_of(answer) or "the tool's result says isError"
        if answer.get("status") == "error" and ("tool_call_id" in answer or "toolUseId" in answer):
            return reason_of(answer) or "the tool's result has the status error"
    return None


def reason_in(result: str | None) -> str | None:
    """The reason that the ``result`` of a call gives that is known to have failed: its ``error``; else None."""
    parsed = parse_json(result) if result is not None and '"error"' in result else None
    for answer in answers_in(parsed):
        if reason := _text(answer.get("error")):
            return reason
    return None


def reason_of(answer: dict[str, Any]) -> str | None:
    """The words of a result that is an error."""
    for key in ("content", "error", "message", "raw_output", "result", "blocks", "output"):
        if text := _text(answer.get(key)):
            return text
    return None


_WRAPPERS = ("output", "tool_output", "kwargs", "update", "response", "result", "toolResult")


def answers_in(parsed: object) -> Iterator[dict[str, Any]]:
    """The objects that ``parsed`` is or may only wrap, outermost first; of a list of messages or results each."""
    pending = deque([(parsed, 0)])
    while pending:
        item, depth = pending.popleft()
        if isinstance(item, dict):
            yield item
            inner = [item[key] for key in (*_WRAPPERS, "messages") if isinstance(item.get(key), (dict, list))]
            if item.get("type") == "tool":
                # How LangChain writes a message as a dict.
                inner.append(item.get("data"))
        elif isinstance(item, list):
            inner = item[:20]
        else:
            continue
        if depth < 4:
            pending.extend((below, depth + 1) for below in inner)


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not value:
        return None
    if isinstance(value, list):
        texts = [str(part["text"]) for part in value if isinstance(part, dict) and part.get("text")]
        return " ".join(texts) or None
    if isinstance(value, dict):
        return _text(value.get("message")) or as_text(value)
    return as_text(value)


def _written_content(result: str) -> str:
    """The content of ``content='…' name='book' tool_call_id='call_1' status='error'``."""
    text = result.removeprefix("content=")
    ends = [text.find(mark) for mark in ("' name='", "' tool_call_id='", '" name=', '" tool_call_id=')]
    end = min((at for at in ends if at > 0), default=0)
    return text[1:end] if end and text is not result else result
