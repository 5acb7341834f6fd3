"""The embedded Prefect server answers its own process alone, and a server that is gone is noticed.

That it ends with its parent when that is killed is in tests/flows/test_take_up.py.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.local.prefect_database import seed, template_file
from deployments.local.prefect_server import (
    PrefectServerError,
    authorization,
    client_settings,
    prefect_server,
    server_password,
    wait_until_healthy,
)
from deployments.local.runner import drain, prefect_api


def test_only_this_computer_may_ask_it(own_server: tuple[str, Path]) -> None:
    servers = [process for process in psutil.Process().children() if str(own_server[1]) in process.cmdline()]
    assert {connection.laddr.ip for server in servers for connection in server.net_connections("tcp")} == {"127.0.0.1"}


def test_a_server_that_has_ended_is_noticed_and_its_log_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PrefectServerError, match=r"agent-report-server\.log"):
        wait_until_healthy(f"http://127.0.0.1:{port}/api", tmp_path)


def test_a_home_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(PrefectServerError, match="PREFECT_HOME"), prefect_server(tmp_path / "home"):
        pass


def test_it_answers_who_has_the_password_and_asked_for_it_by_its_own_name(own_server: tuple[str, Path]) -> None:
    url, home = own_server
    password = server_password(home)
    port = url.split(":")[2].split("/")[0]
    assert (home / "agent-report-password").stat().st_mode & 0o777 == 0o600

    def status(path: str = "/admin/version", password: str = password, **headers: str) -> int:
        asked = {**authorization(password), **headers}
        return httpx.get(f"{url}{path}", headers=asked, trust_env=False).status_code

    assert status() == 200
    assert status(password="another") == 401
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert status(Host=f"{name}:{port}", Origin=f"http://{name.lower()}:{port}") == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil:{port}", ""):
        assert status(Host=host) == status("/health", Host=host) == 403
    for origin in ("null", "", "http://evil.example", f"http://localhost:{port}", f"https://127.0.0.1:{port}"):
        assert status(Origin=origin) == status("/health", Origin=origin) == 403


def test_its_pages_ask_no_other_server(own_server: tuple[str, Path]) -> None:
    ui = own_server[0].removesuffix("/api")
    page = httpx.get(f"{ui}/v2/dashboard", trust_env=False)
    assert page.headers["content-security-policy"] == "connect-src 'self' blob: data:"
    assert httpx.get(f"{ui}/ui-settings", trust_env=False).json()["api_url"] == "/api"


_REPORT = """
from deployments.local.runner import prefect_api, quiet_prefect

# As the command does, before Prefect reads its settings.
quiet_prefect()
from prefect import flow, task

@task
def nothing():
    pass

@flow
def ten():
    for _ in range(10):
        nothing()

with prefect_api():
    ten()
"""


@flow
def _nothing() -> None:
    """For which the server is asked to write something."""


def _states(home: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(home / "prefect.db")) as connection:
        return connection.execute("SELECT type, count(*) FROM flow_run_state GROUP BY 1 ORDER BY 1").fetchall()


# Each of them alone would fail the report, were it not kept from our server or from its client.
_THEIRS = {
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_SERVER_API_AUTH_STRING": "theirs",
    "PREFECT_API_AUTH_STRING": "another",
    "PREFECT_API_KEY": "pnu_x",
    "PREFECT_CLIENT_CUSTOM_HEADERS": '{"Authorization": "Bearer x"}',
    "PREFECT_API_REQUEST_TIMEOUT": "0.001",
}


def test_settings_for_another_server_are_not_ours_and_the_last_task_runs_are_stored(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # A file of settings in the folder, and a profile, set the same as the environment.
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in _THEIRS.items()))
    profile = "".join(f"{name} = '{value}'\n" for name, value in _THEIRS.items())
    (home / "profiles.toml").write_text(f'active = "theirs"\n[profiles.theirs]\n{profile}')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(home), **_THEIRS}
    subprocess.run([sys.executable, "-c", _REPORT], env=environment, cwd=tmp_path, check=True)
    assert dict(_states(home))["COMPLETED"] == 1
    # Their states come in events, which the server writes down before it ends.
    with closing(sqlite3.connect(home / "prefect.db")) as connection:
        states = connection.execute("SELECT state_type, count(*) FROM task_run GROUP BY 1").fetchall()
    assert states == [("COMPLETED", 10)]


def test_a_client_of_ours_asks_for_no_csrf_token() -> None:
    """A token that is asked for in vain costs a request, and fails nothing that the test above would see."""
    assert client_settings("http://127.0.0.1:1/api", "x")["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"] == "false"


def test_a_foreign_server_with_csrf_protection_works(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    seed(home, template_file())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        create, serve = "prefect.server.api.server:create_app", f"--fd={listener.fileno()}"
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", create, serve],
            env=environment | {"PREFECT_HOME": str(home), "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"},
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        wait_until_healthy(url, home)
        refused = httpx.post(f"{url}/flows/", json={"name": "without a token"}, trust_env=False)
        assert (refused.status_code, "CSRF" in refused.text) == (403, True)
        with temporary_settings({PREFECT_API_URL: url}), prefect_api():
            _nothing()
            # Or what is left of its log would be sent in a later test, to a server that is gone.
            drain()
        assert dict(_states(home))["COMPLETED"] == 1
    finally:
        server.kill()
        server.wait()
