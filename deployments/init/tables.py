"""The tables of a database as ``init`` sees them: columns, a few rows, and what refers to what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine, func, inspect, select, table, text
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SQLAlchemyError

from deployments.init.columns import Column, build_column, find_nested
from tasks.errors import SourceError
from tasks.sources.sql.connection import reading

SAMPLE_ROWS = 60
_MOST_TABLES = 200
_COUNT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view. ``expression`` names it in FROM, ``alias`` in front of a column; ``rows`` is None where counting
    takes too long; ``nested`` are the values inside columns of objects."""

    name: str
    expression: str
    columns: Sequence[Column]
    rows: int | None = None
    sampled: int = 0
    nested: Sequence[Column] = ()
    alias: str = ""

    def column(self, name: str) -> Column | None:
        """The column of this name, in any case."""
        return next((found for found in self.columns if found.name.lower() == name.lower()), None)


def read_tables(engine: Engine) -> list[Table]:
    """The tables and views of the database, at most 200; those that cannot be read are left out.

    Raises:
        SourceError: the database cannot be read at all.
    """
    with reading(engine) as connection:
        inspector = inspect(connection)
        names = list(_names(inspector))[:_MOST_TABLES]
        details = {name: _details(inspector, *name) for name in names}
    found = []
    for schema, name in names:
        with suppress(SourceError):
            found.append(_read_table(engine, schema, name, *details[schema, name]))
    return found


def read_table(engine: Engine, name: str) -> Table:
    """The table or view of this name, of which no keys are known.

    Raises:
        SourceError: it cannot be read.
    """
    return _read_table(engine, None, name, (), {})


def count_values(engine: Engine, place: Table, expression: str, most: int = 30) -> dict[str, int]:
    """How many rows have each value of ``expression``, the most frequent first; empty where counting takes too long."""
    # Both come from names in the database, quoted; a colon in them is no parameter.
    query = f"SELECT {expression}, COUNT(*) FROM {place.expression} GROUP BY 1 ORDER BY 2 DESC LIMIT {most}"  # noqa: S608
    with suppress(SourceError), reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'"))
        return {"" if value is None else str(value): count for value, count in connection.exec_driver_sql(query)}
    return {}


def build_table(
    name: str,
    names: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    dialect: str,
    *,
    schema: str | None = None,
    keys: Collection[str] = (),
    links: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> Table:
    """The table whose columns are ``names``, of which ``rows`` are a sample.

    ``keys`` are the columns of its primary key, ``links`` the table and column that each column refers to.
    """
    columns = [
        build_column(
            key, quote(key, dialect), [row.get(key) for row in rows], is_key=key in keys, refers_to=links.get(key)
        )
        for key in names
        # What no file of queries can name is left alone.
        if key.isprintable()
    ]
    return Table(
        name=f"{schema}.{name}" if schema else name,
        expression=".".join(quote(part, dialect) for part in (schema, name) if part),
        columns=columns,
        sampled=len(rows),
        nested=list(find_nested(columns, dialect)),
        alias=quote(name, dialect),
    )


def quote(name: str, dialect: str) -> str:
    """``name`` for SQL, in quotation marks where it needs some."""
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        return str(mysql.dialect().identifier_preparer.quote(name))
    from sqlalchemy.dialects import postgresql

    # Its reserved words are those of SQLite and DuckDB, and a few more.
    return str(postgresql.dialect().identifier_preparer.quote(name))  # type: ignore[no-untyped-call]


def _names(inspector: Inspector) -> Iterator[tuple[str | None, str]]:
    default = inspector.default_schema_name
    schemas = [default]
    if inspector.dialect.name == "postgresql":
        others = (name for name in inspector.get_schema_names() if not name.startswith(("pg_", "information_schema")))
        schemas += [name for name in others if name != default]
    for schema in schemas:
        given = None if schema == default else schema
        for name in sorted({*inspector.get_table_names(given), *inspector.get_view_names(given)}):
            yield given, name


def _details(inspector: Inspector, schema: str | None, name: str) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """The column of the primary key, if it is one alone, and the table and column that each column refers to."""
    keys: set[str] = set()
    links: dict[str, tuple[str, str]] = {}
    with suppress(SQLAlchemyError):
        found = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        keys = set(found) if len(found) == 1 else set()
        for link in inspector.get_foreign_keys(name, schema):
            if len(link["constrained_columns"]) == len(link["referred_columns"]) == 1:
                links[link["constrained_columns"][0]] = (link["referred_table"], link["referred_columns"][0])
    return keys, links


def _read_table(
    engine: Engine, schema: str | None, name: str, keys: Collection[str], links: Mapping[str, tuple[str, str]]
) -> Table:
    place = table(name, schema=schema)
    with reading(engine) as connection:
        result = connection.execute(select(text("*")).select_from(place).limit(SAMPLE_ROWS))
        names = list(result.keys())
        rows = [dict(zip(names, row, strict=True)) for row in result]
    count = len(rows) if len(rows) < SAMPLE_ROWS else _count(engine, place)
    found = build_table(name, names, rows, engine.dialect.name, schema=schema, keys=keys, links=links)
    return replace(found, rows=count)


def _count(engine: Engine, place: Any) -> int | None:
    with suppress(SourceError), reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'"))
        return int(connection.execute(select(func.count()).select_from(place)).scalar_one())
    return None
