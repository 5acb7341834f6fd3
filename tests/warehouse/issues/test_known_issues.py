"""Issues in SQL: what reports know of them, what people decided, and which are open."""

from __future__ import annotations

from typing import Any

from tasks.judge.issues.found_issue import RunKey
from tasks.judge.issues.known_issue import DecisionWord
from tasks.warehouse.comparisons import load_stored_report
from tasks.warehouse.issues.issue_list import list_issues
from tasks.warehouse.issues.known_issues import load_decisions, load_known_issues, write_decision
from tasks.warehouse.sql import Warehouse
from tasks.warehouse.views.definitions import VIEWS

_VIEW = VIEWS["open_issues"].table


def _issue(issue_id: str, state: str = "new", *runs: str, **parts: Any) -> dict[str, Any]:
    return {
        "issue_id": issue_id,
        "title": f"Title of {issue_id}",
        "description": f"What {issue_id} is",
        "agent_ids": ["1"],
        "runs": [{"agent_id": "1", "run_id": run_id} for run_id in runs],
        "runs_affected": len(runs),
        "share": 0.1 * len(runs),
        "gain": 0.1 * len(runs),
        "state": state,
        "first_report_id": 1,
        "origin": "judge",
    } | parts


def _write(warehouse: Warehouse, *issues: dict[str, Any], **report: Any) -> int:
    values = {"environment": "prod", "status": "completed"} | report
    status = values.pop("status")
    report_id = warehouse.create_report(values)
    details = [{"agent_id": "1", "agent_name": "billing-bot", "status": "evaluated"}]
    verdicts = {"from_source": 0, "from_judge": 3, "cannot_tell": 0, "unusable": 0, "not_judged": 0}
    warehouse.write_report(report_id, {"status": status, "verdicts": verdicts}, details, [], [], issues)
    return report_id


def _open(warehouse: Warehouse) -> list[tuple[str, str]]:
    with warehouse.database.reading() as connection:
        rows = connection.execute(_VIEW.select()).mappings().all()
    return sorted((row["issue_id"], row["state"]) for row in rows)


def test_a_reports_issues_are_read_back_in_the_order_of_what_to_fix_first(warehouse: Warehouse) -> None:
    rest, gone = _issue("other", "other", "z"), _issue("i-gone", "gone")
    read = warehouse.load_issues(
        _write(warehouse, gone, rest, _issue("i-a", "new", "a"), _issue("i-b", "new", "b", "c"))
    )
    assert [row["issue_id"] for row in read] == ["i-b", "i-a", "other", "i-gone"]
    assert read[0]["runs"] == [{"agent_id": "1", "run_id": "b"}, {"agent_id": "1", "run_id": "c"}]
    assert (read[0]["description"], read[0]["probable_cause"]) == ("What i-b is", None)


def test_known_issues_are_those_of_earlier_completed_reports_of_the_environment(warehouse: Warehouse) -> None:
    _write(warehouse, _issue("i-a", "new", "1"), _issue("other", "other", "2"))
    _write(warehouse, _issue("i-x", "new", "1"), environment="staging")
    _write(warehouse, _issue("i-y", "new", "1"), status="failed")
    third = _write(warehouse, _issue("i-a", "ongoing", "3", description="Now in other words"))
    last = _write(warehouse, _issue("i-a", "gone"), _issue("i-b", "new", "9", first_report_id=5))
    first, second = load_known_issues(warehouse.database, "prod")
    assert (first.id, first.first_report_id, first.last_report_id, first.is_gone) == ("i-a", 1, last, True)
    assert first.runs == {RunKey("1", "1"), RunKey("1", "3")}
    assert first.description == "What i-a is", "as it was first, so that an unchanged night offers the same"
    assert (second.id, second.is_gone) == ("i-b", False)
    (before,) = load_known_issues(warehouse.database, "prod", before=last)
    assert (before.last_report_id, before.is_gone) == (third, False)
    assert load_known_issues(warehouse.database, "nowhere") == []


def test_open_are_the_issues_that_the_newest_report_with_them_found_and_no_person_closed(warehouse: Warehouse) -> None:
    assert _open(warehouse) == []
    _write(warehouse, *(_issue(f"i-{name}", "new", "1") for name in "abc"), _issue("other", "other", "2"))
    second = _write(warehouse, _issue("i-a", "ongoing", "2"), _issue("i-b", "gone"))
    assert _open(warehouse) == [("i-a", "ongoing"), ("i-c", "new")]
    decided: tuple[tuple[DecisionWord, list[tuple[str, str]]], ...] = (
        ("closed", [("i-c", "new")]),
        ("open", [("i-a", "ongoing"), ("i-c", "new")]),
        ("not_an_issue", [("i-c", "new")]),
    )
    for word, left in decided:
        write_decision(warehouse.database, "prod", "i-a", word, decided_by="ana", report_id=second)
        assert _open(warehouse) == left
    write_decision(warehouse.database, "staging", "i-c", "closed", decided_by="ana", report_id=second)
    assert _open(warehouse) == [("i-c", "new")], "of another environment"
    _write(warehouse, _issue("i-a", "back", "3"))
    assert _open(warehouse) == [("i-a", "back"), ("i-c", "new")], "a report that finds it again outweighs the decision"


def test_the_list_has_every_issue_with_where_it_stands(warehouse: Warehouse) -> None:
    _write(warehouse, _issue("i-a", "new", "1"), _issue("i-b", "new", "1", "2"))
    second = _write(warehouse, _issue("i-c", "new", "1"), _issue("i-a", "gone"))
    _write(warehouse, _issue("i-a", "new", "1"), environment="staging")
    write_decision(warehouse.database, "prod", "i-b", "not_an_issue", decided_by="ana", report_id=1)
    listed = list_issues(warehouse.database)
    assert [(issue.environment, issue.row["issue_id"], issue.status) for issue in listed] == [
        ("prod", "i-b", "not an issue"),
        ("prod", "i-c", "new"),
        ("prod", "i-a", "gone"),
        ("staging", "i-a", "new"),
    ]
    assert [issue.is_open for issue in listed] == [False, True, False, True]
    assert listed[1].names == {"1": "billing-bot"}
    assert listed[1].report_id == second
    assert [issue.environment for issue in list_issues(warehouse.database, issue_id="i-a")] == ["prod", "staging"]
    assert list_issues(warehouse.database, "nowhere") == []


def test_a_stored_report_has_the_issues_that_no_person_decided_since(warehouse: Warehouse) -> None:
    first = _write(warehouse, _issue("i-a", "new", "1"), _issue("i-b", "new", "1"))
    reading = load_stored_report(warehouse, first)
    assert reading is not None
    assert reading.is_first_search
    second = _write(warehouse, _issue("i-a", "ongoing", "1"), _issue("i-c", "new", "1"))
    write_decision(warehouse.database, "prod", "i-c", "closed", decided_by="ana", report_id=second)
    reading = load_stored_report(warehouse, second)
    assert reading is not None
    assert not reading.is_first_search
    assert [row["issue_id"] for row in reading.issues] == ["i-a"]


def test_writing_a_report_again_replaces_its_issues(warehouse: Warehouse) -> None:
    report_id = _write(warehouse, _issue("i-a", "new", "1"))
    warehouse.write_report(report_id, {"status": "completed"}, [], [], [], [_issue("i-b", "new", "1")])
    assert [row["issue_id"] for row in warehouse.load_issues(report_id)] == ["i-b"]


def test_issues_go_with_their_report_and_decisions_stay(warehouse: Warehouse) -> None:
    first = _write(warehouse, _issue("i-a", "new", "1"))
    _write(warehouse, _issue("i-b", "new", "1"))
    write_decision(warehouse.database, "prod", "i-a", "closed", decided_by="ana", report_id=first)
    warehouse.discard_report(first)
    assert warehouse.load_issues(first) == []
    assert [issue.id for issue in load_known_issues(warehouse.database, "prod")] == ["i-b"]
    assert load_decisions(warehouse.database, "prod").keys() == {"i-a"}
