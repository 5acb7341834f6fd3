"""LiteLLM's own OpenTelemetry callback (``litellm/integrations/opentelemetry.py``).

Each call is a span ``raw_gen_ai_request`` with the provider's request and answer as ``llm.<provider>.*``, in Python's
notation. ``gen_ai.*`` it writes on a span of its own around that, or on the caller's where one is open: there the last
call overwrites the ones before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.evidence.traces.conventions.convention import Convention, SpanKind
from tasks.evidence.traces.conventions.messages import Message, read_messages
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage, usage_of
from tasks.evidence.traces.conventions.values import as_text, literal_list, literal_object
from tasks.evidence.traces.spans import Span

_SCOPE = "litellm"
_RAW = "raw_gen_ai_request"
_PROVIDER = re.compile(r"llm\.[^.]{1,60}\.(?:usage|model|id|choices|messages)")


def _kind(span: Span) -> SpanKind | None:
    if span.operation == _RAW:
        return "llm"
    tags = span.tags
    if tags.get("otel.scope.name") == _SCOPE or "litellm.call_id" not in tags:
        return None
    # The caller's own span. What it was is overwritten, and how many calls it stands for is not known.
    is_tool = "gen_ai.tool.name" in tags or "tool.name" in tags or tags.get("traceloop.span.kind") == "tool"
    return "tool" if is_tool else "agent"


def _part(tags: Mapping[str, Any], name: str) -> Any:
    """The attribute ``llm.<provider>.<name>``, whichever the provider."""
    ending = f".{name}"
    return next((value for key, value in tags.items() if key.endswith(ending) and _PROVIDER.fullmatch(key)), None)


def _usage(span: Span) -> Usage:
    tags = span.tags
    if span.operation == _RAW:
        return usage_of(literal_object(_part(tags, "usage")))
    return usage_of(literal_object(tags.get("metadata.usage_object"))) if _kind(span) is None else UNKNOWN_USAGE


def _model(span: Span) -> str | None:
    return as_text(_part(span.tags, "model")) if span.operation == _RAW else None


def _response_id(span: Span) -> str | None:
    return as_text(_part(span.tags, "id")) if span.operation == _RAW else None


def _input_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(literal_list(_part(span.tags, "messages"))) if span.operation == _RAW else ()


def _output_messages(span: Span) -> tuple[Message, ...]:
    return read_messages(literal_list(_part(span.tags, "choices")), "assistant") if span.operation == _RAW else ()


LITELLM = Convention(
    name="LiteLLM",
    marks=frozenset({"litellm.call_id"}),
    scopes=frozenset({_SCOPE}),
    kind=_kind,
    model=_model,
    usage=_usage,
    input_messages=_input_messages,
    output_messages=_output_messages,
    response_id=_response_id,
)
