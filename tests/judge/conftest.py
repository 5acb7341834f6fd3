"""Builders of evidence, questions and endpoints for the tests of the judge."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.evidence.metrics import build_evidence
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Agent, AgentRuns, Evidence, Run
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.endpoint.client import JudgeClient, open_endpoint
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.exchange import Judge
from tasks.judge.ledger import Claim, PaidAnswer, unknown_cost
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.question import Question

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = "sk-secret-0123456789abcdef"


class MemoryLedger:
    """A ledger in memory: ``answers`` in the order of their commits, ``claims`` by fingerprint, ``unanswered`` calls.

    Claims never lapse.
    """

    def __init__(self) -> None:
        self.answers: list[PaidAnswer] = []
        self.claims: dict[str, Claim] = {}
        self.claimed_seconds: list[float] = []
        self.unanswered = 0
        self._arrived: list[datetime] = []
        self._lock = threading.RLock()

    def find(
        self, fingerprint: str, *, since: datetime | None = None, report_id: int | None = None
    ) -> PaidAnswer | None:
        with self._lock:
            for answer, moment in zip(reversed(self.answers), reversed(self._arrived), strict=True):
                old = since is not None and moment < since
                if answer.fingerprint == fingerprint and answer.outcome == "usable" and not old:
                    return answer
        return None

    def claim(
        self,
        fingerprint: str,
        *,
        seconds: float,
        since: datetime | None = None,
        most_usd: Callable[[], float | None] = unknown_cost,
        **_: Any,
    ) -> PaidAnswer | Claim | None:
        with self._lock:
            if (known := self.find(fingerprint, since=since)) is not None:
                return known
            if fingerprint in self.claims:
                return None
            self.claimed_seconds.append(seconds)
            claim = Claim(id=len(self.claimed_seconds), fingerprint=fingerprint, most_usd=most_usd())
            self.claims[fingerprint] = claim
            return self.claims[fingerprint]

    def commit(self, answer: PaidAnswer, claim: Claim | None = None) -> None:
        with self._lock:
            self.answers.append(answer)
            self._arrived.append(datetime.now(UTC))
            if claim is not None:
                self.unanswered += claim.unanswered
                claim.unanswered = 0
            if claim is not None and answer.outcome == "usable":
                claim.answered = True
                self.release(claim)

    def release(self, claim: Claim) -> None:
        with self._lock:
            self.unanswered += claim.unanswered
            if self.claims.get(claim.fingerprint) == claim:
                del self.claims[claim.fingerprint]

    def flush(self) -> None:
        """Everything is written at once."""


@pytest.fixture
def rubric() -> dict[str, Criterion]:
    """Two criteria: accuracy (weight 3, threshold 7) and care (weight 1, threshold 5)."""
    return {
        "accuracy": Criterion(weight=3, threshold=7, description="Answers are right."),
        "care": Criterion(weight=1, threshold=5, description="Nothing is broken on the way."),
    }


@pytest.fixture
def make_answer() -> Callable[..., dict[str, Any]]:
    """A usable answer to ``rubric`` as a dict; parts by name. ``accuracy=…`` and ``care=…`` change a criterion."""

    def make(**parts: Any) -> dict[str, Any]:
        criteria = {
            name: {
                "reasoning": f"On {name}.",
                "score": score,
                "examples": [{"label": "R1", "quote": "Done 1", "text": "Seen."}],
            }
            | parts.pop(name, {})
            for name, score in (("accuracy", 8), ("care", 6))
        }
        answer = {
            "contradictions": [],
            "criteria": criteria,
            "reasoning": "Over all.",
            "strengths": ["s"],
            "weaknesses": ["w"],
        }
        return answer | {"recommendations": ["r"]} | parts

    return make


@pytest.fixture
def make_agent() -> Callable[..., Agent]:
    def make(agent_id: int | str = 1, name: str = "billing-bot", **fields: Any) -> Agent:
        return Agent(id=str(agent_id), name=name, environment="prod", **fields)

    return make


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """``make_run(7)``: a completed run of 10 s; run 1 is the newest."""

    def make(run_id: int | str = 1, **fields: Any) -> Run:
        status = fields.get("status", "completed")
        outcomes = {"completed": "completed", "failed": "failed"}
        values: dict[str, Any] = {
            "id": str(run_id),
            "agent_id": "1",
            "status": status,
            "outcome": outcomes.get(status, "unfinished"),
            "started_at": STARTED - timedelta(minutes=run_id),
            "duration_seconds": 10.0,
            "task": f"Task {run_id}",
            "final_response": f"Done {run_id}",
        }
        return Run(**(values | fields))

    return make


@pytest.fixture
def make_evidence(make_agent: Callable[..., Agent], make_run: Callable[..., Run]) -> Callable[..., Evidence]:
    """``make_evidence([run, …], traces=…, agent=…)``; by default runs 1 and 2, of which the second failed."""

    def make(runs: Sequence[Run] | None = None, **parts: Any) -> Evidence:
        if runs is None:
            runs = [make_run(1), make_run(2, status="failed", error="boom")]
        found = AgentRuns(runs=tuple(runs), warnings=parts.get("warnings", ()))
        return build_evidence(parts.get("agent", make_agent()), found, parts.get("traces", ()), RunPrices())

    return make


@pytest.fixture
def labelled_runs(make_run: Callable[..., Run]) -> LabelledRuns:
    """R1 and R2, the runs 1 and 2."""
    return LabelledRuns([LabelledRun(f"R{number}", make_run(number), None) for number in (1, 2)])


@pytest.fixture
def question(rubric: dict[str, Criterion], labelled_runs: LabelledRuns) -> Question:
    return Question(
        kind="agent",
        rubric=rubric,
        digest="of the evidence",
        labelled_runs=labelled_runs,
        render=lambda budget, rotation: RenderedEvidence("The evidence."),
        agent_id="5",
    )


@pytest.fixture
def serve() -> Iterator[Callable[..., SimulatedJudge]]:
    """``serve(first, second, …)``: an endpoint whose n-th reply is the n-th, and the last one from then on.

    A reply is a Response, or the text of a completion; a function is asked with the payload and the request.
    """
    with ExitStack() as stack:

        def start(*replies: Any, seconds: float = 0.0) -> SimulatedJudge:
            lock, left = threading.Lock(), list(replies)

            def respond(payload: dict[str, Any], request: Any) -> Response | None:
                with lock:
                    reply = left.pop(0) if len(left) > 1 else (left[0] if left else None)
                if callable(reply):
                    reply = reply(payload, request)
                if isinstance(reply, str):
                    reply = completion(reply)
                if isinstance(reply, dict):
                    reply = Response(body=json.dumps(reply).encode())
                if isinstance(reply, Response):  # A copy: the server fills in the delay.
                    reply = Response(
                        reply.status, reply.body, reply.content_type, reply.headers, reply.delay_seconds, reply.drop
                    )
                return reply

            return stack.enter_context(SimulatedJudge(agent_seconds=seconds, team_seconds=seconds, respond=respond))

        yield start


@pytest.fixture
def make_client() -> Iterator[Callable[..., JudgeClient]]:
    """``make_client(server.base_url, width=…, …)``: a client with a real SDK, quick to retry."""
    opened: list[JudgeClient] = []

    def make(base_url: str, *, width: int = 0, key: str = KEY, **fields: Any) -> JudgeClient:
        values: dict[str, Any] = {"model": "gpt-5.4-mini", "first_backoff_seconds": 0.02, "max_attempts": 3} | fields
        opened.append(JudgeClient(openai=open_endpoint(base_url, key), limiter=RateLimiter(width), **values))
        return opened[-1]

    yield make
    for client in opened:
        client.openai.close()


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def make_judge() -> Callable[..., Judge]:
    """``make_judge(client, ledger=…, prices=…, samples=…)``."""

    def make(client: JudgeClient, **parts: Any) -> Judge:
        values: dict[str, Any] = {"ledger": MemoryLedger(), "prices": RunPrices(), "stop": StopSignal(), "report_id": 3}
        return Judge(client=client, **(values | parts))

    return make


@pytest.fixture
def judging(
    serve: Callable[..., SimulatedJudge], make_client: Callable[..., JudgeClient], make_judge: Callable[..., Judge]
) -> Callable[..., tuple[Judge, SimulatedJudge]]:
    """``judging(first, second, …, ledger=…)``: a judge before an endpoint of these replies, and the endpoint."""

    def make(*replies: Any, **parts: Any) -> tuple[Judge, SimulatedJudge]:
        server = serve(*replies)
        return make_judge(make_client(server.base_url), **parts), server

    return make


@pytest.fixture
def asking(judging: Callable[..., tuple[Judge, SimulatedJudge]]) -> Callable[..., tuple[Judge, SimulatedJudge]]:
    """As ``judging``, at 1 USD a million tokens in (cached ones 0.1) and 10 out."""
    return partial(judging, prices=RunPrices({"gpt-5.4-mini": {"input": 1.0, "output": 10.0, "cached": 0.1}}))


@pytest.fixture
def make_reply() -> Callable[..., dict[str, Any]]:
    """``make_reply(content, cached=…, finish_reason=…)``: a completion of 1,000 tokens in and 100 out."""

    def make(
        content: str | None, given: int = 1000, made: int = 100, cached: int | None = None, **changes: Any
    ) -> dict[str, Any]:
        details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
        usage = {"prompt_tokens": given, "completion_tokens": made, **details}
        return completion(content, model="gpt-5.4-mini", **({"usage": usage} | changes))

    return make


@pytest.fixture
def good(make_answer: Callable[..., dict[str, Any]]) -> str:
    """A usable answer to ``rubric``."""
    return json.dumps(make_answer())


@pytest.fixture
def soon() -> float:
    """A deadline 20 s from now."""
    return time.monotonic() + 20
