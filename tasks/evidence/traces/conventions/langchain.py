"""LangChain's objects, which the instrumentations of LangChain write as JSON: an LLM's result, a tool's message."""

from __future__ import annotations

from typing import Any

from tasks.evidence.traces.conventions.failures import answers_in
from tasks.evidence.traces.conventions.usage import Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, dig, parse_json


def _message(value: object) -> Any:
    """The message of an ``LLMResult``: its fields stand in ``kwargs`` where LangChain serialised it."""
    message = dig(parse_json(value), "generations", 0, 0, "message")
    return dig(message, "kwargs") or message


def result_usage(value: object) -> Usage:
    """The tokens that the ``LLMResult`` in ``value`` reports."""
    message = _message(value)
    for reported in (
        dig(message, "usage_metadata"),
        dig(message, "response_metadata", "token_usage"),
        dig(parse_json(value), "llm_output", "token_usage"),
    ):
        if (found := usage_of(reported)).known:
            return found
    return Usage()


def result_model(value: object) -> str | None:
    """The model that the ``LLMResult`` in ``value`` names."""
    metadata = dig(_message(value), "response_metadata")
    return as_text(dig(metadata, "model_name") or dig(metadata, "model"))


def result_id(value: object) -> str | None:
    """The provider's id of the answer in the ``LLMResult`` in ``value``."""
    return as_text(dig(_message(value), "response_metadata", "id"))


def tool_content(result: str) -> str:
    """The content of the ``ToolMessage`` that a tool's ``result`` wraps, else ``result`` as it is."""
    if '"tool_call_id"' not in result:
        return result
    for answer in answers_in(parse_json(result)):
        if "tool_call_id" in answer and (content := as_text(answer.get("content"))) is not None:
            return content
    return result
