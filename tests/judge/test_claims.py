"""Waiting for an answer that another one is paying for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate, islice
from typing import Any

import pytest

from tasks.errors import DeadlineError, JudgingEndedError, WarehouseError
from tasks.judge.call_context import CallContext
from tasks.judge.claims import claimed, growing_pauses
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import Claim, PaidAnswer

Enter = Callable[..., AbstractContextManager[PaidAnswer | Claim]]


def paid(text: str = "{}", outcome: str = "usable") -> PaidAnswer:
    return PaidAnswer(
        fingerprint="f",
        kind="agent",
        model="m",
        answer=text,
        outcome=outcome,
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=None,
        cost_usd=None,
        latency_seconds=1.0,
        attempts=1,
        report_id=None,
        agent_id="1",
    )


@pytest.fixture
def enter(memory_ledger: Any) -> Enter:
    """``enter(seconds, …)``: ``claimed`` for "f" with a deadline in so many seconds."""

    def make(seconds: float = 20, **more: Any) -> AbstractContextManager[PaidAnswer | Claim]:
        call = CallContext(
            fingerprint="f",
            kind="agent",
            model="m",
            agent_id="1",
            deadline=time.monotonic() + seconds,
            stop=more.pop("stop", None) or StopSignal(),
        )
        return claimed(more.pop("ledger", memory_ledger), replace(call, **more))

    return make


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as opened:
        yield opened


def wait_outside(pool: ThreadPoolExecutor, enter: Enter, *args: Any, **more: Any) -> Future[PaidAnswer | Claim]:
    """Enters in a thread, which is waiting when this returns."""

    def go() -> PaidAnswer | Claim:
        with enter(*args, **more) as got:
            return got

    waiting = pool.submit(go)
    time.sleep(0.15)
    assert not waiting.done()
    return waiting


def test_who_waits_gets_the_answer_and_pays_nothing(memory_ledger: Any, enter: Enter, pool: ThreadPoolExecutor) -> None:
    with enter() as held:
        assert isinstance(held, Claim)
        waiting = [wait_outside(pool, enter) for _ in range(3)]
        memory_ledger.commit(paid("<html>", "unparseable"), held)
        time.sleep(0.3)
        assert not any(one.done() for one in waiting)
        memory_ledger.commit(paid(), held)
    assert [one.result() for one in waiting] == [paid()] * 3
    assert memory_ledger.claims == {}
    with enter() as known:
        assert known == paid()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_who_leaves_without_an_answer_leaves_the_claim_to_the_next(
    enter: Enter, pool: ThreadPoolExecutor, error: type[BaseException]
) -> None:
    waiting: list[Future[PaidAnswer | Claim]] = []

    def judge() -> None:
        with enter():
            waiting.append(wait_outside(pool, enter))
            raise error

    with pytest.raises(error):
        judge()
    assert isinstance(waiting[0].result(), Claim)
    with enter():
        pass
    with enter() as third:
        assert isinstance(third, Claim)


def test_nobody_waits_beyond_the_deadline(memory_ledger: Any, enter: Enter) -> None:
    with enter():
        with pytest.raises(DeadlineError, match="another process or thread is paying"), enter(2.5):
            pytest.fail("entered")
        # The pause that it is in by then is not waited for.
        assert len(memory_ledger.claims) == 1


def test_the_end_of_judging_wakes_at_once_who_waits(enter: Enter, pool: ThreadPoolExecutor) -> None:
    stop = StopSignal()
    with enter():
        waiting = wait_outside(pool, enter, stop=stop)
        time.sleep(1.5)  # By now the pauses are longer than a second.
        stop.end("cancelled", "the user pressed Ctrl-C")
        with pytest.raises(JudgingEndedError, match="Ctrl-C"):
            waiting.result()


def test_after_the_end_of_judging_only_what_is_there_is_given_out(memory_ledger: Any, enter: Enter) -> None:
    stop = StopSignal()
    stop.end("endpoint", "quota")
    with pytest.raises(JudgingEndedError, match="quota"), enter(stop=stop):
        pytest.fail("entered")
    with pytest.raises(DeadlineError), enter(0):
        pytest.fail("entered")
    assert memory_ledger.claimed_seconds == []
    memory_ledger.commit(paid())
    for known in (enter(stop=stop), enter(0)):
        with known as got:
            assert got == paid()


def test_a_claim_lasts_longer_than_the_call_that_it_is_for(memory_ledger: Any, enter: Enter) -> None:
    with enter(100):
        pass
    assert memory_ledger.claimed_seconds == [pytest.approx(130, abs=1)]


def test_an_answer_from_before_does_not_count_for_who_asks_anew(memory_ledger: Any, enter: Enter) -> None:
    memory_ledger.commit(paid("old"))
    since = datetime.now(UTC)
    with pytest.raises(DeadlineError), enter(0, fresh_since=since):
        pytest.fail("entered")
    with enter(fresh_since=since) as again:
        assert isinstance(again, Claim)
        memory_ledger.commit(paid("new"), again)
    for known in (enter(fresh_since=since), enter(0, fresh_since=since)):
        with known as got:
            assert got == paid("new")


def test_pauses_grow_and_stay_bounded() -> None:
    pauses = list(islice(growing_pauses(), 20))
    assert pauses[:3] == pytest.approx([0.1, 0.15, 0.225])
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    # An answer that takes a minute is looked for some thirty times.
    assert 25 < sum(total < 60 for total in accumulate(islice(growing_pauses(), 60))) < 45


@pytest.mark.parametrize("answered", [True, False])
def test_a_claim_that_cannot_be_released_does_not_hide_what_the_caller_has(
    memory_ledger: Any, enter: Enter, answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Gone:
        claim = staticmethod(memory_ledger.claim)

        def release(self, claim: Claim) -> None:
            raise WarehouseError("the warehouse cannot be written: disk full")

    def judge() -> str:
        with enter(ledger=Gone()):
            if not answered:
                raise ZeroDivisionError
            return "answer"

    if answered:
        assert judge() == "answer"
    else:
        with pytest.raises(ZeroDivisionError):
            judge()
    assert "disk full" in caplog.text


def test_of_many_threads_one_pays(memory_ledger: Any, enter: Enter) -> None:
    start = threading.Barrier(20)

    def judge(_: int) -> PaidAnswer:
        start.wait()
        with enter() as got:
            if isinstance(got, PaidAnswer):
                return got
            time.sleep(0.05)
            memory_ledger.commit(paid(), got)
        return paid()

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(judge, range(20))) == [paid()] * 20
    assert memory_ledger.answers == [paid()]
