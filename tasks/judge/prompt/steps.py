"""What an agent did and said in one run, as numbered steps: its tool calls, then its conversation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.evidence.types import Run, SpanCall, ToolCall, Trace
from tasks.evidence.values import read_text

StepKind = Literal["call", "said", "heard"]
"""call: of a tool · said: by the agent, so a claim · heard: by the agent, from its user or its surroundings."""

_OWN_ROLES = frozenset({"assistant", "agent", "ai", "model", "thought", "reasoning"})
# Of an item that has no role: what its type says is not the agent's own.
_OTHER_TYPES = frozenset({"user", "human", "system", "developer", "environment", "observation"})
_TEXT_KEYS = ("content", "text", "message", "thought", "thinking", "reasoning")
_TOOL_ROLES = frozenset({"tool", "function", "tool_result", "tool_output", "function_call_output"})
_NOT_OWN = _TOOL_ROLES | _OTHER_TYPES
_MOST_DEPTH = 3
NO_RESULT = "(nothing)"
"""What the judge is shown where a call returned nothing: it may quote that."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; ``number`` counts from 1 and stands in its label (R7.3).

    A call has ``name``, ``arguments``, ``result`` and ``error``; what was said or heard has ``text``. Unknown is "".
    ``span_id`` is the call's span, where the trace shows the same calls.
    """

    number: int
    kind: StepKind
    name: str = ""
    arguments: str = ""
    result: str = ""
    error: str = ""
    text: str = ""
    duration_seconds: float | None = None
    span_id: str = ""

    @property
    def seconds(self) -> str:
        """How long a call took, as words that follow its name; "" when that is not known."""
        return "" if self.duration_seconds is None else f", {self.duration_seconds:.1f} s"

    @property
    def claims(self) -> tuple[str, ...]:
        """The agent's own words, which nobody has checked."""
        return (self.text,) if self.kind == "said" else ()

    @property
    def observations(self) -> tuple[str, ...]:
        """What was seen to happen: the call with its arguments, its result, its error; what the agent was told."""
        if self.kind == "call":
            said = (
                f"{self.name}({self.arguments})",
                f"called a tool{self.seconds}: {self.name} with: {self.arguments}",
                self.arguments,
            )
            nothing = () if self.result or self.error else (NO_RESULT,)
            return (*said, self.name, self.result, self.error, *nothing)
        return (self.text,) if self.kind == "heard" else ()


def build_steps(run: Run, trace: Trace | None) -> tuple[Step, ...]:
    """The steps of ``run``: the calls of its row (or, without any, of its trace), then its conversation.

    The row keeps whole arguments and results, the trace has times and span ids; both are joined where their calls have
    the same names in the same order. The conversation leaves out what is shown elsewhere: the task, the final response,
    the tools' messages when there are calls.
    """
    spans = trace.telemetry.tool_calls if trace is not None and trace.telemetry is not None else ()
    calls = [_of_row(call, span) for call, span in _paired(run.tool_calls, spans)]
    if not calls:
        calls = [_of_span(span) for span in spans]
    spoken = _spoken(run, with_tools=not calls)
    return tuple(Step(number, **found) for number, found in enumerate([*calls, *spoken], start=1))


def _of_row(call: ToolCall, span: SpanCall | None) -> dict[str, Any]:
    return {
        "kind": "call",
        "name": call.name,
        "arguments": call.arguments or "",
        "result": call.result or "",
        "error": call.error or (span.error if span else "") or "",
        "duration_seconds": span.duration_seconds if span else None,
        "span_id": span.span_id if span else "",
    }


def _of_span(span: SpanCall) -> dict[str, Any]:
    return {
        "kind": "call",
        "name": span.name,
        "arguments": span.arguments or "",
        "result": span.result or "",
        "error": span.error or "",
        "duration_seconds": span.duration_seconds,
        "span_id": span.span_id,
    }


def _paired(calls: Sequence[ToolCall], spans: Sequence[SpanCall]) -> Iterator[tuple[ToolCall, SpanCall | None]]:
    """Each call with its span: the next one of the same name, so that spans the row lacks are passed over."""
    left = list(spans)
    position = 0
    for call in calls:
        place = next((at for at in range(position, len(left)) if left[at].name == call.name), None)
        if place is None:
            yield call, None
        else:
            position = place + 1
            yield call, left[place]


def _spoken(run: Run, *, with_tools: bool) -> list[dict[str, Any]]:
    shown = {text.strip() for text in (run.task, run.final_response) if text}
    found: list[dict[str, Any]] = []
    for kind, text in _turns(run.execution_steps, with_tools=with_tools):
        text = text.strip()
        if text and text not in shown:
            shown.add(text)
            found.append({"kind": kind, "text": text})
    return found


def _turns(column: str | None, *, with_tools: bool) -> Iterator[tuple[StepKind, str]]:
    if not column or not column.strip():
        return
    try:
        items = json.loads(column)
    except (ValueError, RecursionError):
        # Whatever it is, nobody but the agent wrote it.
        yield "said", column
        return
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, str):
            yield "said", item
        if not isinstance(item, dict):
            continue
        role = str(item.get("role") or item.get("type") or "assistant").lower()
        if role in _TOOL_ROLES and not with_tools:
            continue
        own = role in _OWN_ROLES or (not item.get("role") and role not in _NOT_OWN)
        kind: StepKind = "said" if own else "heard"
        for key in _TEXT_KEYS:
            if key in item:
                yield from ((kind, text) for text in _texts(item[key], _MOST_DEPTH))


def _texts(value: object, depth: int) -> Iterator[str]:
    """The texts in a message's content: a text, or a list of parts that have one."""
    if isinstance(value, str):
        yield read_text(value) or ""
    elif depth and isinstance(value, list):
        for part in value:
            yield from _texts(part, depth - 1)
    elif depth and isinstance(value, dict):
        for key in _TEXT_KEYS:
            yield from _texts(value.get(key), depth - 1)
