"""Kinds of columns: what a database reports about the type of a result's column, as far as reading depends on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, text

Kind = Literal["text", "number", "uuid", "bytes", "moment", "naive moment", "interval", "json", "nested", "other"]
"""number: whole or decimal · moment: a time with a zone · naive moment: one without, in UTC · nested: an array or a
record · other: everything else, and whatever the database leaves open."""

# Type ids of PostgreSQL, which are the same in every database.
_POSTGRESQL: Mapping[object, Kind] = {
    **dict.fromkeys((25, 1042, 1043), "text"),
    **dict.fromkeys((20, 21, 23, 1700), "number"),
    2950: "uuid",
    17: "bytes",
    1184: "moment",
    1114: "naive moment",
    1186: "interval",
    **dict.fromkeys((114, 3802), "json"),
    # bool, date, name, the two floats, time: as text.
    **dict.fromkeys((16, 1082, 19, 700, 701, 1083), "other"),
}
_DUCKDB: Mapping[str, Kind] = {
    "VARCHAR": "text",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "number"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "number"),
    "UUID": "uuid",
    "BLOB": "bytes",
    "TIMESTAMP WITH TIME ZONE": "moment",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "naive moment"),
}
# FIELD_TYPE of the protocol: DATETIME and TIMESTAMP.
_MYSQL: Mapping[object, Kind] = {7: "naive moment", 12: "naive moment"}


def find_kinds(connection: Connection, codes: Mapping[str, object]) -> dict[str, Kind]:
    """The kind of each column by its name; ``codes`` are the type codes of the cursor's description."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        others = _nested(connection, {code for code in codes.values() if code not in _POSTGRESQL})
        return {name: "nested" if code in others else _POSTGRESQL.get(code, "other") for name, code in codes.items()}
    if dialect == "duckdb":
        return {name: _DUCKDB.get(str(code).partition("(")[0], "other") for name, code in codes.items()}
    if dialect in ("mysql", "mariadb"):
        return {name: _MYSQL.get(code, "other") for name, code in codes.items()}
    # SQLite's columns hold any type, whatever they claim.
    return dict.fromkeys(codes, "other")


def _nested(connection: Connection, codes: Collection[object]) -> set[object]:
    """Those of PostgreSQL's type ids that are arrays and composite types, which differ between databases."""
    if not codes:
        return set()
    rows: Sequence[Any] = connection.execute(
        text("SELECT oid FROM pg_type WHERE typcategory IN ('A', 'C') AND oid = ANY(:codes)"), {"codes": list(codes)}
    ).all()
    return {row[0] for row in rows}
