"""What a question costs: by the endpoint's counts and prices, unknown where either is; and the limit on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge, completion
from deployments.demo.loopback import Response
from tasks.errors import BudgetError, EndpointError, JudgeError
from tasks.evidence.prices import RunPrices
from tasks.judge.budget import Budget
from tasks.judge.call_context import Spent
from tasks.judge.endpoint.access.tier import ServiceTier
from tasks.judge.endpoint.client import JudgeClient
from tasks.judge.exchange import Judge
from tasks.judge.question import Question

Make = Callable[..., dict[str, Any]]
Serve = Callable[..., SimulatedJudge]
Asking = Callable[..., tuple[Judge, SimulatedJudge]]


def usage(given: int, made: int) -> dict[str, Any]:
    return {"prompt_tokens": given, "completion_tokens": made}


def test_what_this_report_paid_for_before_is_a_cost_of_it(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(make_reply(good))
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
    first: Response, unknown: bool, asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, server = asking(first, make_reply(good))
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


def test_garbage_twice_fails_and_both_are_counted_and_kept(
    asking: Asking, make_reply: Make, question: Question, soon: float
) -> None:
    judge, server = asking(
        make_reply("garbage", 1000, 100), make_reply('{"criteria": {"accuracy": {"score": 99}}}', 2000, 50)
    )
    spent = Spent()
    with pytest.raises(JudgeError, match=r"nor could the second: .*score 99 is not between 0 and 10; .*'care'"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (2, 3000, 150)
    assert spent.cost_usd == pytest.approx((3000 + 1500) / 1e6)
    assert [kept.outcome for kept in judge.ledger.answers] == ["unparseable", "unparseable"]
    assert sum(kept.cost_usd for kept in judge.ledger.answers) == pytest.approx(spent.cost_usd)
    assert len(server.requests) == 2


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
    first: Any, second: Any, expected: Any, asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, _ = asking(make_reply("garbage", usage=first), make_reply(good, usage=second))
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert (spent.prompt_tokens, spent.completion_tokens, spent.cost_usd is not None) == expected


@pytest.mark.parametrize(
    ("asked", "stated", "cost"),
    [
        ("gpt-5.4-mini", "the-proxy's-name", 0.002),
        ("gpt-5.4-mini", "dear", 0.2),
        ("a-model-of-mine", "a-model-of-mine", None),
    ],
)
def test_the_cost_is_that_of_the_model_that_answered(
    asked: str,
    stated: str,
    cost: float | None,
    serve: Serve,
    make_client: Callable[..., JudgeClient],
    make_judge: Callable[..., Judge],
    question: Question,
    good: str,
    soon: float,
) -> None:
    prices = RunPrices({"gpt-5.4-mini": {"input": 1, "output": 10}, "dear": {"input": 100, "output": 1000}})
    server = serve(completion(good, model=stated, usage=usage(1000, 100)))
    judge = make_judge(make_client(server.base_url, model=asked), prices=prices)
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert spent.cost_usd == (None if cost is None else pytest.approx(cost))
    assert judge.ledger.answers[0].model == stated


def test_an_endpoint_that_fails_costs_nothing_that_is_known(asking: Asking, question: Question, soon: float) -> None:
    judge, _ = asking(Response(400, b'{"error": {"message": "context too long"}}'))
    spent = Spent()
    with pytest.raises(EndpointError, match="context too long"):
        judge.ask(question, deadline=soon, spent=spent)
    assert (spent.calls, judge.ledger.answers) == (0, [])


@pytest.mark.parametrize(
    ("first", "left"),
    [(None, False), (Response(drop=True), False), (Response(503, b"{}"), True)],
    ids=["an unknown cost", "nothing came back", "an error"],
)
def test_what_may_have_been_paid_is_taken_from_the_budget(
    first: Response | None, left: bool, asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    judge, _ = asking(first or make_reply("{}", usage=None), make_reply(good))
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
    response = completion(good, model="a-model-of-mine", usage=usage(1000, 100) | {"cost": 0.02})
    judge, _ = asking(response, prices=RunPrices(prices))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    spent = Spent()
    judge.ask(question, deadline=soon, spent=spent)
    assert spent.cost_usd == pytest.approx(cost)
    assert judge.ledger.answers[0].cost_usd == pytest.approx(cost)


def test_a_limit_is_kept_by_the_costs_that_the_endpoint_states(
    asking: Asking, question: Question, good: str, soon: float
) -> None:
    response = completion(good, model="a-model-of-mine", usage=usage(1000, 4000) | {"cost": 0.02})
    judge, server = asking(response, prices=RunPrices(), budget=Budget(0.1))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    spent = Spent()
    ask_until_the_limit(judge, question, soon, spent)
    assert 0.04 <= (spent.cost_usd or 0) <= 0.1
    assert len(server.requests) == spent.calls


@pytest.mark.parametrize("stated", [{}, {"cost": None}], ids=["none", "null"])
def test_a_limit_ends_with_the_first_call_that_states_no_cost(
    stated: Any, asking: Asking, question: Question, good: str, soon: float
) -> None:
    response = completion(good, model="a-model-of-mine", usage=usage(1000, 100) | stated)
    judge, server = asking(response, prices=RunPrices(), budget=Budget(10.0))
    judge = replace(judge, client=replace(judge.client, model="a-model-of-mine"))
    judge.ask(question, deadline=soon, spent=Spent())
    with pytest.raises(BudgetError, match="AGENT_REPORT_PRICES"):
        judge.ask(question, deadline=soon, spent=Spent(), sample=1)
    assert len(server.requests) == 1


def test_hidden_reasoning_is_paid_for_and_reaches_the_limit(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    hidden = {"prompt_tokens": 900, "completion_tokens": 20, "total_tokens": 8900}
    judge, server = asking(make_reply(good, usage=hidden), budget=Budget(0.2))
    spent = Spent()
    ask_until_the_limit(judge, question, soon, spent)
    assert spent.completion_tokens == 8000 * len(server.requests)
    assert 0.08 <= (spent.cost_usd or 0) <= 0.2


def test_a_claim_holds_what_the_call_under_way_can_cost(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float, memory_ledger: Any
) -> None:
    seen: list[float] = []

    def look(text: str) -> Callable[[Any, Any], dict[str, Any]]:
        def respond(payload: Any, request: Any) -> dict[str, Any]:
            seen.extend(claim.most_usd for claim in memory_ledger.claims.values())
            return make_reply(text)

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


def test_a_call_is_priced_in_the_tier_that_it_was_answered_in(
    asking: Asking, make_reply: Make, question: Question, good: str, soon: float
) -> None:
    prices = RunPrices(
        {"gpt-5.4-mini": {"input": 2.0, "output": 20.0}, "gpt-5.4-mini:flex": {"input": 1, "output": 10}}
    )
    for stated, cost in (("flex", 0.002), ("default", 0.004), ("scale", None)):
        judge, _ = asking(make_reply(good) | {"service_tier": stated}, prices=prices)
        judge = replace(judge, client=replace(judge.client, tier=ServiceTier("flex")))
        spent = Spent()
        judge.ask(question, deadline=soon, spent=spent)
        assert spent.cost_usd == (None if cost is None else pytest.approx(cost))
        assert judge.ledger.answers[0].cost_usd == spent.cost_usd
    # A call that is asked for in flex may end in the standard tier.
    assert judge.most_usd(1000) == replace(judge, client=replace(judge.client, tier=ServiceTier())).most_usd(1000)
