"""Servers take seconds to start: all tests here look at these two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from deployments.local.prefect_server import prefect_server, wait_until_healthy


@dataclass(frozen=True, slots=True)
class TeamServer:
    """A Prefect server as a team shares it, on PostgreSQL."""

    api: str
    home: Path
    database_url: str


@pytest.fixture(scope="package")
def team_server(
    make_database: Callable[[], AbstractContextManager[sa.URL]],
    tmp_path_factory: pytest.TempPathFactory,
    api_password: str,
) -> Iterator[TeamServer]:
    """No other deployments and runs are on it than those of the tests here."""
    home = tmp_path_factory.mktemp("shared")
    with make_database() as database:
        database_url = database.set(drivername="postgresql+asyncpg", password="").render_as_string(False)
        with prefect_server(home, password=api_password, database_url=database_url) as url:
            wait_until_healthy(url, home)
            yield TeamServer(url, home, database_url)


@pytest.fixture(scope="package")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The API's URL of a server of one process, on SQLite and with a password of its own, and its home."""
    home = tmp_path_factory.mktemp("own") / "home"
    with prefect_server(home) as url:
        wait_until_healthy(url, home)
        yield url, home
