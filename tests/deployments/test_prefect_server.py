"""The embedded Prefect server ends with its parent, however that ends, and a server that is gone is noticed."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.prefect_server import ServerError, prefect_server, wait_until_healthy

_PARENT = """
import sys, time
from pathlib import Path
from deployments.prefect_server import prefect_server, wait_until_healthy
home = Path(sys.argv[1])
with prefect_server(home) as url:
    wait_until_healthy(url, home)
    print(url, flush=True)
    time.sleep(600)
"""


def test_the_server_ends_when_its_parent_is_killed_alone(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "home")], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert httpx.get(f"{url}/health", trust_env=False).json() is True
    # Only this computer may ask it.
    servers = psutil.Process(parent.pid).children(recursive=True)
    assert {connection.laddr.ip for server in servers for connection in server.net_connections("tcp")} == {"127.0.0.1"}

    parent.kill()
    parent.communicate()

    _, alive = psutil.wait_procs(servers, timeout=15)
    assert not [server for server in alive if server.status() != psutil.STATUS_ZOMBIE]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)


def test_a_server_that_has_ended_is_noticed_and_its_log_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServerError, match=r"agent-report-server\.log"):
        wait_until_healthy(f"http://127.0.0.1:{port}/api", tmp_path)


def test_a_home_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ServerError, match="PREFECT_HOME"), prefect_server(tmp_path / "home"):
        pass


def test_its_pages_ask_no_other_server(tmp_path: Path) -> None:
    with prefect_server(tmp_path / "home") as url:
        wait_until_healthy(url, tmp_path / "home")
        ui = url.removesuffix("/api")
        page = httpx.get(f"{ui}/v2/dashboard", trust_env=False)
        assert page.headers["content-security-policy"] == "connect-src 'self' blob: data:"
        assert httpx.get(f"{ui}/ui-settings", trust_env=False).json()["api_url"] == "/api"


_REPORT = """
from prefect import flow, task
from deployments.runner import prefect_api, quiet_prefect

@task
def nothing():
    pass

@flow
def thirty():
    for _ in range(30):
        nothing()

quiet_prefect()
with prefect_api():
    thirty()
"""


def test_what_became_of_the_last_task_runs_is_written_before_it_ends(
    tmp_path: Path, seed_home: Callable[[Path], Path]
) -> None:
    home = seed_home(tmp_path / "home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API_")}
    subprocess.run([sys.executable, "-c", _REPORT], env=environment | {"PREFECT_HOME": str(home)}, check=True)
    with closing(sqlite3.connect(home / "prefect.db")) as connection:
        states = connection.execute("SELECT state_type, count(*) FROM task_run GROUP BY 1").fetchall()
    assert states == [("COMPLETED", 30)]
