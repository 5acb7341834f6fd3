"""The tables of a database as ``init`` sees them: columns with their kinds, a few rows, and what refers to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Engine, func, inspect, select, table, text
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import SourceError
from tasks.evidence.timestamps import parse_moment
from tasks.sources.sql.connection import reading

Kind = Literal["text", "number", "time", "bool", "list", "object", "other", "empty"]
SAMPLE_ROWS = 60
_MOST_TABLES = 200
_MOST_NESTED = 12
_MOST_NESTED_ALL = 60
_DEEPEST = 3
_LONGEST_READ = 20_000
_COUNT_SECONDS = 5
_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a value inside one that holds objects. ``expression`` is what reads it in SQL, without a table.

    ``values`` are those of the sampled rows that are not NULL; ``refers_to`` is the table and column of a foreign key;
    ``path`` names the objects around a value and then the value, and is empty for a column.
    """

    name: str
    expression: str
    kind: Kind
    type: str = ""
    values: Sequence[Any] = ()
    is_key: bool = False
    refers_to: tuple[str, str] | None = None
    path: tuple[str, ...] = ()

    @property
    def distinct(self) -> int:
        """How many different values the sample has."""
        return len({str(value) for value in self.values})


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
    return _read_table(engine, None, name, set(), {})


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
    name: str, expression: str, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], dialect: str
) -> Table:
    """A table of sampled rows that come from elsewhere; ``types`` names the columns. ``dialect`` is DuckDB's, say."""
    columns = [
        _column(key, quote(key, dialect), types[key], [row.get(key) for row in rows])
        for key in types
        if key.isprintable()
    ]
    return Table(name, expression, columns, None, len(rows), list(_nested(columns, dialect)), expression)


def quote(name: str, dialect: str) -> str:
    """``name`` for SQL, in quotation marks where it needs some."""
    if dialect == "mysql":
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
    engine: Engine, schema: str | None, name: str, keys: set[str], links: Mapping[str, tuple[str, str]]
) -> Table:
    dialect = engine.dialect.name
    expression = ".".join(quote(part, dialect) for part in (schema, name) if part)
    place = table(name, schema=schema)
    with reading(engine) as connection:
        result = connection.execute(select(text("*")).select_from(place).limit(SAMPLE_ROWS))
        names = list(result.keys())
        description: Sequence[Sequence[Any]] = result.cursor.description
        codes = {entry[0]: entry[1] for entry in description}
        rows = [tuple(row) for row in result]
    columns = [
        _column(
            key, quote(key, dialect), _type_name(codes.get(key)), [row[at] for row in rows], key in keys, links.get(key)
        )
        for at, key in enumerate(names)
        # What no file of queries can name is left alone.
        if key.isprintable()
    ]
    count = len(rows) if len(rows) < SAMPLE_ROWS else _count(engine, place)
    return Table(
        name=f"{schema}.{name}" if schema else name,
        expression=expression,
        columns=columns,
        rows=count,
        sampled=len(rows),
        nested=list(_nested(columns, dialect)),
        alias=quote(name, dialect),
    )


def _count(engine: Engine, place: Any) -> int | None:
    with suppress(SourceError), reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL statement_timeout = '{_COUNT_SECONDS}s'"))
        return int(connection.execute(select(func.count()).select_from(place)).scalar_one())
    return None


def _type_name(code: object) -> str:
    if isinstance(code, int):
        with suppress(ImportError, KeyError):
            from psycopg import postgres

            found = postgres.types.get(code)
            return found.name if found is not None else "enum"
    return ""


def _column(
    name: str,
    expression: str,
    type_name: str,
    raw: Sequence[Any],
    is_key: bool = False,
    refers_to: tuple[str, str] | None = None,
) -> Column:
    values = [_bounded(value) for value in raw if value is not None and value != ""]
    return Column(name, expression, kind_of(values), type_name, values, is_key, refers_to)


def _bounded(value: Any) -> Any:
    return value[:_LONGEST_READ] if isinstance(value, str | bytes) else value


def kind_of(values: Sequence[Any]) -> Kind:
    """The kind that all ``values`` have, as far as they show: texts that hold JSON count as what they hold."""
    kinds = {_kind(value) for value in values}
    if not kinds:
        return "empty"
    if len(kinds) == 1:
        return kinds.pop()
    if kinds <= {"number", "bool"}:
        return "number"
    # A text among the times or lists is what does not parse.
    return "text" if "text" in kinds else "list" if kinds <= {"list", "object"} else "other"


def _kind(value: Any) -> Kind:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | Decimal):
        return "number"
    if isinstance(value, datetime | date | time):
        return "time"
    if isinstance(value, timedelta):
        return "number"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, UUID):
        return "text"
    if not isinstance(value, str):
        return "other"
    start = value.lstrip()[:1]
    if start in ("[", "{"):
        parsed = _parsed(value)
        # What is cut off does not parse; its beginning shows what it is.
        if isinstance(parsed, list) or (parsed is None and start == "[" and len(value) >= _LONGEST_READ):
            return "list"
        if isinstance(parsed, dict) or (parsed is None and start == "{" and len(value) >= _LONGEST_READ):
            return "object"
    if value.lower() in ("true", "false", "t", "f"):
        return "bool"
    # A plain number is no date here, though it may be read as one.
    if len(value) >= len("2026-01-01") and value[:1].isdigit() and ("-" in value or "/" in value or ":" in value):
        return "time" if parse_moment(value) is not None else "text"
    return "number" if _is_number(value) else "text"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return len(value) < 30


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def _nested(columns: Sequence[Column], dialect: str) -> Iterator[Column]:
    """The values inside columns of objects, at most three levels down."""
    for column in columns:
        if column.kind == "object":
            objects = [_parsed(value) if isinstance(value, str) else value for value in column.values]
            yield from islice(_values_inside(column, (), objects, dialect), _MOST_NESTED_ALL)


def _values_inside(column: Column, above: tuple[str, ...], values: Sequence[Any], dialect: str) -> Iterator[Column]:
    objects = [value for value in values if isinstance(value, Mapping)]
    keys = dict.fromkeys(key for value in objects for key in value if isinstance(key, str) and _SIMPLE_KEY.match(key))
    deeper = []
    for key in list(keys)[:_MOST_NESTED]:
        path = (*above, key)
        expression = _inside(column, path, dialect)
        if expression:
            found = [value[key] for value in objects if value.get(key) not in (None, "")]
            name = ".".join((column.name, *path))
            yield Column(name, expression, kind_of(found), "", found, path=(column.name, *path))
            deeper.append((path, found))
    if len(above) + 1 < _DEEPEST:
        for path, found in deeper:
            yield from _values_inside(column, path, found, dialect)


def _inside(column: Column, path: Sequence[str], dialect: str) -> str | None:
    is_text = any(isinstance(value, str) for value in column.values)
    dotted = ".".join(path)
    if dialect == "sqlite":
        return f"json_extract({column.expression}, '$.{dotted}')"
    if dialect == "postgresql":
        start = f"CAST({column.expression} AS jsonb)" if is_text else column.expression
        around = "".join(f" -> '{key}'" for key in path[:-1])
        return f"{start}{around} ->> '{path[-1]}'"
    if dialect == "duckdb":
        if is_text:
            return f"json_extract_string({column.expression}, '$.{dotted}')"
        return column.expression + "".join(f"['{key}']" for key in path)
    return None
