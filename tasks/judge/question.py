"""One question to the judge, and how it is made to fit what the model takes: first the answer's limit gives way."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.errors import ContextLengthError, UnusableAnswerError
from tasks.evidence.types import AgentId
from tasks.judge.answer import JudgeAnswer, build_schema, parse_answer, parse_verdicts, parse_words
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.endpoint.model_limits import Bounds
from tasks.judge.endpoint.reply import Reply
from tasks.judge.issues.answer import IssueKeys, build_issues_schema, parse_issues
from tasks.judge.prompt.citations import LabelledRuns
from tasks.judge.prompt.fence import Fence
from tasks.judge.prompt.instructions import Asks, Kind
from tasks.judge.prompt.prompts import build_messages
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.prompt.tokens import TokenScale, estimate_tokens
from tasks.judge.runs.guidance import Guidance, render_examples, render_guidance

_FITTING_TRIES = 4
# Framing of messages, and what the endpoint adds for a schema.
_MESSAGE_OVERHEAD = 200
# A short, complete answer: the summary, strengths and advice; a criterion's reasoning and two citations; the team's
# executive summary.
_LEAST_ANSWER, _LEAST_CRITERION, _LEAST_SUMMARY = 400, 220, 400
# Five issues of four sentences, and the keys of some hundred runs.
_LEAST_ISSUES = 1200
# A verdict on a run: two quotes, a failure mode, a step; and a check of each criterion.
_RUN_ANSWER, _CHECK_ANSWER = 130, 12
# Where evidence is shortened anyway, the answer gets a quarter of the context rather than the least.
_ANSWERS_SHARE = 4
# Of the room for an answer, verdicts are to fill so much; of how few runs one holds them in any case.
_FILLED, _LEAST_AT_ONCE = 0.9, 3
# An estimate is off by some percent from text to text.
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ``digest`` stands for the whole evidence, of which ``render`` gives what fits.

    ``rubric`` holds what the judge is asked about; ``asks`` is what it is to give, ``guidance`` what it is to follow.

    ``render(budget_tokens, rotation)`` is the evidence in about so many tokens (as ``estimate_tokens`` has it), its
    runs from the ``rotation``-th part (0 to 1) on. The question about issues has instructions and keys of its own.
    """

    kind: Kind
    rubric: Mapping[str, Criterion]
    digest: str
    labelled_runs: LabelledRuns
    render: Callable[[int, float], RenderedEvidence]
    goal: str = ""
    agent_id: AgentId | None = None
    asks: Asks = "scores"
    issue_keys: IssueKeys | None = None
    guidance: Guidance | None = None

    def guided_by(self, guidance: Guidance | None) -> Question:
        """The question with ``guidance``, where it asks for verdicts on runs; else as it is."""
        is_guided = guidance is not None and self.asks in ("verdicts", "runs")
        return replace(self, guidance=guidance) if is_guided else self

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its answer where every run is shown."""
        return self.schema_of(self.labelled_runs.labels)

    def schema_of(self, labels: Sequence[str]) -> dict[str, Any]:
        """The JSON schema of its answer where the runs of ``labels`` are shown."""
        if self.issue_keys is not None:
            return build_issues_schema()
        return build_schema(self.kind, self.rubric, self.asks, labels)

    def parse(self, text: str, labels: Sequence[str] | None = None, *, cut_off: bool = False) -> JudgeAnswer:
        """``text`` as an answer to it; ``labels`` are the runs that were shown (None: not known).

        Raises:
            UnusableAnswerError: it holds none.
        """
        if self.issue_keys is not None:
            return JudgeAnswer({}, issues=parse_issues(text, self.issue_keys, cut_off=cut_off))
        if self.asks == "scores":
            return parse_answer(text, self.kind, self.rubric, self.labelled_runs, cut_off=cut_off)
        if self.asks == "words":
            return parse_words(text, self.rubric, self.labelled_runs, cut_off=cut_off)
        return parse_verdicts(text, self.rubric, self.labelled_runs, labels, cut_off=cut_off)

    def parse_reply(self, reply: Reply, labels: Sequence[str]) -> JudgeAnswer:
        """As ``parse``, of a reply of the endpoint, of which the answer may have been cut off at its length limit."""
        cut_off = reply.finish_reason == "length"
        try:
            return self.parse(reply.usable_text(), labels, cut_off=cut_off)
        except UnusableAnswerError:
            if not cut_off:
                raise
            raise UnusableAnswerError(["the answer was cut off at its length limit; keep it shorter"]) from None

    def rotation(self, sample: int, samples: int) -> float:
        """From which part (0 to 1) on its runs are shown in ``sample`` (from 0) of ``samples``.

        It depends on the evidence, as judges lean towards what they read first: the same evidence is always shown
        the same way.
        """
        first = int.from_bytes(hashlib.sha256(self.digest.encode()).digest()[:4], "big") / 2**32
        return (first + sample / samples) % 1

    @property
    def least_answer_tokens(self) -> int:
        """About the tokens of a short answer that has all that the schema asks for, of one run."""
        if self.issue_keys is not None:
            return _LEAST_ISSUES
        words = 0 if self.asks == "runs" else answer_tokens(len(self.rubric), self.kind)
        return words + (verdict_tokens(len(self.rubric)) if self.asks in ("verdicts", "runs") else 0)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question as it is sent: its messages, what they show of the evidence, and their estimated tokens.

    ``schema`` is that of its answer, ``output_tokens`` the answer's limit, ``added_tokens`` the part of the estimate
    that is added on the way.
    """

    messages: list[dict[str, str]]
    shown: RenderedEvidence
    estimated: int
    output_tokens: int = 0
    added_tokens: int = 0
    schema: Mapping[str, Any] = field(default_factory=dict)


def answer_tokens(criteria: int, kind: Kind = "agent") -> int:
    """About the tokens of the words on an agent or the team, with ``criteria``."""
    return _LEAST_ANSWER + _LEAST_CRITERION * criteria + (_LEAST_SUMMARY if kind == "team" else 0)


def verdict_tokens(criteria: int) -> int:
    """About the tokens of the verdict on one run, with checks of ``criteria``."""
    return _RUN_ANSWER + _CHECK_ANSWER * criteria


def verdicts_at_once(criteria: int, max_output_tokens: int, context_tokens: int | None) -> int:
    """On how many runs an answer of at most so many tokens holds verdicts, with checks of ``criteria``."""
    room = min(float(max_output_tokens), (context_tokens or math.inf) / _ANSWERS_SHARE)
    return max(_LEAST_AT_ONCE, int((_FILLED * room - answer_tokens(criteria)) // verdict_tokens(criteria)))


def compose(question: Question, budget_tokens: int, scale: TokenScale | None = None, rotation: float = 0.0) -> Draft:
    """A question as it is sent; its evidence is in at most ``budget_tokens``, as far as this model's count is known."""
    return _compose(question, budget_tokens, scale.factor if scale else 1.0, rotation)


def fit(
    question: Question,
    budget_tokens: int,
    bounds: Bounds,
    *,
    factor: float,
    most_output_tokens: int,
    added_tokens: int = 0,
    rotation: float = 0.0,
) -> Draft:
    """A question within ``bounds``, its evidence in at most ``budget_tokens``.

    ``factor`` is the tokens that the model counts over those estimated, ``added_tokens`` (estimated) what is added to
    the messages on their way. First the limit of the answer gives way, down to what a short answer needs, then the
    evidence.

    Raises:
        ContextLengthError: the bounds hold no question of this kind.
    """
    context = bounds.context_tokens or math.inf
    most_prompt = bounds.most_prompt_tokens or math.inf
    output = min(most_output_tokens, bounds.most_output_tokens or most_output_tokens)
    least = min(output, max(question.least_answer_tokens, bounds.least_output_tokens or 0))
    longest = min(most_prompt, context - least)
    draft = _compose(question, budget_tokens, factor, rotation, added_tokens)
    if draft.estimated * factor > longest:
        answer = min(output, max(least, context // _ANSWERS_SHARE))
        room = min(most_prompt, context - answer) * (1 - _MARGIN)
        beside = (draft.estimated - estimate_tokens(draft.shown.text)) * factor
        draft = _compose(question, max(1, int(room - beside)), factor, rotation, added_tokens)
    prompt = draft.estimated * factor
    if prompt > longest:
        raise ContextLengthError(
            f"the judge's model takes at most {bounds.describe()}, and the shortest question has {prompt:,.0f} tokens "
            f"beside an answer of {least:,}: give the model a larger context and set AGENT_REPORT_JUDGE_CONTEXT_TOKENS "
            "to it, or take another model"
        )
    left = context - prompt * (1 + _MARGIN)
    return replace(draft, output_tokens=int(min(output, max(least, left))))


def follow_up(
    question: Question,
    draft: Draft,
    turns: Sequence[list[dict[str, str]]],
    bounds: Bounds,
    *,
    factor: float,
    added_tokens: int = 0,
) -> Draft | None:
    """``draft`` with the first of ``turns`` behind it that leaves room for an answer; None when none does.

    ``factor`` and ``added_tokens`` are as ``fit`` has them, by now.
    """
    draft = replace(draft, estimated=draft.estimated - draft.added_tokens + added_tokens, added_tokens=added_tokens)
    context = bounds.context_tokens or math.inf
    longest = min(bounds.most_prompt_tokens or math.inf, context - question.least_answer_tokens)
    for turn in turns:
        estimated = draft.estimated + sum(estimate_tokens(message["content"]) for message in turn)
        prompt = estimated * factor * (1 + _MARGIN)
        if prompt <= longest:
            output = int(min(draft.output_tokens, max(question.least_answer_tokens, context - prompt)))
            return replace(draft, messages=draft.messages + turn, estimated=estimated, output_tokens=output)
    return None


def estimate_messages(messages: Sequence[Mapping[str, str]]) -> int:
    """Estimated tokens of ``messages``, with what frames them."""
    return sum(estimate_tokens(message["content"]) for message in messages) + _MESSAGE_OVERHEAD


def _compose(question: Question, budget_tokens: int, factor: float, rotation: float, added_tokens: int = 0) -> Draft:
    guidance = question.guidance or Guidance()
    examples = render_examples(guidance)
    room = int(budget_tokens / factor)
    for _ in range(_FITTING_TRIES):
        shown = question.render(room, rotation)
        size = estimate_tokens(shown.text)
        if size * factor <= budget_tokens:
            break
        # The facts and what stands between the runs are not in the runs' shares.
        beyond = size - budget_tokens / factor
        room = max(1, int(min(room - beyond, room * budget_tokens / (size * factor) * 0.97)))
    evidence = Fence().around(examples + shown.text)
    messages = build_messages(
        question.kind, question.asks, question.rubric, evidence, question.goal, render_guidance(guidance)
    )
    estimated = size + estimate_tokens(examples) + estimate_messages(messages[:-1]) + added_tokens
    schema = question.schema_of(shown.labels)
    return Draft(messages, shown, estimated, added_tokens=added_tokens, schema=schema)
