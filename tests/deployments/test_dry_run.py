"""A dry run asks nobody, writes nothing, and says what a report would cost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deployments.demo.judge import SimulatedJudge
from deployments.dry_run import estimate_report, print_estimate
from deployments.runner import Order
from tasks.judge.rubric import Criteria
from tasks.settings import ReportOptions


def _order(**options: Any) -> Order:
    return Order("demo", "", Criteria(), ReportOptions(**options), None)


@pytest.fixture
def own_source(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the source that may be spoiled, and the settings for it."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "station.db"
    shutil.copyfile(source, copy)
    monkeypatch.setenv("AGENT_REPORT_SOURCE_URL", f"sqlite:///{copy}")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return copy


def test_nothing_is_asked_and_nothing_written(command: Any, source: Path) -> None:
    with SimulatedJudge() as judge:
        ended = command.run(
            *("run", "demo", "--dry-run", "--json"),
            AGENT_REPORT_SOURCE_URL=f"sqlite:///{source}",
            OPENAI_BASE_URL=judge.base_url,
            AGENT_REPORT_JAEGER_URL=judge.url,
        )
    assert ended.code == 0, ended.err
    assert judge.requests == []
    estimate = json.loads(ended.out)
    assert estimate["calls"] == 4
    assert [agent["runs"] > 0 for agent in estimate["agents"]] == [True] * 3
    assert {path.name for path in command.folder.iterdir()} <= {"prefect"}


def test_a_model_that_no_run_is_of_is_said(command: Any, source: Path) -> None:
    url = f"sqlite:///{source}"
    ended = command.run("run", "demo", "--dry-run", "--filter-model", "none-such", AGENT_REPORT_SOURCE_URL=url)
    assert ended.code == 0, ended.err
    assert "Note: no agent has a finished run with filter_model='none-such'" in ended.out
    ended = command.run("run", "demo", "--dry-run", AGENT_REPORT_SOURCE_URL=url)
    assert "Note:" not in ended.out


def test_it_adds_up(own_source: Path) -> None:
    estimate = estimate_report(_order())
    agents = estimate["agents"]
    assert estimate["prompt_tokens"] > sum(agent["prompt_tokens"] for agent in agents) > 0
    assert estimate["completion_tokens"] > 0
    assert estimate["cost_usd"] > 0
    assert estimate_report(_order(judge_model="nobody-knows-it"))["cost_usd"] is None


def test_it_looks_at_what_is_chosen(own_source: Path) -> None:
    estimate = estimate_report(_order(agents=["id:1"], runs_per_agent=2))
    assert [(agent["agent_id"], agent["runs"]) for agent in estimate["agents"]] == [(1, 2)]
    assert estimate["calls"] == 2


def test_an_agent_whose_rows_cannot_be_read_is_named_with_the_reason(own_source: Path) -> None:
    with sqlite3.connect(own_source) as connection:
        connection.execute("UPDATE agent_runs SET started_at = 'yesterday' WHERE agent_id = 2")
    connection.close()
    estimate = estimate_report(_order())
    assert [agent["error"] is None for agent in estimate["agents"]] == [True, False, True]
    assert estimate["calls"] == 3


def test_statuses_that_are_left_out_are_named_before_anything_is_paid(own_source: Path) -> None:
    with sqlite3.connect(own_source) as source:
        source.execute("update agent_runs set status = 'zzz-done'")
    estimate = estimate_report(_order())
    left_out = "18 runs are left out for a status other than completed, failed, timeout or error: zzz-done (18)"
    assert estimate["warnings"] == [left_out]
    assert estimate["nothing_to_judge"] is True
    with sqlite3.connect(own_source) as source:
        source.execute("update agent_runs set status = 'completed' where id = (select min(id) from agent_runs)")
    estimate = estimate_report(_order())
    assert "zzz-done (17)" in estimate["warnings"][0]
    assert estimate["nothing_to_judge"] is False


def test_the_dry_run_prints_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    estimate = {
        "agents": [{"agent_name": "a", "runs": 0, "prompt_tokens": 0, "error": None}],
        "warnings": ["18 runs are left out: \x1b[31mzzz (18)"],
        "nothing_to_judge": True,
        **{"calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost_usd": None, "judge_model": "m"},
        **{"since": None, "filter_model": ""},
    }
    print_estimate(Console(width=200), estimate)
    out = capsys.readouterr().out
    assert "No agent can be judged, so the report would fail:" in out
    assert "Note: 18 runs are left out:" in out
    assert "zzz (18)" in out
    assert "\x1b[31mzzz" not in out
