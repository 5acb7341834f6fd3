"""A report whose process was killed: resumed at once, paid for once, and nothing of it left running."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from deployments.demo.sample import build_sample

_RUN = [sys.executable, "-m", "deployments.cli", "run", "demo", "--judge-model", "simulated-judge"]


def _calls(url: str) -> list[dict[str, Any]]:
    """The rows of the ledger; none before there is one."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT status, cost_usd, most_usd FROM judge_calls"))
            return [dict(row) for row in rows.mappings()]
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):
        return []


def _answered(url: str) -> int:
    return sum(call["status"] == "answered" for call in _calls(url))


def test_a_killed_report_is_taken_up_and_pays_only_for_what_is_missing(
    make_world: Callable[..., Any],
    run_here: Callable[..., tuple[int, dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warehouse_url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    agents, answered = 8, 4
    world = make_world(full=True, agent_seconds=0.4, team_seconds=0.4)
    build_sample(datetime.now(UTC), agents=agents, runs_per_agent=3, idle=False).write_sqlite(tmp_path / "other.db")
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("AGENT_REPORT_PRICES", '{"simulated-judge": {"input": 1.0, "output": 4.0}}')
    environment = os.environ | {"PREFECT_HOME": str(tmp_path / "home")}
    environment.pop("PREFECT_API_URL", None)
    command = [*_RUN, "--max-concurrent-evals", "3"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _answered(warehouse_url) < answered and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert servers, "the embedded Prefect server is a child"
    process.send_signal(signal.SIGKILL)
    process.wait()
    paid = _answered(warehouse_url)
    assert answered <= paid < agents
    dead = [call for call in _calls(warehouse_url) if call["status"] == "claimed"]
    assert all(call["most_usd"] > 4.0 * 8000 / 1e6 for call in dead)
    # The judge still answers calls whose asker is gone; only what comes after counts.
    time.sleep(0.6)
    asked = len(world.judge.requests)
    report_id = world.warehouse.list_reports()[0]["id"]

    code, printed = run_here("--report-id", str(report_id))

    assert code == 0
    assert printed["report"]["status"] == "completed"
    assert len(printed["agents"]) == agents
    assert len(world.judge.requests) - asked == agents + 2 - paid
    # What died with the process was sent, as far as is known: the cost is what the ledger knows, and more.
    calls = _calls(warehouse_url)
    assert [call["status"] for call in calls].count("unanswered") == len(dead)
    assert len(world.judge.requests) <= len(calls)
    known = math.fsum(call["cost_usd"] for call in calls if call["status"] == "answered")
    assert printed["report"]["known_cost_usd"] == pytest.approx(known)
    assert printed["report"]["cost_usd"] == (None if dead else pytest.approx(known))
    assert len(world.warehouse.list_reports()) == 1
    # The process alone was killed.
    _, alive = psutil.wait_procs(servers, timeout=10)
    assert not [server for server in alive if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]


def test_a_report_made_again_on_postgresql_asks_nothing_anew(
    make_world: Callable[..., Any], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may give stored parameters back in another order, and the order of criteria is part of a question."""
    world = make_world()
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", postgres_url)
    report = world.report_directly()
    asked = len(world.judge.requests)
    from flows.generate_report import generate_report

    assert generate_report("demo", report_id=report["id"]) == report["id"]
    again = world.warehouse.load_report(report["id"])
    assert len(world.judge.requests) == asked == 6
    assert again["judge_fingerprint"] == report["judge_fingerprint"]


def test_what_died_with_a_process_counts_against_the_limit(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process of a report with a limit had been killed in the middle of its first call."""
    from flows.generate_report import generate_report

    monkeypatch.setenv("AGENT_REPORT_PRICES", '{"simulated-judge": {"input": 1.0, "output": 4.0}}')
    world = make_world()
    report = world.report_directly(max_report_cost_usd=1.0)
    assert report["cost_usd"] > 0
    with sqlite3.connect(world.folder / "warehouse.db") as warehouse:
        warehouse.execute("DELETE FROM judge_calls WHERE id > 1")
        dead = "UPDATE judge_calls SET status = 'claimed', outcome = NULL, cost_usd = NULL, prompt_tokens = NULL"
        warehouse.execute(f"{dead}, completion_tokens = NULL, most_usd = 0.99")
    warehouse.close()
    asked = len(world.judge.requests)
    generate_report("demo", report_id=report["id"], return_state=True)
    again = world.warehouse.load_report(report["id"])
    assert len(world.judge.requests) == asked
    assert {row["status"] for row in world.agents(again).values()} == {"skipped_budget", "no_runs"}
    assert (again["cost_usd"], again["prompt_tokens"], again["known_cost_usd"]) == (None, None, 0)
