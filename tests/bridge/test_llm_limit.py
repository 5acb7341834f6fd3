"""A run warns when the server that it shares has no limit on the tag, and only then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.exceptions import ObjectNotFound

from tasks.bridge.llm_limit import LIMIT_NAME, find_limit, server_of_its_own
from tasks.judge.rubric import Criteria
from tasks.report.plan import ReportPlan
from tasks.settings import ReportOptions

PLAN = ReportPlan(
    id=1,
    environment="prod",
    name="",
    criteria=Criteria(),
    options=ReportOptions(max_concurrent_evals=0),
    evidence_until=datetime.now(UTC),
    started_at=datetime.now(UTC),
)


@pytest.fixture
def client(shared_server: str, at_server: Callable[[str], AbstractContextManager[None]]) -> Iterator[SyncPrefectClient]:
    """A shared server without the limit."""
    with at_server(shared_server), get_client(sync_client=True) as opened:
        _delete(opened)
        yield opened
        _delete(opened)


def _delete(client: SyncPrefectClient) -> None:
    try:
        client.delete_global_concurrency_limit_by_name(LIMIT_NAME)
    except ObjectNotFound:
        return


class _Heard(logging.Handler):
    """The log of runs, whatever becomes of it elsewhere."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@flow
def _judging(width: int) -> int | None:
    return find_limit(width)


def _warnings(width: int = 10) -> list[str]:
    heard = _Heard()
    logger = logging.getLogger("prefect.flow_runs")
    logger.addHandler(heard)
    try:
        _judging(width)
    finally:
        logger.removeHandler(heard)
    return heard.messages


def test_it_names_the_command_that_makes_the_limit(client: SyncPrefectClient) -> None:
    (warning,) = _warnings(7)
    assert "there is no limit on the tag llm" in warning
    assert "`agent-report setup`" in warning
    assert "`prefect concurrency-limit create llm 7`" in warning
    (warning,) = _warnings(0)
    assert "unlimited" in warning
    assert "create llm 10`" in warning


def test_a_limit_is_enough_while_it_is_active(client: SyncPrefectClient) -> None:
    client.upsert_global_concurrency_limit_by_name(LIMIT_NAME, 10)
    assert _warnings() == []
    client.update_global_concurrency_limit(LIMIT_NAME, GlobalConcurrencyLimitUpdate(active=False))
    assert "not active" in _warnings()[0]


def test_more_than_the_limit_is_reported_and_the_limit_holds(client: SyncPrefectClient) -> None:
    client.upsert_global_concurrency_limit_by_name(LIMIT_NAME, 4)
    for width, named in ((5, "max_concurrent_evals=5"), (0, "max_concurrent_evals=0 (unlimited)")):
        (warning,) = _warnings(width)
        assert named in warning
        assert "limit of 4 on the tag llm" in warning
    assert _warnings(4) == []
    assert _judging(5) == 4
    assert PLAN.judges_at_once == 0
    assert PLAN.model_copy(update={"server_limit": 4}).judges_at_once == 4
    wide = PLAN.model_copy(update={"server_limit": 4, "options": ReportOptions(max_concurrent_evals=3)})
    assert wide.judges_at_once == 3


@pytest.mark.parametrize(
    ("wanted", "server", "evaluations"),
    [(0, None, 0), (1, None, 1), (4, None, 5), (10, None, 12), (10, 10, 10), (10, 20, 10), (20, 10, 10), (0, 8, 8)],
)
def test_no_evaluation_waits_in_a_slot_of_the_server(wanted: int, server: int | None, evaluations: int) -> None:
    options = ReportOptions(max_concurrent_evals=wanted)
    assert PLAN.model_copy(update={"options": options, "server_limit": server}).evaluations_at_once == evaluations


def test_a_process_with_a_server_of_its_own_needs_none(client: SyncPrefectClient) -> None:
    with server_of_its_own():
        assert _warnings() == []
    assert len(_warnings()) == 1
