"""One question to the judge: asked once more when it must be, paid once, and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Response
from tasks.errors import DeadlineError, JudgeError, JudgingEndedError
from tasks.judge.call_context import Spent
from tasks.judge.exchange import Judge
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.question import Question

Make = Callable[..., dict[str, Any]]
Asking = Callable[..., tuple[Judge, SimulatedJudge]]


def test_a_usable_answer_is_paid_once_and_kept(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply(good, cached=600))
    spent = Spent()
    answer, reused = judge.ask(question, deadline=soon, spent=spent)
    assert (answer.criteria["accuracy"].score, reused) == (8, False)
    cost = (400 * 1 + 600 * 0.1 + 100 * 10) / 1e6
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (1, 1000, 100)
    assert spent.cost_usd == pytest.approx(cost)
    [kept] = judge.ledger.answers
    assert (kept.answer, kept.outcome, kept.kind, kept.model) == (good, "usable", "agent", "gpt-5.4-mini")
    assert (kept.prompt_tokens, kept.completion_tokens, kept.cached_tokens) == (1000, 100, 600)
    assert kept.cost_usd == pytest.approx(cost)
    assert (kept.report_id, kept.agent_id, kept.attempts) == (3, "5", 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("content", "changes", "outcome", "problem"),
    [
        ("garbage", {}, "unparseable", "not a JSON object"),
        ("<think>I wonder.", {}, "unparseable", "nothing but reasoning"),
        ("", {}, "unparseable", "the answer is empty"),
        (None, {}, "unparseable", "the answer is empty"),
        (None, {"refusal": "I cannot help with that."}, "refused", "the judge refused: I cannot help with that."),
        ('{"criteria": {"acc', {"finish_reason": "length"}, "length", "cut off at its length limit"),
        ("", {"finish_reason": "content_filter"}, "content_filter", "content filter"),
    ],
    ids=["garbage", "reasoning", "empty", "null", "refusal", "length", "content_filter"],
)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more_with_the_reason(
    content: str | None,
    changes: dict[str, Any],
    outcome: str,
    problem: str,
    asking: Asking,
    make_reply: Make,
    question: Question,
    good: str,
    soon: float,
) -> None:
    judge, server = asking(make_reply(content, **changes), make_reply(good))
    spent = Spent()
    answer, reused = judge.ask(question, deadline=soon, spent=spent)
    assert (answer.criteria["care"].score, reused, spent.calls) == (6, False, 2)
    assert [kept.outcome for kept in judge.ledger.answers] == [outcome, "usable"]
    asked, again = (json.loads(request.body)["messages"] for request in server.requests)
    assert again[: len(asked)] == asked
    assert [message["role"] for message in again[len(asked) :]] == ["assistant", "user"]
    assert problem in again[-1]["content"]
    assert again[-2]["content"]


def test_an_answer_that_is_whole_at_its_length_limit_is_used(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply(good + "\n" * 500, finish_reason="length"))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, len(server.requests)) == (8, 1)
    [kept] = judge.ledger.answers
    assert kept.outcome == "usable"
    again, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=Spent())
    assert (again, reused) == (answer, True)


def test_a_draft_before_the_length_limit_is_no_answer(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply(f"Okay, first {good} hm, no. The refund", finish_reason="length"))
    with pytest.raises(JudgeError, match="length limit"):
        judge.ask(question, deadline=soon, spent=Spent())
    assert len(server.requests) == 2


def test_an_answer_that_a_server_took_for_reasoning_is_used_and_a_draft_is_not(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    taken, draft = make_reply(None), make_reply(None)
    taken["choices"][0]["message"]["reasoning_content"] = good
    draft["choices"][0]["message"]["reasoning"] = f"First: {good}. No, wait."
    judge, server = asking(draft, taken)
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert answer.criteria["accuracy"].score == 8
    assert [kept.outcome for kept in judge.ledger.answers] == ["unparseable", "usable"]
    assert "nothing but reasoning" in json.loads(server.requests[1].body)["messages"][-1]["content"]


def test_a_page_of_html_is_not_paid_and_not_kept(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    page = Response(body=b"<html>Sign in</html>", content_type="text/html")
    judge, _ = asking(page, page)
    with pytest.raises(JudgeError, match=r"answered with HTML, not with a completion \(is OPENAI_BASE_URL right\?\)"):
        judge.ask(question, deadline=soon, spent=Spent())
    assert judge.ledger.answers == []
    judge, _ = asking(page, make_reply(good))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert answer.criteria["care"].score == 6
    assert [kept.outcome for kept in judge.ledger.answers] == ["usable"]


def test_no_second_turn_begins_when_judging_has_ended(
    asking: Asking, make_reply: Make, question: Question, soon: float
) -> None:
    def garbage(payload: Any, request: Any) -> dict[str, Any]:
        judge.stop.end("fail_fast", "another agent failed")
        return make_reply("garbage")

    judge, server = asking(garbage)
    spent = Spent()
    with pytest.raises(JudgingEndedError, match="another agent failed"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (len(server.requests), spent.calls, len(judge.ledger.answers)) == (1, 1, 1)


def test_the_deadline_holds_for_both_turns(asking: Asking, make_reply: Make, question: Question) -> None:
    garbage = json.dumps(make_reply("garbage")).encode()
    judge, server = asking(Response(body=garbage), Response(body=garbage, delay_seconds=120))
    spent = Spent()
    with pytest.raises(DeadlineError):
        judge.ask(question, deadline=time.monotonic() + 4, spent=spent)
    assert (len(server.requests), spent.calls) == (2, 1)


def test_texts_that_json_cannot_hold_reach_the_endpoint(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply("broken \ud800\x00"), make_reply(good))
    broken = replace(question, render=lambda budget, rotation: RenderedEvidence("a\x00b\ud800c"), goal="\udfff")
    judge.ask(broken, deadline=soon, spent=Spent())
    messages = json.loads(server.requests[1].body)["messages"]
    assert "\na\ufffdb?c\n" in messages[1]["content"]
    assert messages[0]["content"].count("The team's goal: ?") == 1


def test_an_answered_claim_is_released_once(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    released = []

    class Watched(type(asking()[0].ledger)):  # type: ignore[misc]
        def release(self, claim: Any) -> None:
            released.append(claim.answered)
            super().release(claim)

    judge, _ = asking(make_reply(good), ledger=Watched())
    judge.ask(question, deadline=soon, spent=Spent())
    assert released == [True], "by the commit alone"


def test_the_answer_behind_a_draft_is_paid_once(
    asking: Asking, make_reply: Make, question: Question, good: str, make_answer: Make, soon: float
) -> None:
    draft = json.dumps(make_answer(care={"score": 2}))
    judge, server = asking(make_reply(f"<think>\nFirst idea: {draft}\nHm, no.\n</think>\n{good}"))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["care"].score, len(server.requests)) == (6, 1)


def _act_as_anthropic(good: str, make_reply: Make) -> Callable[[dict[str, Any], Any], Any]:
    """It takes a schema and ignores it: only what stands in a message is followed."""

    def respond(payload: dict[str, Any], _: Any) -> dict[str, Any]:
        follows = "valid by this JSON Schema" in payload["messages"][-1]["content"]
        return make_reply(good if follows else '{"verdict": "The agent did well.", "score": 8}')

    return respond


def test_an_endpoint_that_ignores_the_schema_gets_it_as_text_from_then_on(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(_act_as_anthropic(good, make_reply))
    for number in range(3):
        other = replace(question, digest=str(number))
        assert judge.ask(other, deadline=soon, spent=Spent())[0].criteria["care"].score == 6
    bodies = [json.loads(request.body) for request in server.requests]
    explained = ["JSON Schema" in body["messages"][-1]["content"] for body in bodies]
    assert explained == [False, True, True, True]
    # The second turn goes on from the first as it was sent.
    assert bodies[1]["messages"][:2] == bodies[0]["messages"]
    assert len(bodies[1]["messages"]) == 4
    # The endpoint may begin to follow it: it is still sent.
    assert {body["response_format"]["type"] for body in bodies} == {"json_schema"}


def test_an_endpoint_that_follows_the_schema_does_not_get_it_twice(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply(good[:40], finish_reason="length"), make_reply(good), make_reply(good))
    for number in range(2):
        judge.ask(replace(question, digest=str(number)), deadline=soon, spent=Spent())
    assert not any("JSON Schema" in str(json.loads(request.body)["messages"]) for request in server.requests)
