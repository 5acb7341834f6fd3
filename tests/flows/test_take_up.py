"""A report whose process was killed: taken up at once, paid for once, and nothing of it left running."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

_RUN = [sys.executable, "-m", "deployments.cli", "run", "demo", "--json"]


def _answered(warehouse: Path) -> int:
    if not warehouse.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{warehouse}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from judge_calls").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_killed_report_is_taken_up_and_pays_only_for_what_is_missing(
    make_world: Callable[..., Any], tmp_path: Path
) -> None:
    world = make_world(agent_seconds=0.5, team_seconds=0.5)
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "home")}
    environment.pop("PREFECT_API_URL", None)
    options = ["--judge-model", "simulated-judge", "--max-concurrent-evals", "3"]
    process = subprocess.Popen([*_RUN, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _answered(tmp_path / "warehouse.db") < 7 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert servers, "the embedded Prefect server is a child"
    process.send_signal(signal.SIGKILL)
    process.wait()
    paid = _answered(tmp_path / "warehouse.db")
    assert 7 <= paid < 14
    # The judge still answers calls whose asker is gone; only what comes after counts.
    time.sleep(0.7)
    asked = len(world.judge.requests)
    report_id = world.warehouse.list_reports()[0]["id"]

    again = subprocess.run([*_RUN, "--report-id", str(report_id)], env=environment, capture_output=True, timeout=150)

    assert again.returncode == 0, again.stderr.decode()
    printed = json.loads(again.stdout)
    assert printed["report"]["status"] == "completed"
    assert len(printed["agents"]) == 14
    assert len(world.judge.requests) - asked == 14 - paid
    assert len(world.warehouse.list_reports()) == 1
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert not [server for server in alive if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]
