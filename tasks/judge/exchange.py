"""One question to the judge, from the ledger or from the endpoint, asked once more when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.errors import JudgeError
from tasks.evidence.prices import RunPrices, Tokens
from tasks.judge.answer import Answer, Kind, UnusableAnswerError, build_schema, parse_answer
from tasks.judge.client import JudgeClient, Reply
from tasks.judge.gate import Stop
from tasks.judge.ledger import Ledger, PaidAnswer, fingerprint
from tasks.judge.prompts import PROMPT_VERSION, build_messages, build_repair
from tasks.judge.rubric import Criterion


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the rubric, and the evidence as it is sent. The same text is the same question."""

    kind: Kind
    rubric: Mapping[str, Criterion]
    text: str
    run_ids: frozenset[int]
    goal: str = ""
    agent_id: int | None = None


@dataclass(slots=True)
class Spent:
    """Tokens and USD of the calls made for one question; what no call reported, or one call did not, is None."""

    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    unknown: set[str] = field(default_factory=set)

    def add(self, reply: Reply, cost_usd: float | None) -> None:
        """Count one reply. One unknown part makes the sum unknown: it is never taken for 0."""
        self.calls += 1
        for name, value in (
            ("prompt_tokens", reply.prompt_tokens),
            ("completion_tokens", reply.completion_tokens),
            ("cost_usd", cost_usd),
        ):
            if value is None or name in self.unknown:
                self.unknown.add(name)
                setattr(self, name, None)
            else:
                setattr(self, name, (getattr(self, name) or 0) + value)


@dataclass(frozen=True, slots=True)
class Judge:
    """Everything a judgement needs beside its question; one per report."""

    client: JudgeClient
    ledger: Ledger
    prices: RunPrices
    stop: Stop
    report_id: int | None = None
    fresh: bool = False

    def ask(self, question: Question, *, deadline: float, spent: Spent) -> tuple[Answer, bool]:
        """A usable answer, and whether it came from the ledger. ``spent`` is filled in also when this raises.

        Raises:
            JudgeError: both answers were unusable, the endpoint failed, time was up, or judging has ended.
        """
        schema = build_schema(question.kind, question.rubric)
        messages = build_messages(question.kind, question.rubric, question.text, question.goal)
        key = fingerprint(self.settings() | {"kind": question.kind, **self._parts(question, schema)})
        if not self.fresh and (known := self.ledger.find(key)) is not None:
            # An answer that an earlier version could use and this one cannot is asked for anew.
            with suppress(UnusableAnswerError):
                return parse_answer(known.answer, question.kind, question.rubric, question.run_ids), True
        problems: tuple[str, ...] = ()
        answered = ""
        for turn in range(2):
            self.stop.check()
            sent = messages + build_repair(answered, problems) if turn else messages
            reply = self.client.complete(sent, schema, deadline=deadline, stop=self.stop)
            cost = self._cost(reply)
            spent.add(reply, cost)
            answered = reply.text
            outcome, answer = "usable", None
            try:
                answer = _use(reply, question)
            except UnusableAnswerError as error:
                problems = error.problems
                outcome = _outcome(reply)
            if reply.paid:
                self.ledger.commit(self._paid(key, question, reply, outcome, cost))
            if answer is not None:
                return answer, False
        raise JudgeError(f"the judge's answer could not be used, nor could the second: {'; '.join(problems)}")

    def settings(self) -> dict[str, Any]:
        """What of the judge decides an answer, whatever the evidence."""
        return {"model": self.client.model, "parameters": self.client.parameters(), "prompt_version": PROMPT_VERSION}

    def _cost(self, reply: Reply) -> float | None:
        tokens = Tokens(reply.prompt_tokens, reply.completion_tokens, cached=reply.cached_tokens)
        now = datetime.now(UTC)
        cost = self.prices.cost_usd(reply.model, tokens, now)
        # A proxy may answer with a name of its own; what was asked for is then the better name.
        return self.prices.cost_usd(self.client.model, tokens, now) if cost is None else cost

    def _parts(self, question: Question, schema: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "schema": schema,
            "goal": question.goal,
            # Weights and thresholds are left out: they are never sent, code applies them afterwards.
            "criteria": {name: criterion.description for name, criterion in question.rubric.items()},
            "order": list(question.rubric),
            "evidence": question.text,
        }

    def _paid(self, key: str, question: Question, reply: Reply, outcome: str, cost: float | None) -> PaidAnswer:
        return PaidAnswer(
            fingerprint=key,
            kind=question.kind,
            model=reply.model,
            answer=reply.text,
            outcome=outcome,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cached_tokens=reply.cached_tokens,
            cost_usd=cost,
            latency_seconds=reply.latency_seconds,
            attempts=reply.attempts,
            report_id=self.report_id,
            agent_id=question.agent_id,
        )


def _use(reply: Reply, question: Question) -> Answer:
    if reply.problem:
        raise UnusableAnswerError([reply.problem])
    if reply.refusal:
        raise UnusableAnswerError([f"the judge refused: {' '.join(reply.refusal.split())[:200]}"])
    if reply.finish_reason == "content_filter":
        raise UnusableAnswerError(["the endpoint's content filter cut the answer off"])
    if reply.finish_reason == "length":
        raise UnusableAnswerError(["the answer was cut off at its length limit; keep it shorter"])
    return parse_answer(reply.text, question.kind, question.rubric, question.run_ids)


def _outcome(reply: Reply) -> str:
    if reply.refusal:
        return "refused"
    return reply.finish_reason if reply.finish_reason in ("length", "content_filter") else "unparseable"
