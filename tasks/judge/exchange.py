"""One question to the judge, from the ledger or from the endpoint, asked once more when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tasks.errors import ContextLengthError, JudgeError, UnusableAnswerError
from tasks.evidence.prices import RunPrices, Tokens
from tasks.judge.answer import JudgeAnswer
from tasks.judge.budget import Budget
from tasks.judge.call_context import CallContext, Spent
from tasks.judge.claims import claimed
from tasks.judge.cut_off import describe_cut_prompt, ended_by_context, is_spent_on_reasoning, was_prompt_cut
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.endpoint.model_limits import Bounds, bounds_from, count_of_prompt, is_count_of_tokens
from tasks.judge.endpoint.reply import Reply
from tasks.judge.endpoint.schema import follows
from tasks.judge.endpoint.stated_limits import StatedLimits, read_stated_limits
from tasks.judge.endpoint.stated_price import StatedPrice
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import Claim, Ledger, PaidAnswer, fingerprint
from tasks.judge.prompt.instructions import PROMPT_VERSION
from tasks.judge.prompt.prompts import build_repair
from tasks.judge.prompt.tokens import TokenScale, estimate_tokens
from tasks.judge.question import Draft, Question, fit, follow_up, verdicts_at_once
from tasks.judge.runs.guidance import Guidance
from tasks.judge.runs.parsing import read_verdicts

# A call that is refused for its length costs nothing; where no limit is stated, each refusal halves the question.
_MOST_REFUSALS = 5
# By how much the estimate is taken to be off when a question is refused that should have fitted.
_CORRECTION = 1.3
# A refused prompt is longer than those that follow and has another share of instructions: its count weighs little.
_REFUSED_WEIGHT = 1000


@dataclass(frozen=True, slots=True)
class Judge:
    """Everything a judgement needs beside its question; one per report.

    ``evidence_tokens`` is the budget of evidence in one question, ``context_tokens`` what the model holds according to
    the settings (None: they leave it open), ``samples`` how often each question is asked. Answers
    that were paid for before ``fresh_since`` (aware; None: no bound) are not used again. Verdicts on runs follow
    ``guidance``.
    """

    client: JudgeClient
    ledger: Ledger
    prices: RunPrices
    stop: StopSignal
    budget: Budget = field(default_factory=Budget)
    scale: TokenScale = field(default_factory=TokenScale)
    stated_price: StatedPrice = field(default_factory=StatedPrice)
    evidence_tokens: int = 80_000
    context_tokens: int | None = None
    samples: int = 1
    report_id: int | None = None
    fresh_since: datetime | None = None
    guidance: Guidance | None = None
    slots: RateLimiter = field(default_factory=lambda: RateLimiter(0))

    def prepare(self, question: Question) -> Draft | None:
        """``question`` made to fit, for ``ask``; None if it cannot be, which ``ask`` finds out again."""
        with suppress(ContextLengthError):
            return self._fit(question.guided_by(self.guidance), sample=0)
        return None

    def ask(
        self, question: Question, *, deadline: float, spent: Spent, sample: int = 0, draft: Draft | None = None
    ) -> tuple[JudgeAnswer, bool]:
        """A usable answer, and whether it came from the ledger. ``spent`` is filled in also when this raises.

        ``sample`` counts from 0: the same question asked again is another answer. ``draft`` is what ``prepare`` made of
        the question for the first.

        Raises:
            BudgetError: there is no money for the call.
            JudgeError: both answers were unusable, the endpoint failed, time was up, or judging has ended.
        """
        question = question.guided_by(self.guidance)
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
        drafts = [draft] if draft is not None else []

        def most_usd() -> float | None:
            # What cannot fit is found out again, and reported, once the claim is held.
            with suppress(ContextLengthError):
                drafts[:] = drafts or [self._fit(question, sample)]
            return self._most_usd(drafts[0]) if drafts else self.most_usd(self.evidence_tokens)

        with claimed(self.ledger, call, most_usd) as held:
            if isinstance(held, PaidAnswer):
                # An answer that an earlier version could use and this one cannot is asked for again.
                with suppress(UnusableAnswerError):
                    answer = self._with_shown(question.parse(held.answer), question, call)
                    if self.report_id is None or held.report_id != self.report_id:
                        return answer, True
                    # Paid for by this very report, before it was killed or made again: it is a cost of this report.
                    spent.add(held.prompt_tokens, held.completion_tokens, held.cost_usd)
                    return answer, False
            claim = held if isinstance(held, Claim) else None
            return self._pay(question, call, claim, drafts), False

    def recall(self, question: Question) -> JudgeAnswer | None:
        """The usable answer that the ledger has to ``question``; None without one. Nothing is paid."""
        held = self.ledger.find(self._fingerprint(question, 0), since=self.fresh_since, report_id=self.report_id)
        with suppress(UnusableAnswerError):
            return None if held is None else question.parse(held.answer)
        return None

    def verdicts_at_once(self, criteria: int) -> int:
        """On how many runs one answer holds verdicts, with checks of ``criteria``; a small context gives few.

        By the settings alone: with what is learned of a model, the same runs would become other questions.
        """
        return verdicts_at_once(criteria, self.client.max_output_tokens, self.context_tokens)

    def _with_shown(self, answer: JudgeAnswer, question: Question, call: CallContext) -> JudgeAnswer:
        """``answer``, from the ledger, with what the same question shows today, and the runs that it leaves out."""
        if question.asks in ("scores", "words"):
            return answer
        with suppress(ContextLengthError):
            shown = self._fit(question, call.sample).shown
            known = {verdict.label for verdict in answer.run_verdicts}
            missing = [label for label in shown.labels if label not in known]
            verdicts = read_verdicts({}, missing, question.rubric, question.labelled_runs)
            return replace(answer, shown=shown, run_verdicts=(*answer.run_verdicts, *verdicts))
        return answer

    def _pay(self, question: Question, call: CallContext, claim: Claim | None, drafts: Sequence[Draft]) -> JudgeAnswer:
        draft, reply = self._first(question, call, claim, drafts)
        problems: tuple[str, ...] = ()
        first = ""
        repair: Draft | None = None
        partial: JudgeAnswer | None = None
        for turn in range(2):
            if turn:
                first = "; ".join(problems)
                draft, reply = self._second(question, call, claim, repair)
            if reply.paid:
                self._notice_schema(reply, draft)
            outcome, answer, has_more_room = "usable", None, False
            try:
                answer = question.parse_reply(reply, draft.shown.labels)
                problems = answer.to_repair
            except UnusableAnswerError as error:
                problems = error.problems
            if answer is not None:
                answer = replace(answer, shown=draft.shown, warnings=self._warnings(draft, reply))
                # Of two that are no whole answer the better one is used.
                partial = answer.or_better(partial)
            if answer is None or (problems and not (turn and partial is answer)):
                answer = None
                outcome = reply.unusable_outcome
                has_more_room = self._has_more_room(draft, reply)
                repair = None if has_more_room else self._repair(question, draft, reply, problems)
                if claim is not None:
                    claim.most_usd = self._most_usd(repair or draft)
            if reply.paid:
                self.ledger.commit(self._paid(call, reply, outcome), claim)
            if answer is not None:
                return answer.with_problems()
            if is_spent_on_reasoning(reply) and (turn or not has_more_room) and partial is None:
                raise UnusableAnswerError([self._describe_reasoning(draft)])
        if partial is not None:
            return partial.with_problems()
        second = "; ".join(problems)
        if reply.finish_reason == "length":
            second += " (AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS)"
        raise UnusableAnswerError([f"the judge's answer could not be used ({first}), nor could the second: {second}"])

    def _has_more_room(self, draft: Draft, reply: Reply) -> bool:
        """Whether an answer that was cut off gets more room when the question is made to fit again.

        It does where a context had lowered its limit. What is configured is what a call may cost: no call gets more.
        """
        if reply.finish_reason != "length":
            return False
        if self.client.capabilities.form.limit and (context := ended_by_context(reply, draft.output_tokens)):
            return self.client.limits.learn(Bounds(context_tokens=context))
        most = self.client.most_output_tokens
        return draft.output_tokens < most and self.client.limits.learn(
            Bounds(least_output_tokens=min(most, 2 * draft.output_tokens))
        )

    def _warnings(self, draft: Draft, reply: Reply) -> tuple[str, ...]:
        counted = draft.estimated * min(1.0, self.scale.factor)
        return (describe_cut_prompt(reply, counted),) if was_prompt_cut(reply, counted) else ()

    def _describe_reasoning(self, draft: Draft) -> str:
        spent = f"the model spent its whole limit of {draft.output_tokens:,} tokens an answer on reasoning"
        less = "or let it reason less (reasoning_effort in AGENT_REPORT_JUDGE_EXTRA)"
        if draft.output_tokens < self.client.most_output_tokens:
            return f"{spent}, and its context leaves no more: give the model a larger context, {less}"
        return f"{spent}, and no answer came: raise AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS, {less}"

    def _notice_schema(self, reply: Reply, draft: Draft) -> None:
        """Some endpoints take the schema and ignore it, as Anthropic's OpenAI-compatible one does."""
        cut_off = reply.refusal or reply.finish_reason in ("length", "content_filter")
        if not cut_off and not follows(reply.text, draft.schema):
            self.client.capabilities.ignored()

    def settings(self) -> dict[str, Any]:
        """What of the judge decides an answer, whatever the evidence and the criteria."""
        return {
            "model": self.client.model,
            "parameters": self.client.parameters(),
            "prompt_version": PROMPT_VERSION,
            "evidence_tokens": self.evidence_tokens,
        } | ({"guidance": self.guidance.settings()} if self.guidance is not None else {})

    def most_usd(self, estimated_tokens: int, output_tokens: int | None = None) -> float | None:
        """What a call of about so many prompt tokens can cost at the most; None when the price is not known.

        Where no table has it, it is known from the first call on of which the endpoint stated the cost. An answer has
        ``output_tokens`` at the most (None: what is configured).
        """
        prompt = round(estimated_tokens * max(1.0, self.scale.factor))
        output = self.client.most_output_tokens if output_tokens is None else output_tokens
        tokens, now = Tokens(prompt, output), datetime.now(UTC)
        # A call in a cheaper tier may end in the standard one.
        priced = [self.prices.cost_usd(self.client.model, tokens, now, tier) for tier in {"", self.client.tier.current}]
        known = [cost for cost in priced if cost is not None]
        return max(known) if len(known) == len(priced) else self.stated_price.most_usd(prompt, output)

    def _most_usd(self, draft: Draft) -> float | None:
        return self.most_usd(draft.estimated, draft.output_tokens)

    def _first(
        self, question: Question, call: CallContext, claim: Claim | None, drafts: Sequence[Draft] = ()
    ) -> tuple[Draft, Reply]:
        """The first reply; a question that is refused for its length is asked again, made to fit what was learned."""
        correction = 1.0
        refused = ""
        for refusal in range(_MOST_REFUSALS + 1):
            draft = drafts[0] if drafts and not refusal else self._fit(question, call.sample, correction, refused)
            try:
                return draft, self._call(question, draft, call, claim)
            except ContextLengthError as error:
                refused = str(error)
                correction = self._learn(draft, read_stated_limits(error.words, error.figures), correction)
        raise JudgeError(
            f"the evidence is too long for the judge, shortened to about {draft.estimated:,} tokens of prompt as well: "
            f"{refused} (AGENT_REPORT_JUDGE_CONTEXT_TOKENS is to be what the model takes, prompt and answer together)"
        )

    def _second(
        self, question: Question, call: CallContext, claim: Claim | None, repair: Draft | None
    ) -> tuple[Draft, Reply]:
        """The reply to ``repair``; where that has no room, to the question itself, made to fit again."""
        if repair is not None:
            try:
                return repair, self._call(question, repair, call, claim)
            except ContextLengthError as error:
                self._learn(repair, read_stated_limits(error.words, error.figures), 1.0)
        return self._first(question, call, claim)

    def _repair(self, question: Question, draft: Draft, reply: Reply, problems: Sequence[str]) -> Draft | None:
        """The turn that asks once more; without the answer that it is about where there is no room for both."""
        turns = [build_repair(text, problems) for text in (reply.text, "")]
        added = self._added_tokens(question)
        return follow_up(question, draft, turns, self._bounds, factor=self.scale.factor, added_tokens=added)

    def _learn(self, draft: Draft, stated: StatedLimits | None, correction: float) -> float:
        """Note what a refusal shows about the model; by how much this question's estimate is off beside the scale's."""
        factor = self.scale.factor * correction
        prompt = draft.estimated * factor
        known = self._bounds
        counted = count_of_prompt(stated, prompt, draft.output_tokens) if stated else None
        learned = bounds_from(stated, prompt, draft.output_tokens)
        tighter = self.client.limits.learn(learned, guessed=stated is None or not stated.has_limit)
        if counted and is_count_of_tokens(counted, draft.estimated):
            self.scale.learn(_REFUSED_WEIGHT, round(_REFUSED_WEIGHT * counted / draft.estimated))
            return max(1.0, counted / draft.estimated / self.scale.factor)
        # Nothing new: it should have fitted into what is known.
        return correction if tighter or not known.holds(prompt, draft.output_tokens) else correction * _CORRECTION

    def _fit(self, question: Question, sample: int, correction: float = 1.0, refused: str = "") -> Draft:
        try:
            return fit(
                question,
                self.evidence_tokens,
                self._bounds,
                factor=self.scale.factor * correction,
                most_output_tokens=self.client.max_output_tokens,
                added_tokens=self._added_tokens(question),
                rotation=question.rotation(sample, self.samples),
            )
        except ContextLengthError as error:
            raise ContextLengthError(f"{error} (last: {refused})" if refused else str(error)) from None

    @property
    def _bounds(self) -> Bounds:
        """The model's limits, by the settings and by what was learned."""
        return self.client.limits.bounds.within(Bounds(context_tokens=self.context_tokens))

    def _added_tokens(self, question: Question) -> int:
        """What the schema takes as text, for an endpoint that is given it in the instructions."""
        added = self.client.capabilities.form.messages([], question.schema)
        return sum(estimate_tokens(message["content"]) for message in added)

    def _call(self, question: Question, draft: Draft, call: CallContext, claim: Claim | None) -> Reply:
        call.stop.check()
        with self.budget.pay(lambda: self._most_usd(draft), deadline=call.deadline, stop=call.stop) as payment:
            most_usd = self._most_usd(draft)
            try:
                reply = self.client.complete(
                    draft.messages,
                    draft.schema,
                    output_tokens=draft.output_tokens,
                    deadline=call.deadline,
                    stop=call.stop,
                )
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
        # The count of a prompt that was cut is no measure of the tokenizer.
        if not was_prompt_cut(reply, draft.estimated * min(1.0, self.scale.factor)):
            self.scale.learn(draft.estimated, reply.prompt_tokens)
        return reply

    def _cost(self, reply: Reply) -> float | None:
        tokens = Tokens(reply.prompt_tokens, reply.completion_tokens, cached=reply.cached_tokens)
        now, tier = datetime.now(UTC), reply.service_tier
        cost = self.prices.cost_usd(reply.model, tokens, now, tier)
        # A proxy may answer with a name of its own; what was asked for is then the better name.
        cost = self.prices.cost_usd(self.client.model, tokens, now, tier) if cost is None else cost
        return reply.cost_usd if cost is None else cost

    def _endpoint(self) -> dict[str, Any]:
        # Not among the settings: reports remain comparable when the same model has moved.
        address = self.client.address
        return {} if address is None else {"endpoint": address.identity}

    def _fingerprint(self, question: Question, sample: int) -> str:
        return fingerprint(
            self.settings()
            | self._endpoint()
            | {
                "kind": question.kind,
                "asks": question.asks,
                # Which of its runs are shown follows from the rest.
                "schema": question.schema_of(()),
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
