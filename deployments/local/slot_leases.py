"""Who holds which slots of Prefect's limits, on disk: a server that is killed leaks none of them.

Prefect counts the slots that are taken in its database, and keeps the leases that give them back elsewhere. Its own
storage on disk writes a lease in two files under a lock that others wait a tenth of a second for: a process that dies
in between leaves slots that are never released. Here a lease is one file, and a server that starts counts its slots by
the leases that are there. Name this module in ``PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE``; it is for a server with one
API process.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from prefect.logging import get_logger
from prefect.server.concurrency.lease_storage import ConcurrencyLimitLeaseMetadata
from prefect.server.concurrency.lease_storage.memory import ConcurrencyLeaseStorage as LeasesInMemory
from prefect.server.database import provide_database_interface
from prefect.server.utilities.leasing import ResourceLease
from prefect.settings.context import get_current_settings
from pydantic import TypeAdapter

Lease = ResourceLease[ConcurrencyLimitLeaseMetadata]

_logger = get_logger("prefect.server.slot_leases")
_LEASE: TypeAdapter[Lease] = TypeAdapter(Lease)
# Whose slots this project's tasks and deployments take, always by a lease. Other limits may be taken without one.
_LEASED = ("tag:%", "deployment:%")


class ConcurrencyLeaseStorage(LeasesInMemory):
    """Prefect's leases in memory, each of them in a file as well. One object per process, as Prefect makes many.

    The files are those of Prefect's own storage on disk, without its index: ``concurrency_leases`` in its home. One
    that holds no lease is removed with a warning; one that cannot be opened ends the server's start (OSError), as its
    slots would be given away.
    """

    _instance = None
    _initialized = False

    def __init__(self) -> None:
        if self._initialized:
            return
        self._folder = get_current_settings().home / "concurrency_leases"
        leases = self._read()
        super().__init__()  # type: ignore[no-untyped-call]
        self.leases.update(leases)
        self.expirations.update({lease.id: lease.expiration for lease in leases.values()})

    async def create_lease(
        self, resource_ids: list[UUID], ttl: timedelta, metadata: ConcurrencyLimitLeaseMetadata | None = None
    ) -> Lease:
        """A new lease, which is on disk when it is given."""
        lease = await super().create_lease(resource_ids, ttl, metadata)
        self._write(lease)
        return lease

    async def renew_lease(self, lease_id: UUID, ttl: timedelta) -> bool:
        """Let a lease end ``ttl`` from now; False where there is none."""
        renewed = await super().renew_lease(lease_id, ttl)
        if renewed:
            self._write(self.leases[lease_id])
        return renewed

    async def revoke_lease(self, lease_id: UUID) -> None:
        """End a lease; nothing happens where there is none."""
        # First the file: where that fails, the lease is still there to be ended again.
        self._file(lease_id).unlink(missing_ok=True)
        await super().revoke_lease(lease_id)

    def slots(self) -> Counter[UUID]:
        """The slots that are leased, per limit."""
        slots: Counter[UUID] = Counter()
        for lease in list(self.leases.values()):
            for limit in lease.resource_ids:
                slots[limit] += lease.metadata.slots if lease.metadata else 0
        return slots

    def _read(self) -> dict[UUID, Lease]:
        leases: dict[UUID, Lease] = {}
        for made in self._folder.glob("*.making"):
            made.unlink()
        for file in self._folder.glob("*-*.json"):
            try:
                lease = _LEASE.validate_json(file.read_bytes())
                if lease.expiration.tzinfo is None:
                    raise ValueError("a time without a zone")
            except ValueError:
                _logger.warning("There is no lease in %s: its slots are free again", file)
                file.unlink()
                continue
            leases[lease.id] = lease
        return leases

    def _file(self, lease_id: UUID) -> Path:
        return self._folder / f"{lease_id}.json"

    def _write(self, lease: Lease) -> None:
        made = self._file(lease.id).with_suffix(".making")
        self._folder.mkdir(parents=True, exist_ok=True)
        made.write_bytes(_LEASE.dump_json(lease))
        made.replace(self._file(lease.id))


async def count_slots() -> None:
    """Set the slots that are taken, of every active limit on a tag or a deployment, to those that are leased.

    To be called before any slot can be requested. Leases that end meanwhile are counted right: who ends one changes
    the limit's row first.
    """
    database = provide_database_interface()
    limits = database.ConcurrencyLimitV2
    # Slots of a rate limit come back by themselves, and those of a limit that is not active are not counted.
    leased = sa.and_(
        sa.or_(*(limits.name.like(pattern) for pattern in _LEASED)),
        limits.active.is_(True),
        limits.slot_decay_per_second == 0,
    )
    async with database.session_context(begin_transaction=True) as session:
        taken = await session.execute(
            sa.select(limits.id, limits.name, limits.active_slots).where(leased).with_for_update()
        )
        slots = ConcurrencyLeaseStorage().slots()
        for limit, name, active in taken.all():
            if active != slots[limit]:
                _logger.warning(
                    "%s had %d slots taken and %d leased, as a server was killed: set right", name, active, slots[limit]
                )
                await session.execute(sa.update(limits).where(limits.id == limit).values(active_slots=slots[limit]))
