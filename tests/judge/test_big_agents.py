"""Agents whose runs hold far more than a judge can read: judged within the budget, by counts near the truth."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.judge import SimulatedJudge, asked_schema, completion
from deployments.demo.loopback import Response
from tasks.evidence.types import Evidence, Run, ToolCall
from tasks.judge.agent import judge_agent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.exchange import Judge
from tasks.judge.prompt.tokens import estimate_tokens

Judging = Callable[..., tuple[Judge, SimulatedJudge]]
WORDS = [
    "the",
    "customer",
    "asked",
    "for",
    "a",
    "refund",
    "of",
    "order",
    "and",
    "we",
    "made",
    "it",
    "after",
    "a",
    "short",
    "look",
    "at",
    "the",
    "ledger",
    "today",
]


def count(text: str) -> int:
    """Tokens as measured for o200k: hexadecimal 1.8 bytes, prose 4.2, and what is between."""
    blobs = re.findall(r"[0-9a-f]{40,}", text)
    rest = re.sub(r"[0-9a-f]{40,}", "", text)
    odd = len(re.sub(r"[\w\s]", "", rest))
    return round(sum(map(len, blobs)) / 1.8 + odd / 1.6 + (len(rest.encode()) - odd) / 4.6)


def reply(payload: dict[str, Any], request: Any) -> Response:
    prompt = sum(count(message["content"]) for message in payload["messages"])
    answer = json.dumps(derive_answer(payload["messages"][1]["content"], asked_schema(payload)))
    usage = {"prompt_tokens": prompt, "completion_tokens": 200}
    return Response(body=json.dumps(completion(answer, usage=usage)).encode())


@pytest.fixture
def big(make_run: Callable[..., Run], make_evidence: Callable[..., Evidence]) -> dict[str, Evidence]:
    """An agent with 1 MB of words in its runs, and one with blobs of 2,000 hexadecimal characters."""
    random_ = random.Random(5)

    def words(size: int) -> str:
        return " ".join(random_.choices(WORDS, k=size // 5))

    long = [make_run(n, final_response=words(50_000)) for n in range(1, 21)]
    blobs = [
        make_run(
            n,
            status="failed",
            error="no such key",
            tool_calls=tuple(ToolCall(name="read", result=random_.randbytes(1000).hex()) for _ in range(30)),
        )
        for n in range(1, 21)
    ]
    return {"words": make_evidence(long), "hex": make_evidence(blobs)}


@pytest.mark.parametrize("budget", [8_000, 40_000])
def test_big_agents_are_judged_within_the_budget_and_by_near_estimates(
    budget: int,
    big: dict[str, Evidence],
    judging: Judging,
    rubric: dict[str, Criterion],
) -> None:
    judge, server = judging(reply, evidence_tokens=budget)
    for turn, name in enumerate(["words", "hex", "words", "hex"]):
        factor = judge.scale.factor
        evaluation = judge_agent(replace(judge, report_id=turn), big[name], rubric, timeout_seconds=60)
        if turn >= 2:  # The same evidence: nothing is asked.
            assert evaluation.reused
            continue
        assert evaluation.status == "evaluated"
        messages = json.loads(server.requests[-1].body)["messages"]
        counted = evaluation.prompt_tokens
        estimated = sum(estimate_tokens(message["content"]) for message in messages) * factor
        evidence = count(messages[1]["content"])
        # Before the first count only the estimate is known, so the first may be off by more.
        assert evidence <= budget * (1.02 if turn else 1.2)
        assert evidence >= budget * 0.6
        if turn:
            assert estimated == pytest.approx(counted, rel=0.15)
        assert (evaluation.runs_shown, evaluation.sampling) == shown_in(messages)


def shown_in(messages: list[dict[str, str]]) -> tuple[int, str]:
    """How many runs there are in a request, and what it states of the sample ("" of all)."""
    evidence = messages[1]["content"]
    runs_shown = re.findall(r"^## Runs shown: (.+)$", evidence, re.MULTILINE)[0]
    return len(re.findall(r"^### R\d+: ", evidence, re.MULTILINE)), "" if runs_shown.startswith("all ") else runs_shown


def test_a_context_that_is_not_stated_is_found_by_halving(
    big: dict[str, Evidence],
    judging: Judging,
    rubric: dict[str, Criterion],
) -> None:
    def bounded(limit: int) -> Callable[..., Response]:
        def respond(payload: dict[str, Any], request: Any) -> Response:
            if sum(len(message["content"]) for message in payload["messages"]) > limit:
                error = {"message": "too long", "code": "context_length_exceeded"}
                return Response(400, json.dumps({"error": error}).encode())
            return reply(payload, request)

        return respond

    def judged(limit: int, budget: int = 20_000) -> tuple[Any, list[int], tuple[int, str]]:
        judge, server = judging(bounded(limit), evidence_tokens=budget)
        evaluation = judge_agent(judge, big["words"], rubric, timeout_seconds=60)
        asked = [json.loads(request.body)["messages"] for request in server.requests]
        return evaluation, [len(messages[1]["content"]) for messages in asked], shown_in(asked[-1])

    evaluation, (first, second), shown = judged(80_000)
    assert evaluation.status == "evaluated"
    assert second == pytest.approx(0.45 * first, rel=0.1)
    assert (evaluation.runs_shown, evaluation.sampling) == shown
    evaluation, (first, second), shown = judged(26_000, 7_000)
    assert (evaluation.runs_shown, evaluation.sampling) == shown, "what was sent in the end, not what was meant to be"
    assert shown[0] < 20
    evaluation, sizes, _ = judged(3_000)
    assert (evaluation.status, evaluation.score) == ("failed", None)
    assert sizes == sorted(sizes, reverse=True)
    assert 3 <= len(sizes) <= 6
    assert "too long" in evaluation.error
    assert "AGENT_REPORT_JUDGE_CONTEXT_TOKENS" in evaluation.error
