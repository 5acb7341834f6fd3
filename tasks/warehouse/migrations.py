"""The migrations: bring a database to the schema of this version, by itself, once, however many start together."""

from __future__ import annotations

import logging
import threading
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import AgentReportError, WarehouseError
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import metadata

logger = logging.getLogger(__name__)

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
"""Every revision there is, oldest first. Kept here as well, so that the check at each start needs no Alembic, whose
import takes longer than everything else about it."""

VERSION_TABLE = "agent_report_version"
"""Not Alembic's default name: a database may be shared with Prefect's server, which uses that one."""

_ADVISORY_LOCK = 4_027_311_906_551_893
_LOCK_SECONDS = 120
# Alembic keeps the migration that is running in module globals: one at a time in a process.
_one_at_a_time = threading.Lock()


def migrate(database: Database) -> None:
    """Create or update the tables; a quick look at one row when that is done already.

    Raises:
        WarehouseError: when the database is newer than this version, holds tables of another program under our names,
            or cannot be reached or changed.
    """
    if is_current(database):
        return
    with _one_at_a_time:
        with database.reading() as connection:
            _refuse_foreign_tables(connection, database)
        database.enable_wal()
        with database.writing() as connection:
            _lock(connection)
            stored = _stored_revision(connection)
            if stored == REVISIONS[-1]:
                return
            if stored is None and database.is_sqlite:
                _create(connection, database)
            else:
                _upgrade(connection, database, stored)


def check_migration(database: Database) -> None:
    """Whether ``migrate`` could create, update and write the tables; nothing stays changed.

    Raises:
        WarehouseError: as ``migrate``, or nothing can be written.
    """
    is_current(database)
    with database.reading() as connection:
        _refuse_foreign_tables(connection, database)
    with suppress(_TakenBackError), database.writing() as connection:
        connection.execute(sa.text(f"CREATE TABLE agent_report_probe_{uuid.uuid4().hex} (id INTEGER)"))
        raise _TakenBackError


def describe_schema(database: Database) -> str:
    """What ``migrate`` would find: a phrase such as ``has schema 0007``.

    Raises:
        WarehouseError: the database cannot be read.
    """
    with database.reading() as connection:
        stored = _stored_revision(connection)
    if stored is None:
        return "is empty; its tables will be created"
    if stored != REVISIONS[-1]:
        return f"has schema {stored} and will be migrated to {REVISIONS[-1]}"
    return f"has schema {stored}"


class _TakenBackError(Exception):
    """Takes back what the transaction around it did."""


def is_current(database: Database) -> bool:
    """Whether the database has the schema of this version; False when it is older, or empty.

    Raises:
        WarehouseError: when it is newer, or cannot be read.
    """
    with database.reading() as connection:
        stored = _stored_revision(connection)
    if stored is not None and stored not in REVISIONS:
        raise WarehouseError(
            f"The warehouse {database.shown} has schema {stored}, this version of agent-report knows {REVISIONS[-1]}: "
            "update agent-report, or use another warehouse."
        )
    return stored == REVISIONS[-1]


def _stored_revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    revision = connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if revision is None else str(revision)


def _refuse_foreign_tables(connection: Connection, database: Database) -> None:
    inspector = sa.inspect(connection)
    if inspector.has_table(VERSION_TABLE):
        return
    # Only here, as a warehouse that is up to date needs no views at its start.
    from tasks.warehouse.views.definitions import VIEWS

    there = {*inspector.get_table_names(), *inspector.get_view_names()}
    foreign = sorted(there & {*metadata.tables, *VIEWS})
    if foreign:
        raise WarehouseError(
            f"The warehouse {database.shown} already holds tables of another program ({', '.join(foreign)}): "
            "give agent-report a database of its own."
        )


def _lock(connection: Connection) -> None:
    """On SQLite the transaction itself is the lock, as it began immediately."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))


def _create(connection: Connection, database: Database) -> None:
    """What all the revisions make of an empty file, without going through them, in a tenth of their time.

    Not on PostgreSQL, where they also leave comments on views.
    """
    logger.info("The warehouse %s is created with schema %s", database.shown, REVISIONS[-1])
    metadata.create_all(connection, checkfirst=False)
    for name, query in _sqlite_views().items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS\n{query}")
    # As Alembic makes it.
    number = sa.Column("version_num", sa.String(32), nullable=False)
    version = sa.Table(
        VERSION_TABLE, sa.MetaData(), number, sa.PrimaryKeyConstraint(number, name=f"{VERSION_TABLE}_pkc")
    )
    version.create(connection)
    connection.execute(version.insert().values(version_num=REVISIONS[-1]))


@cache
def _sqlite_views() -> dict[str, str]:
    from tasks.warehouse.views.definitions import VIEWS, view_sql

    return {name: view_sql(view, "sqlite") for name, view in VIEWS.items()}


def _upgrade(connection: Connection, database: Database, stored: str | None) -> None:
    from alembic import command
    from alembic.config import Config

    logger.info("The warehouse %s goes from schema %s to %s", database.shown, stored or "none", REVISIONS[-1])
    config = Config()
    # "%" starts an interpolation in Alembic's configuration.
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    try:
        command.upgrade(config, REVISIONS[-1])
    except (SQLAlchemyError, AgentReportError):
        raise
    except Exception as error:
        reason = database.scrubbed(str(error))
        raise WarehouseError(f"The warehouse {database.shown} cannot be brought up to date: {reason}") from error
