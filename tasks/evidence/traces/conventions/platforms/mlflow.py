"""MLflow Tracing: ``mlflow.*``, whose values are JSON (text stands in quotes).

https://mlflow.org/docs/latest/genai/concepts/span/, ``mlflow/tracing/constant.py``.
"""

from __future__ import annotations

from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, dig, json_object, parse_json, unquoted
from tasks.evidence.traces.spans import Span

_KINDS: dict[str, SpanKind] = {
    "CHAT_MODEL": "llm",
    "LLM": "llm",
    "EMBEDDING": "llm",
    "TOOL": "tool",
    "AGENT": "agent",
    "WORKFLOW": "agent",
}


def _kind(span: Span) -> SpanKind | None:
    return _KINDS.get(unquoted(span.tags.get("mlflow.spanType")) or "", "other")


def _tool_name(span: Span) -> str | None:
    return span.operation


def _text(key: str, span: Span) -> str | None:
    value = span.tags.get(key)
    return unquoted(value) if isinstance(value, str) else as_text(value)


def _arguments(span: Span) -> str | None:
    return _text("mlflow.spanInputs", span)


def _result(span: Span) -> str | None:
    return _text("mlflow.spanOutputs", span)


def _usage(span: Span) -> Usage:
    # Anthropic's input leaves out what was cached, and MLflow keeps it so.
    apart = unquoted(span.tags.get("mlflow.message.format")) == "anthropic"
    found = usage_of(json_object(span.tags.get("mlflow.chat.tokenUsage")), cached_apart=apart)
    reported = usage_of(json_object(span.tags.get("mlflow.spanOutputs")).get("usage"))
    if not found.known:
        return reported
    if found.cached_tokens is None and reported.cached_tokens is not None:
        # Versions before 3.10 write no cached tokens; the provider's answer has them.
        return reported
    return found


def _model(span: Span) -> str | None:
    if model := unquoted(span.tags.get("mlflow.llm.model")):
        return model
    answered = json_object(span.tags.get("mlflow.spanOutputs")).get("model")
    asked = json_object(span.tags.get("mlflow.spanInputs")).get("model")
    found = answered or asked
    return found if isinstance(found, str) and _kind(span) == "llm" else None


def _input_messages(span: Span) -> tuple[Message, ...]:
    given = parse_json(span.tags.get("mlflow.spanInputs"))
    return read_messages(dig(given, "input") or given)


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(parse_json(span.tags.get("mlflow.spanOutputs")), "assistant")


def _response_id(span: Span) -> str | None:
    return as_text(json_object(span.tags.get("mlflow.spanOutputs")).get("id"))


MLFLOW = Convention(
    name="MLflow",
    marks=frozenset({"mlflow.spanType"}),
    kind=_kind,
    tool_name=_tool_name,
    arguments=_arguments,
    result=_result,
    model=_model,
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
)
