"""Prefect servers on PostgreSQL as teams share them; a plugin of pytest. Each takes seconds to start."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from deployments.local.prefect_server import prefect_server, wait_until_healthy

MakeDatabase = Callable[[], AbstractContextManager[sa.URL]]


@dataclass
class TeamServer:
    """A server that can be killed and started again with the same files, database and port."""

    home: Path
    database_url: str
    password: str
    api: str = ""
    """The API's URL."""
    _running: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        if self._running:
            return
        port = int(self.api.split(":")[2].split("/")[0]) if self.api else 0
        server = prefect_server(self.home, password=self.password, database_url=self.database_url, port=port)
        self.api = server.__enter__()
        self._running.append(server)
        wait_until_healthy(self.api, self.home)

    def kill(self) -> None:
        """End it as a crash does, and let nothing answer on its port."""
        for process in psutil.Process().children():
            if str(self.home) in process.cmdline():
                process.kill()
        self.stop()

    def stop(self) -> None:
        """End it, if it runs."""
        if self._running:
            self._running.pop().__exit__(None, None, None)


def _serve(make_database: MakeDatabase, password: str) -> Iterator[TeamServer]:
    with make_database() as database:
        # The first start migrates it. There is no template to copy: to make one, a whole server would have to start.
        database_url = database.set(drivername="postgresql+asyncpg", password="").render_as_string(hide_password=False)
        server = TeamServer(Path(tempfile.mkdtemp(prefix="shared-")), database_url, password)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(server.home, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_server(make_database: MakeDatabase, api_password: str) -> Iterator[str]:
    """The API's URL of a server that is never killed; not the one in ``PREFECT_API_URL``."""
    for server in _serve(make_database, api_password):
        yield server.api


@pytest.fixture(scope="session")
def killable_server(make_database: MakeDatabase, api_password: str) -> Iterator[TeamServer]:
    """Another one, for ``team_server``."""
    yield from _serve(make_database, api_password)


@pytest.fixture
def team_server(killable_server: TeamServer) -> TeamServer:
    """A server that tests may kill; it runs again for the next."""
    killable_server.start()
    return killable_server
