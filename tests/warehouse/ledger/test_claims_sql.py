"""Claims in SQL: of all who want the same answer at the same time, one pays."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.errors import WarehouseError
from tasks.judge.call_context import CallContext
from tasks.judge.claims import claimed
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import Claim, Ledger, Paid, PaidAnswer
from tasks.warehouse.engine import connect_database
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.owner import Owner
from tasks.warehouse.schema import judge_calls
from tasks.warehouse.sql import Warehouse, open_warehouse

ROOT = Path(__file__).parents[3]


def paid(fingerprint: str = "f", **changes: Any) -> PaidAnswer:
    values: dict[str, Any] = {
        "fingerprint": fingerprint,
        "kind": "agent",
        "model": "gpt-5.4-mini",
        "answer": '{"score": 7}',
        "outcome": "usable",
        "prompt_tokens": 1000,
        "completion_tokens": 20,
        "cached_tokens": None,
        "cost_usd": 0.25,
        "latency_seconds": 2.25,
        "attempts": 1,
        "report_id": 3,
        "agent_id": "7",
        "sample": 2,
    }
    return PaidAnswer(**{**values, **changes})


def claim(ledger: Ledger, fingerprint: str = "f", seconds: float = 60, **more: Any) -> PaidAnswer | Claim | None:
    return ledger.claim(
        fingerprint, kind="agent", model="gpt-5.4-mini", report_id=3, agent_id="7", seconds=seconds, **more
    )


def held(ledger: Ledger, fingerprint: str = "f", seconds: float = 60, **more: Any) -> Claim:
    got = claim(ledger, fingerprint, seconds, **more)
    assert isinstance(got, Claim)
    return got


def rows(warehouse: Warehouse) -> list[dict[str, Any]]:
    with warehouse.database.reading() as connection:
        return [dict(row) for row in connection.execute(sa.select(judge_calls).order_by("id")).mappings()]


def states(warehouse: Warehouse) -> list[tuple[str, str | None]]:
    return [(row["status"], row["outcome"]) for row in rows(warehouse)]


@pytest.fixture
def ledger(warehouse: Warehouse) -> SqlLedger:
    return SqlLedger(warehouse.database)


def test_a_claim_is_held_by_one_also_within_a_process(ledger: SqlLedger) -> None:
    first = held(ledger, "f")
    assert claim(ledger, "f") is None
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(claim, ledger, "f").result() is None
    assert first.fingerprint == "f"
    assert held(ledger, "g").id != first.id
    assert ledger.find("f") is None


def test_a_usable_answer_takes_the_place_of_its_claim(warehouse: Warehouse, ledger: SqlLedger) -> None:
    held_claim = held(ledger, sample=2)
    (row,) = rows(warehouse)
    assert (row["status"], row["outcome"], row["kind"], row["sample"]) == ("claimed", None, "agent", 2)
    assert (row["report_id"], row["agent_id"]) == (3, "7")
    before = datetime.now(UTC)
    ledger.commit(paid(model="as-it-was-answered"), held_claim)
    (row,) = rows(warehouse)
    assert (row["id"], row["status"], row["claimed_by"], row["claimed_until"]) == (
        held_claim.id,
        "answered",
        None,
        None,
    )
    assert row["created_at"] >= before
    assert claim(ledger) == ledger.find("f") == paid(model="as-it-was-answered")


def test_beside_an_unusable_answer_the_claim_stays_until_a_usable_one(warehouse: Warehouse, ledger: SqlLedger) -> None:
    held_claim = held(ledger)
    ledger.commit(paid(outcome="unparseable", answer="<html>"), held_claim)
    assert states(warehouse) == [("claimed", None), ("answered", "unparseable")]
    assert claim(ledger) is None
    ledger.commit(paid(), held_claim)
    assert states(warehouse) == [("answered", "usable"), ("answered", "unparseable")]
    assert claim(ledger) == paid()


def test_an_answer_without_a_claim_is_kept_and_leaves_claims_alone(warehouse: Warehouse, ledger: SqlLedger) -> None:
    held(ledger, "f")
    ledger.commit(paid("f"))
    ledger.commit(paid("g"))
    assert states(warehouse) == [("claimed", None), ("answered", "usable"), ("answered", "usable")]
    # The answer counts before the claim: no caller has to wait for a second one.
    assert claim(ledger, "f") == paid("f")


def test_a_released_claim_is_gone_and_is_no_hindrance(warehouse: Warehouse, ledger: SqlLedger) -> None:
    first = held(ledger)
    ledger.release(first)
    assert rows(warehouse) == []
    second = held(ledger)
    # Not the other one's, as an id is never used again.
    ledger.release(first)
    assert claim(ledger) is None
    ledger.commit(paid(), second)
    ledger.release(second)
    assert states(warehouse) == [("answered", "usable")]


def test_a_claim_whose_time_is_over_is_taken_over(warehouse: Warehouse, ledger: SqlLedger) -> None:
    lapsing = held(ledger, seconds=0.3)
    assert claim(ledger) is None
    time.sleep(0.35)
    taken = held(ledger)
    assert states(warehouse) == [("unanswered", None), ("claimed", None)]
    assert claim(ledger) is None
    # Who comes late takes nothing from the new one, and what he paid for is not lost.
    ledger.release(lapsing)
    ledger.commit(paid(answer="late"), lapsing)
    assert states(warehouse) == [("claimed", None), ("answered", "usable")]
    ledger.commit(paid(answer="in time"), taken)
    assert states(warehouse) == [("answered", "usable")] * 2


def test_a_claim_that_lapsed_and_was_not_taken_over_is_still_answered_in_its_place(
    warehouse: Warehouse, ledger: SqlLedger
) -> None:
    ledger.commit(paid(), held(ledger, seconds=0))
    assert states(warehouse) == [("answered", "usable")]


def test_a_claim_of_a_killed_process_is_taken_over_at_once(
    warehouse: Warehouse, ledger: SqlLedger, warehouse_url: str
) -> None:
    code = f"""
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import open_warehouse
ledger = SqlLedger(open_warehouse({warehouse_url!r}).database)
for name in "fg":
    ledger.claim(name, kind="agent", model="m", report_id=None, agent_id=None, seconds=3600)
print("claimed", flush=True)
input()
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    assert claim(ledger, "f") is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    # All at once, and one gets it.
    start = threading.Barrier(8)

    def take(_: int) -> PaidAnswer | Claim | None:
        start.wait()
        return claim(ledger, "f")

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(take, range(8)))
    assert [isinstance(one, Claim) for one in got].count(True) == 1
    assert got.count(None) == 7
    held(ledger, "g")
    assert sorted(states(warehouse)) == [("claimed", None)] * 2 + [("unanswered", None)] * 2


def test_a_claim_that_died_is_a_call_of_unknown_cost(warehouse: Warehouse, ledger: SqlLedger) -> None:
    ledger.commit(paid("e"), held(ledger, "e", most_usd=lambda: 0.75))
    assert ledger.load_paid(3) == {"7": Paid(1, 1000, 20, 0.25, 0.25)}
    lapsing = held(ledger, "f", seconds=0, most_usd=lambda: 0.5)
    held(ledger, "f", most_usd=lambda: 0.5)
    ledger.lapse_claims(3)
    assert [state for state, _ in states(warehouse)] == ["answered", "unanswered", "unanswered"]
    assert ledger.load_paid(3) == {"7": Paid(3, None, None, None, 0.25)}
    assert ledger.spent_usd(3) == 0.25 + 0.5 + 0.5
    # Its holder was thought dead, and answers after all.
    ledger.commit(paid("f"), lapsing)
    assert [state for state, _ in states(warehouse)] == ["answered", "answered", "unanswered"]
    assert ledger.spent_usd(3) == 0.25 + 0.25 + 0.5


def test_what_no_version_before_kept_counts_as_the_most_of_any_call(warehouse: Warehouse, ledger: SqlLedger) -> None:
    held(ledger)
    ledger.commit(paid("g", cost_usd=None))
    assert ledger.spent_usd(3, 0.125) == 0.25


def test_calls_without_an_answer_stay_counted_when_the_claim_goes(warehouse: Warehouse, ledger: SqlLedger) -> None:
    given_up, answered = held(ledger, "f"), held(ledger, "g")
    for each in (given_up, answered):
        each.lose(2, 0.5)
    ledger.release(given_up)
    ledger.commit(paid("g"), answered)
    found = [(row["fingerprint"], row["status"], row["attempts"], row["most_usd"]) for row in rows(warehouse)]
    assert found == [("f", "unanswered", 2, 1.0), ("g", "answered", 1, None), ("g", "unanswered", 2, 1.0)]
    assert ledger.spent_usd(3) == 2.25
    assert held(ledger, "f")


def test_a_second_call_raises_the_most_of_its_claim(warehouse: Warehouse, ledger: SqlLedger) -> None:
    first = held(ledger, most_usd=lambda: 0.5)
    first.most_usd = 0.75
    ledger.commit(paid(outcome="unparseable"), first)
    assert ledger.spent_usd(3) == 0.25 + 0.75


@pytest.mark.parametrize(("seconds", "lives"), [(60, True), (-1, False)])
def test_of_a_process_elsewhere_without_a_report_only_the_time_counts(
    warehouse: Warehouse, ledger: SqlLedger, seconds: float, lives: bool
) -> None:
    held(ledger, seconds=seconds)
    elsewhere = Owner(host="elsewhere.example", pid=1, process_started=1.0)
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(judge_calls).values(claimed_by=elsewhere))
    assert (claim(ledger) is None) == lives


@pytest.mark.parametrize(
    ("silent_seconds", "taken_up", "lives"), [(5, False, True), (90, False, False), (5, True, False)]
)
def test_a_claim_of_a_process_elsewhere_lapses_with_its_report(
    warehouse: Warehouse, ledger: SqlLedger, silent_seconds: float, taken_up: bool, lives: bool
) -> None:
    elsewhere = Owner(host="elsewhere.example", pid=1, process_started=1.0)
    owner = Owner(host="third.example", pid=2, process_started=2.0) if taken_up else elsewhere
    beat = datetime.now(UTC) - timedelta(seconds=silent_seconds)
    report_id = warehouse.create_report({"environment": "prod", "owner": owner, "heartbeat": beat})
    first = ledger.claim("f", kind="agent", model="m", report_id=report_id, agent_id="7", seconds=300)
    assert isinstance(first, Claim)
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(judge_calls).values(claimed_by=elsewhere))
    assert (claim(ledger) is None) == lives


def test_an_answer_that_comes_while_its_lapsed_claim_is_taken_over_is_not_paid_for_again(
    warehouse_url: str, warehouse: Warehouse, ledger: SqlLedger
) -> None:
    lapsed = held(ledger, seconds=0)
    late = connect_database(warehouse_url)
    with ThreadPoolExecutor(1) as pool:
        with late.writing() as connection:
            values = {**paid().model_dump(), "status": "answered", "claimed_by": None, "claimed_until": None}
            connection.execute(sa.update(judge_calls).where(judge_calls.c.id == lapsed.id).values(values))
            taking = pool.submit(claim, ledger)
            # It has seen the lapsed claim and waits for this transaction.
            time.sleep(0.3)
            assert not taking.done()
        assert taking.result(timeout=10) == paid()
    late.close()
    assert states(warehouse) == [("answered", "usable")]


def test_one_claim_per_fingerprint_is_the_tables_own_rule(warehouse: Warehouse, ledger: SqlLedger) -> None:
    held(ledger, "f")
    held(ledger, "g")
    ledger.commit(paid("f"))
    ledger.commit(paid("f"))
    with pytest.raises(WarehouseError, match=r"uq_judge_calls_claimed|UNIQUE"), warehouse.database.writing() as writing:
        writing.execute(sa.update(judge_calls).where(judge_calls.c.status == "claimed").values(fingerprint="f"))


def test_an_answer_from_before_does_not_count_for_who_asks_anew(ledger: SqlLedger) -> None:
    ledger.commit(paid(answer="old"))
    since = datetime.now(UTC)
    assert ledger.find("f", since=since) is None
    again = held(ledger, since=since)
    assert claim(ledger, since=since) is None
    # Who does not ask again has no reason to wait.
    assert claim(ledger) == paid(answer="old")
    ledger.commit(paid(answer="new"), again)
    assert claim(ledger, since=since) == ledger.find("f") == paid(answer="new")


def test_the_clock_of_the_server_counts_as_those_of_hosts_differ(postgres_url: str) -> None:
    """A server whose clock is an hour ahead of this host's."""
    database = open_warehouse(postgres_url).database
    with database.writing() as connection:
        for statement in (
            "CREATE SCHEMA ahead",
            "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            " AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
            f"ALTER DATABASE {sa.make_url(postgres_url).database} SET search_path = ahead, pg_catalog, public",
        ):
            connection.execute(sa.text(statement))
    database.close()  # The next connection has the new path.
    ledger = SqlLedger(database)
    held(ledger, "over", seconds=0)
    held(ledger, "over", seconds=60)
    assert claim(ledger, "over") is None
    with database.reading() as connection:
        until = connection.execute(
            sa.select(judge_calls.c.claimed_until).where(judge_calls.c.status == "claimed")
        ).scalar_one()
    assert timedelta(minutes=60) < until - datetime.now(UTC) < timedelta(minutes=62)
    database.close()


def pay_all(ledger: Ledger, names: list[str], seconds: float) -> int:
    """Wants each answer, in an order of its own; returns for how many it had to pay."""
    times = 0
    for name in random.sample(names, len(names)):
        call = CallContext(
            fingerprint=name,
            kind="agent",
            model="m",
            report_id=3,
            agent_id="7",
            deadline=time.monotonic() + 60,
            stop=StopSignal(),
        )
        with claimed(ledger, call) as got:
            if isinstance(got, Claim):
                time.sleep(seconds)
                ledger.commit(paid(name), got)
                times += 1
    return times


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_of_many_threads_one_pays_for_each_answer(
    warehouse: Warehouse, warehouse_url: str, ledger: SqlLedger, seconds: float
) -> None:
    names = [f"f-{number}" for number in range(20)]
    # Two ledgers that share nothing but the database, as two processes would.
    other = connect_database(warehouse_url)
    ledgers = [ledger, SqlLedger(other)]
    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(pay_all, ledgers[number % 2], names, seconds) for number in range(12)]
        assert sum(future.result() for future in futures) == len(names)
    other.close()
    assert sorted(row["fingerprint"] for row in rows(warehouse)) == sorted(names)
    assert set(states(warehouse)) == {("answered", "usable")}


def test_of_two_processes_one_pays_for_each_answer(
    warehouse: Warehouse, warehouse_url: str, together: Callable[..., list[str]]
) -> None:
    imports = f"""
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import open_warehouse
spec = importlib.util.spec_from_file_location("claims", {__file__!r})
claims = importlib.util.module_from_spec(spec)
spec.loader.exec_module(claims)
ledger = SqlLedger(open_warehouse({warehouse_url!r}).database)
names = [f"f-{{number}}" for number in range(40)]
"""
    code = """
with ThreadPoolExecutor(6) as pool:
    print(sum(pool.map(lambda _: claims.pay_all(ledger, names, 0.1), range(6))))
"""
    paid_by = [int(printed) for printed in together(imports, code, code)]
    # Each answer takes long enough for both to want it; which of them pays for it is up to the machine.
    assert sum(paid_by) == 40
    assert states(warehouse) == [("answered", "usable")] * 40
