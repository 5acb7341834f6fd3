"""What a convention of spans reads from a span, and the parts that it is made of.

A convention is data (the attributes by which its spans are recognised) and small functions, each of which reads one
part of a span and returns None where the span does not hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.messages import Message
from tasks.evidence.traces.conventions.usage import UNKNOWN_USAGE, Usage
from tasks.evidence.traces.spans import Span

SpanKind = Literal["llm", "tool", "agent", "other"]

ReadKind: TypeAlias = Callable[[Span], SpanKind | None]
ReadText: TypeAlias = Callable[[Span], str | None]
ReadUsage: TypeAlias = Callable[[Span], Usage]
ReadMessages: TypeAlias = Callable[[Span], tuple[Message, ...]]
ReadAgent: TypeAlias = Callable[[Span], AgentMark | None]


def _no_kind(span: Span) -> SpanKind | None:
    return None


def _no_text(span: Span) -> str | None:
    return None


def _no_agent(span: Span) -> AgentMark | None:
    return None


def _no_usage(span: Span) -> Usage:
    return UNKNOWN_USAGE


def _no_messages(span: Span) -> tuple[Message, ...]:
    return ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Convention:
    """One way to write the spans of agents.

    A span follows it when it has one of the attributes ``marks``, comes from one of the instrumentation ``scopes``, or
    when ``names`` knows its operation. Several conventions can apply to one span: each part is read by the first that
    answers.
    """

    name: str
    """As a report shows it."""
    marks: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    names: Callable[[str], bool] | None = None

    kind: ReadKind = _no_kind
    agent: ReadAgent = _no_agent
    """Whose run the span is, where it is one."""
    tool_name: ReadText = _no_text
    call_id: ReadText = _no_text
    """The id that the model gave the tool call."""
    arguments: ReadText = _no_text
    """Of a tool call, as text (JSON where it was)."""
    result: ReadText = _no_text
    failure: ReadText = _no_text
    """Why the span failed, where the convention records it elsewhere than in the span's status."""
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


_Read = TypeVar("_Read")


class ConventionReaders(NamedTuple):
    """The functions of several conventions by part, in the order in which they are asked; ``kind`` with their names."""

    kind: tuple[tuple[str, ReadKind], ...]
    agent: tuple[ReadAgent, ...]
    tool_name: tuple[ReadText, ...]
    call_id: tuple[ReadText, ...]
    arguments: tuple[ReadText, ...]
    result: tuple[ReadText, ...]
    failure: tuple[ReadText, ...]
    model: tuple[ReadText, ...]
    usage: tuple[ReadUsage, ...]
    totals: tuple[ReadUsage, ...]
    input_messages: tuple[ReadMessages, ...]
    output_messages: tuple[ReadMessages, ...]
    response_id: tuple[ReadText, ...]
    finish_reason: tuple[ReadText, ...]


@lru_cache(maxsize=512)
def readers_of(conventions: tuple[Convention, ...]) -> ConventionReaders:
    """What ``conventions`` read, part by part; without what they leave to the others."""

    def given(read: Callable[[Convention], _Read], missing: _Read) -> tuple[_Read, ...]:
        return tuple(found for each in conventions if (found := read(each)) is not missing)

    return ConventionReaders(
        kind=tuple((each.name, each.kind) for each in conventions if each.kind is not _no_kind),
        agent=given(lambda each: each.agent, _no_agent),
        tool_name=given(lambda each: each.tool_name, _no_text),
        call_id=given(lambda each: each.call_id, _no_text),
        arguments=given(lambda each: each.arguments, _no_text),
        result=given(lambda each: each.result, _no_text),
        failure=given(lambda each: each.failure, _no_text),
        model=given(lambda each: each.model, _no_text),
        usage=given(lambda each: each.usage, _no_usage),
        totals=given(lambda each: each.totals, _no_usage),
        input_messages=given(lambda each: each.input_messages, _no_messages),
        output_messages=given(lambda each: each.output_messages, _no_messages),
        response_id=given(lambda each: each.response_id, _no_text),
        finish_reason=given(lambda each: each.finish_reason, _no_text),
    )
