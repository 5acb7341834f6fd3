"""Runs as JSON lines for a regression set."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.calibration.labels import Label
from tasks.report.rows import SUCCESS_QUESTION
from tasks.warehouse.labels import write_labels
from tasks.warehouse.sql import Warehouse

AgentReport = Callable[..., tuple[int, str, str]]


def _run(run_id: str, **parts: Any) -> dict[str, Any]:
    return {
        "agent_id": "1",
        "run_id": run_id,
        "status": "completed",
        "completed": True,
        "task_excerpt": f"Task {run_id}",
        "response_excerpt": f"Done {run_id}",
    } | parts


@pytest.fixture
def report(warehouse: Warehouse) -> int:
    """Five runs: one did its task, two did not, one failed without a verdict, one has not finished."""
    report_id = warehouse.create_report({"environment": "prod"})
    details = [{"agent_id": "1", "agent_name": "good-bot", "status": "evaluated"}]
    judged = {"success_source": "judge", "verdict": "no", "checks": {"accuracy": "fail"}}
    evidence = [{"run_id": "b", "label": "R2.1", "span_id": "", "quote": "booked\u2028now"}]
    runs = [
        _run("a", succeeded=True, verdict="yes"),
        _run("b", succeeded=False, failure_mode="books too early", verdict_evidence=evidence, **judged),
        _run("c", succeeded=False, task_excerpt="long [… 900 characters left out] task", **judged),
        _run("d", status="failed", completed=False, error="boom", verdict="cannot_tell"),
        _run("e", status="running", completed=None),
    ]
    issue = {
        "issue_id": "i-aaaaaa",
        "title": "Books too early",
        "agent_ids": ["1"],
        "runs": [{"agent_id": "1", "run_id": "b"}],
        "runs_affected": 1,
        "state": "new",
        "first_report_id": report_id,
        "origin": "judge",
    }
    rest = issue | {"issue_id": "other", "state": "other", "runs": [{"agent_id": "1", "run_id": "c"}]}
    warehouse.write_report(report_id, {"status": "completed"}, details, [], runs, [issue, rest])
    return report_id


def _lines(text: str) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines()]
    return {row["run_id"]: row for row in rows}


def test_failing_runs_are_lines_with_input_output_verdict_and_issue(agent_report: AgentReport, report: int) -> None:
    code, out, _ = agent_report("export", str(report), "--table", "dataset")
    assert code == 0
    rows = _lines(out)
    assert rows.keys() == {"b", "c", "d"}
    row = rows["b"]
    assert (row["environment"], row["report_id"], row["agent"]) == ("prod", report, "good-bot")
    assert (row["input"], row["output"], row["shortened"]) == ("Task b", "Done b", [])
    assert (row["succeeded"], row["verdict"], row["checks"]) == (False, "no", {"accuracy": "fail"})
    assert (row["failure_mode"], row["issues"]) == ("books too early", ["i-aaaaaa"])
    assert row["evidence"] == ["booked\u2028now"]
    assert (rows["c"]["shortened"], rows["c"]["issues"]) == (["input"], [])
    assert (rows["d"]["succeeded"], rows["d"]["verdict"], rows["d"]["error"]) == (None, "cannot_tell", "boom")
    assert _lines(agent_report("export", str(report), "--table", "dataset", "--runs", "all")[1]).keys() == {*"abcd"}


def test_labels_of_people_who_agree_are_the_label(agent_report: AgentReport, report: int, warehouse: Warehouse) -> None:
    def label(run_id: str, labeler: str, passed: bool, criterion: str = SUCCESS_QUESTION) -> tuple[Label, None, None]:
        none = {"threshold": None, "judge_model": None, "judge_fingerprint": None, "judge_score": None}
        values = none | {"judge_passed": None, "created_at": datetime.now(UTC)}
        return Label(report, "1", run_id, criterion, labeler, None, passed, **values), None, None

    given = [label("b", "ana", True), label("b", "bo", True), label("c", "ana", False), label("c", "bo", True)]
    write_labels(warehouse.database, "prod", [*given, label("d", "ana", True, "accuracy")])
    rows = _lines(agent_report("export", str(report), "--table", "dataset")[1])
    assert (rows["b"]["label"], rows["b"]["labels"]) == (True, {"ana": True, "bo": True})
    assert (rows["c"]["label"], rows["c"]["labels"]) == (None, {"ana": False, "bo": True})
    assert (rows["d"]["label"], rows["d"]["labels"]) == (None, {})


def test_a_file_of_lines(agent_report: AgentReport, report: int, tmp_path: Path) -> None:
    out = tmp_path / "failing.jsonl"
    assert agent_report("export", str(report), "--table", "dataset", "--out", str(out)) == (0, "", "")
    assert len(out.read_text(encoding="utf-8").split("\n")) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("--table", "dataset", "--format", "csv"),
        ("--table", "dataset", "--bom"),
        ("--format", "json", "--runs", "all"),
        ("--table", "runs"),
        (),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    agent_report: AgentReport, report: int, arguments: tuple[str, ...]
) -> None:
    assert agent_report("export", str(report), *arguments)[0] == 2
