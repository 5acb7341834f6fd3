"""The ledger for a warehouse that may be unreachable: paid answers wait in memory until they are written."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from tasks.errors import WarehouseError
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import Claim, PaidAnswer
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.patience import ENDING_SECONDS, Patience

T = TypeVar("T")


class PatientLedger:
    """The judge's ``Ledger`` for one report, over a ``SqlLedger`` that may fail for a while.

    Callers wait for it, for as long as ``patience`` lasts: no further call is made meanwhile. Then judging
    ends by ``stop``, and what was paid for stays in memory until ``flush`` has written it.
    """

    def __init__(self, ledger: SqlLedger, stop: StopSignal, patience: Patience) -> None:
        self._ledger = ledger
        self._stop = stop
        self._patience = patience
        self._lock = threading.Lock()
        self._unwritten: deque[Callable[[], None]] = deque()

    def find(
        self, fingerprint: str, *, since: datetime | None = None, report_id: int | None = None
    ) -> PaidAnswer | None:
        """As ``SqlLedger.find``; also raises JudgingEndedError when judging ends while it waits."""
        return self._ask(lambda: self._ledger.find(fingerprint, since=since, report_id=report_id))

    def claim(self, fingerprint: str, **about: Any) -> PaidAnswer | Claim | None:
        """As ``SqlLedger.claim``; also raises JudgingEndedError when judging ends while it waits."""
        moment = datetime.now(UTC)
        return self._ask(lambda: self._ledger.claim(fingerprint, moment=moment, **about))

    def commit(self, answer: PaidAnswer, claim: Claim | None = None) -> None:
        """As ``SqlLedger.commit``; when the warehouse stays away the answer is kept in memory, for ``flush``."""
        moment = datetime.now(UTC)
        tries = 0

        def write() -> None:
            nonlocal tries
            tries += 1
            self._ledger.commit(answer, claim, moment=moment, again=tries > 1)

        if not self._write(write) and claim is not None and answer.outcome == "usable":
            # Nothing is to be given up: the answer takes its place later.
            claim.answered = True

    def release(self, claim: Claim) -> None:
        """As ``SqlLedger.release``; when the warehouse stays away, ``flush`` does it."""
        self._write(lambda: self._ledger.release(claim))

    def flush(self, seconds: float = ENDING_SECONDS) -> None:
        """Write what is kept in memory, in the order in which it came; waits up to ``seconds`` for the warehouse.

        Raises:
            WarehouseError: it cannot be written; what is left stays in memory.
        """
        patience = self._patience.lasting(seconds)
        while (write := self._next()) is not None:
            patience.keep_trying(write)
            with self._lock:
                self._unwritten.popleft()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            return self._unwritten[0] if self._unwritten else None

    def _ask(self, action: Callable[[], T]) -> T:
        try:
            return self._patience.keep_trying(action, self._stop.check)
        except WarehouseError as error:
            self._give_up(error)
            raise

    def _write(self, write: Callable[[], None]) -> bool:
        """Whether it is written; else it is kept in memory."""
        try:
            if self._next() is None:
                self._patience.keep_trying(write)
                return True
        except WarehouseError as error:
            if not error.passing:
                raise
            self._give_up(error)
        with self._lock:
            self._unwritten.append(write)
        return False

    def _give_up(self, error: WarehouseError) -> None:
        if error.passing:
            self._stop.end("warehouse", f"the warehouse was unavailable for {self._patience.seconds:g} s: {error}")
