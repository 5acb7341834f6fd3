"""Reports that do not end as they should: what was paid for stays, and every agent has its row."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL

from tasks.connecting import open_clients
from tasks.errors import RefusedError
from tasks.warehouse.parquet import check_place

Make = Callable[..., Any]


def test_ctrl_c_keeps_the_answers_that_were_under_way(make_world: Make, tmp_path: Path) -> None:
    world = make_world(full=True, agent_seconds=3.0, team_seconds=3.0)
    # On the tests' server: one of its own takes seconds to start.
    api = {"PREFECT_API_URL": str(PREFECT_API_URL.value()), "PREFECT_HOME": str(tmp_path / "home")}
    environment = os.environ | api
    command = [sys.executable, "-m", "deployments.cli", "run", "demo", "--json", "--judge-model", "simulated-judge"]
    process = subprocess.Popen(
        [*command, "--max-concurrent-evals", "4"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 100
    while len(world.judge.requests) < 4 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"waiting for judge calls in flight" in errors
    report = world.warehouse.list_reports()[0]
    assert report["status"] == "cancelled"
    agents = world.agents(report)
    assert len(agents) == 14
    answered = len(world.judge.requests)
    assert 4 <= answered <= 5
    judged = [row for row in agents.values() if row["status"] == "evaluated"]
    assert len(judged) + (report["team_score"] is not None) == answered
    with sqlite3.connect(tmp_path / "warehouse.db") as warehouse:
        [(paid,)] = warehouse.execute("select sum(prompt_tokens) from judge_calls").fetchall()
    assert report["prompt_tokens"] == paid > 0


def test_files_that_cannot_be_written_cost_no_rows(
    make_world: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "a file"))
    world = make_world()
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "a file"))
    report = world.report()
    assert report["status"] == "failed"
    assert "files could not be written" in report["error"]
    agents = world.agents(report)
    assert len(agents) == 5
    assert sum(row["score"] is not None for row in agents.values()) == 4
    # Nothing is paid for again once there is room for them.
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "parquet"))
    asked = len(world.judge.requests)
    assert world.report()["status"] == "completed"
    assert len(world.judge.requests) == asked


def test_a_place_for_files_is_tried_before_anything_is_paid(tmp_path: Path) -> None:
    check_place(str(tmp_path / "new" / "folder"))
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "a file").touch()
    with pytest.raises(Exception, match="cannot be written"):
        check_place(str(tmp_path / "a file"))


@pytest.mark.parametrize("suffix", ["", "?mode=rw"])
def test_the_source_is_never_the_warehouse(suffix: str, make_world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    place = world.folder / "source.db"
    before = place.read_bytes()
    monkeypatch.setenv(
        "AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{world.folder}/../{world.folder.name}/source.db{suffix}"
    )
    with open_clients() as clients, pytest.raises(RefusedError, match="name the same database"):
        clients.warehouse()
    assert place.read_bytes() == before


def test_a_fresh_report_that_is_taken_up_stays_fresh(make_world: Make) -> None:
    from flows.generate_report import generate_report

    world = make_world()
    world.report_directly()
    fresh = world.report_directly(fresh=True)
    assert len(world.judge.requests) == 12
    # As if it had been killed before it was answered: its answers are those of another time.
    with sqlite3.connect(world.folder / "warehouse.db") as warehouse:
        warehouse.execute("delete from judge_calls where report_id = ?", (fresh["id"],))
    warehouse.close()
    generate_report("demo", report_id=fresh["id"])
    assert len(world.judge.requests) == 18


def test_a_limit_to_the_cost_ends_the_judging_and_the_report_says_so(
    make_world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_REPORT_PRICES", '{"simulated-judge": {"input": 1.0, "output": 2.0}}')
    world = make_world()
    whole = world.report_directly()
    assert whole["cost_usd"] > 0
    most_of_a_call = 2.0 * 8000 / 1e6 + 0.008
    limit = most_of_a_call + whole["cost_usd"] / 4
    report = world.report(max_report_cost_usd=limit, max_concurrent_evals=1, fresh=True)
    statuses = [row["status"] for row in world.agents(report).values()]
    assert report["status"] == "completed"
    assert 0 < statuses.count("evaluated") < 4
    assert statuses.count("skipped_budget") == 4 - statuses.count("evaluated")
    assert report["cost_usd"] <= limit
    assert any("max_report_cost_usd" in warning for warning in report["warnings"])
    skipped = next(row for row in world.agents(report).values() if row["status"] == "skipped_budget")
    assert (skipped["score"], skipped["judge_cost_usd"]) == (None, 0)


def test_a_limit_without_a_price_ends_after_the_first_call_that_states_no_cost(make_world: Make) -> None:
    world = make_world()
    report = world.report(max_report_cost_usd=1)
    statuses = [row["status"] for row in world.agents(report).values()]
    # An agent's or the team's: whichever is asked first.
    evaluated = statuses.count("evaluated")
    assert len(world.judge.requests) == evaluated + (report["team_score"] is not None) == 1
    assert statuses.count("skipped_budget") == 4 - evaluated
    assert report["cost_usd"] is None
    skipped = next(row for row in world.agents(report).values() if row["status"] == "skipped_budget")
    assert "AGENT_REPORT_PRICES" in skipped["error"]


def test_three_samples_are_three_answers(make_world: Make) -> None:
    world = make_world()
    report = world.report_directly(judge_samples=3)
    # Four agents and the team, each three times, and the issues once.
    assert len(world.judge.requests) == 3 * 5 + 1
    of_team = [row for row in world.warehouse.load_criteria(report["id"]) if row["agent_id"] is None]
    assert len(of_team) == 3
    assert all(len(row["scores"]) == 3 and row["spread"] == 0 and row["unstable"] is False for row in of_team)
    # An agent's scores are counted from its runs, whose verdicts are what most samples say.
    judged = [row for row in world.warehouse.load_runs(report["id"]) if row["verdict"] is not None]
    assert judged
    assert {row["unstable"] for row in judged} == {False}
    assert {row["samples"] for row in world.agents(report).values() if row["status"] == "evaluated"} == {3}
