"""A table, a view or a person's query by the contract's names: its columns, how they are read and compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    String,
    Text,
    Uuid,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    quoted_name,
    select,
    table,
    text,
)
from sqlalchemy import column as named
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import FromClause, TextClause

from tasks.errors import ConfigurationError, SourceError
from tasks.evidence.ids import whole_number
from tasks.sources.sql.connection import explain
from tasks.sources.sql.faults import is_fault_of_query, name_alternatives
from tasks.sources.sql.kinds import Kind, find_kinds

MAPPED = "AGENT_REPORT_SOURCE_MAPPING"
# Of SQLAlchemy's texts: a colon and a word is a parameter, a backslash before it is taken away.
_PARAMETERS = re.compile(r"(?<![:\w\x5c]):\w+(?![:\w])|\x5c:\w*(?![:\w])")
# A statement with more of them is refused by some databases.
IDS_AT_ONCE = 500
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Relation:
    """What stands after FROM, and its columns: their names there and their kinds, by the contract's names.

    ``what`` is its name in messages: a table, or a query of the mapping.
    """

    what: str
    is_query: bool
    dialect: str
    of: FromClause | TextClause
    names: Mapping[str, str]
    kinds: Mapping[str, Kind]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def raw(self, name: str) -> ColumnElement[Any]:
        """The column as it is."""
        return named(quoted_name(self.names[name], quote=True))

    def exact(self, name: str) -> ColumnElement[Any]:
        """The column for distinguishing its values: MySQL takes texts that differ in their case for equal."""
        return func.hex(self.raw(name)) if self.dialect in ("mysql", "mariadb") else self.raw(name)

    def value(self, name: str, raw: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
        """The column as it is read, under its own name: as text where a driver could stumble over the type.

        PostgreSQL's infinity is no date of Python's, an array of an enum is text in a form of its own, and DuckDB needs
        another package for times with a zone.
        """
        raw = self.raw(name) if raw is None else raw
        kind = self.kinds[name]
        if self.dialect == "postgresql" and kind not in ("uuid", "bytes", "number"):
            raw = self._text(name, raw)
        elif self.dialect == "duckdb" and kind in ("moment", "naive moment"):
            raw = cast(raw, Text)
        return raw.label(name)

    def ends(self, name: str, beginning: int, end: int) -> list[ColumnElement[Any]]:
        """The column as it is read, cut to so many characters at its beginning, and as NAME_end those at its end where
        it is longer; whole where it is no text."""
        raw, kind = self.raw(name), self.kinds[name]
        if self.dialect in ("postgresql", "duckdb") and kind != "text":
            return [self.value(name)]
        last = func.substr(raw, -end) if self.dialect == "sqlite" else func.right(raw, end)
        is_longer = func.length(raw) > beginning
        return [func.substr(raw, 1, beginning).label(name), case((is_longer, last)).label(f"{name}_end")]

    def select(self, wanted: Iterable[str]) -> Select[Any]:
        """The columns among ``wanted`` that are there, as they are read."""
        return select(*(self.value(name) for name in wanted if name in self.names)).select_from(self.of)

    def is_any_of(self, name: str, ids: Sequence[str]) -> ColumnElement[bool]:
        """Whether the column may hold one of ``ids`` (``read_id`` of its value is what decides): as plain as its type
        allows, so that an index of it is used."""
        key, kind = self.raw(name), self.kinds[name]
        numbers = [literal(number, BigInteger) for one in ids if (number := whole_number(one)) is not None]
        texts = [literal(one, Text) for one in ids]
        uuids = list(_uuids(ids))
        if self.dialect not in ("postgresql", "duckdb"):
            # Columns of SQLite hold any type, whatever they claim, and MySQL compares numbers with texts.
            return key.in_([*texts, *numbers, *(literal(found.bytes, LargeBinary) for found in uuids)])
        if kind == "number":
            return key.in_(numbers)
        if kind == "uuid" and self.dialect == "postgresql":
            return key.in_([literal(found, Uuid) for found in uuids])
        if kind == "bytes":
            return key.in_([literal(value, LargeBinary) for one in ids for value in _as_bytes(one)])
        return key.in_(texts) if kind == "text" else self._text(name, key).in_(texts)

    def is_any_value(self, name: str, values: Sequence[Any]) -> ColumnElement[bool]:
        """Whether the column holds one of ``values``, which ``value`` gave."""
        key, kind = self.raw(name), self.kinds[name]
        if self.dialect == "duckdb" and kind == "uuid":
            return cast(key, Text).in_([str(value) for value in values])
        if self.dialect in ("postgresql", "duckdb") and kind not in ("text", "number", "uuid", "bytes"):
            return self._text(name, key).in_([str(value) for value in values])
        return key.in_(values)

    def is_text(self, name: str, wanted: str) -> ColumnElement[bool]:
        """Whether the column's text is ``wanted``."""
        key = self.raw(name)
        return (key if self.kinds[name] == "text" else self._text(name, key)) == literal(wanted, Text)

    def _text(self, name: str, raw: ColumnElement[Any]) -> ColumnElement[Any]:
        """The column as text: of JSON that is a text its words, of an interval its seconds."""
        if self.dialect != "postgresql":
            return cast(raw, String if self.dialect in ("mysql", "mariadb") else Text)
        kind = self.kinds[name]
        if kind == "json":
            return raw.op("#>>")(literal_column("'{}'"))
        if kind == "nested":
            raw = func.to_jsonb(raw)
        return cast(extract("epoch", raw) if kind == "interval" else raw, Text)

    def started(self) -> ColumnElement[Any] | None:
        """When a run started, else ended, as a time that the database can compare; None where it has no type for it."""
        there = [name for name in ("started_at", "completed_at") if name in self.names]
        kinds = {self.kinds[name] for name in there}
        if kinds not in ({"moment"}, {"naive moment"}):
            return None
        columns = [self.raw(name) for name in there]
        return columns[0] if len(columns) == 1 else func.coalesce(*columns)

    def moment(self, value: datetime) -> ColumnElement[Any]:
        """``value`` (aware) to compare with ``started``."""
        value = value.astimezone(UTC)
        if "moment" in (self.kinds.get("started_at"), self.kinds.get("completed_at")):
            return literal_column(f"TIMESTAMPTZ '{value:%Y-%m-%d %H:%M:%S.%f}+00:00'")
        return literal_column(f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'")


def table_relation(connection: Connection, name: str, aliases: Mapping[str, str] | None = None) -> Relation:
    """The table or view ``name``; ``aliases`` are its own names of columns by the contract's.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    return _describe(connection, name, table(name), aliases or {}, is_query=False)


def query_relation(connection: Connection, name: str, query: str, where: str = MAPPED) -> Relation:
    """The query ``name`` of the mapping, which is at ``where``, in brackets.

    Raises:
        ConfigurationError: the query is wrong; the message names it, and what may be meant.
        SourceError: the database cannot run it, or it has a column twice; the message names the query.
    """
    # A line break, as the last line may be a comment.
    of = text(f"({_PARAMETERS.sub(lambda match: chr(92) + match[0], query)}\n) AS q")
    try:
        return _describe(connection, name, of, {}, is_query=True)
    except DBAPIError as error:
        reason = explain(error, connection.engine.url)
        if not is_fault_of_query(error):
            raise SourceError(f"The query {name} in {where} cannot be run: {reason}") from None
        hint = name_alternatives(connection, query, reason)
        raise ConfigurationError(
            f"The query {name} in {where} cannot be run: {reason}" + (f"; {hint}" if hint else "")
        ) from None


def check_columns(relation: Relation, needed: Sequence[str], known: Sequence[str], settable: str = "") -> None:
    """Refuse a relation that lacks a column which is needed; ``settable`` can be a key of the mapping instead.

    Raises:
        SourceError: naming those that are absent, and those that are there and not ``known``.
    """
    absent = [name for name in needed if name not in relation]
    if not absent:
        return
    others = [name for name in relation.names if name not in known]
    hint = f"; it has {', '.join(others[:_MOST_SHOWN])}" if others else ""
    if relation.is_query:
        hint += ", which AS gives another name" if others else ""
    else:
        columns = ", ".join(f"… AS {name}" for name in absent if name != settable) or "*"
        example = f"{relation.what}: SELECT {columns} FROM {relation.what}"  # noqa: S608
        hint += f": write `{example}` into a mapping ({MAPPED}=source.yaml), or let agent-report init do so"
    if settable in absent:
        hint += f"; write {settable}: and a name in {MAPPED}, if all are of one"
    what = f"query {relation.what} in {MAPPED}" if relation.is_query else f"table {relation.what}"
    raise SourceError(f"The {what} has no column {', '.join(absent)}{hint}")


def _describe(
    connection: Connection, what: str, of: FromClause | TextClause, aliases: Mapping[str, str], *, is_query: bool
) -> Relation:
    # An empty result knows the names of a view's columns too, and has no types to be puzzled by. Its limit is a
    # parameter: PostgreSQL takes no second statement beside one, however well a query hides it.
    result = connection.execute(select(text("*")).select_from(of).where(text("1 = 0")).limit(0))
    description: Sequence[Sequence[Any]] = result.cursor.description
    columns = [(str(entry[0]), entry[1]) for entry in description]
    result.close()
    seen: set[str] = set()
    for name, _ in columns:
        if name in seen and is_query:
            raise SourceError(f"The query {what} in {MAPPED} has two columns {name}: give one another name with AS")
        seen.add(name)
    found = {name.lower(): name for name, _ in columns} | {name: name for name, _ in columns if name == name.lower()}
    codes = {name.lower(): code for name, code in columns if found[name.lower()] == name}
    for contract_name, own_name in aliases.items():
        if own_name in found:
            found[contract_name], codes[contract_name] = found[own_name], codes[own_name]
    return Relation(what, is_query, connection.dialect.name, of, found, find_kinds(connection, codes))


def _uuids(ids: Iterable[str]) -> Iterator[UUID]:
    for one in ids:
        with suppress(ValueError):
            yield UUID(one)


def _as_bytes(one: str) -> Iterator[bytes]:
    """The bytes that ``read_id`` may have read ``one`` from."""
    yield one.encode()
    yield from (found.bytes for found in _uuids([one]))
    with suppress(ValueError):
        yield bytes.fromhex(one)
