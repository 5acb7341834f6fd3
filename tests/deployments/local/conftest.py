"""Servers take seconds to start: all tests here look at this one and at ``team_server``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local.prefect_server import prefect_server, wait_until_healthy


@pytest.fixture(scope="package")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The API's URL of a server of one process, on SQLite and with a password of its own, and its home."""
    home = tmp_path_factory.mktemp("own") / "home"
    with prefect_server(home) as url:
        wait_until_healthy(url, home)
        yield url, home
