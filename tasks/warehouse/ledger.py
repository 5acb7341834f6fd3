"""The ledger in SQL: each paid answer, committed when it arrives."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from tasks.judge.ledger import PaidAnswer
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import judge_calls

_ANSWERED = "answered"
_USABLE = "usable"
_FIELDS = tuple(PaidAnswer.model_fields)


class SqlLedger:
    """The judge's ``Ledger`` over the table ``judge_calls``; safe to call from many threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, fingerprint: str) -> PaidAnswer | None:
        """The newest usable answer under ``fingerprint``; None when there is none, or only unusable ones."""
        query = (
            sa.select(*(judge_calls.c[name] for name in _FIELDS))
            .where(judge_calls.c.fingerprint == fingerprint)
            .where(judge_calls.c.status == _ANSWERED, judge_calls.c.outcome == _USABLE)
            .order_by(judge_calls.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else PaidAnswer.model_validate(dict(row))

    def commit(self, answer: PaidAnswer) -> None:
        """Keep ``answer`` for good, usable or not, in a transaction of its own; it is durable on return.

        Raises:
            WarehouseError: when it cannot be kept.
        """
        values = {**answer.model_dump(), "status": _ANSWERED, "created_at": datetime.now(UTC)}
        with self._database.writing() as connection:
            connection.execute(sa.insert(judge_calls).values(values))
