"""The budget: no call starts that could pass the limit, and then no other either."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tasks.errors import BudgetError, JudgingEndedError
from tasks.judge.budget import Budget
from tasks.judge.endpoint.stop_signal import StopSignal


def spend(budget: Budget, most: float | None, cost: float) -> None:
    with budget.pay(lambda: most) as payment:
        payment.cost_usd = cost


def test_without_a_limit_everything_is_paid() -> None:
    budget = Budget()
    for most in (1e9, None):
        spend(budget, most, 1.0)


def test_what_a_call_came_to_counts_and_not_its_most() -> None:
    budget = Budget(1.0)
    for _ in range(9):
        spend(budget, 0.2, 0.1)
    with pytest.raises(
        BudgetError, match=r"of up to \$0\.2000 could pass max_report_cost_usd \(\$1, of which \$0\.1000"
    ):
        spend(budget, 0.2, 0.1)


def test_a_call_that_came_to_nothing_costs_nothing() -> None:
    budget = Budget(1.0)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), budget.pay(lambda: 0.9):
            raise OSError("gone")
    spend(budget, 0.9, 0.9)


def test_after_the_first_refusal_no_cheaper_call_slips_through() -> None:
    budget = Budget(1.0)
    with pytest.raises(BudgetError):
        spend(budget, 2.0, 0.1)
    with pytest.raises(BudgetError, match=r"^an earlier call could have passed max_report_cost_usd \(\$1\)"):
        spend(budget, 0.01, 0.01)


def test_a_call_of_unknown_price_may_have_cost_all_that_is_left() -> None:
    budget = Budget(1.0)
    with budget.pay(lambda: None) as payment:
        payment.cost_usd = payment.most_usd
    with pytest.raises(BudgetError, match=r"its endpoint states no cost.*AGENT_REPORT_PRICES"):
        spend(budget, None, 0.0)


def test_a_call_of_unknown_price_is_alone_and_tells_that_of_the_next(pool: ThreadPoolExecutor) -> None:
    budget, go = Budget(1.0), threading.Event()
    known: list[float | None] = [None]
    most: list[float | None] = []

    def call(first: threading.Event) -> None:
        with budget.pay(lambda: known[0]) as payment:
            most.append(payment.most_usd)
            first.set()
            go.wait(10)
            payment.cost_usd = 0.2
            known[0] = 0.4

    first, second = threading.Event(), threading.Event()
    calls = [pool.submit(call, first)]
    assert first.wait(10)
    calls.append(pool.submit(call, second))
    assert not second.wait(0.1)
    go.set()
    for made in calls:
        made.result(10)
    assert most == [1.0, 0.4]


@dataclass
class UnderWay:
    """Four calls of at most 0.25 USD that are under way, which is all of the budget, until ``end``."""

    budget: Budget
    calls: list[Future[None]]
    go: threading.Event
    cost: float = 0.25

    def end(self, cost: float) -> None:
        self.cost = cost
        self.go.set()
        for call in self.calls:
            call.result(10)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(12) as opened:
        yield opened


@pytest.fixture
def under_way(pool: ThreadPoolExecutor) -> Iterator[UnderWay]:
    budget, gathered = Budget(1.0), threading.Barrier(5)
    made = UnderWay(budget, [], threading.Event())

    def call() -> None:
        with budget.pay(lambda: 0.25) as payment:
            gathered.wait(10)
            made.go.wait(10)
            payment.cost_usd = made.cost

    made.calls = [pool.submit(call) for _ in range(4)]
    gathered.wait(10)
    yield made
    made.go.set()


def wait_for(pool: ThreadPoolExecutor, budget: Budget, most: float, **more: Any) -> Future[None]:
    """A call that is waiting for the budget when this returns."""

    def call() -> None:
        with budget.pay(lambda: most, **more) as payment:
            payment.cost_usd = most

    waiting = pool.submit(call)
    time.sleep(0.1)
    assert not waiting.done()
    return waiting


def test_what_calls_under_way_leave_over_is_waited_for(pool: ThreadPoolExecutor, under_way: UnderWay) -> None:
    waiting = [wait_for(pool, under_way.budget, 0.2) for _ in range(3)]
    under_way.end(0.05)
    for call in waiting:
        call.result(10)
    with pytest.raises(BudgetError, match=r"\$0\.2000 is left"):
        spend(under_way.budget, 0.21, 0.0)


def test_who_waits_is_refused_when_nothing_is_left_over(pool: ThreadPoolExecutor, under_way: UnderWay) -> None:
    waiting = wait_for(pool, under_way.budget, 0.25)
    under_way.end(0.25)
    with pytest.raises(BudgetError):
        waiting.result(10)


def test_a_cheaper_call_waits_for_its_turn(pool: ThreadPoolExecutor, under_way: UnderWay) -> None:
    dear = wait_for(pool, under_way.budget, 0.9)
    cheap = wait_for(pool, under_way.budget, 0.05)
    under_way.end(0.2)
    for call in (dear, cheap):
        with pytest.raises(BudgetError):
            call.result(10)


def test_nobody_waits_beyond_the_deadline_or_the_end_of_judging(pool: ThreadPoolExecutor, under_way: UnderWay) -> None:
    with (
        pytest.raises(BudgetError, match=r"\$0\.0000 is left"),
        under_way.budget.pay(lambda: 0.1, deadline=time.monotonic()),
    ):
        pytest.fail("paid")
    stop = StopSignal()
    waiting = wait_for(pool, under_way.budget, 0.1, stop=stop)
    stop.end("cancelled", "Ctrl-C")
    with pytest.raises(JudgingEndedError, match="Ctrl-C"):
        waiting.result(10)
    under_way.end(0.0)
    spend(under_way.budget, 1.0, 1.0)
