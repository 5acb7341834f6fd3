"""The embedded PostgreSQL, and a Prefect server on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from deployments.local.postgres import embedded_postgres, prepare_postgres
from tasks.errors import PostgresError


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Not below pytest's own folder: a socket's path has to be short, and as root the server runs as another user."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_what_was_written_is_there_when_it_starts_again(short_folder: Path) -> None:
    for expected in (1, 2):
        with embedded_postgres(short_folder / "data") as server:
            engine = sa.create_engine(server.database("agents"), poolclass=sa.NullPool)
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE IF NOT EXISTS noted (id SERIAL)"))
                connection.execute(sa.text("INSERT INTO noted DEFAULT VALUES"))
                assert connection.execute(sa.text("SELECT count(*) FROM noted")).scalar_one() == expected
    with pytest.raises(sa.exc.OperationalError):
        engine.connect()


def test_one_that_does_not_start_is_reported_with_its_log(short_folder: Path) -> None:
    data = short_folder / "data"
    data.mkdir()
    (data / "PG_VERSION").write_text("9.6\n")
    message = f"{data} did not start; its log is {data / 'log'}"
    with pytest.raises(PostgresError, match=message), embedded_postgres(data):
        pass


def test_a_shared_prefect_server_is_on_postgresql_and_keeps_its_leases(
    team_server: Any, api_headers: dict[str, str]
) -> None:
    assert httpx.get(f"{team_server.api}/health").json() is True
    settings = httpx.get(f"{team_server.api}/admin/settings", headers=api_headers).json()["server"]
    assert settings["concurrency"]["lease_storage"] == "deployments.local.slot_leases"
    assert settings["tasks"]["tag_concurrency_slot_wait_seconds"] == 1
    assert settings["analytics_enabled"] is False


def test_the_server_takes_what_its_own_client_sends(team_server: Any, api_password: str) -> None:
    from prefect.client.orchestration import SyncPrefectClient

    with SyncPrefectClient(team_server.api, auth_string=api_password) as client:
        # With a newer fastapi the nulls of what is left out are refused.
        assert isinstance(client.read_flow_runs(), list)


def test_a_path_too_long_for_a_socket_has_its_socket_where_only_its_owner_may_enter(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That of other servers.
    monkeypatch.setenv("PGPORT", "1")
    data = short_folder / ("x" * 60) / ("y" * 60) / "data"
    with embedded_postgres(data) as server:
        assert server.is_ready()
        assert server.sockets.parent == Path(tempfile.gettempdir()).resolve()
        assert server.sockets.stat().st_mode & 0o777 == 0o700
        assert server.sockets.owner() == data.owner()
    sockets = server.sockets
    try:
        assert prepare_postgres(data).sockets == sockets
        sockets.chmod(0o777)
        with pytest.raises(PostgresError, match=f"{sockets}, where the socket .* belongs to another user: remove it"):
            prepare_postgres(data)
    finally:
        shutil.rmtree(sockets)


def test_data_that_were_begun_and_not_finished_are_made_anew(short_folder: Path) -> None:
    unfinished = short_folder / "data.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = prepare_postgres(short_folder / "data")
    assert (server.folder / "postgresql.conf").exists()
    assert not unfinished.exists()
