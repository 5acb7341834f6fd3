"""Reports and labels of a version without verdicts on runs: they are read, and what cannot be compared is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.warehouse.sql import Warehouse, open_warehouse

Command = Callable[..., tuple[int, str, str]]
_PROMPT = {"prompt_version": "5"}


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill_earlier: Callable[[str], None]) -> Warehouse:
    """Reports 1 and 2 of the earlier version with their labels, and report 3 of this one on the same agents."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/w.db"
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    monkeypatch.setenv("AGENT_REPORT_PARQUET_URL", str(tmp_path / "parquet"))
    monkeypatch.setenv("COLUMNS", "400")
    fill_earlier(url)
    opened = open_warehouse(url)
    _make_again(opened)
    return opened


def _make_again(warehouse: Warehouse) -> None:
    """Report 2 once more as report 3, with other runs that have verdicts."""
    old = warehouse.load_report(2)
    assert old is not None
    kept = ("name", "environment", "parameters", "judge_model")
    report_id = warehouse.create_report({name: old[name] for name in kept})  # type: ignore[literal-required]
    details: list[dict[str, Any]] = [dict(row) | {"report_id": None} for row in warehouse.load_agents(2)]
    for row in details:
        row |= {"success_rate": 0.5, "success_rate_low": 0.3, "success_rate_high": 0.7}
        row["verdicts"] = {"from_source": 0, "from_judge": 6, "cannot_tell": 0, "unusable": 0, "not_judged": 0}
    runs = [
        dict(run) | {"report_id": None, "run_id": f"new-{run['run_id']}", "succeeded": number % 2 == 0,
                     "success_source": "judge", "verdict": "yes" if number % 2 == 0 else "no"}
        for number, run in enumerate(warehouse.load_runs(2))
    ]  # fmt: skip
    criteria = [dict(row) | {"report_id": None} for row in warehouse.load_criteria(2)]
    ended = {"status": "completed", "team_score": 5.0, "judge_fingerprint": "new"}
    settings = {"judge_settings": (old["judge_settings"] or {}) | _PROMPT}
    warehouse.write_report(report_id, ended | settings, details, criteria, runs)


def test_they_are_listed_and_shown(agent_report: Command) -> None:
    code, out, _ = agent_report("list", "--json")
    assert code == 0
    assert [row["id"] for row in json.loads(out)] == [3, 2, 1]
    code, out, _ = agent_report("show", "1", "--json")
    assert code == 0
    first = json.loads(out)["agents"][0]
    assert (first["completion_rate"], first["success_rate"]) == (1.0, None)
    for arguments in (("show", "1"), ("show", "1", "--agent", "refund-desk"), ("show", "2", "--agent", "id:1")):
        code, out, err = agent_report(*arguments)
        assert code == 0, err
        assert "refund-desk" in out or "billing-bot" in out


def test_their_pages_are_made(agent_report: Command, tmp_path: Path) -> None:
    for report_id in ("1", "2", "3"):
        code, _, err = agent_report("show", report_id, "--html", "page.html")
        assert code == 0, err
        assert "refund-desk" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_labels_of_before_give_an_agreement(agent_report: Command) -> None:
    for report_id in ("1", "2", "3"):
        code, out, err = agent_report("agreement", report_id, "--json")
        assert code == 0, err
        assert json.loads(out)["report_id"] == int(report_id)


def test_two_of_before_are_compared_by_completion(agent_report: Command, warehouse: Warehouse) -> None:
    code, out, _ = agent_report("compare", "1", "2", "--json")
    assert code == 0
    metrics = [change["metric"] for change in json.loads(out)["team"]["changes"]]
    assert "success_rate" not in metrics


def test_what_cannot_be_compared_with_them_is_named(agent_report: Command) -> None:
    code, out, _ = agent_report("compare", "2", "3")
    assert code == 0
    printed = " ".join(out.split())
    assert "Note: other version of the judge's prompt: " in printed
    assert "Note: report 2 has no verdicts on runs, so its success is not known" in printed
    assert "success rate not comparable: report 2 has no verdicts on runs" in printed
    code, out, _ = agent_report("compare", "2", "3", "--json")
    team = {change["metric"]: change for change in json.loads(out)["team"]["changes"]}
    assert (team["success_rate"]["before"], team["success_rate"]["after"]) == (None, 0.6)
    assert team["completion_rate"]["verdict"] == "no_change"


def test_their_success_is_undecided_at_the_gate(agent_report: Command) -> None:
    gate = ("--min-success-rate", "0.5")
    code, out, _ = agent_report("check", "1", *gate)
    assert code == 0
    assert "Undecided: min-success-rate: billing-bot: no success rate (at least 0.5): no run has a verdict" in out
    assert agent_report("check", "1", *gate, "--strict")[0] == 1
    code, out, _ = agent_report("check", "1", "--min-completion-rate", "0.25")
    assert (code, ": passed: 2 met" in out) == (0, True)
