"""What a convention of spans says about a span, and the parts that it is made of.

A convention is data (the attributes by which its spans are recognised) and small functions, each of which reads one
part of a span and answers None where the span does not say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tasks.evidence.traces.conventions.messages import Message
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage
from tasks.evidence.traces.spans import Span

SpanKind = Literal["llm", "tool", "agent", "other"]

ReadKind: TypeAlias = Callable[[Span], SpanKind | None]
ReadText: TypeAlias = Callable[[Span], str | None]
ReadUsage: TypeAlias = Callable[[Span], Usage]
ReadMessages: TypeAlias = Callable[[Span], tuple[Message, ...]]


def _no_kind(span: Span) -> SpanKind | None:
    return None


def _no_text(span: Span) -> str | None:
    return None


def _no_usage(span: Span) -> Usage:
    return UNKNOWN_USAGE


def _no_messages(span: Span) -> tuple[Message, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Convention:
    """One way to write the spans of agents.

    A span follows it when it has one of the attributes ``marks`` or comes from one of the instrumentation ``scopes``,
    or when ``names`` knows its operation, and ``matches`` does not object. Several conventions can apply to
    one span: each part is read by the first that answers.
    """

    name: str
    """As a report shows it."""
    marks: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    names: Callable[[str], bool] | None = None
    matches: Callable[[Span], bool] | None = None

    kind: ReadKind = _no_kind
    tool_name: ReadText = _no_text
    call_id: ReadText = _no_text
    """The id that the model gave the tool call."""
    arguments: ReadText = _no_text
    """Of a tool call, as text (JSON where it was)."""
    result: ReadText = _no_text
    failure: ReadText = _no_text
    """Why the span failed, where the convention says it elsewhere than in the span's status."""
    model: ReadText = _no_text
    """The model that answered rather than the one that was asked for."""
    usage: ReadUsage = _no_usage
    """The tokens of one LLM call. Cached tokens are part of the input tokens, whatever the convention counts."""
    totals: ReadUsage = _no_usage
    """The tokens of all LLM calls below a span that sums them up, where the convention promises that."""
    input_messages: ReadMessages = _no_messages
    output_messages: ReadMessages = _no_messages
    response_id: ReadText = _no_text
    finish_reason: ReadText = _no_text
