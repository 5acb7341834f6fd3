"""Endpoints with a context of their own: every agent is judged, with no more refusals than it takes to learn it."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.judge import SimulatedJudge, asked_schema, completion
from deployments.demo.loopback import Response
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Evidence, Run, ToolCall
from tasks.judge.agent import judge_agent
from tasks.judge.budget import Budget
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.settings import Settings

Payload = dict[str, Any]
WORDS = ["the", "customer", "asked", "for", "a", "refund", "of", "order", "and", "we", "made", "it", "after", "today"]


def count(payload: Payload) -> int:
    """Tokens of a request as this server has them: other than the estimate by some percent."""
    return sum(len(message["content"].encode()) for message in payload["messages"]) * 10 // 38 + 20


def asked(payload: Payload) -> int:
    return int(payload.get("max_completion_tokens", payload.get("max_tokens", 16)))


def refusal(message: str, status: int = 400, **beside: Any) -> Response:
    return Response(status, json.dumps({"error": {"message": message, **beside}}).encode())


def llama_cpp(prompt: int, output: int, context: int) -> Response | None:
    if prompt < context:
        return None
    words = f"request ({prompt} tokens) exceeds the available context size ({context} tokens), try increasing it"
    return refusal(words, type="exceed_context_size_error", n_prompt_tokens=prompt, n_ctx=context)


def llama_cpp_old(prompt: int, output: int, context: int) -> Response | None:
    if prompt < context:
        return None
    return refusal("the request exceeds the available context size. try increasing the context size", 500)


def vllm(prompt: int, output: int, context: int) -> Response | None:
    if prompt >= context:
        return refusal(f"Input length ({prompt}) exceeds model's maximum context length ({context}).")
    if prompt + output <= context:
        return None
    return refusal(
        f"'max_tokens' or 'max_completion_tokens' is too large: {output}. This model's maximum context length is "
        f"{context} tokens and your request has {prompt} input tokens ({output} > {context} - {prompt})."
    )


def openai_old(prompt: int, output: int, context: int) -> Response | None:
    if prompt + output <= context:
        return None
    return refusal(
        f"This model's maximum context length is {context} tokens. However, you requested {prompt + output} tokens "
        f"({prompt} in the messages, {output} in the completion). Please reduce the length of the messages."
    )


def sambanova(prompt: int, output: int, context: int) -> Response | None:
    if prompt + output <= context:
        return None
    return refusal(
        f"The maximum context length of Llama-3 is {context:,}. However, answering your request will take "
        f"{prompt + output:,} tokens."
    )


def dashscope(prompt: int, output: int, context: int) -> Response | None:
    most_output = context // 4
    if output > most_output:
        return refusal(f"<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, {most_output}]")
    if prompt > context - most_output:
        return refusal(f"Range of input length should be [1, {context - most_output}]")
    return None


def anthropic(prompt: int, output: int, context: int) -> Response | None:
    if prompt > context:
        return refusal(f"prompt is too long: {prompt} tokens > {context} maximum")
    if prompt + output > context:
        return refusal(f"input length and `max_tokens` exceed context limit: {prompt} + {output} > {context}")
    return None


def zhipu(prompt: int, output: int, context: int) -> Response | None:
    return refusal("Prompt exceeds max length", code="1261") if prompt + output > context else None


def ollama(prompt: int, output: int, context: int) -> Response | None:
    over = prompt - context
    return refusal(f"prompt too long; exceeded max context length by {over} tokens") if over > 0 else None


Limit = Callable[[int, int, int], Response | None]
SERVERS = [llama_cpp, llama_cpp_old, vllm, openai_old, sambanova, dashscope, anthropic, zhipu, ollama]


class Bounded:
    """Refuses in a server's words what its context does not hold; keeps prompt and output limit of all it was asked."""

    def __init__(self, limit: Limit, context: int) -> None:
        self._limit, self._context = limit, context
        self._lock = threading.Lock()
        self.taken: list[tuple[int, int]] = []
        self.refused = 0

    def __call__(self, payload: Payload, request: Any) -> Response:
        prompt, output = count(payload), asked(payload)
        refused = self._limit(prompt, output, self._context)
        with self._lock:
            if refused is None:
                self.taken.append((prompt, output))
            else:
                self.refused += 1
        if refused is not None:
            return refused
        answer = json.dumps(derive_answer(payload["messages"][1]["content"], asked_schema(payload)))
        usage = {"prompt_tokens": prompt, "completion_tokens": 300, "total_tokens": prompt + 300}
        return Response(body=json.dumps(completion(answer, usage=usage)).encode())


@pytest.fixture
def agents(make_run: Callable[..., Run], make_evidence: Callable[..., Evidence]) -> list[Evidence]:
    """Three agents with ten runs each, whose responses have 4,000 words and some hexadecimal."""
    random_ = random.Random(7)

    def text() -> str:
        return " ".join(random_.choices(WORDS, k=4000)) + random_.randbytes(200).hex()

    return [
        make_evidence([make_run(n, final_response=text(), task=f"{agent}: {text()[:400]}") for n in range(1, 11)])
        for agent in range(3)
    ]


Make = Callable[..., Any]
Judging = Callable[..., tuple[Judge, SimulatedJudge]]


def judge_all(judge: Judge, agents: list[Evidence], rubric: dict[str, Criterion], width: int) -> list[Evaluation]:
    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(lambda evidence: judge_agent(judge, evidence, rubric, timeout_seconds=60), agents))


# One context for each server in turn: how a refusal is read does not depend on its size.
@pytest.mark.parametrize(
    ("limit", "context"),
    list(zip(SERVERS, itertools.cycle([4096, 8192, 32768]))),
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_every_agent_is_judged(
    limit: Limit, context: int, judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    server = Bounded(limit, context)
    judge, _ = judging(server)
    evaluations = judge_all(judge, agents, rubric, width=1)
    assert [evaluation.status for evaluation in evaluations] == ["evaluated"] * 3
    # A guess halves what was refused; what is stated is believed at once, first of one limit and then of the other.
    guessed = limit in (zhipu, llama_cpp_old)
    assert server.refused <= (5 if guessed else 3)
    for prompt, output in server.taken:
        assert prompt + min(output, context - prompt) <= context
        # Nearly all of what the model holds is used, and the answer has room.
        assert prompt >= context * (0.2 if guessed else 0.4)
        assert output >= 800


@pytest.mark.parametrize("limit", [vllm, zhipu], ids=lambda limit: limit.__name__)
def test_agents_in_parallel_learn_the_same(
    limit: Limit, judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    server = Bounded(limit, 8192)
    judge, _ = judging(server)
    evaluations = judge_all(judge, agents, rubric, width=3)
    assert [evaluation.status for evaluation in evaluations] == ["evaluated"] * 3
    known = judge.client.limits.bounds
    refused = server.refused
    # What was learned is kept for the next report, which pays no refusal.
    again = judge_all(replace(judge, ledger=type(judge.ledger)()), agents, rubric, width=3)
    assert [evaluation.status for evaluation in again] == ["evaluated"] * 3
    assert (server.refused, judge.client.limits.bounds) == (refused, known)


def test_first_the_answer_gives_way(judging: Judging, make_evidence: Make, rubric: dict[str, Criterion]) -> None:
    server = Bounded(vllm, 8192)
    judge, served = judging(server)
    evaluation = judge_agent(judge, make_evidence(), rubric, timeout_seconds=60)
    assert (evaluation.status, evaluation.sampling, server.refused) == ("evaluated", "", 1)
    one, two = (json.loads(request.body) for request in served.requests)
    # Another fence, and the same evidence.
    assert len(one["messages"][1]["content"]) == len(two["messages"][1]["content"])
    [(prompt, output)] = server.taken
    assert asked(one) == 8000 > output > 8192 - prompt * 1.2


def test_an_output_limit_that_is_too_large_is_lowered_to_what_is_taken(
    judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    def limit(prompt: int, output: int, context: int) -> Response | None:
        words = f"max_tokens is too large: {output}. This model supports at most 4096 completion tokens, whereas you "
        return refusal(f"{words}provided {output}.", param="max_tokens") if output > 4096 else None

    server = Bounded(limit, 0)
    judge, _ = judging(server)
    assert {evaluation.status for evaluation in judge_all(judge, agents, rubric, 1)} == {"evaluated"}
    assert (server.refused, {output for _, output in server.taken}) == (1, {4096})


def test_what_cannot_fit_names_the_setting(
    judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    judge, served = judging(Bounded(vllm, 1500))
    [evaluation] = judge_all(judge, agents[:1], rubric, 1)
    assert (evaluation.status, evaluation.score, evaluation.calls) == ("failed", None, 0)
    assert "AGENT_REPORT_JUDGE_CONTEXT_TOKENS" in str(evaluation.error)
    assert "1,500 tokens of prompt and answer together" in str(evaluation.error)
    assert "maximum context length (1500)" in str(evaluation.error)
    assert len(served.requests) <= 2


def test_what_is_refused_whatever_its_size_ends(
    judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    judge, served = judging(Bounded(lambda prompt, output, context: refusal("Prompt exceeds max length"), 0))
    [evaluation] = judge_all(judge, agents[:1], rubric, 1)
    assert evaluation.status == "failed"
    assert "AGENT_REPORT_JUDGE_CONTEXT_TOKENS" in str(evaluation.error)
    assert len(served.requests) <= 6


def test_what_was_learned_makes_no_other_question(
    judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    server = Bounded(vllm, 8192)
    judge, served = judging(server)
    judge_all(judge, agents[:1], rubric, 1)
    requests = len(served.requests)
    other = replace(judge, client=replace(judge.client, limits=type(judge.client.limits)()), report_id=99)
    evaluation = judge_agent(other, agents[0], rubric, timeout_seconds=60)
    assert (evaluation.reused, len(served.requests)) == (True, requests)


def test_the_budget_reserves_for_the_limit_that_is_sent(
    judging: Judging, make_evidence: Make, rubric: dict[str, Criterion]
) -> None:
    prices = RunPrices({"gpt-5.4-mini": {"input": 1.0, "output": 10.0}})
    seen: list[float] = []
    server = Bounded(vllm, 4096)

    def look(payload: Payload, request: Any) -> Response:
        seen.append(judge.budget._reserved_usd)
        return server(payload, request)

    judge, _ = judging(look, prices=prices, budget=Budget(10.0))
    judge_agent(judge, make_evidence(), rubric, timeout_seconds=60)
    [(_, output)] = server.taken
    assert seen[0] >= 8000 * 10 / 1e6 > seen[1] >= output * 10 / 1e6


def test_a_small_context_holds_an_agent_with_much_to_say(
    judging: Judging, make_agent: Make, make_run: Make, make_evidence: Make, rubric: dict[str, Criterion]
) -> None:
    """Long instructions, a dozen tools, many kinds of failure, and the schema in the instructions."""
    calls = [tuple(ToolCall(name=f"tool_{n}_{'x' * 60}", result="none") for n in range(12))] * 12
    runs = [
        make_run(
            n, status="failed", error=f"{'abcdefghijkl'[n]} went wrong: " + "details of it " * 40, tool_calls=calls[n]
        )
        for n in range(12)
    ]
    agent = make_agent(prompt="Do what is asked, and do it well. " * 200, description="Does many things. " * 100)
    server = Bounded(vllm, 4096)

    def respond(payload: Payload, request: Any) -> Response:
        if "response_format" in payload:
            return refusal("response_format is not supported", param="response_format")
        return server(payload, request)

    judge, served = judging(respond)
    evaluation = judge_agent(judge, make_evidence(runs, agent=agent), rubric, timeout_seconds=60)
    assert evaluation.status == "evaluated"
    evidence = json.loads(served.requests[-1].body)["messages"][1]["content"]
    assert "Do what is asked" in evidence
    assert "### R" in evidence


@pytest.mark.parametrize("context", [4096, 8192, 32768])
def test_a_context_that_the_settings_name_spares_the_refusals(
    context: int, judging: Judging, agents: list[Evidence], rubric: dict[str, Criterion]
) -> None:
    server = Bounded(vllm, context)
    evidence_tokens = Settings(judge_context_tokens=context).evidence_tokens
    judge, _ = judging(server, evidence_tokens=evidence_tokens, context_tokens=context)
    evaluations = judge_all(judge, agents, rubric, width=1)
    assert [evaluation.status for evaluation in evaluations] == ["evaluated"] * 3
    assert server.refused == 0
