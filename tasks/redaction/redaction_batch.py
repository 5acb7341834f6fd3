"""The redaction of one agent's evidence, and how much was replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

from tasks.evidence.traces.spans import normalized_trace_id
from tasks.evidence.types import (
    Agent,
    AgentRuns,
    Fact,
    RepeatedCall,
    Run,
    SlowSpan,
    SpanCall,
    TelemetrySummary,
)
from tasks.redaction.redactor import Redactor

_AGENT = ("description", "prompt", "owner")
_RUN = (
    *("task", "final_response", "expected", "context", "error", "status", "tool_calls_invalid", "execution_steps"),
    *("messages", "session_id", "version", "owner"),
)
_CALL = ("name", "arguments", "result", "error")
_REPEAT = ("name", "arguments")
_SLOW = ("operation",)
F = TypeVar("F", bound=Fact)


class RedactionBatch:
    """Redacts what is known of one agent and counts by label. For one thread; without a redactor nothing changes."""

    def __init__(self, redactor: Redactor | None, counts: dict[str, int] | None = None) -> None:
        self._redactor = redactor
        self._counts = Counter(counts or {})

    @property
    def counts(self) -> dict[str, int]:
        """How many placeholders were written, by label in the order of the alphabet; empty when none was."""
        return dict(sorted(self._counts.items()))

    def redact_agent(self, agent: Agent) -> Agent:
        """``agent`` with its description and prompt redacted; its name stays.

        Raises:
            RedactionError: the hook failed, here as in the other two.
        """
        batch = _Batch()
        batch.add(agent, _AGENT)
        self._redact(batch)
        return batch.take(agent, _AGENT)

    def redact_runs(self, found: AgentRuns) -> AgentRuns:
        """``found`` with every text of its runs and its warnings redacted, and with the counts so far."""
        batch = _Batch()
        for run in found.runs:
            batch.add(run, _RUN)
            batch.texts.append(_odd_trace_id(run))
            batch.texts += run.tags
            for call in run.tool_calls:
                batch.add(call, _CALL)
        batch.texts += found.warnings
        self._redact(batch)
        runs = []
        for run in found.runs:
            changed = batch.take(run, _RUN)
            if (trace_id := batch.next()) is not None and trace_id != run.trace_id:
                changed = changed.model_copy(update={"trace_id": trace_id})
            changed = _with(changed, "tags", tuple([batch.next() or "" for _ in run.tags]))
            runs.append(_with(changed, "tool_calls", batch.take_all(run.tool_calls, _CALL)))
        warnings = batch.rest()
        return found.model_copy(update={"runs": tuple(runs), "warnings": tuple(warnings), "redactions": self.counts})

    def redact_telemetry(self, summaries: Sequence[TelemetrySummary]) -> Sequence[TelemetrySummary]:
        """``summaries`` with their texts redacted: tool calls, repeats, slowest operations, errors and warnings."""
        batch = _Batch()
        for summary in summaries:
            for _, items, names in _parts(summary):
                for item in items:
                    batch.add(item, names)
            batch.texts += [*summary.error_messages, *summary.warnings]
        if not self._redact(batch, len(summaries)):
            return summaries
        redacted = []
        for summary in summaries:
            changed = summary
            for field, items, names in _parts(summary):
                changed = _with(changed, field, batch.take_all(items, names))
            for field, texts in (("error_messages", summary.error_messages), ("warnings", summary.warnings)):
                changed = _with(changed, field, tuple([batch.next() or "" for _ in texts]))
            redacted.append(changed)
        return redacted

    def redact_texts(self, texts: Sequence[str]) -> list[str]:
        """``texts`` redacted, in their order."""
        if self._redactor is None:
            return list(texts)
        return [text or "" for text in self._redactor.redact_texts(texts, self._counts)]

    def redact_text(self, text: str | None) -> str | None:
        """One text; None stays None."""
        return self._redactor.redact_texts([text], self._counts)[0] if self._redactor else text

    def redact_names(self, names: Sequence[str]) -> list[str]:
        """``names`` of spans redacted, uncounted: most of them are in the summary as well, and were counted there."""
        if self._redactor is None:
            return list(names)
        return [name or "" for name in self._redactor.redact_texts(names, Counter())]

    def _redact(self, batch: _Batch, groups: int = 1) -> bool:
        """Whether anything was replaced; the batch is read from its beginning afterwards."""
        if self._redactor is None:
            return False
        before = batch.texts
        batch.texts = self._redactor.redact_texts(before, self._counts, groups)
        return batch.texts != before


def _parts(
    summary: TelemetrySummary,
) -> tuple[tuple[str, Sequence[SpanCall | RepeatedCall | SlowSpan], tuple[str, ...]], ...]:
    """The fields of a summary that hold calls or spans, with the names of their texts."""
    return (
        ("tool_calls", summary.tool_calls, _CALL),
        ("repeats", summary.repeats, _REPEAT),
        ("slowest", summary.slowest, _SLOW),
    )


class _Batch:
    """Texts that are redacted together: put in and taken out in the same order."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        self._taken = 0

    def add(self, fact: Fact, names: Sequence[str]) -> None:
        self.texts += [getattr(fact, name) for name in names]

    def next(self) -> str | None:
        self._taken += 1
        return self.texts[self._taken - 1]

    def take(self, fact: F, names: Sequence[str]) -> F:
        changed: dict[str, Any] = {}
        for name in names:
            text = self.next()
            if text is not getattr(fact, name) and text != getattr(fact, name):
                changed[name] = text
        return fact.model_copy(update=changed) if changed else fact

    def take_all(self, facts: Sequence[F], names: Sequence[str]) -> tuple[F, ...]:
        return tuple([self.take(fact, names) for fact in facts])

    def rest(self) -> list[str]:
        return [text or "" for text in self.texts[self._taken :]]


def _odd_trace_id(run: Run) -> str | None:
    """What stands in the place of a trace id and is none, so that it may be anything."""
    return None if run.trace_id is None or normalized_trace_id(run.trace_id) else run.trace_id


def _with(fact: F, name: str, value: tuple[object, ...]) -> F:
    return fact if getattr(fact, name) == value else fact.model_copy(update={name: value})
