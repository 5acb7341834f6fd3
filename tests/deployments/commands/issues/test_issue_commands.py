"""The commands for issues: what to fix first, and what people decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.warehouse.issues.known_issues import load_decisions
from tasks.warehouse.sql import Warehouse

AgentReport = Callable[..., tuple[int, str, str]]
HOSTILE = "Books \x1b[31mtoo early [bold]x[/bold]\n\n# Now"


def _issue(issue_id: str, state: str = "new", **parts: Any) -> dict[str, Any]:
    return {
        "issue_id": issue_id,
        "title": HOSTILE,
        "description": "It books before the customer agrees.",
        "probable_cause": "The policy is not in the prompt.",
        "recommendation": "Ask before booking.",
        "agent_ids": ["1", "2"],
        "runs": [{"agent_id": "1", "run_id": "22"}],
        "runs_affected": 1,
        "share": 0.25,
        "share_low": 0.05,
        "share_high": 0.6,
        "gain": 0.25,
        "state": state,
        "first_report_id": 1,
        "origin": "judge",
    } | parts


@pytest.fixture
def report(warehouse: Warehouse) -> int:
    """A report with an issue, one that is gone, and other failures."""
    report_id = warehouse.create_report({"environment": "prod"})
    details = [
        {"agent_id": "1", "agent_name": "good-bot", "status": "evaluated"},
        {"agent_id": "2", "agent_name": "bad-bot", "status": "evaluated"},
    ]
    verdicts = {"from_source": 0, "from_judge": 4, "cannot_tell": 0, "unusable": 0, "not_judged": 0}
    issues = [
        _issue("i-aaaaaa"),
        _issue("i-bbbbbb", "gone", title="Loops", runs=[], runs_affected=0, gain=None),
        _issue("other", "other", title="Other failures"),
    ]
    warehouse.write_report(report_id, {"status": "completed", "verdicts": verdicts}, details, [], [], issues)
    return report_id


def test_open_issues_are_listed_by_environment(agent_report: AgentReport, report: int) -> None:
    code, out, _ = agent_report("issues")
    assert code == 0
    assert "prod\ni-aaaaaa  new  Books �[31mtoo early [bold]x[/bold] # Now\n" in out
    assert "1 run of 2 agents, 25% of all runs (5% to 60%), in report 1, first found in report 1" in out
    assert "Agents: good-bot, bad-bot" in out
    assert "What to change: Ask before booking." in out
    assert "i-bbbbbb" not in out
    assert "\x1b" not in out
    assert "issues --all" in out
    assert "i-bbbbbb  gone  Loops" in agent_report("issues", "--all")[1]
    assert "No open issue in staging." in agent_report("issues", "--environment", "staging")[1]


def test_the_issues_of_one_report_are_its_section(agent_report: AgentReport, report: int) -> None:
    out = " ".join(agent_report("issues", "--report", str(report))[1].split())
    assert "What to fix first" in out
    assert "(new; i-aaaaaa)" in out
    assert "without it the success rate would be about 25 points higher" in out
    assert "Probable cause (a guess): The policy is not in the prompt." in out
    assert "Other failures: 1 run of 2 agents" in out
    assert "Gone: Loops" in out
    assert agent_report("issues", "--report", "99")[0] == 2


def test_json_has_every_column(agent_report: AgentReport, report: int) -> None:
    (issue,) = json.loads(agent_report("issues", "--json")[1])
    assert (issue["environment"], issue["status"], issue["decided_at"]) == ("prod", "new", None)
    assert issue["runs"] == [{"agent_id": "1", "run_id": "22"}]
    assert len(json.loads(agent_report("issues", "--all", "--json")[1])) == 2
    assert len(json.loads(agent_report("issues", "--report", str(report), "--json")[1])) == 3


def test_people_decide(agent_report: AgentReport, report: int, warehouse: Warehouse) -> None:
    code, out, _ = agent_report("close", "i-aaaaaa", "--by", "ana", "--note", "prompt 14 asks first")
    assert code == 0
    assert out.startswith("i-aaaaaa Books �[31mtoo early")
    assert "closed; it comes back only with runs that start from now on" in out
    decision = load_decisions(warehouse.database, "prod")["i-aaaaaa"]
    assert (decision.decision, decision.report_id) == ("closed", report)
    assert "No open issue." in agent_report("issues")[1]
    assert "i-aaaaaa  closed" in agent_report("issues", "--all")[1]
    assert agent_report("reopen", "i-aaaaaa")[0] == 0
    assert "i-aaaaaa  new" in agent_report("issues")[1]
    assert agent_report("not-an-issue", "i-aaaaaa", "i-bbbbbb")[0] == 0
    assert "i-aaaaaa  not an issue" in agent_report("issues", "--all")[1]


def test_what_cannot_be_decided_is_refused_and_nothing_is_recorded(
    agent_report: AgentReport, report: int, warehouse: Warehouse
) -> None:
    code, _, errors = agent_report("close", "i-aaaaaa", "i-999999")
    assert code == 2
    assert "there is no issue 'i-999999'" in errors
    assert agent_report("close", "other")[0] == 2
    assert agent_report("close", "i-aaaaaa", "--by", " ")[0] == 2
    assert agent_report("close", "i-aaaaaa", "--environment", "staging")[0] == 2
    other = warehouse.create_report({"environment": "staging"})
    warehouse.write_report(other, {"status": "completed"}, [], [], [], [_issue("i-aaaaaa")])
    code, _, errors = agent_report("close", "i-aaaaaa")
    assert (code, "several environments (prod, staging)" in errors) == (2, True)
    assert load_decisions(warehouse.database, "prod") == {}
    assert agent_report("close", "i-aaaaaa", "--environment", "staging")[0] == 0
    assert load_decisions(warehouse.database, "staging").keys() == {"i-aaaaaa"}


def test_a_new_issue_breaks_the_gate_until_a_person_closes_it(
    agent_report: AgentReport, report: int, warehouse: Warehouse
) -> None:
    assert agent_report("check", str(report), "--no-new-issues")[0] == 0, "there was no earlier search"
    second = warehouse.create_report({"environment": "prod"})
    verdicts = {"from_source": 0, "from_judge": 4, "cannot_tell": 0, "unusable": 0, "not_judged": 0}
    values = {"status": "completed", "verdicts": verdicts}
    warehouse.write_report(second, values, [], [], [], [_issue("i-cccccc", first_report_id=second)])
    code, out, _ = agent_report("check", str(second), "--no-new-issues")
    assert code == 1
    assert "no-new-issues: report: new: Books" in out
    agent_report("close", "i-cccccc")
    assert agent_report("check", str(second), "--no-new-issues")[0] == 0
