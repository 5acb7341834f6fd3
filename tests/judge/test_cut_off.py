"""Limits that no endpoint states: a prompt that it cuts, an answer that reasoning or the context leaves no room for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.answers import derive_answer
from deployments.demo.judge import SimulatedJudge, asked_schema, completion
from deployments.demo.loopback import Response
from tasks.evidence.types import Evidence, Run
from tasks.judge.agent import judge_agent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.cut_off import ended_by_context, is_spent_on_reasoning, was_prompt_cut
from tasks.judge.endpoint.model_limits import Bounds
from tasks.judge.endpoint.reply import Reply, read_reply
from tasks.judge.exchange import Judge

Payload = dict[str, Any]
Judging = Callable[..., tuple[Judge, SimulatedJudge]]


def reply(content: str | None = "", finish_reason: str = "length", **usage: Any) -> Reply:
    body = completion(content, finish_reason=finish_reason, usage=usage)
    return read_reply(json.dumps(body).encode(), "m", 1.0, 1)


def reasoned(tokens: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (reply("", completion_tokens=8000, **reasoned(8000)), True),
        (reply("", completion_tokens=8000), True),
        (reply(None, completion_tokens=8000), True),
        (reply("<think>\nI wonder. It goes on and on", completion_tokens=8000), True),
        (reply('{"criteria": {"acc', completion_tokens=8000, **reasoned(7900)), True),
        (
            reply('{"criteria": {"acc', completion_tokens=20, total_tokens=8900, prompt_tokens=900, **reasoned(7980)),
            True,
        ),
        (reply('{"criteria": {"acc', completion_tokens=8000, **reasoned(200)), False),
        (reply('{"criteria": {"acc', completion_tokens=8000), False),
        (reply("", "stop", completion_tokens=8000, **reasoned(8000)), False),
        # Nothing was made at all: there was no room.
        (reply("", completion_tokens=0), False),
    ],
)
def test_whether_reasoning_took_the_whole_limit(given: Reply, expected: bool) -> None:
    assert is_spent_on_reasoning(given) is expected


@pytest.mark.parametrize(
    ("given", "context"),
    [
        (reply('{"a', prompt_tokens=3496, completion_tokens=600), 4096),
        (reply('{"a', prompt_tokens=3495, completion_tokens=600), 4095),
        (reply("", prompt_tokens=8192, completion_tokens=0), 8192),
        # The limit of answers, the model's own or the one that was sent.
        (reply('{"a', prompt_tokens=4096, completion_tokens=4096), None),
        (reply('{"a', prompt_tokens=192, completion_tokens=8000), None),
        (reply('{"a', prompt_tokens=3000, completion_tokens=700), None),
        (reply("{}", "stop", prompt_tokens=3496, completion_tokens=600), None),
        (reply('{"a', completion_tokens=600), None),
    ],
)
def test_the_context_that_ended_an_answer(given: Reply, context: int | None) -> None:
    assert ended_by_context(given, 8000) == context


@pytest.mark.parametrize(
    ("usage", "cut"),
    [
        ({"prompt_tokens": 2050}, True),
        ({"prompt_tokens": 6000}, False),
        ({}, False),
        ({"prompt_tokens": 0}, False),
        # What came from a cache is counted beside the prompt by some.
        ({"prompt_tokens": 300, "prompt_tokens_details": {"cached_tokens": 9000}}, False),
        ({"input_tokens": 300, "cache_read_input_tokens": 9000, "output_tokens": 5}, False),
    ],
)
def test_whether_a_prompt_was_cut(usage: dict[str, Any], cut: bool) -> None:
    assert was_prompt_cut(reply("{}", "stop", **usage), 10_000) is cut
    assert not was_prompt_cut(reply("{}", "stop", prompt_tokens=10), 1000)


@pytest.fixture
def long(make_run: Callable[..., Run], make_evidence: Callable[..., Evidence]) -> Evidence:
    return make_evidence(
        [make_run(n, final_response="It was done as they asked us to do. " * 1000) for n in range(1, 4)]
    )


def answer(payload: Payload, prompt_tokens: int, made: int = 300) -> Response:
    text = json.dumps(derive_answer(payload["messages"][1]["content"], asked_schema(payload)))
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": made}
    return Response(body=json.dumps(completion(text, usage=usage)).encode())


def size(payload: Payload) -> int:
    return sum(len(message["content"]) for message in payload["messages"]) // 4


def asked(server: SimulatedJudge) -> list[Payload]:
    return [json.loads(request.body) for request in server.requests]


def test_an_answer_that_was_all_reasoning_is_not_asked_for_again(
    judging: Judging, make_evidence: Callable[..., Evidence], rubric: dict[str, Criterion]
) -> None:
    usage = {"prompt_tokens": 900, "completion_tokens": 8000, **reasoned(8000)}
    judge, server = judging(lambda payload, request: completion("", finish_reason="length", usage=usage))
    evaluation = judge_agent(judge, make_evidence(), rubric, timeout_seconds=60)
    assert (evaluation.status, evaluation.score, len(server.requests)) == ("failed", None, 1)
    assert evaluation.completion_tokens == 8000
    assert "8,000 tokens an answer on reasoning" in str(evaluation.error)
    assert "AGENT_REPORT_JUDGE_MAX_OUTPUT_TOKENS" in str(evaluation.error)


def test_reasoning_gets_more_room_where_the_context_had_lowered_the_limit(
    judging: Judging, long: Evidence, rubric: dict[str, Criterion]
) -> None:
    def respond(payload: Payload, request: Any) -> Any:
        prompt, output = size(payload), payload["max_completion_tokens"]
        if prompt + output > 8192:
            message = (
                f"This model's maximum context length is 8192 tokens. However, you requested {prompt + output} tokens"
            )
            return Response(400, json.dumps({"error": {"message": f"{message} ({prompt} in the messages)"}}).encode())
        if output < 3000:
            usage = {"prompt_tokens": prompt, "completion_tokens": output, **reasoned(output)}
            return completion("", finish_reason="length", usage=usage)
        return answer(payload, prompt)

    judge, server = judging(respond)
    evaluation = judge_agent(judge, long, rubric, timeout_seconds=60)
    assert (evaluation.status, evaluation.calls) == ("evaluated", 2)
    outputs = [payload["max_completion_tokens"] for payload in asked(server)]
    assert outputs[0] == 8000
    assert outputs[1] < 3000 < outputs[2]
    # The next agent is asked so at once.
    again = judge_agent(replace(judge, ledger=type(judge.ledger)()), long, rubric, timeout_seconds=60)
    assert (again.status, again.calls, len(server.requests)) == ("evaluated", 1, 4)


def test_a_context_that_ends_answers_without_a_word_is_learned(
    judging: Judging, long: Evidence, rubric: dict[str, Criterion]
) -> None:
    def respond(payload: Payload, request: Any) -> Any:
        prompt = size(payload)
        if prompt + 300 > 4096:
            usage = {"prompt_tokens": 3999, "completion_tokens": 97}
            return completion('{"contradictions": [], "crit', finish_reason="length", usage=usage)
        return answer(payload, prompt)

    judge, server = judging(respond)
    evaluation = judge_agent(judge, long, rubric, timeout_seconds=60)
    assert evaluation.status == "evaluated"
    assert judge.client.limits.bounds == Bounds(context_tokens=4096)
    one, two = asked(server)
    assert size(two) < 4096 < size(one)
    assert len(two["messages"]) == 2, "not a repair, which would be longer still"


def test_a_prompt_that_was_cut_is_warned_of_and_teaches_nothing(
    judging: Judging, long: Evidence, rubric: dict[str, Criterion]
) -> None:
    judge, _ = judging(lambda payload, request: answer(payload, 2050))
    evaluation = judge_agent(judge, long, rubric, timeout_seconds=60)
    assert evaluation.status == "evaluated"
    [warning] = evaluation.warnings
    assert "read 2,050 tokens of a prompt of about" in warning
    assert "num_ctx" in warning
    assert "AGENT_REPORT_JUDGE_CONTEXT_TOKENS" in warning
    assert judge.scale.factor == 1.0
    whole, _ = judging(lambda payload, request: answer(payload, size(payload)))
    assert judge_agent(whole, long, rubric, timeout_seconds=60).warnings == ()


def test_an_answer_that_a_lowered_limit_cut_off_gets_more_room(
    judging: Judging, long: Evidence, rubric: dict[str, Criterion]
) -> None:
    def respond(payload: Payload, request: Any) -> Any:
        if payload["max_completion_tokens"] < 3000:
            usage = {"prompt_tokens": size(payload), "completion_tokens": payload["max_completion_tokens"]}
            return completion('{"contradictions": [], "criteria": {"acc', finish_reason="length", usage=usage)
        return answer(payload, size(payload))

    judge, server = judging(respond, context_tokens=8192)
    assert judge_agent(judge, long, rubric, timeout_seconds=60).status == "evaluated"
    one, two = asked(server)
    assert one["max_completion_tokens"] < 3000 < two["max_completion_tokens"]
    assert size(two) < size(one)


def test_a_repair_has_no_more_than_the_context_holds(
    judging: Judging, long: Evidence, rubric: dict[str, Criterion]
) -> None:
    held: list[int] = []

    def respond(payload: Payload, request: Any) -> Any:
        counted = size(payload) * 4 // 5
        held.append(counted + payload["max_completion_tokens"])
        if len(payload["messages"]) == 2:
            return completion("no JSON " * 1000, usage={"prompt_tokens": counted, "completion_tokens": 900})
        return answer(payload, counted)

    judge, server = judging(respond, context_tokens=5500)
    assert judge_agent(judge, long, rubric, timeout_seconds=60).status == "evaluated"
    assert max(held) <= 5500
    _, repair = asked(server)
    # Of the useless answer nothing is repeated, as there is no room for it.
    assert [message["content"][:11] for message in repair["messages"][2:]] == ["(no answer)", "That answer"]
