"""DuckDB's connections and cursors as SQLAlchemy uses them, with values and errors as the reader of a source needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import duckdb

Clean = Callable[[str], str]


class ReadOnly:
    """One connection on the database that ``root`` opened; ``clean`` makes a message of DuckDB's fit to be shown."""

    def __init__(self, root: duckdb.DuckDBPyConnection, clean: Clean) -> None:
        self._own = root.cursor()
        self._clean = clean

    def cursor(self) -> Cursor:
        """A cursor of its own: several can be read at once."""
        return Cursor(self._own.cursor(), self._clean)

    def close(self) -> None:
        """Close the connection; the database stays."""
        self._own.close()


class Cursor:
    """A cursor whose nested values are without the keys that are NULL.

    A list of structs in Parquet gives every object the keys of all of them; in JSON a key that has no value is not
    there.
    """

    arraysize = 1
    rowcount = -1
    lastrowid = None

    def __init__(self, own: duckdb.DuckDBPyConnection, clean: Clean) -> None:
        self._own = own
        self._clean = clean

    @property
    def description(self) -> Any:
        """As DB-API has it."""
        return self._own.description

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run ``statement``, which is one SELECT: the files of the source can be written by others."""
        found = self._call(self._own.extract_statements, statement)
        if [one.type for one in found] != [duckdb.StatementType.SELECT]:
            raise duckdb.ProgrammingError("one SELECT is run, and nothing else")
        self._call(self._own.execute, found[0], list(parameters))

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None at the end."""
        row = self._call(self._own.fetchone)
        return None if row is None else _without_nulls(row)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next ``size`` rows."""
        return [_without_nulls(row) for row in self._call(self._own.fetchmany, size)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return [_without_nulls(row) for row in self._call(self._own.fetchall)]

    def close(self) -> None:
        """Close the cursor."""
        self._own.close()

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        except duckdb.Error as error:
            raise type(error)(self._clean(str(error))) from None
        except OSError as error:
            # Of the file system behind a remote file.
            raise duckdb.IOException(self._clean(f"{type(error).__name__}: {error}")) from None


def _without_nulls(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_stripped(value) if isinstance(value, (dict, list)) else value for value in row)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_stripped(inner) for inner in value]
    return value
