"""MLflow Tracing: ``mlflow.*``, whose values are JSON (text stands in quotes).

https://mlflow.org/docs/latest/genai/concepts/span/, ``mlflow/tracing/constant.py``.
"""

from __future__ import annotations

from tasks.evidence.traces.conventions.agent_names import AgentMark, name_of
from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.langchain import result_id, result_model, result_usage
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
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
    kind = _KINDS.get(unquoted(span.tags.get("mlflow.spanType")) or "", "other")
    # Of LlamaIndex every method of an LLM is marked as a call of it.
    return "other" if kind == "llm" and "._prepare_chat" in span.operation else kind


def _tool_name(span: Span) -> str | None:
    """The tool's own name where the span has that of a method: LlamaIndex, dspy, smolagents, Pydantic AI."""
    tags = span.tags
    return (
        unquoted(tags.get("name"))
        or as_text(json_object(tags.get("function")).get("name"))
        or as_text(dig(json_object(tags.get("mlflow.spanInputs")), "call", "tool_name"))
        or span.operation.removeprefix("Tool.")
    )


def _text(key: str, span: Span) -> str | None:
    value = span.tags.get(key)
    return unquoted(value) if isinstance(value, str) else as_text(value)


def _arguments(span: Span) -> str | None:
    return _text("mlflow.spanInputs", span)


def _result(span: Span) -> str | None:
    return _text("mlflow.spanOutputs", span)


def _usage(span: Span) -> Usage:
    tags = span.tags
    written = json_object(tags.get("mlflow.chat.tokenUsage"))
    # Anthropic's input leaves out what was cached; newer versions of MLflow add it, as the answer beside it shows.
    before = dig(json_object(tags.get("mlflow.spanOutputs")), "usage", "input_tokens")
    apart = unquoted(tags.get("mlflow.message.format")) == "anthropic" and before in (None, written.get("input_tokens"))
    found = usage_of(written, cached_apart=apart)
    if found.cached_tokens is not None:
        return found
    # Older versions write no cached tokens, and none at all of the Agents SDK: the provider's answer has them.
    output = tags.get("mlflow.spanOutputs")
    for reported in (
        usage_of(json_object(tags.get("usage"))),
        usage_of(json_object(output).get("usage")),
        usage_of(dig(json_object(output), "raw", "usage")),
        result_usage(output),
    ):
        if reported.known:
            return reported
    return found


def _totals(span: Span) -> Usage:
    return _usage(span) if _kind(span) == "agent" else UNKNOWN_USAGE


def _model(span: Span) -> str | None:
    tags = span.tags
    if model := unquoted(tags.get("mlflow.llm.model")):
        return model
    if _kind(span) != "llm":
        return None
    output = tags.get("mlflow.spanOutputs")
    return (
        unquoted(json_object(output).get("model"))
        or result_model(output)
        or unquoted(tags.get("model"))
        or unquoted(tags.get("model_name"))
        or unquoted(json_object(tags.get("mlflow.spanInputs")).get("model"))
    )


def _input_messages(span: Span) -> tuple[Message, ...]:
    given = parse_json(span.tags.get("mlflow.spanInputs"))
    return read_messages(dig(given, "input") or given)


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(parse_json(span.tags.get("mlflow.spanOutputs")), "assistant")


def _response_id(span: Span) -> str | None:
    output = span.tags.get("mlflow.spanOutputs")
    return as_text(json_object(output).get("id")) or result_id(output) or unquoted(span.tags.get("id"))


def _agent(span: Span) -> AgentMark | None:
    kind = unquoted(span.tags.get("mlflow.spanType"))
    if kind == "AGENT":
        name = (
            unquoted(span.tags.get("agent_name")) or unquoted(span.tags.get("name")) or unquoted(span.tags.get("role"))
        )
        # Of the Agents SDK the span around the agents is marked as one too.
        return AgentMark(name or name_of(span.operation), name is None and span.operation.startswith("AgentRunner"))
    return AgentMark(name_of(span.operation), True) if kind in ("CHAIN", "WORKFLOW") else None


MLFLOW = Convention(
    name="MLflow",
    marks=frozenset({"mlflow.spanType"}),
    kind=_kind,
    agent=_agent,
    tool_name=_tool_name,
    arguments=_arguments,
    result=_result,
    model=_model,
    usage=_usage,
    totals=_totals,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
)
