"""Runs to label are shown whole, as the source has them; without it the report's excerpts are shown, with a note."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.labelling.labelled_report import LabelledReport
from deployments.labelling.page import LabellingPage
from deployments.labelling.whole_run import WholeRuns, read_whole_runs
from tasks.calibration.label_sample import choose_runs
from tasks.connecting import open_clients
from tasks.settings import Settings
from tasks.warehouse.sql import open_warehouse
from tasks.wire.trace_pages import TracePages

_NOW = datetime.now(UTC)
_HOSTILE = "please \x1b[2J <script>alert(1)</script>"


@pytest.fixture
def report(tmp_path: Path, write_label_report: Callable[..., str]) -> LabelledReport:
    return LabelledReport(open_warehouse(write_label_report(tmp_path)), 1)


def _write_source(folder: Path, agents: int = 6) -> str:
    steps = [
        {"role": "user", "content": _HOSTILE},
        {"role": "assistant", "content": "I look it up."},
        {"role": "user", "content": "Yes, change it."},
    ]
    lines = [
        {"id": str(100 * agent + run), "agent": str(agent), "environment": "prod", "status": "completed",
         "started_at": (_NOW - timedelta(minutes=10 * agent + run)).isoformat(), "task": "x" * 3000,
         "final_response": "Changed.", "expected": "a change", "execution_steps": json.dumps(steps),
         "tool_calls": json.dumps([{"name": "look_up", "arguments": {"id": 7}, "result": "found"}])}
        for agent in range(1, agents + 1) for run in range(1, 4)
    ]  # fmt: skip
    path = folder / "runs.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return str(path)


def _read(report: LabelledReport, source: str | None, count: int = 18) -> tuple[WholeRuns, list[Any]]:
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=count, seed=0)
    with open_clients(Settings(_env_file=None, source_url=source)):
        return read_whole_runs(report.report, chosen), chosen


def test_a_run_is_shown_whole_and_in_order(report: LabelledReport, tmp_path: Path) -> None:
    found, chosen = _read(report, _write_source(tmp_path))
    assert (len(found.runs), found.problem) == (18, "")
    whole = found.runs["1", "101"]
    assert dict(whole.texts) == {"Task": "x" * 3000, "A correct answer (given)": "a change"}
    assert dict(whole.ending) == {"Response": "Changed."}
    titles = [moment.title for moment in whole.timeline]
    assert any("called look_up" in title for title in titles)
    spoken = [place for place, moment in enumerate(whole.timeline) if moment.text == "I look it up."]
    heard = [place for place, moment in enumerate(whole.timeline) if moment.text == "Yes, change it."]
    assert spoken < heard
    page = LabellingPage(report, chosen, "ana", blind=True, base="/s/", whole=found.runs).render(0, "n")
    assert "x" * 3000 in page
    assert "called look_up" in page
    assert "<details>" not in page
    given = {key: replace(one, instructions="Be <b>kind</b>.") for key, one in found.runs.items()}
    page = LabellingPage(report, chosen, "ana", blind=True, base="/s/", whole=given).render(0, "n")
    assert "Be &lt;b&gt;kind&lt;/b&gt;." in page
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert "(excerpt)" not in page
    assert 'href="http' not in page
    pages = TracePages('https://traces.example.com/{run_id}?q="x')
    page = LabellingPage(report, chosen, "ana", blind=True, base="/s/", pages=pages).render(0, "n")
    run_id = chosen[0].run["run_id"]
    assert f'href="https://traces.example.com/{run_id}?q=%22x" rel="noreferrer noopener"' in page


def test_runs_that_the_source_lost_are_counted(report: LabelledReport, tmp_path: Path) -> None:
    found, chosen = _read(report, _write_source(tmp_path, agents=2))
    assert len(found.runs) == 6
    assert found.problem == "12 of 18 runs were not found there again"
    place = next(place for place, one in enumerate(chosen) if one.run["agent_id"] == "5")
    page = LabellingPage(report, chosen, "ana", blind=True, base="/s/", whole=found.runs).render(place, "n")
    assert "Task (excerpt)" in page


@pytest.mark.parametrize(
    ("source", "why"), [(None, "no source: set"), ("/nowhere/runs.jsonl", "nowhere"), ("sqlite:////nowhere/x.db", "")]
)
def test_without_a_source_there_is_a_reason(report: LabelledReport, source: str | None, why: str) -> None:
    found, _ = _read(report, source)
    assert found.runs == {}
    assert found.problem
    assert why in found.problem
