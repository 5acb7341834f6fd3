"""Claiming an answer before it is paid for: whoever wants the same one at the same time waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from tasks.errors import DeadlineError, WarehouseError
from tasks.judge.answer import Kind
from tasks.judge.endpoint.limiter import StopSignal
from tasks.judge.ledger import Claim, Ledger, PaidAnswer, unknown_cost

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_PAUSES_GROW = 1.5
# A call ends at the deadline at the latest; then its answer has to get into a database that may be busy.
_GRACE_SECONDS = 30.0


@contextmanager
def claimed(
    ledger: Ledger,
    fingerprint: str,
    *,
    kind: Kind,
    model: str,
    report_id: int | None,
    agent_id: int | None,
    deadline: float,
    stop: StopSignal,
    sample: int = 0,
    since: datetime | None = None,
    most_usd: Callable[[], float | None] = unknown_cost,
) -> Iterator[PaidAnswer | Claim]:
    """``with claimed(…) as held``: the answer that is there, or a claim to pay for it; waits while another holds it.

    A claim that was not answered inside of ``with`` is released at its end, however that is reached; should the process
    die it lapses, and 30 s after ``deadline`` (of ``time.monotonic``) in any case. Hold one at a time: two callers that
    each wait for what the other holds would wait until the deadline. An answer that is there already is given out also
    after the deadline and the end of judging, as it costs nothing; one that arrived before ``since`` does not count.

    Raises:
        DeadlineError: nobody answered in time.
        JudgingEndedError: judging ended first.
        WarehouseError: the ledger cannot be asked.
    """

    def ask() -> PaidAnswer | Claim | None:
        left = deadline - time.monotonic()
        if left <= 0 or stop.kind is not None:
            return ledger.find(fingerprint, since=since, report_id=report_id)
        return ledger.claim(
            fingerprint,
            kind=kind,
            model=model,
            report_id=report_id,
            agent_id=agent_id,
            seconds=left + _GRACE_SECONDS,
            sample=sample,
            since=since,
            most_usd=most_usd,
        )

    woken = threading.Event()
    with stop.listening(woken.set):
        pauses = growing_pauses()
        while (held := ask()) is None:
            stop.check()
            left = deadline - time.monotonic()
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
