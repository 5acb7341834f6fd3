"""The purse: no call starts that could pass the limit, and then no other either."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.judge.purse import BudgetError, Purse


def spend(purse: Purse, most: float | None, cost: float) -> None:
    with purse.pay(most) as payment:
        payment.cost_usd = cost


def test_without_a_limit_everything_is_paid() -> None:
    purse = Purse()
    for most in (1e9, None):
        spend(purse, most, 1.0)


def test_what_a_call_came_to_counts_and_not_its_most() -> None:
    purse = Purse(1.0)
    for _ in range(9):
        spend(purse, 0.2, 0.1)
    with pytest.raises(
        BudgetError, match=r"of up to \$0\.2000 could pass max_report_cost_usd \(\$1, of which \$0\.1000"
    ):
        spend(purse, 0.2, 0.1)


def test_a_call_that_came_to_nothing_costs_nothing() -> None:
    purse = Purse(1.0)
    for _ in range(3):
        with pytest.raises(OSError, match="gone"), purse.pay(0.9):
            raise OSError("gone")
    spend(purse, 0.9, 0.9)


def test_after_the_first_refusal_no_cheaper_call_slips_through() -> None:
    purse = Purse(1.0)
    with pytest.raises(BudgetError):
        spend(purse, 2.0, 0.1)
    with pytest.raises(BudgetError):
        spend(purse, 0.01, 0.01)


def test_an_unknown_price_is_refused() -> None:
    with pytest.raises(BudgetError, match="price of a judge call is not known"):
        spend(Purse(1.0), None, 0.0)


def test_what_is_under_way_is_held_back() -> None:
    purse, gathered, go = Purse(1.0), threading.Barrier(5), threading.Event()

    def call() -> bool:
        try:
            with purse.pay(0.25) as payment:
                gathered.wait(10)
                go.wait(10)
                payment.cost_usd = 0.25
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(4)]
        gathered.wait(10)
        with pytest.raises(BudgetError):
            spend(purse, 0.25, 0.25)
        go.set()
        assert all(future.result() for future in calls)
