"""A span as its conventions read it. Several can apply to one span: each part comes from the first that has it."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.evidence.traces.conventions.agent_names import AgentMark
from tasks.evidence.traces.conventions.catalog import conventions_of
from tasks.evidence.traces.conventions.convention import Convention, ReadMessages, ReadText, SpanKind, readers_of
from tasks.evidence.traces.conventions.failures import failure_in, reason_in
from tasks.evidence.traces.conventions.langchain import tool_content
from tasks.evidence.traces.conventions.messages import Message
from tasks.evidence.traces.conventions.usage import Usage, filled, sound
from tasks.evidence.traces.spans import Span


class SpanReading:
    """What ``span`` is and holds.

    ``kind`` is "other" and ``convention`` None when no convention recognises the span. ``name`` is the tool's for a
    tool, else None.
    """

    __slots__ = ("_given", "_made", "_readers", "convention", "kind", "name", "span")

    def __init__(self, span: Span, conventions: tuple[Convention, ...]) -> None:
        self.span = span
        self._readers = readers_of(conventions)
        # Messages are what takes longest to read, and several parts of a summary need them.
        self._given: tuple[Message, ...] | None = None
        self._made: tuple[Message, ...] | None = None
        self.kind: SpanKind = "other"
        self.convention: str | None = None
        self.name: str | None = None
        for name, read_kind in self._readers.kind:
            if (kind := read_kind(span)) is not None:
                self.kind, self.convention = kind, name
                break
        if self.kind == "tool":
            self.name = self._first(self._readers.tool_name) or span.operation.strip() or "unnamed tool"

    def agent(self) -> AgentMark | None:
        """Whose run the span is; None when it is the run of neither an agent nor a workflow."""
        for read_agent in self._readers.agent:
            if (mark := read_agent(self.span)) is not None:
                return mark
        return None

    def arguments(self) -> str | None:
        """The arguments of a tool's span as text (JSON where it was), None when the span has none."""
        return self._first(self._readers.arguments)

    def result(self) -> str | None:
        """The result of a tool's span as text (JSON where it was), None when the span has none."""
        written = self.written_result()
        return None if written is None else tool_content(written)

    def call_id(self) -> str | None:
        """The id that the model gave the call of a tool, None when the span does not hold it."""
        return self._first(self._readers.call_id)

    def usage(self) -> Usage:
        """The tokens that an LLM's span reports."""
        return sound(filled(read(self.span) for read in self._readers.usage))

    def totals(self) -> Usage:
        """The tokens of all LLM calls below, where the span sums them up: for traces whose LLM calls have no spans."""
        return sound(filled(read(self.span) for read in self._readers.totals))

    def model(self) -> str | None:
        """The model of an LLM's or an agent's span, the one that answered before the one that was asked for."""
        return self._first(self._readers.model)

    def response_id(self) -> str | None:
        """The provider's id of an LLM's answer: two spans that share it are one call."""
        return self._first(self._readers.response_id)

    def finish_reason(self) -> str | None:
        """Why the model stopped, in the words of the span."""
        return self._first(self._readers.finish_reason)

    def input_messages(self) -> tuple[Message, ...]:
        """What an LLM was given, empty when the span does not hold it."""
        if self._given is None:
            self._given = self._messages(self._readers.input_messages)
        return self._given

    def output_messages(self) -> tuple[Message, ...]:
        """What an LLM answered, empty when the span does not hold it."""
        if self._made is None:
            self._made = self._messages(self._readers.output_messages)
        return self._made

    def error(self) -> str | None:
        """What went wrong in the span, None when nothing did.

        An exception event alone is an error in a span of an agent, a tool or an LLM only (elsewhere exceptions are
        often handled: a queue that is polled with a time-out), and not under an explicit status OK. A tool's result
        that is marked as an error (``isError`` of MCP) is one although the span itself is fine.
        """
        span, tags = self.span, self.span.tags
        reason = self._first(self._readers.failure)
        failed = span.error or bool(tags.get("error.type")) or reason is not None
        if self.kind != "other":
            failed = failed or (span.exception is not None and tags.get("otel.status_code") != "OK")
            failed = failed or bool(tags.get("exception.type") or tags.get("exception.message"))
        if not failed:
            return failure_in(self.written_result()) if self.kind == "tool" else None
        return span.exception or reason or self._stated_reason()

    def _stated_reason(self) -> str:
        """The reason of a span that failed, from the attributes that any instrumentation writes."""
        tags = self.span.tags
        kind = tags.get("error.type")
        for key in ("otel.status_description", "error.message", "exception.message"):
            # A status that only repeats the kind of error (Google's TOOL_ERROR) leaves the reason to the result.
            if (value := tags.get(key)) and value != kind:
                return str(value)
        own = tags.get("error")
        if isinstance(own, str) and own.lower() not in ("true", "1", "yes"):
            return own
        result = self.written_result() if self.kind == "tool" else None
        if reason := reason_in(result) or failure_in(result):
            return reason
        if kind:
            return str(kind)
        status = tags.get("http.status_code") or tags.get("http.response.status_code")
        return f"HTTP {status}" if status else "error"

    def written_result(self) -> str | None:
        """``result`` as it is written: of LangChain's tools with the message around it."""
        return self._first(self._readers.result)

    def _first(self, readers: Iterable[ReadText]) -> str | None:
        for read_text in readers:
            if (text := read_text(self.span)) is not None:
                return text
        return None

    def _messages(self, readers: Iterable[ReadMessages]) -> tuple[Message, ...]:
        for read_part in readers:
            if messages := read_part(self.span):
                return messages
        return ()


def read(span: Span) -> SpanReading:
    """What ``span`` is and holds; what no convention knows is of kind "other"."""
    return SpanReading(span, conventions_of(span))


def same_tool(outer: str, inner: str) -> bool:
    """Whether a tool's span inside another one is the same call seen from further in (``tools/call X`` under ``X``).

    Frameworks put a prefix before the name a server knows: ``__X``, ``server_X``, ``server.X``, ``mcp__server__X``.
    """
    outer, inner = outer.strip("_"), inner.strip("_")
    if outer == inner:
        return True
    longer, shorter = (outer, inner) if len(outer) > len(inner) else (inner, outer)
    return bool(shorter) and longer.endswith(shorter) and longer[-len(shorter) - 1] in "_.-/:"
