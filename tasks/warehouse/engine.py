"""The engine: how the warehouse's database is reached, SQLite or PostgreSQL, and what errors may show."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.errors import ConfigurationError, WarehouseError
from tasks.wire.urls import refuse_ambiguous

_SECRET_WORDS = ("pass", "secret", "token", "key")
_BUSY_SECONDS = 30
# How long data that was sent may stay unacknowledged: a server that vanished would be awaited for a quarter of an hour.
_SILENT_MILLISECONDS = 30_000
# What ends by itself or by an administrator's hand: primary result codes of SQLite, SQLSTATEs of PostgreSQL.
_PASSING_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# Connections · read-only · serialization, deadlock · resources (disk, memory, connections) · lock and time limits ·
# shutdown, start · input and output.
_READ_ONLY = "25006"
_PASSING_POSTGRES = ("08", _READ_ONLY, "25P0", "40", "53", "55P03", "57", "58")
# A report of 2,000 runs spends a second in the standard library's encoder.
_JSON: dict[str, Any] = {
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
}


class Database:
    """The warehouse's database. ``reading`` and ``writing`` give a connection in a transaction of its own.

    Safe to share between threads. Whatever SQLAlchemy raises inside comes out as a ``WarehouseError`` that names the
    database without its credentials.
    """

    def __init__(self, url: URL) -> None:
        self._secrets = _secrets(url)
        self.shown = _shown(url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._reader = _sqlite_engine(url, begin="BEGIN", pool_size=5)
            # One connection for all writers: they queue up here, in order, instead of in SQLite's busy handler, which
            # sleeps longer and longer and lets late comers pass.
            self._writer = _sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, max_overflow=0, pool_timeout=120)
            self._passing: Engine = self._writer.execution_options(synchronous="NORMAL")
        else:
            self._reader = self._writer = self._passing = _postgres_engine(url)
        for engine in {self._reader, self._writer}:
            sa.event.listen(engine, "handle_error", _renew)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state (SQLite) or committed rows (PostgreSQL)."""
        with self._translated("cannot be read"), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        """A connection whose changes are committed at the end, or taken back when an error comes out.

        What need not outlive a power failure (a claim, whose process would be gone too) is not ``durable``: SQLite then
        does not wait for the disk, for which all writers would wait in turn. A killed process loses neither kind.
        """
        with self._translated("cannot be written"), (self._writer if durable else self._passing).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the pooled connections; the database can be used again afterwards."""
        self._reader.dispose()
        self._writer.dispose()

    def enable_wal(self) -> None:
        """Let readers read while another connection writes (SQLite, for good). Call it outside of a transaction."""
        if not self.is_sqlite:
            return
        with self._translated("cannot be written"), self._reader.connect() as connection:
            # The mode cannot change inside a transaction, and SQLAlchemy opens one at the first statement.
            raw = connection.connection.driver_connection
            if raw is not None and raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                _set_wal(raw)

    def scrubbed(self, text: str) -> str:
        """``text`` without the passwords of the URL."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            # Without the cause: SQLAlchemy's words hold the statement with its values, and a driver's can hold the
            # whole connection string.
            reason = self.scrubbed(_reason(error))
            if self.is_sqlite and any(words in reason for words in ("readonly database", "unable to open")):
                reason += " (SQLite writes beside its file also to read: make the folder writable, or copy the file)"
            raised = WarehouseError(f"The warehouse {self.shown} {what}: {reason}")
            raised.passing = _is_passing(error)
            raise raised from None


def connect_database(url: str | URL, *, create: bool = True) -> Database:
    """The database behind ``url``; nothing is opened yet, but the folder of a SQLite file is made.

    With ``create=False`` a SQLite file has to be there already.

    ``sqlite:///file``, ``postgresql://`` and ``postgres://`` (both by psycopg).

    Raises:
        RefusedError: for a URL of another kind, or SQLite without a file.
        WarehouseError: when the folder cannot be made, or the file is not there.
    """
    parsed = _parsed(url)
    # A "file:" URI names its file in SQLite's own way; who writes one makes the folder too.
    if parsed.get_backend_name() == "sqlite" and not str(parsed.database).startswith("file:"):
        file = Path(str(parsed.database))
        if create:
            _make_folder(file.parent)
        elif not file.exists():
            raise WarehouseError(f"There is no warehouse at {_shown(parsed)}.")
    return Database(parsed)


def sqlite_file(url: str | URL) -> Path | None:
    """The file of a SQLite URL; None for another database, or a ``file:`` URI, which names it in a way of its own."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite" or str(parsed.database).startswith("file:"):
        return None
    return Path(str(parsed.database))


def check_folder(folder: Path) -> None:
    """Whether files can be made in ``folder``; where it is not there yet, in the nearest one above it.

    Raises:
        WarehouseError: they cannot.
    """
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise WarehouseError(f"The warehouse folder {folder} cannot be written: {error.strerror}") from None


def _parsed(url: str | URL) -> URL:
    if isinstance(url, str) and url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    if isinstance(url, str):
        refuse_ambiguous(url, "The warehouse URL")
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "The warehouse URL is no SQLAlchemy URL such as sqlite:///folder/warehouse.db or "
            "postgresql://user@host/database, special characters percent-encoded (it is not shown, as it may hold a "
            "password)."
        ) from None
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError(
            f"The warehouse cannot be kept in {parsed.drivername}: use sqlite:///… or postgresql://… (by psycopg)."
        )
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("The warehouse needs a file: sqlite:///folder/warehouse.db.")
    return parsed


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(f"The warehouse's folder {folder} cannot be made: {error.strerror}.") from error


def _sqlite_engine(url: URL, *, begin: str, **pool: Any) -> Engine:
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True, **_JSON, **pool)

    # The driver opens transactions on its own, late and always deferred: a read that then wants to write fails as
    # busy at once, however long the time-out. So the driver is set to keep out, and we send BEGIN.
    @sa.event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        if begin != "BEGIN":
            synchronous = connection.get_execution_options().get("synchronous", "FULL")
            connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: URL) -> Engine:
    defaults = {"connect_timeout": 10, "tcp_user_timeout": _SILENT_MILLISECONDS}
    connect_args = {name: value for name, value in defaults.items() if name not in url.query}
    # READ COMMITTED whatever the server's default is: a statement behind a lock has to see what its holder committed.
    return sa.create_engine(
        url,
        connect_args=connect_args,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        hide_parameters=True,
        **_JSON,
    )


def _renew(context: sa.engine.ExceptionContext) -> None:
    """Close a connection that would stay useless: it keeps the file or the read-only mode that it was opened with."""
    cause = context.original_exception
    stale = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if getattr(cause, "sqlstate", None) == _READ_ONLY or getattr(cause, "sqlite_errorcode", -1) & 0xFF in stale:
        context.is_disconnect = True


def _set_wal(raw: Any) -> None:
    """The busy handler does not cover this change: two processes that start together have to be patient themselves."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_passing(error: Exception) -> bool:
    """Whether the same may succeed soon; False for what is wrong with a statement or its values."""
    if isinstance(error, PoolTimeout):  # All connections are in use, for example by writers that wait for a lock.
        return True
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", -1) & 0xFF in _PASSING_SQLITE
    state = getattr(cause, "sqlstate", None)
    if state is None:  # It never came to a statement, or the connection broke.
        return isinstance(error, OperationalError | InterfaceError) or getattr(error, "connection_invalidated", False)
    return str(state).startswith(_PASSING_POSTGRES)


def _reason(error: Exception) -> str:
    """The driver's own words. PostgreSQL's detail ("Failing row contains …") is left out, as it holds values."""
    cause = getattr(error, "orig", None) or error
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    return str(primary or cause).strip()


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)


def _secrets(url: URL) -> list[str]:
    found = [str(url.password)] if url.password else []
    for key, value in url.query.items():
        if _is_secret(key):
            found += [value] if isinstance(value, str) else list(value)
    spellings = {spelling for secret in found for spelling in (secret, quote(secret, safe=""), quote_plus(secret))}
    return sorted(spellings - {""}, key=len, reverse=True)


def _shown(url: URL) -> str:
    query = {key: "***" if _is_secret(key) else value for key, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True).replace(quote_plus("***"), "***")
