"""Leases outlive the server that gave them.

That a server that starts frees the slots that are not leased is in tests/flows/test_shared_server.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata
from prefect.server.concurrency.lease_storage.filesystem import ConcurrencyLeaseStorage as PrefectsOnDisk
from prefect.settings import PREFECT_HOME, temporary_settings
from prefect.types._concurrency import ConcurrencyLeaseHolder

from deployments.local.slot_leases import ConcurrencyLeaseStorage

_LIMIT = uuid4()
_RUN = ConcurrencyLeaseHolder(type="task_run", id=uuid4())


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], ConcurrencyLeaseStorage]:
    """What a process that starts finds."""

    def started() -> ConcurrencyLeaseStorage:
        class OfOneProcess(ConcurrencyLeaseStorage):
            _instance = None
            _initialized = False

        with temporary_settings({PREFECT_HOME: tmp_path}):
            return OfOneProcess()

    return started


def _lease(storage: PrefectsOnDisk | ConcurrencyLeaseStorage, seconds: float = 60, slots: int = 1) -> UUID:
    metadata = ConcurrencyLimitLeaseMetadata(slots=slots, holder=_RUN)
    return asyncio.run(storage.create_lease([_LIMIT], timedelta(seconds=seconds), metadata)).id


def test_a_lease_outlives_its_process_with_all_that_it_holds(start: Callable[[], ConcurrencyLeaseStorage]) -> None:
    before = start()
    kept, over, revoked = _lease(before, slots=2), _lease(before, seconds=-1), _lease(before)
    asyncio.run(before.revoke_lease(revoked))
    after = start()
    assert asyncio.run(after.read_lease(kept)) == asyncio.run(before.read_lease(kept))
    assert asyncio.run(after.read_lease(revoked)) is None
    assert asyncio.run(after.read_active_lease_ids()) == [kept]
    assert asyncio.run(after.read_expired_lease_ids()) == [over]
    assert asyncio.run(after.list_holders_for_limit(_LIMIT)) == [(kept, _RUN)]
    assert after.slots() == {_LIMIT: 3}


def test_a_lease_that_was_renewed_is_renewed_for_the_next_process(start: Callable[[], ConcurrencyLeaseStorage]) -> None:
    before = start()
    lease = _lease(before, seconds=-1)
    assert asyncio.run(before.renew_lease(lease, timedelta(minutes=1)))
    assert asyncio.run(start().read_active_lease_ids()) == [lease]
    assert not asyncio.run(before.renew_lease(uuid4(), timedelta(minutes=1)))
    assert start().slots() == {_LIMIT: 1}


def test_leases_of_prefects_own_storage_are_taken_over(
    start: Callable[[], ConcurrencyLeaseStorage], tmp_path: Path
) -> None:
    theirs = PrefectsOnDisk(tmp_path / "concurrency_leases")
    lease = _lease(theirs)
    assert asyncio.run(start().read_lease(lease)) == asyncio.run(theirs.read_lease(lease))


def test_a_lease_that_cannot_be_read_ends_no_server(
    start: Callable[[], ConcurrencyLeaseStorage], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = _lease(start())
    broken = tmp_path / "concurrency_leases" / f"{uuid4()}.json"
    broken.write_text(json.dumps({"id": "x"}))
    broken.with_suffix(".making").touch()
    after = start()
    assert list(after.leases) == [kept]
    assert str(broken) in caplog.text
    assert sorted(broken.parent.iterdir()) == [broken.parent / f"{kept}.json"]


def test_a_lease_that_cannot_be_opened_is_not_given_away(
    start: Callable[[], ConcurrencyLeaseStorage], tmp_path: Path
) -> None:
    before = start()
    _lease(before)
    (tmp_path / "concurrency_leases" / f"{uuid4()}.json").mkdir()
    with pytest.raises(IsADirectoryError):
        start()


def test_a_lease_whose_file_stays_can_be_ended_again(
    start: Callable[[], ConcurrencyLeaseStorage], tmp_path: Path
) -> None:
    storage = start()
    lease = _lease(storage)
    file = tmp_path / "concurrency_leases" / f"{lease}.json"
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match=str(lease)):
        asyncio.run(storage.revoke_lease(lease))
    assert list(storage.leases) == [lease]
    file.rmdir()
    asyncio.run(storage.revoke_lease(lease))
    assert storage.slots() == {}
