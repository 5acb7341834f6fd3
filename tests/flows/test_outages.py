"""The warehouse goes away in the middle of a report: nothing that was paid for is lost, and no row says forever that
the report is being made."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.clients import Clients
from tasks.connecting import open_clients
from tasks.warehouse.engine import Database

Step = Callable[[], object]


@contextmanager
def when_logged(part: str, step: Step) -> Iterator[None]:
    """Call ``step``, once, when patience logs a line with ``part`` in it."""
    done = threading.Lock()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if part in record.getMessage() and done.acquire(blocking=False):
                step()

    logger, handler = logging.getLogger("tasks.warehouse.patience"), Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _fill_up(database: Database, pages: int | None) -> None:
    with database.writing() as connection:
        count = pages or connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {count}")


def _alter(server: sa.URL, database: str | None, how: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {database} {how}"))
        if "true" not in how:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(sa.text(end), {"name": database})


@pytest.fixture(params=["full disk", "refused"])
def outage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Step, Step, Step]]:
    """What connects the reports to the warehouse, how it goes away, and how it comes back."""
    with ExitStack() as stack:
        # SQLite's limit to a file's pages is one of a connection: it has to be set on the reports' own.
        opened: list[Clients] = []

        def connect() -> None:
            opened.append(stack.enter_context(open_clients()))

        def database() -> Database:
            return opened[0].warehouse().database

        if request.param == "full disk":
            yield connect, (lambda: _fill_up(database(), None)), (lambda: _fill_up(database(), 10**6))
        else:
            url: str = request.getfixturevalue("postgres_url")
            server, name = request.getfixturevalue("postgres_server"), sa.make_url(url).database
            yield (
                lambda: monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url),
                lambda: _alter(server, name, "ALLOW_CONNECTIONS false"),
                lambda: _alter(server, name, "ALLOW_CONNECTIONS true"),
            )


def _at_request(number: int, begin: Step) -> Callable[[dict[str, Any], Any], None]:
    counted = Counter[str]()

    def respond(payload: dict[str, Any], request: Any) -> None:
        counted["all"] += 1
        if counted["all"] == number:
            begin()

    return respond


def _ledger(world: Any) -> Counter[str]:
    with world.warehouse.database.reading() as connection:
        return Counter(connection.execute(sa.text("SELECT status FROM judge_calls")).scalars())


@pytest.mark.parametrize(("outage", "number"), [("full disk", 6), ("refused", 3)], indirect=["outage"])
def test_a_report_outlasts_an_outage(outage: Any, make_world: Callable[..., Any], number: int) -> None:
    """In the middle of judging, and with the last call: then progress and the report itself have to wait as well."""
    connect, begin, end = outage
    world = make_world(respond=_at_request(number, begin))
    connect()
    with when_logged("Retrying for up to 60 s", end):
        report = world.report(max_concurrent_evals=3)
    assert report["status"] == "completed"
    assert len(world.judge.requests) == 6
    assert _ledger(world) == {"answered": 6}
    assert [row["status"] for row in world.agents(report).values()].count("evaluated") == 4


def test_after_a_longer_outage_the_report_has_failed_and_nothing_is_paid_for_again(
    outage: Any, make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.generate_report import generate_report

    connect, begin, end = outage
    world = make_world(respond=_at_request(3, begin))
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_OUTAGE_SECONDS", "0.5")
    connect()
    # It has given up, and waits to write what it has.
    with when_logged("Retrying for up to 3600 s", end):
        report = world.report(max_concurrent_evals=2)
    assert report["status"] == "failed"
    assert "the warehouse was unavailable for 0.5 s" in report["error"]
    assert report["generation_completed_at"] is not None
    asked = len(world.judge.requests)
    assert 3 <= asked < 6
    assert _ledger(world) == {"answered": asked}
    agents = world.agents(report)
    assert len(agents) == 5
    judged = [row["status"] for row in agents.values()].count("evaluated")
    assert judged + (report["team_score"] is not None) == asked
    assert generate_report("demo", report_id=report["id"]) == report["id"]
    # Four agents with runs, the team and the issues.
    assert len(world.judge.requests) == 6
