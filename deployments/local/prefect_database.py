"""Prefect's migrated database, made once beside the installation and copied into each fresh Prefect home.

The migrations take a server ten seconds, and a copy takes none. `make` has it made after installing
(``prefect_template``).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sysconfig
import tempfile
from contextlib import closing, suppress
from importlib import metadata
from pathlib import Path

DATABASE = "prefect.db"


def template_file() -> Path:
    """Where the migrated database of this version of Prefect is kept; it need not be there."""
    return Path(sysconfig.get_path("data"), "share", "agent-report", f"prefect-{metadata.version('prefect')}.db")


def seed(home: Path, template: Path) -> None:
    """Copy ``template``, if there is one, into ``home`` as its database, unless it has one.

    Never replaces a database, not even one that another process makes at the same time.
    """
    target = home / DATABASE
    if target.exists() or not template.exists():
        return
    # On an error the server migrates a database of its own, and reports what is wrong.
    with suppress(OSError), tempfile.TemporaryDirectory(dir=home, prefix="agent-report-") as folder:
        copied = Path(shutil.copy(template, folder))
        os.link(copied, target)


def is_current(home: Path, template: Path) -> bool:
    """Whether the database in ``home`` is at the template's revision, so that there is nothing to migrate."""
    return (revision := _revision(template)) is not None and _revision(home / DATABASE) == revision


def _revision(file: Path) -> str | None:
    """The migration that a database is at; None where there is no such database."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            [(revision,)] = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except (sqlite3.Error, ValueError):
        return None
    return str(revision)
