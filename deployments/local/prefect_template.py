"""Makes the migrated database that fresh Prefect homes get: ``python -m deployments.local.prefect_template``."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from deployments.local.prefect_database import DATABASE, template_file
from deployments.local.prefect_server import prefect_server, wait_until_healthy


def make_template() -> None:
    """Let a server migrate a database, and keep it beside the installation. Does nothing where it is there already.

    Raises:
        PrefectServerError: the server does not start.
        OSError: the folder of the installation cannot be written to.
    """
    template = template_file()
    if template.exists():
        return
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        home = Path(folder)
        with prefect_server(home) as url:
            wait_until_healthy(url, home)
        made = home / "made.db"
        with closing(sqlite3.connect(home / DATABASE)) as database, closing(sqlite3.connect(made)) as copy:
            database.backup(copy)
        made.replace(template)


if __name__ == "__main__":
    make_template()
