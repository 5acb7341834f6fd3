"""One question to the judge: asked once more when it must be, paid once, kept, and found again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.errors import BudgetError, DeadlineError, EndpointError, JudgeError, JudgingEndedError
from tasks.evidence.prices import RunPrices
from tasks.judge.answer import RenderedEvidence
from tasks.judge.budget import Budget
from tasks.judge.call_context import Spent
from tasks.judge.endpoint.access.address import Address
from tasks.judge.endpoint.access.tier import ServiceTier
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.exchange import Judge
from tasks.judge.question import Question
from tasks.judge.rubric import Criterion

Make = Callable[..., dict[str, Any]]
Serve = Callable[..., SimulatedJudge]
PRICES = RunPrices({"gpt-5.4-mini": {"input": 1.0, "output": 10.0, "cached": 0.1}})


def usage(given: int, made: int, cached: int | None = None) -> dict[str, Any]:
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    return {"prompt_tokens": given, "completion_tokens": made, **details}


def reply(content: str | None, given: int = 1000, made: int = 100, **changes: Any) -> dict[str, Any]:
    return completion(content, model="gpt-5.4-mini", **({"usage": usage(given, made)} | changes))


@pytest.fixture
def good(make_answer: Make) -> str:
    return json.dumps(make_answer())


@pytest.fixture
def asking(
    serve: Serve, make_client: Callable[..., JudgeClient], make_judge: Callable[..., Judge]
) -> Callable[..., tuple[Judge, SimulatedJudge]]:
    """A judge before an endpoint that sends these replies."""

    def make(*replies: Any, **parts: Any) -> tuple[Judge, SimulatedJudge]:
        server = serve(*replies)
        return make_judge(make_client(server.base_url), **({"prices": PRICES} | parts)), server

    return make


Asking = Callable[..., tuple[Judge, SimulatedJudge]]


def test_a_usable_answer_is_paid_once_and_kept(asking: Asking, question: Question, good: str, soon: float) -> None:
    judge, server = asking(reply(good, usage=usage(1000, 100, cached=600)))
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
    assert (kept.report_id, kept.agent_id, kept.attempts) == (3, 5, 1)
    assert len(server.requests) == 1


def test_what_was_paid_is_not_paid_again(asking: Asking, question: Question, good: str, soon: float) -> None:
    judge, server = asking(reply(good))
    first, _ = judge.ask(question, deadline=soon, spent=Spent())
    spent = Spent()
    second, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=spent)
    assert (second, reused, spent.calls) == (first, True, 0)
    assert len(server.requests) == len(judge.ledger.answers) == 1


def test_what_this_report_paid_for_before_is_a_cost_of_it(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(good, usage=usage(1000, 100)))
    judge.ask(question, deadline=soon, spent=Spent())
    spent = Spent()
    _, reused = judge.ask(question, deadline=soon, spent=spent)
    assert (reused, spent.calls, spent.prompt_tokens, len(server.requests)) == (False, 1, 1000, 1)
    assert spent.cost_usd == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("first", "unknown"),
    [
        (Response(drop=True), True),
        (Response(503, b"{}"), False),
    ],
    ids=["a connection that broke", "an error"],
)
def test_a_call_of_which_nothing_came_back_may_have_cost_something(
    first: Response, unknown: bool, asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(first, reply(good))
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert len(server.requests) == 2
    assert (spent.cost_usd is None) == (spent.prompt_tokens is None) == unknown
    assert spent.known_cost_usd == pytest.approx(0.002)


def test_an_endpoint_that_is_not_there_costs_nothing(
    make_client: Callable[..., JudgeClient], make_judge: Callable[..., Judge], question: Question, soon: float
) -> None:
    spent = Spent()
    with pytest.raises(EndpointError):
        make_judge(make_client("http://127.0.0.1:9/v1")).ask(question, deadline=soon, spent=spent)
    assert spent.unknown == set()


def test_fresh_asks_anew_and_keeps_the_new_answer(
    asking: Asking, question: Question, make_answer: Make, soon: float
) -> None:
    old, new = (json.dumps(make_answer(accuracy={"score": score})) for score in (2, 9))
    judge, server = asking(reply(old), reply(new))
    judge.ask(question, deadline=soon, spent=Spent())
    answer, reused = replace(judge, fresh_since=datetime.now(UTC)).ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, reused) == (9, False)
    answer, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, reused) == (9, True)
    assert len(server.requests) == 2


def test_a_kept_answer_that_can_be_used_no_more_is_asked_for_anew(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(good))
    judge.ask(question, deadline=soon, spent=Spent())
    judge.ledger.answers[0] = judge.ledger.answers[0].model_copy(update={"answer": "garbage"})
    _, reused = judge.ask(question, deadline=soon, spent=Spent())
    assert not reused
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("first", "outcome", "problem"),
    [
        (reply("garbage"), "unparseable", "not a JSON object"),
        (reply("<think>I wonder."), "unparseable", "nothing but reasoning"),
        (reply(""), "unparseable", "the answer is empty"),
        (reply(None), "unparseable", "the answer is empty"),
        (reply(None, refusal="I cannot help with that."), "refused", "the judge refused: I cannot help with that."),
        (reply('{"criteria": {"acc', finish_reason="length"), "length", "cut off at its length limit"),
        (reply("", finish_reason="content_filter"), "content_filter", "content filter"),
    ],
    ids=["garbage", "reasoning", "empty", "null", "refusal", "length", "content_filter"],
)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more_with_the_reason(
    first: Any, outcome: str, problem: str, asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(first, reply(good))
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
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(good + "\n" * 500, finish_reason="length"))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, len(server.requests)) == (8, 1)
    [kept] = judge.ledger.answers
    assert kept.outcome == "usable"
    again, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=Spent())
    assert (again, reused) == (answer, True)


def test_a_draft_before_the_length_limit_is_no_answer(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(f"Okay, first {good} hm, no. The refund", finish_reason="length"))
    with pytest.raises(JudgeError, match="length limit"):
        judge.ask(question, deadline=soon, spent=Spent())
    assert len(server.requests) == 2


def test_an_answer_that_a_server_took_for_reasoning_is_used_and_a_draft_is_not(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    taken, draft = reply(None), reply(None)
    taken["choices"][0]["message"]["reasoning_content"] = good
    draft["choices"][0]["message"]["reasoning"] = f"First: {good}. No, wait."
    judge, server = asking(draft, taken)
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert answer.criteria["accuracy"].score == 8
    assert [kept.outcome for kept in judge.ledger.answers] == ["unparseable", "usable"]
    assert "nothing but reasoning" in json.loads(server.requests[1].body)["messages"][-1]["content"]


def test_garbage_twice_fails_and_both_are_counted_and_kept(asking: Asking, question: Question, soon: float) -> None:
    judge, server = asking(reply("garbage", 1000, 100), reply('{"criteria": {"accuracy": {"score": 99}}}', 2000, 50))
    spent = Spent()
    with pytest.raises(JudgeError, match=r"nor could the second: .*score 99 is not between 0 and 10; .*'care'"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (2, 3000, 150)
    assert spent.cost_usd == pytest.approx((3000 + 1500) / 1e6)
    assert [kept.outcome for kept in judge.ledger.answers] == ["unparseable", "unparseable"]
    assert sum(kept.cost_usd for kept in judge.ledger.answers) == pytest.approx(spent.cost_usd)
    assert len(server.requests) == 2


def test_useless_answers_are_never_found_again(asking: Asking, question: Question, good: str, soon: float) -> None:
    judge, server = asking(reply("garbage"), reply("garbage"), reply(good))
    with pytest.raises(JudgeError):
        judge.ask(question, deadline=soon, spent=Spent())
    _, reused = judge.ask(question, deadline=soon, spent=Spent())
    assert not reused
    assert len(server.requests) == 3


def test_a_page_of_html_is_not_paid_and_not_kept(asking: Asking, question: Question, good: str, soon: float) -> None:
    page = Response(body=b"<html>Sign in</html>", content_type="text/html")
    judge, _ = asking(page, page)
    with pytest.raises(JudgeError, match=r"answered with HTML, not with a completion \(is OPENAI_BASE_URL right\?\)"):
        judge.ask(question, deadline=soon, spent=Spent())
    assert judge.ledger.answers == []
    judge, _ = asking(page, reply(good))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert answer.criteria["care"].score == 6
    assert [kept.outcome for kept in judge.ledger.answers] == ["usable"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (usage(10, 1), usage(20, 2), (30, 3, True)),
        (None, usage(20, 2), (None, None, False)),
        (usage(10, 1), None, (None, None, False)),
        (usage(10, 1), {"prompt_tokens": 20}, (30, None, False)),
    ],
)
def test_one_unknown_part_makes_the_sum_unknown(
    first: Any, second: Any, expected: Any, asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, _ = asking(reply("garbage", usage=first), reply(good, usage=second))
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert (spent.prompt_tokens, spent.completion_tokens, spent.cost_usd is not None) == expected


@pytest.mark.parametrize(
    ("asked", "said", "cost"),
    [
        ("gpt-5.4-mini", "the-proxy's-name", 0.002),
        ("gpt-5.4-mini", "dear", 0.2),
        ("a-model-of-mine", "a-model-of-mine", None),
    ],
)
def test_the_cost_is_that_of_the_model_that_answered(
    asked: str,
    said: str,
    cost: float | None,
    serve: Serve,
    make_client: Callable[..., JudgeClient],
    make_judge: Callable[..., Judge],
    question: Question,
    good: str,
    soon: float,
) -> None:
    prices = RunPrices({"gpt-5.4-mini": {"input": 1, "output": 10}, "dear": {"input": 100, "output": 1000}})
    server = serve(completion(good, model=said, usage=usage(1000, 100)))
    judge = make_judge(make_client(server.base_url, model=asked), prices=prices)
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert spent.cost_usd == (None if cost is None else pytest.approx(cost))
    assert judge.ledger.answers[0].model == said


def test_an_endpoint_that_fails_costs_nothing_that_is_known(asking: Asking, question: Question, soon: float) -> None:
    judge, _ = asking(Response(400, b'{"error": {"message": "context too long"}}'))
    spent = Spent()
    with pytest.raises(EndpointError, match="context too long"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (spent.calls, judge.ledger.answers) == (0, [])


def test_no_second_turn_begins_when_judging_has_ended(asking: Asking, question: Question, soon: float) -> None:
    def garbage(payload: Any, request: Any) -> dict[str, Any]:
        judge.stop.end("fail_fast", "another agent failed")
        return reply("garbage")

    judge, server = asking(garbage)
    spent = Spent()
    with pytest.raises(JudgingEndedError, match="another agent failed"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (len(server.requests), spent.calls, len(judge.ledger.answers)) == (1, 1, 1)


def test_the_deadline_holds_for_both_turns(asking: Asking, question: Question) -> None:
    garbage = json.dumps(reply("garbage")).encode()
    judge, server = asking(Response(body=garbage), Response(body=garbage, delay_seconds=120))
    spent = Spent()
    with pytest.raises(DeadlineError):
        judge.ask(question, deadline=time.monotonic() + 4, spent=spent)
    assert (len(server.requests), spent.calls) == (2, 1)


def test_texts_that_json_cannot_hold_reach_the_endpoint(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply("broken \ud800\x00"), reply(good))
    broken = replace(question, render=lambda budget, rotation: RenderedEvidence("a\x00b\ud800c"), goal="\udfff")
    judge.ask(broken, deadline=soon, spent=Spent())
    messages = json.loads(server.requests[1].body)["messages"]
    assert "\na\ufffdb?c\n" in messages[1]["content"]
    assert messages[0]["content"].count("The team's goal: ?") == 1


KEPT = "not asked again"
ASKED = "asked again"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, KEPT),
        ({"client": {"model": "gpt-5.5"}}, ASKED),
        ({"client": {"max_output_tokens": 4000}}, ASKED),
        ({"client": {"call_timeout_seconds": 7.0, "max_attempts": 9}}, KEPT),
        ({"question": {"digest": "of other evidence"}}, ASKED),
        (
            {"question": {"render": lambda budget, rotation: RenderedEvidence("In other words.")}},
            KEPT,
        ),
        ({"judge": {"evidence_tokens": 500}}, ASKED),
        ({"judge": {"samples": 3}}, KEPT),
        ({"question": {"goal": "Another goal."}}, ASKED),
        ({"question": {"kind": "team"}}, ASKED),
        ({"question": {"agent_id": 6}}, KEPT),
        ({"criterion": {"description": "Answers are right and short."}}, ASKED),
        ({"criterion": {"weight": 0.1}}, KEPT),
        ({"criterion": {"threshold": 2}}, KEPT),
        ({"order": True}, ASKED),
        ({"extra": True}, ASKED),
    ],
    # Without the address of a function, which is another in each process of a run.
    ids=lambda value: re.sub(r" at 0x[0-9a-f]+", "", str(value)),
)
def test_what_makes_it_another_question(
    change: dict[str, Any],
    expected: str,
    asking: Asking,
    question: Question,
    rubric: dict[str, Criterion],
    make_answer: Make,
    soon: float,
) -> None:
    answer = make_answer(executive_summary="Sum.")
    answer["criteria"]["extra"] = {"score": 1}
    judge, server = asking(reply(json.dumps(answer)))
    judge.ask(question, deadline=soon, spent=Spent())
    changed = rubric | {"accuracy": rubric["accuracy"].model_copy(update=change.get("criterion", {}))}
    if "order" in change:
        changed = dict(reversed(changed.items()))
    if "extra" in change:
        changed["extra"] = Criterion()
    client = replace(judge.client, **change.get("client", {}))
    other = replace(judge, **({"client": client, "report_id": 99} | change.get("judge", {})))
    other.ask(replace(question, **({"rubric": changed} | change.get("question", {}))), deadline=soon, spent=Spent())
    assert len(server.requests) == (1 if expected == KEPT else 2)


def test_the_prompt_version_is_part_of_the_question(asking: Asking) -> None:
    judge, _ = asking()
    assert judge.settings()["prompt_version"]
    assert judge.settings() == {
        "model": "gpt-5.4-mini",
        "parameters": {"max_completion_tokens": 8000},
        "prompt_version": judge.settings()["prompt_version"],
        "evidence_tokens": 80_000,
    }


@pytest.mark.parametrize(
    ("first", "left"),
    [(reply("{}", usage=None), False), (Response(drop=True), False), (Response(503, b"{}"), True)],
    ids=["an unknown cost", "nothing came back", "an error"],
)
def test_what_may_have_been_paid_is_taken_from_the_purse(
    first: Any, left: bool, asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, _ = asking(first, reply(good))
    most = judge.most_usd(1000)
    assert most is not None
    judge = replace(judge, budget=Budget(1.6 * most))
    with suppress(JudgeError):
        judge.ask(question, deadline=soon, spent=Spent())
    with nullcontext() if left else pytest.raises(BudgetError), judge.budget.pay(lambda: most):
        pass


def ask_until_the_limit(judge: Judge, question: Question, soon: float, spent: Spent) -> None:
    """Asks nine times: fails unless the limit was reached by then."""
    with pytest.raises(BudgetError, match="could pass max_report_cost_usd"):
        [judge.ask(question, deadline=soon, spent=spent, sample=sample) for sample in range(9)]


@pytest.mark.parametrize(
    ("prices", "cost"), [({}, 0.02), ({"a-model-of-mine": {"input": 1, "output": 10}}, 0.002)], ids=["unknown", "known"]
)
def test_the_cost_that_the_endpoint_states_is_that_of_an_unknown_price(
    prices: Any, cost: float, asking: Asking, question: Question, good: str, soon: float
) -> None:
    said = completion(good, model="a-model-of-mine", usage=usage(1000, 100) | {"cost": 0.02})
    judge, _ = asking(said, prices=RunPrices(prices))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert spent.cost_usd == pytest.approx(cost)
    assert judge.ledger.answers[0].cost_usd == pytest.approx(cost)


def test_a_limit_is_kept_by_the_costs_that_the_endpoint_states(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    said = completion(good, model="a-model-of-mine", usage=usage(1000, 4000) | {"cost": 0.02})
    judge, server = asking(said, prices=RunPrices(), budget=Budget(0.1))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    spent = Spent()
    ask_until_the_limit(judge, question, soon, spent)
    assert 0.04 <= (spent.cost_usd or 0) <= 0.1
    assert len(server.requests) == spent.calls


@pytest.mark.parametrize("stated", [{}, {"cost": None}], ids=["none", "null"])
def test_a_limit_ends_with_the_first_call_that_states_no_cost(
    stated: Any, asking: Asking, question: Question, good: str, soon: float
) -> None:
    said = completion(good, model="a-model-of-mine", usage=usage(1000, 100) | stated)
    judge, server = asking(said, prices=RunPrices(), budget=Budget(10.0))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    judge.ask(question, deadline=soon, spent=Spent())
    with pytest.raises(BudgetError, match="AGENT_REPORT_PRICES"):
        judge.ask(question, deadline=soon, spent=Spent(), sample=1)
    assert len(server.requests) == 1


def test_hidden_reasoning_is_paid_for_and_reaches_the_limit(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    hidden = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 8900}
    judge, server = asking(reply(good, usage=hidden), budget=Budget(0.2))
    spent = Spent()
    ask_until_the_limit(judge, question, soon, spent)
    assert spent.completion_tokens == 8000 * len(server.requests)
    assert 0.08 <= (spent.cost_usd or 0) <= 0.2


def test_an_answered_claim_is_released_once(asking: Asking, question: Question, good: str, soon: float) -> None:
    released = []

    class Watched(type(asking()[0].ledger)):  # type: ignore[misc]
        def release(self, claim: Any) -> None:
            released.append(claim.answered)
            super().release(claim)

    judge, _ = asking(reply(good), ledger=Watched())
    judge.ask(question, deadline=soon, spent=Spent())
    assert released == [True], "by the commit alone"


def test_a_claim_says_what_the_call_under_way_can_cost(
    asking: Asking, question: Question, good: str, soon: float, memory_ledger: Any
) -> None:
    seen: list[float] = []

    def look(text: str) -> Callable[[Any, Any], dict[str, Any]]:
        def respond(payload: Any, request: Any) -> dict[str, Any]:
            seen.extend(claim.most_usd for claim in memory_ledger.claims.values())
            return reply(text)

        return respond

    judge, _ = asking(look("no JSON " * 1000), look(good), ledger=memory_ledger)
    judge.ask(question, deadline=soon, spent=Spent())
    # All of the longest answer, and a prompt that is longer the second time.
    assert 8000 * 10 / 1e6 < seen[0] < seen[1] < 0.2
    assert memory_ledger.unanswered == 0


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_call_that_was_never_answered_is_kept_in_the_ledger(
    asking: Asking, question: Question, good: str, soon: float, memory_ledger: Any, comes_back: bool
) -> None:
    judge, server = asking(Response(drop=True), *([good] if comes_back else []), ledger=memory_ledger)
    spent = Spent()
    with nullcontext() if comes_back else pytest.raises(JudgeError):
        judge.ask(question, deadline=soon, spent=spent)
    assert memory_ledger.unanswered == (1 if comes_back else len(server.requests)) > 0
    assert spent.cost_usd is None


def test_the_answer_behind_a_draft_is_paid_once(
    asking: Asking, question: Question, good: str, make_answer: Make, soon: float
) -> None:
    draft = json.dumps(make_answer(care={"score": 2}))
    judge, server = asking(reply(f"<think>\nFirst idea: {draft}\nHm, no.\n</think>\n{good}"))
    answer, _ = judge.ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["care"].score, len(server.requests)) == (6, 1)


# Endpoints


def _at(judge: Judge, url: str) -> Judge:
    return replace(judge, client=replace(judge.client, address=Address(url)))


def test_two_endpoints_that_call_their_model_alike_do_not_share_answers(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(good))
    asked = []
    for url in ("http://one:8000/v1", "http://one:1234/v1", "http://two:8000/v1", "http://one:8000/v2"):
        _, reused = replace(_at(judge, url), report_id=len(asked)).ask(question, deadline=soon, spent=Spent())
        asked.append(reused)
    assert asked == [False] * 4
    assert len({answer.fingerprint for answer in judge.ledger.answers}) == len(server.requests) == 4
    again = replace(_at(judge, "https://me:other@one:8000/v1"), report_id=9)
    assert again.ask(question, deadline=soon, spent=Spent())[1] is True


def test_an_answer_that_an_earlier_version_paid_for_is_used_wherever_it_came_from(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    """They were kept under a fingerprint without the endpoint."""
    judge, server = asking(reply(good))
    judge.ask(question, deadline=soon, spent=Spent())
    for url in ("https://api.openai.com/v1", "http://localhost:8000/v1"):
        assert replace(_at(judge, url), report_id=9).ask(question, deadline=soon, spent=Spent())[1] is True
    assert len(server.requests) == 1


def test_the_endpoint_does_not_make_reports_incomparable(asking: Asking) -> None:
    judge, _ = asking("unused")
    assert _at(judge, "http://one:8000/v1").settings() == judge.settings()


def test_other_fields_make_another_question(asking: Asking, question: Question, good: str, soon: float) -> None:
    judge, server = asking(reply(good))
    plain = judge.settings()
    low = replace(judge, client=replace(judge.client, extra={"reasoning_effort": "low"}))
    assert low.settings()["parameters"] == plain["parameters"] | {"extra": {"reasoning_effort": "low"}}
    assert "extra" not in plain["parameters"]
    for one in (judge, low):
        assert one.ask(question, deadline=soon, spent=Spent())[1] is False
    assert len(server.requests) == 2


def test_a_call_is_priced_in_the_tier_that_it_was_answered_in(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    prices = RunPrices(
        {"gpt-5.4-mini": {"input": 2.0, "output": 20.0}, "gpt-5.4-mini:flex": {"input": 1, "output": 10}}
    )
    for stated, cost in (("flex", 0.002), ("default", 0.004), ("scale", None)):
        judge, _ = asking(reply(good) | {"service_tier": stated}, prices=prices)
        judge = replace(judge, client=replace(judge.client, tier=ServiceTier("flex")))
        spent = Spent()
        judge.ask(question, deadline=soon, spent=spent)
        assert spent.cost_usd == (None if cost is None else pytest.approx(cost))
        assert judge.ledger.answers[0].cost_usd == spent.cost_usd
    # A call that is asked for in flex may end in the standard tier.
    assert judge.most_usd(1000) == replace(judge, client=replace(judge.client, tier=ServiceTier())).most_usd(1000)


def _act_as_anthropic(good: str) -> Callable[[dict[str, Any], Any], Any]:
    """It takes a schema and ignores it: only what stands in a message is followed."""

    def respond(payload: dict[str, Any], _: Any) -> dict[str, Any]:
        follows = "valid by this JSON Schema" in payload["messages"][-1]["content"]
        return reply(good if follows else '{"verdict": "The agent did well.", "score": 8}')

    return respond


def test_an_endpoint_that_ignores_the_schema_gets_it_as_text_from_then_on(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(_act_as_anthropic(good))
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
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(reply(good[:40], finish_reason="length"), reply(good), reply(good))
    for number in range(2):
        judge.ask(replace(question, digest=str(number)), deadline=soon, spent=Spent())
    assert not any("JSON Schema" in str(json.loads(request.body)["messages"]) for request in server.requests)
