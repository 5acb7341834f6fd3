"""A warehouse that is unreachable for a while: what was paid for is written when it is back, whatever was wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.local.postgres import embedded_postgres
from tasks.errors import JudgingEndedError, WarehouseError
from tasks.judge.endpoint.stop_signal import StopSignal
from tasks.judge.ledger import Claim, PaidAnswer
from tasks.warehouse.engine import Database
from tasks.warehouse.ledger.patient_ledger import PatientLedger
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.patience import Patience
from tasks.warehouse.schema import judge_calls
from tasks.warehouse.sql import open_warehouse

ABOUT: dict[str, Any] = {"kind": "agent", "model": "m", "report_id": 3, "agent_id": "7", "seconds": 60}
Step = Callable[[], object]


class Clock:
    """A clock that only waiting moves on; ``at_wait`` is called with the number of each wait, from 1."""

    def __init__(self, at_wait: Callable[[int], object] = lambda number: None) -> None:
        self.now = 0.0
        self.waits = 0
        self.at_wait = at_wait

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1
        self.at_wait(self.waits)

    def patience(self, seconds: float = 60) -> Patience:
        return Patience(seconds, clock=lambda: self.now, sleep=self.sleep)


def paid(fingerprint: str = "f", outcome: str = "usable") -> PaidAnswer:
    return PaidAnswer(
        fingerprint=fingerprint,
        kind="agent",
        model="m",
        # More than the free room of a page.
        answer="{}" * 20_000,
        outcome=outcome,
        prompt_tokens=10,
        completion_tokens=1,
        cached_tokens=None,
        cost_usd=0.25,
        latency_seconds=1.0,
        attempts=1,
        report_id=3,
        agent_id="7",
    )


def states(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(judge_calls.c.status).order_by(judge_calls.c.id)).scalars())


class Outage:
    """A warehouse, and how it goes away and comes back."""

    def __init__(self, database: Database, begin: Step, end: Step) -> None:
        self.database, self.begin, self.end = database, begin, end


def _full(database: Database, _stack: ExitStack) -> Outage:
    def limit(pages: str) -> None:
        with database.writing() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def begin() -> None:
        with database.reading() as connection:
            count = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        limit(str(count))

    return Outage(database, begin, lambda: limit("1000000"))


def _locked(database: Database, stack: ExitStack) -> Outage:
    with database.reading() as connection:
        file = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    other = stack.enter_context(sqlite3.connect(file, isolation_level=None))

    def begin() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")

    return Outage(database, begin, lambda: other.execute("ROLLBACK"))


def _refused(database: Database, _stack: ExitStack, server: sa.URL) -> Outage:
    return _altered(database, server, "ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true")


def _read_only(database: Database, _stack: ExitStack, server: sa.URL) -> Outage:
    setting = "SET default_transaction_read_only"
    return _altered(database, server, f"{setting} = on", f"{setting} = off")


def _altered(database: Database, server: sa.URL, away: str, back: str) -> Outage:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with database.reading() as connection:
        name = connection.execute(sa.text("SELECT current_database()")).scalar_one()

    def alter(how: str, *, end_sessions: bool) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} {how}"))
            if end_sessions:
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                connection.execute(sa.text(end), {"name": name})

    # Sessions of the outage live on: one that was opened read-only stays so.
    return Outage(database, lambda: alter(away, end_sessions=True), lambda: alter(back, end_sessions=False))


@pytest.fixture(params=["full", "locked", "refused", "read-only"])
def outage(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[Outage]:
    is_sqlite = request.param in ("full", "locked")
    url = sqlite_url if is_sqlite else request.getfixturevalue("postgres_url")
    database = open_warehouse(url).database
    with ExitStack() as stack:
        if is_sqlite:
            yield {"full": _full, "locked": _locked}[request.param](database, stack)
        else:
            server = request.getfixturevalue("postgres_server")
            yield {"refused": _refused, "read-only": _read_only}[request.param](database, stack, server)
    database.close()


def test_an_answer_waits_until_the_warehouse_is_back(outage: Outage) -> None:
    clock, stop = Clock(lambda number: outage.end() if number == 5 else None), StopSignal()
    ledger = PatientLedger(SqlLedger(outage.database), stop, clock.patience())
    claim = ledger.claim("f", **ABOUT)
    assert isinstance(claim, Claim)
    outage.begin()
    ledger.commit(paid(), claim)
    assert clock.waits == 5
    assert claim.answered
    assert stop.kind is None
    assert states(outage.database) == ["answered"]
    assert ledger.claim("f", **ABOUT) == paid()


def test_after_a_minute_judging_ends_and_answers_are_written_later(outage: Outage) -> None:
    clock, stop = Clock(), StopSignal()
    ledger = PatientLedger(SqlLedger(outage.database), stop, clock.patience(60))
    claims = [ledger.claim(name, **ABOUT) for name in "fgh"]
    assert all(isinstance(claim, Claim) for claim in claims)
    outage.begin()
    ledger.commit(paid("f"), claims[0])  # type: ignore[arg-type]
    assert clock.now == pytest.approx(60)
    assert (stop.kind, "was unavailable for 60 s" in (stop.reason or "")) == ("warehouse", True)
    # What comes now does not wait for another minute, and keeps its place.
    ledger.commit(paid("g", "unparseable"), claims[1])  # type: ignore[arg-type]
    ledger.release(claims[1])  # type: ignore[arg-type]
    ledger.release(claims[2])  # type: ignore[arg-type]
    assert clock.now == pytest.approx(60)
    clock.at_wait = lambda number: outage.end() if clock.now > 200 else None
    ledger.flush()
    assert states(outage.database) == ["answered", "answered"]
    ledger.flush()
    assert SqlLedger(outage.database).find("f") == paid("f")


def test_who_wants_to_claim_waits_as_well(outage: Outage) -> None:
    clock = Clock(lambda number: outage.end() if number == 3 else None)
    ledger = PatientLedger(SqlLedger(outage.database), StopSignal(), clock.patience())
    outage.begin()
    claim = ledger.claim("f" * 10_000, **ABOUT)
    assert isinstance(claim, Claim)
    assert clock.waits == 3
    assert states(outage.database) == ["claimed"]


def test_a_connection_that_would_stay_read_only_is_opened_anew(sqlite_url: str) -> None:
    database = open_warehouse(sqlite_url).database
    clock = Clock()
    ledger = PatientLedger(SqlLedger(database), StopSignal(), clock.patience())
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    ledger.commit(paid())
    assert clock.waits == 1
    assert states(database) == ["answered"]
    database.close()


def test_no_answer_is_lost_when_postgresql_stops_and_starts_again() -> None:
    # Not in pytest's folder, which another run closes to the server's user when it starts.
    with TemporaryDirectory(prefix="pg-") as folder, ExitStack() as first, ExitStack() as second:
        server = first.enter_context(embedded_postgres(Path(folder) / "pg"))
        database = open_warehouse(server.database("warehouse")).database

        def start(number: int) -> None:
            if number == 2:
                second.enter_context(embedded_postgres(Path(folder) / "pg"))

        clock = Clock(start)
        ledger = PatientLedger(SqlLedger(database), StopSignal(), clock.patience())
        claim = ledger.claim("f", **ABOUT)
        assert isinstance(claim, Claim)
        first.close()
        ledger.commit(paid(), claim)
        assert clock.waits == 2
        assert states(database) == ["answered"]
        database.close()


def test_who_waits_to_claim_goes_when_judging_ends() -> None:
    class Away:
        def claim(self, *args: Any, **about: Any) -> None:
            raise _passing()

    stop = StopSignal()
    clock = Clock(lambda number: stop.end("cancelled", "Ctrl-C") if number == 2 else None)
    ledger = PatientLedger(Away(), stop, clock.patience())  # type: ignore[arg-type]
    with pytest.raises(JudgingEndedError, match="Ctrl-C"):
        ledger.claim("f", **ABOUT)
    assert clock.waits == 2


def _passing(message: str = "away") -> WarehouseError:
    error = WarehouseError(message)
    error.passing = True
    return error


def test_patience_ends_after_its_time_and_not_before() -> None:
    clock = Clock()
    tried: list[float] = []

    def write() -> None:
        tried.append(clock.now)
        raise _passing()

    with pytest.raises(WarehouseError, match="away"):
        clock.patience(60).keep_trying(write)
    assert tried[0] == 0
    assert tried[-1] == pytest.approx(60)
    assert max(later - earlier for earlier, later in pairwise(tried)) <= 2


def test_what_does_not_pass_is_not_tried_again() -> None:
    clock = Clock()

    def write() -> None:
        raise WarehouseError("no such column")

    with pytest.raises(WarehouseError, match="no such column"):
        clock.patience().keep_trying(write)
    assert clock.waits == 0


def test_an_error_of_the_statement_is_not_passing(warehouse: Any) -> None:
    for statement in ("INSERT INTO nowhere VALUES (1)", "INSERT INTO judge_calls (fingerprint) VALUES (NULL)"):
        with pytest.raises(WarehouseError) as caught, warehouse.database.writing() as connection:
            connection.execute(sa.text(statement))
        assert not caught.value.passing


def test_what_was_committed_after_all_is_not_written_twice(warehouse: Any) -> None:
    """The connection broke after the commit and before its confirmation."""
    ledger = SqlLedger(warehouse.database)
    moment = datetime.now(UTC)
    claim = ledger.claim("f", moment=moment, **ABOUT)
    again = ledger.claim("f", moment=moment, **ABOUT)
    assert isinstance(claim, Claim)
    assert isinstance(again, Claim)
    assert again.id == claim.id
    assert ledger.claim("f", **ABOUT) is None
    claim.lose(1, 0.5)
    ledger.commit(paid(outcome="unparseable"), claim, moment=moment)
    claim.lose(1, 0.5)
    ledger.commit(paid(outcome="unparseable"), claim, moment=moment, again=True)
    assert sorted(states(warehouse.database)) == ["answered", "claimed", "unanswered"]
    moment = datetime.now(UTC)
    ledger.commit(paid(), claim, moment=moment)
    ledger.commit(paid(), claim, moment=moment, again=True)
    assert sorted(states(warehouse.database)) == ["answered", "answered", "unanswered"]
