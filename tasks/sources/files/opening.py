"""Files as a database of SQLAlchemy: DuckDB in memory, with a view for each table and no way to any other file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.dialects import registry

from tasks.errors import SourceError, scrub
from tasks.sources.files.connection import ReadOnly
from tasks.sources.files.listed import ListedFiles
from tasks.sources.files.places import DataFile, describe, find_files
from tasks.sources.files.tables import build_query

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    # Nothing is written beside the source; what does not fit into the memory fails.
    "temp_directory": "",
    "memory_limit": "2GB",
}
_MOST_NAMES = 20
_WILD = frozenset("*?[]")
# Parts of DuckDB's messages: where in the query, what to try, the row of a file, the file.
_ADVICE = ("LINE ", "Possible ", "The search space ")
_QUOTED = "Original Line:"
_FILE = "file = "

registry.register("duckdb", "tasks.sources.files.dialect", "DuckDBDialect")


def open_files(url: str, tables: Sequence[str] = ()) -> Engine:
    """The files that ``url`` names as an engine with the tables ``runs`` and, where there are such files, ``agents``,
    ``steps`` and ``signals``; with ``tables``, those (see ``find_files``).

    Of files with at most 20 different names, each name is a table too, so that a mapping can join them. Files are read
    again for each query, so what is appended later is there. No other file can be reached by SQL.

    Raises:
        ConfigurationError, SourceError: as ``find_files``; or a file cannot be read, naming it.
    """
    files = find_files(url, tables)
    listed = ListedFiles()
    names = {file: _name(file, listed) for file in files}
    clean = _cleaner(listed)
    root = duckdb.connect(":memory:", config=_OPTIONS)
    try:
        root.register_filesystem(listed)
        root.execute("SET GLOBAL TimeZone = 'UTC'")
        for table, of_table in _tables(files, own=not tables).items():
            query = build_query(root, of_table, names)
            if query is not None:
                root.execute(f'CREATE VIEW "{table}" AS {query}')
        _lock(root, names)
    except SourceError as error:
        root.close()
        raise SourceError(f"The source {describe(url)} cannot be read: {error}") from None
    except (duckdb.Error, OSError) as error:
        root.close()
        raise SourceError(f"The source {describe(url)} cannot be read: {clean(str(error))}") from None
    engine = create_engine(
        URL.create("duckdb", database=describe(url)), creator=lambda: ReadOnly(root, clean), poolclass=NullPool
    )
    event.listen(engine, "engine_disposed", lambda _: root.close())
    return engine


def _tables(files: Sequence[DataFile], *, own: bool) -> dict[str, list[DataFile]]:
    """The files of each table; with ``own``, files of a few different names are tables by those as well."""
    tables: dict[str, list[DataFile]] = {}
    for file in files:
        tables.setdefault(file.table, []).append(file)
    names = {file.own_name.lower() for file in files}
    if own and 1 < len(names) <= _MOST_NAMES:
        for name in sorted(names - tables.keys()):
            tables[name.replace('"', "")] = [file for file in files if file.own_name.lower() == name]
    return tables


def _name(file: DataFile, listed: ListedFiles) -> str:
    # DuckDB would take a wildcard in the name of a file for one.
    if file.files is None and not _WILD & set(file.path):
        return file.path
    return listed.add(file)


def _lock(root: duckdb.DuckDBPyConnection, names: Mapping[DataFile, str]) -> None:
    allowed = ", ".join("'" + name.replace("'", "''") + "'" for name in names.values())
    root.execute(f"SET allowed_paths = [{allowed}]")
    root.execute("SET enable_external_access = false")
    root.execute("SET lock_configuration = true")


def _cleaner(listed: ListedFiles) -> Callable[[str], str]:
    def clean(message: str) -> str:
        """DuckDB's message on one line, without the rows that it quotes, its advice, and our own names of files."""
        lines = [line.strip() for line in message.splitlines() if line.strip()]
        if any(line.startswith("Traceback ") for line in lines):
            # Of a file system in Python: its error is the last line.
            lines = lines[-1:]
        end = next((at for at, line in enumerate(lines) if line.startswith(_ADVICE)), len(lines))
        shown = [line for line in lines[:end] if not line.startswith(_QUOTED)]
        file = next((line.removeprefix(_FILE) for line in lines if line.startswith(_FILE)), "")
        text = " ".join([f"{file}:"] * bool(file) + shown)
        for name, path in listed.real_names():
            text = text.replace(name, path)
        return scrub(text)

    return clean


def columns_of(engine: Engine, table: str) -> list[str]:
    """The columns of ``table``, none when there is no such table."""
    with engine.connect() as connection:
        result: Any = connection.exec_driver_sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position",
            (table,),
        )
        return [str(row[0]) for row in result]
