"""LabelledRuns: runs and steps under short labels (R7, R7.3), and whether what the judge quotes of one stands there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tasks.evidence.types import Run, RunId, Trace
from tasks.judge.prompt.fence import MARK, inline, neutralise
from tasks.judge.prompt.steps import Step, build_steps
from tasks.judge.prompt.tokens import text_tokens
from tasks.wording.counts import counted, was_were

Side = Literal["any", "claim", "observation"]

_LABEL = re.compile(r"^\W*(?:run\s*|step\s*)?(R\d{1,6})(?:\s*\.\s*(\d{1,6}))?\W*$", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,6}")
# What stands for words left out: the judge's own dots, and the marks of our clipping.
_GAP = re.compile(r"\s*\[?\s*(?:…|\.\.\.)(?:\s*[\d,]+ (?:characters|steps) left out)?\s*\]?\s*")
# In bytes, as a word of two Chinese characters means as much as one of six letters. Shorter ones stand in almost any
# text: they hold where they are all of it ("OK", an error of one word).
_SHORTEST = 8
_SHORTEST_PIECE = 3
_STATUSES = frozenset({"completed", "failed", "timeout", "error"})
NO_RESPONSE = "(none)"
"""What the judge is shown where a run has no final response: it may quote that."""
_QUOTES = "\"'`“”‘’«»"


@dataclass(frozen=True, slots=True)
class QuoteLocation:
    """Where a quote stands: the run, its label or the step's, and the step's span ("" when there is none)."""

    label: str
    run_id: RunId
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that was found where the judge put it: under ``label``, in that run (and span, "" when it has none)."""

    label: str
    run_id: RunId
    span_id: str
    quote: str

    @classmethod
    def of(cls, found: QuoteLocation, quote: str) -> Citation:
        """The citation of ``quote`` where it was found."""
        return cls(found.label, found.run_id, found.span_id, quote)


class LabelledRun:
    """One run under its label, with everything that may be quoted of it; nothing is clipped here.

    Without ``own_words`` what the agent said along the way is neither shown nor quoted.
    """

    def __init__(
        self, label: str, run: Run, trace: Trace | None, cost_usd: float | None = None, *, own_words: bool = True
    ) -> None:
        self.label = label
        self.run = run
        self.trace = trace
        self.cost_usd = cost_usd
        self.own_words = own_words

    @cached_property
    def heading(self) -> str:
        """Status, start, duration, tokens and cost, as far as they are known, in one line."""
        run = self.run
        parts = [f"status {self.status}", f"started {run.started_at:%Y-%m-%d %H:%M} UTC"]
        if run.duration_seconds is not None:
            parts.append(f"{run.duration_seconds:.1f} s")
        if run.total_tokens is not None:
            parts.append(f"{run.total_tokens:,} tokens")
        if self.cost_usd is not None:
            parts.append(f"${self.cost_usd:.4f}")
        return ", ".join(parts)

    @cached_property
    def status(self) -> str:
        """The run's status, of those that a finished run may have: another is shown as how the run counts."""
        if self.run.status.casefold() in _STATUSES:
            return self.run.status
        return "completed" if self.run.outcome == "completed" else "failed"

    @cached_property
    def names(self) -> tuple[tuple[str, str], ...]:
        """What the source calls things in the heading, as pairs of what it is and the words."""
        run = self.run
        status = run.status if run.status != self.status else ""
        return tuple((kind, name) for kind, name in (("Status", status), ("Model", run.model_name)) if name)

    @cached_property
    def trace_line(self) -> str:
        """Where the time of the run went, in one line; "" without a trace."""
        telemetry = self.trace.telemetry if self.trace else None
        if telemetry is None:
            return ""
        shares, unknown = [], []
        if telemetry.llm_calls is not None and telemetry.llm_seconds is not None:
            shares.append(f"{telemetry.llm_seconds:.1f} s in {telemetry.llm_calls} LLM calls")
        else:
            unknown.append("number of LLM calls unknown")
        if telemetry.tool_seconds is not None:
            shares.append(f"{telemetry.tool_seconds:.1f} s in tools")
        else:
            unknown.append("time in tools unknown" if telemetry.tool_calls_from else "tool calls unknown")
        of_which = f", of which {' and '.join(shares)}" if shares else ""
        return "; ".join(
            [f"Trace: {telemetry.wall_seconds:.1f} s{of_which}", *unknown, f"{telemetry.errors} spans with errors"]
        )

    @cached_property
    def repeats(self) -> tuple[tuple[str, str], ...]:
        """The calls that were made again with the same arguments: how often, and the name, of the first three."""
        telemetry = self.trace.telemetry if self.trace else None
        return tuple(
            (f"Repeated {call.calls} times with the same arguments:", inline(call.name[:120]))
            for call in (telemetry.repeats[:3] if telemetry else ())
        )

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The run's steps, numbered from 1."""
        return build_steps(self.run, self.trace)

    @cached_property
    def shown_steps(self) -> tuple[Step, ...]:
        """The steps that may be shown, under the numbers that they have among all."""
        return tuple(step for step in self.steps if self.own_words or step.kind != "said")

    @cached_property
    def is_ordered(self) -> bool:
        """Whether it is known when its calls were made: not if there are words, and no call has a place among them."""
        calls = [step for step in self.steps if step.kind == "call"]
        return not calls or any(step.is_placed for step in calls)

    @cached_property
    def words(self) -> str:
        """All texts of the run, one after the other."""
        run = self.run
        texts = [run.task or "", run.final_response or "", run.error or ""]
        texts += [text for text in (run.expected, run.context) if text]
        for step in self.shown_steps:
            texts += (step.name, step.arguments, step.result, step.error, step.own_text)
        return "\n".join(texts)

    @cached_property
    def tokens(self) -> int:
        """Tokens of all texts of the run, about."""
        return text_tokens(self.words)

    @cached_property
    def _texts(self) -> dict[Side, list[str]]:
        run = self.run
        claims = [run.final_response or ""]
        observed = [run.error or "", self.heading, self.trace_line, run.tool_calls_invalid or ""]
        observed += [f"{heading} {name}" for heading, name in self.repeats]
        observed += [f"{kind}: {name}" for kind, name in self.names] + [name for _, name in self.names]
        if not run.final_response:
            observed.append(NO_RESPONSE)
        if self.trace is not None and self.trace.telemetry is not None:
            observed += self.trace.telemetry.error_messages
        given = [run.task or "", run.expected or "", run.context or ""]
        return _folded({"claim": claims, "observation": observed, "any": [*claims, *observed, *given]})

    @cached_property
    def _step_texts(self) -> list[dict[Side, list[str]]]:
        return [
            _folded(
                {
                    "claim": step.claims if self.own_words else (),
                    "observation": step.observations,
                    "any": [*(step.claims if self.own_words else ()), *step.observations],
                }
            )
            for step in self.steps
        ]

    def find(self, number: int | None, quote: str, side: Side) -> QuoteLocation | None:
        """Where ``quote`` stands in step ``number``, or (None) anywhere in the run; None when it does not."""
        words = _words(quote)
        if not words:
            return None
        if number is not None:
            return self._find_step(number, words, side)
        if any(_holds(text, words) for text in self._texts[side]):
            return QuoteLocation(self.label, self.run.id)
        places = range(1, len(self.steps) + 1)
        return next((found for place in places if (found := self._find_step(place, words, side))), None)

    def _find_step(self, number: int, words: str, side: Side) -> QuoteLocation | None:
        if not 1 <= number <= len(self.steps):
            return None
        if any(_holds(text, words) for text in self._step_texts[number - 1][side]):
            return QuoteLocation(f"{self.label}.{number}", self.run.id, self.steps[number - 1].span_id)
        return None


class LabelledRuns:
    """The labelled_runs of one question, by label. The labels do not depend on what of them is shown."""

    def __init__(self, labelled_runs: Sequence[LabelledRun]) -> None:
        self._by_label = {labelled_run.label: labelled_run for labelled_run in labelled_runs}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all runs, in their order."""
        return tuple(self._by_label)

    def run_id(self, label: str) -> RunId | None:
        """The run that ``label`` stands for; None when there is none."""
        labelled_run = self._by_label.get(label)
        return None if labelled_run is None else labelled_run.run.id

    def step_label(self, label: str, step: object) -> str:
        """The label of the step that ``step`` names in the run ``label``: "R7.3", "3" or 3; "" when there is none."""
        labelled_run = self._by_label.get(label)
        text = str(step) if isinstance(step, int) and not isinstance(step, bool) else step
        if labelled_run is None or not isinstance(text, str):
            return ""
        match = _LABEL.match(text)
        if match is not None and match[1].upper() != label:
            return ""
        number = match[2] if match is not None else (found[0] if (found := _NUMBER.fullmatch(text.strip())) else None)
        return f"{label}.{int(number)}" if number and 1 <= int(number) <= len(labelled_run.steps) else ""

    def step_name(self, step_label: str) -> str:
        """The tool that was called in the step under ``step_label``, else "a message"; "" without a label."""
        label, _, number = step_label.partition(".")
        if not number:
            return ""
        step = self._by_label[label].steps[int(number) - 1]
        return step.name if step.kind == "call" else "a message"

    def find(self, label: object, quote: object, side: Side = "any") -> QuoteLocation | None:
        """Where ``quote`` stands in what ``label`` names; None when there is no such label or it does not stand there.

        White space is folded, quotation marks around it are passed over, and dots may stand for words left out: the
        parts must then follow each other. Of a few letters it holds only where it is all of a text. ``side`` wants it
        among the agent's claims, or among the observations.
        """
        match = _LABEL.match(label) if isinstance(label, str) else None
        labelled_run = self._by_label.get(match[1].upper()) if match else None
        if match is None or labelled_run is None or not isinstance(quote, str):
            return None
        return labelled_run.find(int(match[2]) if match[2] else None, quote, side)


def _folded(texts: dict[Side, list[str] | tuple[str, ...]]) -> dict[Side, list[str]]:
    return {side: [_fold(text) for text in given if text] for side, given in texts.items()}


def _fold(text: str) -> str:
    return " ".join(neutralise(text).split())


def _words(quote: str) -> str:
    """The words of a quote as they have to stand there."""
    return _fold(quote.replace("\n" + MARK, "\n").removeprefix(MARK)).strip(_QUOTES + " ")


def _holds(text: str, words: str) -> bool:
    if words in text:
        return _is_long(words) or words == text.strip(_QUOTES + " ")
    pieces = [bare for piece in _GAP.split(words) if (bare := piece.strip(_QUOTES + " "))]
    if len(pieces) < 2 or any(len(piece) < _SHORTEST_PIECE for piece in pieces) or not any(map(_is_long, pieces)):
        return False
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _is_long(words: str) -> bool:
    return len(words) >= _SHORTEST or len(words.encode()) >= _SHORTEST


def describe_dropped(citations: int) -> str:
    """That so many citations of the judge are not shown, as what they cite was not there."""
    return f"{counted(citations, 'citation')} did not hold and {was_were(citations)} dropped"
