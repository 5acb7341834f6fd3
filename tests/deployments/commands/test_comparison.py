"""compare and check as they are called: tables, JSON, exit codes, files, and what is refused."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from benchmarks.simulated_reports import Truth, World, store
from deployments.commands.compare import _remarks
from tasks.comparison.comparison import AgentComparison, Change
from tasks.report.stored_report import StoredReport
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.schema import report_runs
from tasks.warehouse.sql import Warehouse, open_warehouse

HOSTILE = "[bold red]evil[/] \x1b[2J | <b>"
Command = Callable[..., tuple[int, str, str]]
_WORLD = World((Truth(0.9), Truth(0.95)))


@pytest.fixture(scope="module")
def five_reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports 1 and 2 of prod, the second's first agent fell; 3 of staging; 4 that is not done; 5 that failed."""
    path = tmp_path_factory.mktemp("five_reports") / "w.db"
    opened = open_warehouse(f"sqlite:///{path}")
    rng = np.random.default_rng(1)
    store(opened, _hostile(_WORLD.report(rng, 1)))
    store(opened, _hostile(_WORLD.changed(0, completion_rate=0.1).report(rng, 2)))
    staging = _hostile(_WORLD.report(rng, 3))
    store(
        opened,
        StoredReport(staging.report | {"environment": "staging"}, staging.details, staging.criteria, staging.runs),
    )
    opened.create_report({"environment": "prod"})
    opened.end_report(opened.create_report({"environment": "prod"}), "failed", "the source was gone")
    opened.close()
    return path


@pytest.fixture
def warehouse(five_reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A copy of the five reports."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{shutil.copy(five_reports, tmp_path)}"
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", url)
    monkeypatch.delenv("AGENT_REPORT_SOURCE_URL", raising=False)
    return open_warehouse(url)


def _hostile(reading: StoredReport) -> StoredReport:
    rows = [row | {"agent_name": HOSTILE} if row["agent_id"] == "1" else row for row in reading.details]
    return StoredReport(reading.report, rows, reading.criteria, reading.runs)


def test_compare_prints_the_worst_first_and_no_control_characters(agent_report: Command) -> None:
    code, out, _ = agent_report("compare", "1", "2")
    assert code == 0
    assert "Report 2 against report 1" in out
    assert out.index("evil") < out.index("agent-2")
    assert "worse: completion rate" in out
    assert "p < 0.0001" in out or "p = " in out
    assert "\x1b" not in out
    assert "[bold red]evil[/]" in out
    assert "If runs are independent of each other" in " ".join(out.split())


@pytest.mark.parametrize(("columns", "times"), [("400", 2), ("60", 0)])
def test_compare_explains_only_columns_that_fit(
    agent_report: Command, monkeypatch: pytest.MonkeyPatch, columns: str, times: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    _, out, _ = agent_report("compare", "1", "2")
    assert out.count("Detectable") == times
    explained = "Detectable: the smallest change in completion rate that is detected in 80 of 100 cases."
    assert (explained in " ".join(out.split())) is bool(times)


def test_compare_does_not_claim_that_nothing_changed_where_none_was_found(agent_report: Command) -> None:
    _, out, _ = agent_report("compare", "1", "2")
    [line] = [line for line in out.splitlines() if line.startswith("agent-2 ")]
    assert "no clear change" in line


def test_a_remark_on_several_agents_is_made_once_with_their_names() -> None:
    reason = "report 1 has no verdicts on runs, so its success is not known"
    change = Change(metric="success_rate", verdict="not_comparable", reason=reason)
    agents = [
        AgentComparison(agent_id=str(n), agent_name=f"agent-{n}", verdict="no_change", changes=(change,))
        for n in range(5)
    ]
    remarks = _remarks([*agents, agents[0].model_copy(update={"agent_name": "silent", "changes": ()})])
    assert remarks == {f"success rate not comparable: {reason}": [f"agent-{n}" for n in range(5)]}


def test_compare_as_json_is_the_comparison_and_it_is_stored(agent_report: Command, warehouse: Warehouse) -> None:
    code, out, err = agent_report("compare", "--last", "2", "--environment", "prod", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["baseline_id"], found["report_id"]) == (1, 2)
    assert found["agents"][0]["verdict"] == "worse"
    stored = load_comparison(warehouse, 2, 1)
    assert stored is not None
    assert stored.agents[0].verdict == "worse"


def test_reports_of_two_environments_are_compared_when_told(agent_report: Command) -> None:
    code, out, _ = agent_report("compare", "3", "2", "--across-environments", "--json")
    assert code == 0
    assert [agent["presence"] for agent in json.loads(out)["agents"]] == ["both", "both"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare"], "two ids"),
        (["compare", "1"], "two ids"),
        (["compare", "1", "99"], "no report 99"),
        (["compare", "1", "1"], "with itself"),
        (["compare", "3", "2"], "'staging', report 2 of 'prod': --across-environments"),
        (["compare", "1", "4"], "report 4 is not done yet"),
        (["compare", "--last", "1"], "--last 1: must be at least 2"),
        (["compare", "--last", "2"], "--environment is required, one of: prod, staging"),
        (["compare", "--last", "9", "--environment", "prod"], "there are 2 completed reports of prod"),
        (["compare", "1", "2", "--last", "2"], "exclude each other"),
        (["compare", "1", "2", "--environment", "prod"], "requires --last"),
        (["check", "2"], "no rules: give"),
        (["check", "--min-score", "7"], "no report: give"),
        (["check", "2", "--environment", "prod", "--min-score", "7"], "exclude each other"),
        (["check", "99", "--min-score", "7"], "no report 99"),
        (["check", "4", "--min-score", "7"], "not done yet"),
        (["check", "--environment", "nope", "--min-score", "7"], "'nope'"),
        (["check", "2", "--min-score", "70"], "--min-score 70: must be from 0 to 10"),
        (["check", "2", "--min-score", "nan"], "--min-score nan"),
        (["check", "2", "--min-completion-rate", "80"], "--min-completion-rate 80: must be from 0 to 1"),
        (["check", "2", "--max-failed", "-1"], "--max-failed"),
        (["check", "2", "--no-worse-than", "yesterday"], "--no-worse-than yesterday"),
        (["check", "2", "--no-worse-than", "99"], "no report 99"),
        (["check", "5", "--no-worse-than", "99"], "no report 99"),
        (["check", "5", "--no-worse-than", "3"], "'staging', report 5 of 'prod'"),
        (["check", "2", "--max-failed", "0", "--junit", "w.db/x.xml"], "--junit w.db/x.xml cannot be written"),
        (["check", "2", "--max-failed", "0", "--summary", "nope/x.md"], "--summary nope/x.md cannot be written"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(agent_report: Command, arguments: list[str], message: str) -> None:
    code, out, err = agent_report(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_gate_that_holds_exits_0(agent_report: Command) -> None:
    code, out, _ = agent_report("check", "--environment", "staging", "--max-failed", "0", "--no-worse-than", "last")
    assert code == 0
    assert "passed" in out
    assert "no earlier report to compare with" in out
    arguments = ("check", "--environment", "staging", "--max-failed", "0", "--no-worse-than", "last", "--strict")
    code, out, _ = agent_report(*arguments)
    assert code == 1
    assert ": not passed: 1 met (--strict)" in out


def test_what_cannot_be_told_exits_0_and_1_when_strict(agent_report: Command) -> None:
    gate = ("check", "1", "--min-completion-rate", "0.93")
    code, out, _ = agent_report(*gate)
    assert code == 0
    assert "Undecided: min-completion-rate: agent-2: " in out
    assert ": passed: 2 undecided, 0 met" in out
    code, out, _ = agent_report(*gate, "--strict", "--json")
    found = json.loads(out)
    assert (code, found["passed"], found["strict"]) == (1, False, True)
    assert found["counts"] == {"held": 0, "broken": 0, "cannot_tell": 2, "not_applied": 0}
    code, out, _ = agent_report(*gate, "--point")
    assert code == 1
    assert "broken" in out


def test_a_gate_that_is_broken_exits_1_with_a_line_for_every_rule_and_files(
    agent_report: Command, tmp_path: Path
) -> None:
    (tmp_path / "summary.md").write_text("earlier step\n", encoding="utf-8")
    files = ["--junit", "out/junit.xml", "--summary", "summary.md"]
    code, out, _ = agent_report("check", "2", "--no-worse-than", "1", "--min-completion-rate", "0.8", *files)
    assert code == 1
    broken = [line for line in out.splitlines() if "evil" in line]
    assert len(broken) >= 2
    assert any("min-completion-rate" in line and "at least 0.8" in line for line in broken)
    assert any("worse than in report 1: completion rate" in line for line in broken)
    assert "\x1b" not in out
    root = ET.parse(tmp_path / "out/junit.xml").getroot()
    assert int(root.get("failures", "0")) >= 2
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("earlier step\n")
    assert "| min-completion-rate |" in text


def test_check_as_json(agent_report: Command) -> None:
    code, out, _ = agent_report("check", "2", "--min-score", "9.9", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["passed"] is False
    assert found["report"] == {"id": 2, "environment": "prod", "name": "", "status": "completed"}
    assert {"rule", "subject", "state", "message", "agent_id"} == set(found["findings"][0])
    assert found["notes"] == []


def test_check_notes_a_judge_whose_verdicts_are_all_alike(agent_report: Command, warehouse: Warehouse) -> None:
    with warehouse.database.writing() as connection:
        connection.execute(sa.update(report_runs).where(report_runs.c.report_id == 2).values(verdict="yes"))
    _, out, _ = agent_report("check", "2", "--min-score", "1")
    assert "Note: The judge called all" in out
    _, out, _ = agent_report("check", "2", "--min-score", "1", "--json")
    (note,) = json.loads(out)["notes"]
    assert "runs a success" in note


@pytest.mark.parametrize("baseline", ["last", "1"])
def test_a_failed_report_breaks_the_gate(agent_report: Command, warehouse: Warehouse, baseline: str) -> None:
    code, out, _ = agent_report("check", "--environment", "prod", "--max-failed", "5", "--no-worse-than", baseline)
    assert code == 1
    assert "status: report: ended as failed" in out
    against = "" if baseline == "last" else " with report 1"
    assert f"nothing can be compared{against}: this report has no agents" in out
    assert "no earlier report" not in out
    # Nothing is kept of that, which would be shown as what changed.
    assert load_comparison(warehouse, 5) is None


def test_after_a_hundred_failures_the_last_completed_reports_are_found(
    agent_report: Command, warehouse: Warehouse
) -> None:
    for number in range(101):
        warehouse.create_report({"environment": "prod", "status": "failed" if number < 50 else "generating_agents"})
    code, out, _ = agent_report("compare", "--last", "2", "--environment", "prod", "--json")
    assert code == 0
    assert (json.loads(out)["baseline_id"], json.loads(out)["report_id"]) == (1, 2)
    assert "prod, staging" in agent_report("compare", "--last", "2")[2]
    for _ in range(60):
        warehouse.create_report({"environment": "prod"})
    code, out, _ = agent_report("check", "--environment", "prod", "--max-failed", "0", "--json")
    assert (code, json.loads(out)["report"]["status"]) == (1, "failed")
