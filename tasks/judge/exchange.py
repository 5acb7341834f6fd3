"""One question to the judge, from the ledger or from the endpoint, asked once more when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tasks.errors import ContextLengthError, JudgeError, UnusableAnswerError
from tasks.evidence.prices import RunPrices, Tokens
from tasks.judge.answer import JudgeAnswer, Kind, RenderedEvidence, build_schema, parse_answer
from tasks.judge.budget import Budget
from tasks.judge.call_context import CallContext, Spent
from tasks.judge.claims import claimed
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.limiter import StopSignal
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.stated_price import StatedPrice
from tasks.judge.ledger import Claim, Ledger, PaidAnswer, fingerprint
from tasks.judge.prompt.citations import LabelledRuns
from tasks.judge.prompt.fence import Fence
from tasks.judge.prompt.prompts import PROMPT_VERSION, build_messages, build_repair
from tasks.judge.prompt.tokens import TokenScale, estimate_tokens
from tasks.judge.rubric import Criterion

_SHRINK = 0.7
_FITTING_TRIES = 4
# Framing of messages, and what the endpoint adds for a schema.
_MESSAGE_OVERHEAD = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ``digest`` stands for the whole evidence, of which ``render`` gives what fits.

    ``render(budget_tokens, rotation)`` is the evidence in about so many tokens (as ``estimate_tokens`` has it), its
    runs from the ``rotation``-th part (0 to 1) on.
    """

    kind: Kind
    rubric: Mapping[str, Criterion]
    digest: str
    labelled_runs: LabelledRuns
    render: Callable[[int, float], RenderedEvidence]
    goal: str = ""
    agent_id: int | None = None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its answer."""
        return build_schema(self.kind, self.rubric)


Draft = tuple[list[dict[str, str]], RenderedEvidence, int]
"""The messages of a question, what they show of the evidence, and their estimated tokens."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Everything a judgement needs beside its question; one per report.

    ``evidence_tokens`` is the budget of evidence in one question, ``samples`` how often each question is asked. Answers
    that were paid for before ``fresh_since`` (aware; None: no bound) are not used again.
    """

    client: JudgeClient
    ledger: Ledger
    prices: RunPrices
    stop: StopSignal
    budget: Budget = field(default_factory=Budget)
    scale: TokenScale = field(default_factory=TokenScale)
    stated_price: StatedPrice = field(default_factory=StatedPrice)
    evidence_tokens: int = 80_000
    samples: int = 1
    report_id: int | None = None
    fresh_since: datetime | None = None

    def ask(self, question: Question, *, deadline: float, spent: Spent, sample: int = 0) -> tuple[JudgeAnswer, bool]:
        """A usable answer, and whether it came from the ledger. ``spent`` is filled in also when this raises.

        ``sample`` counts from 0: the same question asked again is another answer.

        Raises:
            BudgetError: there is no money for the call.
            JudgeError: both answers were unusable, the endpoint failed, time was up, or judging has ended.
        """
        call = CallContext(
            fingerprint=self._fingerprint(question, sample),
            kind=question.kind,
            model=self.client.model,
            deadline=deadline,
            stop=self.stop,
            report_id=self.report_id,
            agent_id=question.agent_id,
            sample=sample,
            fresh_since=self.fresh_since,
            spent=spent,
        )
        drafts: list[Draft] = []

        def most_usd() -> float | None:
            drafts[:] = drafts or [self._compose(question, call, self.evidence_tokens)]
            return self.most_usd(drafts[0][2])

        with claimed(self.ledger, call, most_usd) as held:
            if isinstance(held, PaidAnswer):
                # An answer that an earlier version could use and this one cannot is asked for again.
                with suppress(UnusableAnswerError):
                    answer = parse_answer(held.answer, question.kind, question.rubric, question.labelled_runs)
                    if self.report_id is None or held.report_id != self.report_id:
                        return answer, True
                    # Paid for by this very report, before it was killed or made again: it is a cost of this report.
                    spent.add(held.prompt_tokens, held.completion_tokens, held.cost_usd)
                    return answer, False
            claim = held if isinstance(held, Claim) else None
            return self._pay(question, call, claim, drafts), False

    def _pay(self, question: Question, call: CallContext, claim: Claim | None, drafts: Sequence[Draft]) -> JudgeAnswer:
        messages, shown, reply = self._first(question, call, claim, drafts)
        problems: tuple[str, ...] = ()
        first = ""
        repair = messages
        for turn in range(2):
            if turn:
                first = "; ".join(problems)
                reply = self._call(question, repair, estimate_messages(repair), call, claim)
            outcome, answer = "usable", None
            try:
                answer = _use(reply, question)
            except UnusableAnswerError as error:
                problems = error.problems
                outcome = _outcome(reply)
                repair = messages + build_repair(reply.text, problems)
                if claim is not None:
                    claim.most_usd = self.most_usd(estimate_messages(repair))
            if reply.paid:
                self.ledger.commit(self._paid(call, reply, outcome), claim)
            if answer is not None:
                return replace(answer, shown=shown)
        second = "; ".join(problems)
        raise UnusableAnswerError([f"the judge's answer could not be used ({first}), nor could the second: {second}"])

    def settings(self) -> dict[str, Any]:
        """What of the judge decides an answer, whatever the evidence and the criteria."""
        return {
            "model": self.client.model,
            "parameters": self.client.parameters(),
            "prompt_version": PROMPT_VERSION,
            "evidence_tokens": self.evidence_tokens,
        }

    def most_usd(self, estimated_tokens: int) -> float | None:
        """What a call of about so many prompt tokens can cost at the most; None when the price is not known.

        Where no table has it, it is known from the first call on of which the endpoint stated the cost.
        """
        prompt, output = round(estimated_tokens * max(1.0, self.scale.factor)), self.client.max_output_tokens
        priced = self.prices.cost_usd(self.client.model, Tokens(prompt, output), datetime.now(UTC))
        return self.stated_price.most_usd(prompt, output) if priced is None else priced

    def _first(
        self, question: Question, call: CallContext, claim: Claim | None, drafts: Sequence[Draft]
    ) -> tuple[list[dict[str, str]], RenderedEvidence, Reply]:
        """The first reply; a question that the model's context does not hold is asked once more, shorter by 30 %."""
        budget = self.evidence_tokens
        for last in (False, True):
            draft = drafts[0] if drafts and not last else self._compose(question, call, budget)
            messages, shown, estimated = draft
            try:
                return messages, shown, self._call(question, messages, estimated, call, claim)
            except ContextLengthError as error:
                if last:
                    raise JudgeError(f"the evidence is too long for the judge, shortened as well: {error}") from None
                budget = int(budget * _SHRINK)
        raise AssertionError("unreachable")

    def _compose(self, question: Question, call: CallContext, budget_tokens: int) -> Draft:
        return compose(question, budget_tokens, self.scale, call.sample / self.samples)

    def _call(
        self,
        question: Question,
        messages: list[dict[str, str]],
        estimated: int,
        call: CallContext,
        claim: Claim | None,
    ) -> Reply:
        call.stop.check()
        with self.budget.pay(lambda: self.most_usd(estimated), deadline=call.deadline, stop=call.stop) as payment:
            most_usd = self.most_usd(estimated)
            try:
                reply = self.client.complete(messages, question.schema, deadline=call.deadline, stop=call.stop)
            except BaseException as error:
                # Of an error that is not the client's own it is not known whether the call was sent.
                unanswered = error.unanswered if isinstance(error, JudgeError) else 1
                payment.cost_usd = unanswered * payment.most_usd
                call.spent.lose(unanswered)
                if claim is not None:
                    claim.lose(unanswered, most_usd)
                raise
            cost = self._cost(reply)
            self.stated_price.learn(reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens, reply.cost_usd)
            payment.cost_usd = (payment.most_usd if cost is None else cost) + reply.unanswered * payment.most_usd
        call.spent.lose(reply.unanswered)
        if claim is not None:
            # A reply that is no completion is no answer, and its cost is unknown.
            claim.lose(reply.unanswered + (not reply.paid), most_usd)
        call.spent.add(reply.prompt_tokens, reply.completion_tokens, cost)
        self.scale.learn(estimated, reply.prompt_tokens)
        return reply

    def _cost(self, reply: Reply) -> float | None:
        tokens = Tokens(reply.prompt_tokens, reply.completion_tokens, cached=reply.cached_tokens)
        now = datetime.now(UTC)
        cost = self.prices.cost_usd(reply.model, tokens, now)
        # A proxy may answer with a name of its own; what was asked for is then the better name.
        cost = self.prices.cost_usd(self.client.model, tokens, now) if cost is None else cost
        return reply.cost_usd if cost is None else cost

    def _fingerprint(self, question: Question, sample: int) -> str:
        return fingerprint(
            self.settings()
            | {
                "kind": question.kind,
                "schema": question.schema,
                "goal": question.goal,
                # Weights and thresholds are left out: they are never sent, code applies them afterwards.
                "criteria": {name: criterion.description for name, criterion in question.rubric.items()},
                "order": list(question.rubric),
                "evidence": question.digest,
                # The first of several is the same question as a single one.
                "sample": [sample, self.samples] if sample else 0,
            }
        )

    def _paid(self, call: CallContext, reply: Reply, outcome: str) -> PaidAnswer:
        return PaidAnswer(
            fingerprint=call.fingerprint,
            kind=call.kind,
            model=reply.model,
            answer=reply.text,
            outcome=outcome,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cached_tokens=reply.cached_tokens,
            cost_usd=self._cost(reply),
            latency_seconds=reply.latency_seconds,
            attempts=reply.attempts,
            report_id=call.report_id,
            agent_id=call.agent_id,
            sample=call.sample,
        )


def compose(question: Question, budget_tokens: int, scale: TokenScale | None = None, rotation: float = 0.0) -> Draft:
    """A question as it is sent; its evidence is in at most ``budget_tokens``, as far as this model's count is known."""
    factor = scale.factor if scale else 1.0
    room = int(budget_tokens / factor)
    for _ in range(_FITTING_TRIES):
        shown = question.render(room, rotation)
        size = estimate_tokens(shown.text)
        if size * factor <= budget_tokens:
            break
        # The facts and what stands between the runs are not in the runs' shares.
        room = int(room * budget_tokens / (size * factor) * 0.97)
    messages = build_messages(question.kind, question.rubric, Fence().around(shown.text), question.goal)
    return messages, shown, size + estimate_messages(messages[:-1])


def estimate_messages(messages: Sequence[Mapping[str, str]]) -> int:
    """Estimated tokens of ``messages``, with what frames them."""
    return sum(estimate_tokens(message["content"]) for message in messages) + _MESSAGE_OVERHEAD


def _use(reply: Reply, question: Question) -> JudgeAnswer:
    if reply.problem:
        raise UnusableAnswerError([reply.problem])
    if reply.refusal:
        raise UnusableAnswerError([f"the judge refused: {' '.join(reply.refusal.split())[:200]}"])
    if reply.finish_reason == "content_filter":
        raise UnusableAnswerError(["the endpoint's content filter cut the answer off"])
    cut_off = reply.finish_reason == "length"
    if reply.only_reasoned and not cut_off:
        raise UnusableAnswerError(["the answer is empty: the model sent nothing but reasoning"])
    try:
        return parse_answer(reply.text, question.kind, question.rubric, question.labelled_runs, cut_off=cut_off)
    except UnusableAnswerError:
        if not cut_off:
            raise
        raise UnusableAnswerError(["the answer was cut off at its length limit; keep it shorter"]) from None


def _outcome(reply: Reply) -> str:
    if reply.refusal:
        return "refused"
    return reply.finish_reason if reply.finish_reason in ("length", "content_filter") else "unparseable"
