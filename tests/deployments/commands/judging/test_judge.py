"""``agent-report judge``: one run on demand, stored for no report."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deployments.demo.judge import SimulatedJudge
from deployments.demo.loopback import Response
from tasks.warehouse.engine import connect_database
from tasks.warehouse.schema import run_verdicts

Command = Callable[..., Any]


@pytest.fixture
def run_id(source: Path) -> str:
    """The newest completed run of the first agent."""
    query = "SELECT id FROM agent_runs WHERE agent_id = 1 AND status = 'completed' ORDER BY id DESC LIMIT 1"
    with closing(sqlite3.connect(source)) as connection:
        return str(connection.execute(query).fetchone()[0])


def _settings(source: Path, judge: SimulatedJudge, folder: Path) -> dict[str, str]:
    return {
        "AGENT_REPORT_SOURCE_URL": f"sqlite:///{source}",
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{folder}/warehouse.db",
        "OPENAI_BASE_URL": judge.base_url,
        "OPENAI_API_KEY": "sk-planted-key-0123456789",
    }


def _stored(folder: Path) -> list[dict[str, Any]]:
    database = connect_database(f"sqlite:///{folder}/warehouse.db")
    with database.reading() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(run_verdicts)).mappings()]
    database.close()
    return rows


def test_a_run_is_judged_once_and_belongs_to_no_report(
    run_here: Command, source: Path, run_id: str, tmp_path: Path
) -> None:
    with SimulatedJudge(agent_seconds=0) as judge:
        settings = _settings(source, judge, tmp_path)
        order = ("judge", run_id, "--environment", "demo")
        ended = run_here(*order, "--json", **settings)
        assert ended.code == 0, ended.err
        given = json.loads(ended.out)
        assert (given["run_id"], given["agent_id"]) == (run_id, "1")
        assert given["verdict"] in ("yes", "no", "cannot_tell")
        assert set(given["checks"]) == {"accuracy", "reliability", "efficiency"}
        again = run_here(*order, "--agent", "id:1", **settings)
        assert again.code == 0, again.err
        assert f"Run {run_id} of " in again.out
        assert "; paid for before. It belongs to no report." in again.out
        assert len(judge.requests) == 1
    first, second = _stored(tmp_path)
    assert (first["run_id"], first["environment"], first["verdict"]) == (run_id, "demo", given["verdict"])
    assert first["checks"] == given["checks"]
    assert second["cost_usd"] == 0.0
    listed = run_here("list", "--json", **settings)
    assert json.loads(listed.out) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch", "--environment", "demo"), "there is no run nosuch in the environment 'demo'"),
        (("1", "--environment", "nowhere"), "nowhere"),
        (("1", "--environment", "demo", "--agent", "missing-bot"), "missing-bot"),
        (("1", "--environment", "demo", "--judge-samples", "0"), "judge_samples"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_spent(
    run_here: Command, source: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with SimulatedJudge(agent_seconds=0) as judge:
        ended = run_here("judge", *arguments, **_settings(source, judge, tmp_path))
        assert judge.requests == []
    assert ended.code == 2
    assert message in ended.err


def test_a_run_that_has_not_finished_is_refused(run_here: Command, source: Path, run_id: str, tmp_path: Path) -> None:
    copy = tmp_path / "station.db"
    shutil.copyfile(source, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE agent_runs SET status = 'running' WHERE id = ?", (run_id,))
        connection.commit()
    with SimulatedJudge(agent_seconds=0) as judge:
        ended = run_here("judge", run_id, "--environment", "demo", **_settings(copy, judge, tmp_path))
        assert judge.requests == []
    assert (ended.code, "has not finished (status running)" in ended.err) == (2, True)


def test_without_a_usable_verdict_the_reason_is_stored(
    run_here: Command, source: Path, run_id: str, tmp_path: Path
) -> None:
    def refuse(payload: dict[str, Any], request: Any) -> Response:
        return Response(400, b'{"error": {"message": "not today", "code": "refused"}}')

    with SimulatedJudge(agent_seconds=0, respond=refuse) as judge:
        settings = _settings(source, judge, tmp_path)
        ended = run_here("judge", run_id, "--environment", "demo", **settings)
    assert ended.code == 1
    assert "No usable verdict: " in ended.out
    [row] = _stored(tmp_path)
    assert row["verdict"] is None
    assert "not today" in row["verdict_error"]
