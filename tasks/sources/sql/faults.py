"""Faults of databases in a sentence: a refused login, a server that is not there, a query with a wrong name in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

_MOST_TABLES = 200
_MOST_SHOWN = 20
_LOGIN = re.compile(r"password authentication failed|access denied for user|no password supplied", re.IGNORECASE)
_REFUSED = re.compile(r"connection refused", re.IGNORECASE)
# SQLite calls these operational errors, as it does a file that is locked.
_OF_QUERY = re.compile(
    r"no such |syntax error|ambiguous|unknown column|misuse of|wrong number of arguments|incomplete input"
    r"|(?:Binder|Catalog|Parser) Error",
    re.IGNORECASE,
)
_COLUMN = re.compile(
    r"no such column: (?P<sqlite>[^\s,;]+)"
    r"|column (?P<postgresql>\"[^\"]+\"|[^\s\"]+) does not exist"
    r"|column \"(?P<duckdb>[^\"]+)\" not found"
    r"|table \"[^\"]*\" does not have a column named \"(?P<of_table>[^\"]+)\""
    r"|unknown column '(?P<mysql>[^']+)'",
    re.IGNORECASE,
)
_TABLE = re.compile(
    r"no such table: (?P<sqlite>[^\s,;]+)"
    r"|relation \"(?P<postgresql>[^\"]+)\" does not exist"
    r"|table with name (?P<duckdb>\S+) does not exist"
    r"|table '(?P<mysql>[^']+)' doesn't exist",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


def explain_refusal(reason: str) -> str | None:
    """A server that refused the login or the connection, in one sentence with what to do; None for other reasons."""
    if _LOGIN.search(reason):
        return "it refuses the login; check user and password in AGENT_REPORT_SOURCE_URL"
    if _REFUSED.search(reason):
        return "Connection refused; check that the database runs, and host and port in AGENT_REPORT_SOURCE_URL"
    return None


def is_fault_of_query(error: DBAPIError) -> bool:
    """Whether the query is wrong, not the connection or the database."""
    if error.connection_invalidated:
        return False
    return isinstance(error, ProgrammingError) or _OF_QUERY.search(str(error.orig)) is not None


def name_alternatives(connection: Connection, query: str, reason: str) -> str:
    """What may be meant by the column or table that ``reason`` reports as missing; "" where that is not known.

    The connection's transaction is rolled back, as PostgreSQL takes no query after a wrong one.
    """
    column, table = _name(_COLUMN, reason), _name(_TABLE, reason)
    if not column and not table:
        return ""
    with suppress(SQLAlchemyError, NotImplementedError):
        connection.rollback()
        tables = _tables(connection, query if column else "")
        if table:
            return _hint(table, sorted(tables), "tables")
        for name, columns in tables.items():
            if near := _near(column, columns):
                return f"did you mean {near}? {name} has {_listed(columns)}"
        return "; ".join(f"{name} has {_listed(columns)}" for name, columns in tables.items())
    return ""


def _name(pattern: re.Pattern[str], reason: str) -> str:
    found = pattern.search(reason)
    whole = next(filter(None, found.groups()), "") if found else ""
    # Without the table, or the schema, before it.
    return whole.strip('"`').rpartition(".")[2].strip('"`')


def _tables(connection: Connection, query: str) -> Mapping[str, Sequence[str]]:
    """The tables and views that ``query`` names, with their columns; all tables, without, where it is empty."""
    if connection.dialect.name == "duckdb":
        rows = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns ORDER BY table_name, ordinal_position"
        )
        every: dict[str, list[str]] = {}
        for table, column in rows:
            every.setdefault(str(table), []).append(str(column))
        return {name: every[name] for name in _used(every, query)}
    inspector = inspect(connection)
    names = _used([*inspector.get_table_names(), *inspector.get_view_names()], query)
    return {name: [column["name"] for column in inspector.get_columns(name)] if query else [] for name in names}


def _used(names: Iterable[str], query: str) -> list[str]:
    words = {word.casefold() for word in _WORD.findall(query)}
    return [name for name in names if not query or name.casefold() in words][:_MOST_TABLES]


def _near(name: str, names: Sequence[str]) -> str:
    by_folded = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else ""


def _hint(name: str, names: Sequence[str], kind: str) -> str:
    near = _near(name, names)
    there = f"the {kind} are {_listed(names)}" if names else f"there are no {kind}"
    return f"did you mean {near}? {there}" if near else there


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
