"""The budget: what a report may spend on judging. No call starts that could pass it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.errors import BudgetError
from tasks.judge.endpoint.stop_signal import StopSignal


class Reservation:
    """One call's share of the budget. ``cost_usd`` is its cost as far as it is known; 0 until it is set."""

    def __init__(self) -> None:
        self.most_usd = 0.0
        self.cost_usd = 0.0


def describe_unknown_price(limit_usd: float, model: str) -> str:
    """How a limit to the cost of a report by ``model`` is kept when its price is not known."""
    return (
        f"The price of {model!r} is not known (AGENT_REPORT_PRICES). max_report_cost_usd={limit_usd:g} is kept by what "
        "the endpoint states for each call; the first is made alone, and if no cost is stated for it, it is the last."
    )


class Budget:
    """Money for the calls of one report, shared by its threads. ``limit_usd`` 0 is no limit.

    ``spent_usd`` is gone already, in the life of the same report that was killed. A call is held back at its most and
    comes to less, as a rule: who finds too little left waits for what the calls under way leave over, in the order of
    coming. Once a call has been refused all later ones are: which agents are judged must not hang on which is the
    cheapest. A call whose maximum is unknown (None) has to be alone: all that is left is held back for it. What
    it came to may show the price of the next.
    """

    def __init__(self, limit_usd: float = 0.0, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._spent_usd = spent_usd
        self._reserved_usd = 0.0
        self._empty = False

    @contextmanager
    def pay(
        self, most_usd: Callable[[], float | None], *, deadline: float = math.inf, stop: StopSignal | None = None
    ) -> Iterator[Reservation]:
        """Hold ``most_usd()`` back for one call, and count what it came to afterwards (set on what this gives).

        Waits, until ``deadline`` (of ``time.monotonic``), while the money is held back for other calls; the most is
        asked for again after each of them. A call whose cost is not known should be set to its most: it may have cost
        that.

        Raises:
            BudgetError: it could pass the limit, an earlier call was refused, or other calls still held the money back
                at the deadline.
            JudgingEndedError: judging ended while it waited.
        """
        payment = Reservation()
        if not self.limit_usd:
            payment.most_usd = most_usd() or 0.0
            yield payment
            return
        with (stop or StopSignal()).listening(self._wake), self._changed:
            self._waiting.append(payment)
            try:
                while not self._has_room(payment, known := most_usd()):
                    if stop is not None:
                        stop.check()
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise BudgetError(self._refusal(known, self._left_usd() - self._reserved_usd))
                    self._changed.wait(min(left, threading.TIMEOUT_MAX))
                self._reserved_usd += payment.most_usd
            finally:
                self._waiting.remove(payment)
                self._changed.notify_all()
        try:
            yield payment
        finally:
            with self._changed:
                self._reserved_usd -= payment.most_usd
                self._spent_usd += payment.cost_usd
                self._changed.notify_all()

    def _has_room(self, payment: Reservation, most_usd: float | None) -> bool:
        """Whether it is this call's turn and there is money for it; raises when there will never be."""
        left = self._left_usd()
        if self._empty or left <= 0 or (most_usd or 0) > left:
            self._empty = True
            raise BudgetError(self._refusal(most_usd, left))
        payment.most_usd = left if most_usd is None else most_usd
        return self._waiting[0] is payment and payment.most_usd <= left - self._reserved_usd

    def _left_usd(self) -> float:
        return self.limit_usd - self._spent_usd

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _refusal(self, most_usd: float | None, left: float) -> str:
        if most_usd is None:
            return (
                "the price of a judge call is not known and its endpoint states no cost, so max_report_cost_usd cannot "
                "be kept: set the price in AGENT_REPORT_PRICES"
            )
        if most_usd <= left:
            return f"an earlier call could have passed max_report_cost_usd (${self.limit_usd:g}); none is made after it"
        return (
            f"a call of up to ${most_usd:.4f} could pass max_report_cost_usd (${self.limit_usd:g}, of which "
            f"${max(0.0, left):.4f} is left)"
        )
