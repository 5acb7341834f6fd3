"""What an agent did and wrote in one run, as numbered steps in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from tasks.evidence.calls import UNNAMED
from tasks.evidence.types import Run, SpanCall, ToolCall, Trace
from tasks.judge.prompt.conversation import Event, Speaker, Words, read_conversation
from tasks.judge.prompt.order import Contents, Key, Slot, find_slots, match_calls, place_calls, same_text

StepKind = Literal["call", "result", "said", "heard"]
"""call: of a tool · result: of a call that was asked for some steps before · said: by the agent, so a claim ·
heard: by the agent, from its user or its surroundings."""

NO_RESULT = "(nothing)"
"""What the judge is shown where a call returned nothing: it may quote that."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; ``number`` counts from 1 and stands in its label (R7.3).

    A call has ``name``, ``arguments``, ``result`` and ``error``; a message has ``text`` and a ``speaker``. Unknown is
    "". ``span_id`` is the call's span, where the trace shows the same calls.

    Attributes:
        partner: of a call whose result came later, the number of the step with the result, and of that the call's;
            0: a call and its result are one step.
        is_placed: whether its place among the messages is known.
        differs: whether the source's list of calls has another result than the conversation, which is shown.
        shown_as: what else of the run the text is, where it is shown: its task or its final response; "": neither.
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
    speaker: Speaker = "agent"
    partner: int = 0
    is_placed: bool = True
    differs: bool = False
    shown_as: Literal["", "task", "response"] = ""

    @property
    def seconds(self) -> str:
        """How long a call took, as words that follow its name; "" when that is not known."""
        return "" if self.duration_seconds is None else f", {self.duration_seconds:.1f} s"

    @property
    def own_text(self) -> str:
        """The text, where it is shown at the step; "" where it is shown as the task or the final response."""
        return "" if self.shown_as else self.text

    @property
    def claims(self) -> tuple[str, ...]:
        """The agent's own words, which are unchecked."""
        return (self.text,) if self.kind == "said" else ()

    @property
    def observations(self) -> tuple[str, ...]:
        """What was seen to happen: the call with its arguments, its result, its error; what the agent was sent."""
        if self.kind in ("call", "result"):
            asked = (
                f"{self.name}({self.arguments})",
                f"called a tool{self.seconds}: {self.name} with: {self.arguments}",
                self.arguments,
            )
            nothing = () if self.result or self.error or (self.kind == "call" and self.partner) else (NO_RESULT,)
            return (*(asked if self.kind == "call" else ()), self.name, self.result, self.error, *nothing)
        return (self.text,) if self.kind == "heard" else ()


def build_steps(run: Run, trace: Trace | None) -> tuple[Step, ...]:
    """The steps of ``run``: the calls of its row (or, without any, of its trace) among the words of its conversation.

    The row keeps whole arguments and results, the trace has times and span ids; both are joined where their calls have
    the same names in the same order. Where the conversation has another result than the row, it is the conversation's
    that is shown: the agent was given that one. Where nothing shows when the calls happened, they come first and are
    not ``is_placed``. The task at the beginning and the final response at the end are left out: they are shown.
    """
    events = read_conversation(run.execution_steps)
    slots = find_slots(events)
    calls = _calls(run, trace)
    contents = [call.contents(run) for call in calls]
    matched = match_calls(contents, slots)
    places, unsure = place_calls(contents, events, matched)
    found: list[tuple[Key, Step]] = list(_spoken(run, events))
    for number, call in enumerate(calls):
        slot = matched.get(number)
        step = call.step(slot, is_placed=number not in unsure)
        found += _split(places[number], step, slot, events)
    taken = {id(slot) for slot in matched.values()}
    for slot in slots:
        if id(slot) not in taken:
            found += _split((slot.place, 0, 0), _of_slot(slot), slot, events)
    return _numbered(found)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call by the run's row, by its trace, or by both."""

    row: ToolCall | None
    span: SpanCall | None

    def contents(self, run: Run) -> Contents:
        known = self.row or self.span
        name, arguments = (known.name, known.arguments) if known else ("", None)
        result = known.result or known.error if known else None
        started_at = None
        if self.span is not None:
            with suppress(OverflowError):
                started_at = run.started_at + timedelta(seconds=self.span.start_seconds)
        return Contents(name, arguments, result, started_at)

    def step(self, slot: Slot | None, *, is_placed: bool) -> Step:
        row, span = self.row, self.span
        known = row or span
        name = known.name if known else ""
        arguments = (known and known.arguments) or ""
        result = (known and known.result) or ""
        error = (row and row.error) or (span and span.error) or ""
        differs = False
        if slot is not None:
            name = slot.name if name in ("", UNNAMED) and slot.name else name
            # A span's texts are cut.
            arguments = (slot.arguments or arguments) if row is None else (arguments or slot.arguments or "")
            if slot.result is not None or slot.error is not None:
                error = error or slot.error or ""
                given = slot.result or ""
                is_same = given == result or (bool(error) and given == error) or same_text(given, result)
                differs = row is not None and bool(row.result) and not is_same
                if not is_same or row is None:
                    result = given
        return Step(
            0,
            "call",
            name=name,
            arguments=arguments,
            result="" if result == error else result,
            error=error,
            duration_seconds=span.duration_seconds if span else None,
            span_id=span.span_id if span else "",
            is_placed=is_placed,
            differs=differs,
        )


def _calls(run: Run, trace: Trace | None) -> list[_Call]:
    spans = trace.telemetry.tool_calls if trace is not None and trace.telemetry is not None else ()
    if not run.tool_calls:
        return [_Call(None, span) for span in spans]
    return [_Call(call, span) for call, span in _paired(run.tool_calls, spans)]


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


def _of_slot(slot: Slot) -> Step:
    """A call that the conversation alone has; without a name it is what the agent was given."""
    if not slot.name:
        return Step(0, "heard", text=slot.error or slot.result or "", speaker="tool")
    result = "" if slot.result == slot.error else slot.result
    return Step(0, "call", name=slot.name, arguments=slot.arguments or "", result=result or "", error=slot.error or "")


def _split(key: Key, step: Step, slot: Slot | None, events: Sequence[Event]) -> list[tuple[Key, Step]]:
    """The step at its place; in two where something was written between the request and the result.

    A person may have to agree before a call is made.
    """
    if slot is None or slot.asked is None or slot.returned is None:
        return [(key, step)]
    if not any(isinstance(event, Words) for event in events[slot.asked + 1 : slot.returned]):
        return [(key, step)]
    result = replace(step, kind="result", arguments="", duration_seconds=None)
    # The places stand for the numbers, which are not known yet.
    return [
        (key, replace(step, result="", error="", differs=False, partner=slot.returned + 1)),
        ((slot.returned, 0, 0), replace(result, partner=slot.asked + 1)),
    ]


def _spoken(run: Run, events: Sequence[Event]) -> Iterator[tuple[Key, Step]]:
    task, response = (run.task or "").strip(), (run.final_response or "").strip()
    words = [(place, event) for place, event in enumerate(events) if isinstance(event, Words)]
    final = next((place for place, event in reversed(words) if event.speaker == "agent" and event.text == response), -1)
    opening = next((place for place, event in words if event.speaker != "agent" and event.text == task), -1)
    before: Words | None = None
    for place, event in enumerate(events):
        if not isinstance(event, Words):
            before = None
            continue
        if before is not None and (before.speaker, before.text) == (event.speaker, event.text):
            # The same message by two records of it.
            continue
        before = event
        if (place == opening and place == 0) or (place == final and place == len(events) - 1):
            continue
        yield (
            (place, 0, 0),
            Step(
                0,
                "said" if event.speaker == "agent" else "heard",
                text=event.text,
                speaker=event.speaker,
                shown_as="task" if place == opening else "response" if place == final else "",
            ),
        )


def _numbered(found: list[tuple[Key, Step]]) -> tuple[Step, ...]:
    found.sort(key=lambda item: item[0])
    numbers = {key[0]: number for number, (key, _) in enumerate(found, start=1) if key[1] == 0}
    return tuple(
        replace(step, number=number, partner=numbers.get(step.partner - 1, 0) if step.partner else 0)
        for number, (_, step) in enumerate(found, start=1)
    )
