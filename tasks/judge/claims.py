"""Claims on an answer before it is paid for: concurrent callers that want the same answer wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.errors import DeadlineError, WarehouseError
from tasks.judge.call_context import CallContext
from tasks.judge.ledger import Claim, Ledger, PaidAnswer, unknown_cost

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_PAUSES_GROW = 1.5
# A call ends at the deadline at the latest; then its answer has to get into a database that may be busy.
_GRACE_SECONDS = 30.0


@contextmanager
def claimed(
    ledger: Ledger, call: CallContext, most_usd: Callable[[], float | None] = unknown_cost
) -> Iterator[PaidAnswer | Claim]:
    """``with claimed(…) as held``: the answer if it is paid for, else a claim to pay for it; waits for other claims.

    A claim that is not answered within ``with`` is released at its end. It lapses when the process dies, and 30 s after
    the deadline in any case. Hold one at a time: two callers that each wait for the other's claim would wait until the
    deadline. A stored answer is returned even after the deadline and the end of judging, as it costs nothing.
    ``most_usd`` is only called for a claim: the most that the call can cost.

    Raises:
        DeadlineError: no answer came in time.
        JudgingEndedError: judging ended first.
        WarehouseError: the ledger is unreachable.
    """

    def ask() -> PaidAnswer | Claim | None:
        left = call.deadline - time.monotonic()
        if left <= 0 or call.stop.kind is not None:
            return ledger.find(call.fingerprint, since=call.fresh_since, report_id=call.report_id)
        return ledger.claim(
            call.fingerprint,
            kind=call.kind,
            model=call.model,
            report_id=call.report_id,
            agent_id=call.agent_id,
            seconds=left + _GRACE_SECONDS,
            sample=call.sample,
            since=call.fresh_since,
            most_usd=most_usd,
        )

    woken = threading.Event()
    with call.stop.listening(woken.set):
        pauses = growing_pauses()
        while (held := ask()) is None:
            call.stop.check()
            left = call.deadline - time.monotonic()
            if left <= 0:
                raise DeadlineError("another process or thread is paying for this answer, and it did not come in time")
            woken.wait(min(next(pauses), left))
    try:
        yield held
    finally:
        if isinstance(held, Claim) and not held.answered:
            _release(ledger, held)


def growing_pauses() -> Iterator[float]:
    """Seconds between two looks at the ledger: from 0.1, each half as long again as the last, to 2.0 at most."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * _PAUSES_GROW, _LONGEST_PAUSE_SECONDS)


def _release(ledger: Ledger, claim: Claim) -> None:
    try:
        ledger.release(claim)
    except WarehouseError as error:
        # It lapses by itself; what the caller has, an answer or an error, matters more.
        logger.warning("A claim in the ledger could not be released and holds up others until it lapses: %s", error)
