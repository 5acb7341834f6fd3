"""Connections to the source: engines that can only read, and errors that hold no password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from tasks.errors import ConfigurationError, SourceError
from tasks.sources.sql.faults import explain_refusal
from tasks.wire.urls import refuse_ambiguous

_SECRET_QUERY = {"password", "passfile", "sslpassword"}
_CONNECT_SECONDS = 10
_CONNECTIONS = 10
_WAIT_SECONDS = 300
_LONGEST_REASON = 400
_MYSQL = ("mysql", "mariadb")
# Bytes 18 and 19 of a SQLite file are its write and read version; 2 is write-ahead logging.
_WAL_HEADER = b"\x02\x02"


def open_database(url: str) -> Engine:
    """An engine on ``url`` that cannot write: SQLite (an existing file), PostgreSQL (also ``postgres://``), MySQL or
    MariaDB.

    SQLite is opened ``mode=ro``, one short connection for each read, so that nothing of the source is held open. A
    database in WAL mode whose log is empty is opened ``immutable`` as well: without that SQLite writes ``-wal`` and
    ``-shm`` files beside it, or cannot open it in a folder that is read-only. PostgreSQL is read in transactions that
    begin as READ ONLY, and so are MySQL and MariaDB, by PyMySQL.

    Raises:
        RefusedError: the URL is none, or names a database of another kind, or PyMySQL is not installed; the message
            holds no password.
        SourceError: the SQLite file does not exist, or is a folder.
    """
    refuse_ambiguous(url, "The source's URL")
    try:
        parsed = make_url(url.strip())
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # The message of either can hold a piece of the password, when that has a "/" or "@" in it.
        raise ConfigurationError(
            "The source's URL is no SQLAlchemy URL: write sqlite:///path/to/station.db or "
            "postgresql://user:password@host:5432/database, with special characters percent-encoded"
        ) from None
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        return _open_postgresql(parsed)
    if backend in _MYSQL:
        return _open_mysql(parsed)
    raise ConfigurationError(
        f"The source's URL begins with {parsed.drivername}: sqlite, postgresql, mysql and mariadb can be read"
    )


def make_read_only(engine: Engine) -> Engine:
    """An engine like ``engine``, which comes from elsewhere (a Prefect block), that cannot write.

    A SQLite file is opened again as ``open_database`` does. On PostgreSQL the engine's own pool, driver and arguments
    stay, its transactions begin as READ ONLY. ``engine`` itself is as it was.

    Raises:
        RefusedError: it is no synchronous engine, or one of another database.
        SourceError: as ``open_database``.
    """
    if not isinstance(engine, Engine):
        raise ConfigurationError(
            f"The source is a {type(engine).__name__}, not a SQLAlchemy Engine: use a driver that is not async, "
            "such as postgresql+psycopg"
        )
    name = engine.dialect.name
    if name == "sqlite":
        return _open_sqlite(engine.url)
    if name == "postgresql":
        # BEGIN ... READ ONLY rather than default_transaction_read_only: a pooler such as PgBouncer refuses the
        # start-up option, and the session's setting would outlive us on a server connection that others get next.
        # REPEATABLE READ, so that the steps of one read see the same rows.
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    if name in _MYSQL:
        return engine.execution_options(isolation_level="REPEATABLE READ")
    raise ConfigurationError(f"The source is a {name} database: sqlite, postgresql, mysql and mariadb can be read")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection of ``engine`` for one read; what it began is rolled back at the end.

    Raises:
        SourceError: for every error of SQLAlchemy, the driver or the file, naming the database, without a password.
    """
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                # Dates are read as text, so the session must write them one way; local to this transaction.
                connection.execute(
                    text("SELECT set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true)")
                )
            elif engine.dialect.name in _MYSQL:
                # SQLAlchemy has no option for it. What is written fails until this transaction ends.
                connection.exec_driver_sql("SET time_zone = '+00:00'")
                connection.exec_driver_sql("START TRANSACTION READ ONLY")
            yield connection
            connection.rollback()
    except SQLAlchemyError as error:
        raise SourceError(f"The source {describe(engine.url)} cannot be read: {explain(error, engine.url)}") from None
    except OSError as error:
        raise SourceError(f"The source {describe(engine.url)} cannot be read: {error.strerror or error}") from None


def describe(url: URL) -> str:
    """``url`` for people: kind, host and database, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database or ''}"
    if url.get_backend_name() == "duckdb":
        # Files: what stands in the URL is their place.
        return url.database or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{url.host or ''}{port}/{url.database or ''}"


def _open_sqlite(url: URL) -> Engine:
    database = url.database or ""
    if database.startswith("file:"):
        database = unquote(database.removeprefix("file:").partition("?")[0])
    if not database or database == ":memory:":
        raise ConfigurationError("The source's URL names no SQLite file: write sqlite:///path/to/station.db")
    path = Path(database).absolute()
    if not path.is_file():
        kind = "is not a file" if path.exists() else "does not exist"
        raise SourceError(f"The source {path} {kind}: give the path of a SQLite database in its URL")

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(_read_only_uri(path), uri=True, check_same_thread=False)
        connection.text_factory = _decode
        return connection

    # A pool would keep an immutable connection that cannot see what a writer does after it.
    return create_engine(URL.create("sqlite", database=str(path)), creator=connect, poolclass=NullPool)


def _read_only_uri(path: Path) -> str:
    uri = f"file:{quote(str(path))}?mode=ro"
    log = path.with_name(path.name + "-wal")
    with path.open("rb") as file:
        header = file.read(20)
    try:
        changes = log.stat().st_size
    except FileNotFoundError:
        changes = 0
    return uri if header[18:20] != _WAL_HEADER or changes else uri + "&immutable=1"


def _decode(data: bytes) -> str:
    # A text of other bytes than UTF-8 would end the whole read.
    return data.decode("utf-8", "replace")


def _open_postgresql(url: URL) -> Engine:
    # prepare_threshold: a prepared statement is lost when a pooler hands the next transaction to another connection.
    arguments: dict[str, object] = {"prepare_threshold": None}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECT_SECONDS
    if "application_name" not in url.query:
        arguments["application_name"] = "agent-report"
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=arguments,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=_WAIT_SECONDS,
        hide_parameters=True,
    )
    return make_read_only(engine)


def _open_mysql(url: URL) -> Engine:
    arguments: dict[str, object] = {}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECT_SECONDS
    if "charset" not in url.query:
        arguments["charset"] = "utf8mb4"
    try:
        engine = create_engine(
            url.set(drivername=f"{url.get_backend_name()}+pymysql"),
            connect_args=arguments,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_WAIT_SECONDS,
            # A server closes what was idle for long.
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise ConfigurationError("The source is MySQL or MariaDB: install its driver, agent-report[mysql]") from None
    return make_read_only(engine)


def explain(error: SQLAlchemyError, url: URL) -> str:
    """Why a database at ``url`` could not be read, in one line of at most 400 characters, without a password."""
    if isinstance(error, NoSuchModuleError):
        return "its driver is not installed"
    raw = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    reason = " ".join(raw.split())
    if refusal := explain_refusal(reason):
        return refusal
    secrets = {url.password or ""}
    for name, value in url.query.items():
        if name.lower() in _SECRET_QUERY:
            secrets.update([value] if isinstance(value, str) else value)
    for secret in sorted(secrets, key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), quote_plus(secret)} - {""}:
            reason = reason.replace(form, "***")
    if url.get_backend_name() == "sqlite" and "unable to open database file" in reason:
        reason += (
            "; when it is in WAL mode and has a -wal file, that cannot be read in a folder that is read-only: "
            "checkpoint it, or copy both files to a folder that is not"
        )
    return reason[:_LONGEST_REASON]
