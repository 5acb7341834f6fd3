"""Conditions on a column that holds ids: as plain as the column's type allows, so that an index of it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, LargeBinary, Text, Uuid, cast, literal

from tasks.evidence.ids import whole_number

# PostgreSQL's type ids of text, character and varchar; of the integers and numeric; of uuid.
_PG_TEXTS = {25, 1042, 1043}
_PG_NUMBERS = {20, 21, 23, 1700}
_PG_UUID = 2950


def is_any_of(key: ColumnElement[Any], ids: Sequence[str], dialect: str, pg_type: object) -> ColumnElement[bool]:
    """Whether ``key`` may hold one of ``ids`` (``read_id`` of its value is what decides).

    ``dialect`` is SQLAlchemy's name of the database, ``pg_type`` the column's type id in PostgreSQL.
    """
    numbers = [literal(number, BigInteger) for one in ids if (number := whole_number(one)) is not None]
    texts = [literal(one, Text) for one in ids]
    if dialect != "postgresql":
        # SQLite's columns hold any type, whatever they claim.
        return key.in_([*texts, *numbers, *(literal(found.bytes, LargeBinary) for found in _uuids(ids))])
    if pg_type in _PG_NUMBERS:
        return key.in_(numbers)
    if pg_type == _PG_UUID:
        return key.in_([literal(found, Uuid) for found in _uuids(ids)])
    return key.in_(texts) if pg_type in _PG_TEXTS else cast(key, Text).in_(texts)


def _uuids(ids: Iterable[str]) -> Iterator[UUID]:
    for one in ids:
        with suppress(ValueError):
            yield UUID(one)
