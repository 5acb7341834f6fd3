"""The life of an issue: new, ongoing, gone, back; and what people decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.judge.issues.found_issue import FoundIssue, RunKey
from tasks.judge.issues.judging import IssueSearch
from tasks.judge.issues.known_issue import Decision, KnownIssue
from tasks.report.issues.failing_runs import find_failing_runs
from tasks.report.issues.issue_rows import IssueScene, build_issue_rows
from tasks.report.rows import IssueRow

MakeScene = Callable[..., IssueScene]
_STARTED = datetime(2026, 3, 1, tzinfo=UTC)
_LOOPS = KnownIssue("i-loops", "Loops", 3, 7, agent_ids=frozenset("1"), runs=frozenset({RunKey("1", "old")}))


def _rows(scene: IssueScene, known: KnownIssue, *found: FoundIssue, **parts: Any) -> list[IssueRow]:
    failing = find_failing_runs(scene.evidences, scene.evaluations)
    return build_issue_rows(scene, IssueSearch(failing, (known,), found, **parts))


def _states(rows: list[IssueRow]) -> list[tuple[str, str]]:
    return [(row["issue_id"], row["state"]) for row in rows]


def _found(title: str, *run_ids: str, known_id: str = "") -> FoundIssue:
    return FoundIssue(title, tuple(RunKey("1", run_id) for run_id in run_ids), known_id=known_id)


@pytest.fixture
def scene(make_scene: MakeScene) -> IssueScene:
    """Report 9: two runs of agent 1 that loop, the second a day after the start."""
    return make_scene({"1": {"a": "loops", "b": "loops", "c": ""}}, report_id=9, night=1)


def test_what_the_judge_recognizes_is_ongoing_under_its_first_title(scene: IssueScene) -> None:
    (row,) = _rows(scene, _LOOPS, _found("Endless repetition", "a", "b", known_id="i-loops"))
    assert _states([row]) == [("i-loops", "ongoing")]
    assert (row["title"], row["first_report_id"]) == ("Loops", 3)


def test_what_was_gone_is_back(scene: IssueScene) -> None:
    known = replace(_LOOPS, is_gone=True)
    assert _states(_rows(scene, known, _found("X", "a", known_id="i-loops")))[0] == ("i-loops", "back")


@pytest.mark.parametrize(
    ("title", "runs"), [("loops", "z"), ("Something else", "ab"), ("it loops", "z")], ids=["title", "runs", "words"]
)
def test_code_recognizes_an_issue_by_title_runs_or_words(scene: IssueScene, title: str, runs: str) -> None:
    known = replace(_LOOPS, runs=frozenset(RunKey("1", run_id) for run_id in runs))
    assert ("i-loops", "ongoing") in _states(_rows(scene, known, _found(title, "a", "b")))


def test_another_failure_is_new(scene: IssueScene) -> None:
    rows = _rows(scene, _LOOPS, _found("Reads no policy", "a", "b"))
    assert [row["state"] for row in rows] == ["new", "gone"]


def test_what_is_not_found_is_gone_with_what_can_still_be(make_scene: MakeScene) -> None:
    (row,) = _rows(make_scene({"1": {"a": "", "b": ""}}, report_id=9), _LOOPS)
    assert _states([row]) == [("i-loops", "gone")]
    assert (row["runs_affected"], row["share"], row["agent_ids"]) == (0, 0, ["1"])
    assert row["share_high"] > 0.5, "two runs prove little"


def test_several_issues_can_be_gone_at_once(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": ""}, "2": {"b": ""}})
    known = tuple(replace(_LOOPS, id=f"i-{number}", agent_ids=frozenset("12")) for number in range(3))
    assert _states(build_issue_rows(scene, IssueSearch((), known))) == [(issue.id, "gone") for issue in known]


def test_what_a_judge_left_out_is_not_gone(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "", "b": "", "c": ""}})
    assert _states(_rows(scene, _LOOPS)) == [("i-loops", "gone")]
    for lost in (1, 3):
        evaluation = scene.evaluations["1"]
        verdicts = [
            replace(verdict, success=None) if number < lost else verdict
            for number, verdict in enumerate(evaluation.run_verdicts)
        ]
        of_some = replace(scene, evaluations={"1": replace(evaluation, run_verdicts=tuple(verdicts))})
        assert _states(_rows(of_some, _LOOPS)) == []


def test_gone_is_reported_once(make_scene: MakeScene) -> None:
    assert _rows(make_scene({"1": {"a": ""}}), replace(_LOOPS, is_gone=True)) == []


def test_an_agent_that_was_not_analyzed_makes_nothing_gone(make_scene: MakeScene) -> None:
    everyone = {"environment_agents": ["1", "2"]}
    assert _rows(make_scene({"2": {"a": ""}}, **everyone), _LOOPS) == []
    assert _rows(make_scene({"1": {"a": None}, "2": {"b": ""}}, **everyone), _LOOPS) == [], "no verdict on agent 1"
    both = replace(_LOOPS, agent_ids=frozenset("12"))
    assert _rows(make_scene({"1": {"a": ""}}, **everyone), both) == []
    assert _states(_rows(make_scene({"1": {"a": ""}}), both)) == [("i-loops", "gone")], "agent 2 is no longer there"


def test_without_an_answer_nothing_is_gone_while_its_agents_fail(scene: IssueScene, make_scene: MakeScene) -> None:
    known = replace(_LOOPS, title="Something in the judge's own words")
    assert "gone" not in [row["state"] for row in _rows(scene, known, error="unreachable")]
    fine = make_scene({"1": {"a": ""}, "2": {"b": "loops"}})
    assert "gone" in [row["state"] for row in _rows(fine, known, error="unreachable")]


def _decided(word: Any, day: float) -> KnownIssue:
    return replace(_LOOPS, decision=Decision(word, _STARTED + timedelta(days=day), report_id=7))


def test_a_closed_issue_is_back_with_newer_runs_alone(make_scene: MakeScene) -> None:
    found = _found("Loops", "a", "b", known_id="i-loops")
    scene = make_scene({"1": {"a": "loops", "b": "loops"}}, night=1)
    assert _rows(scene, _decided("closed", 2), found) == [], "both runs are older, and are no other failures either"
    between = 1 + 0.5 / 24 / 60
    (row,) = _rows(scene, _decided("closed", between), found)
    assert (row["state"], row["runs"]) == ("back", [{"agent_id": "1", "run_id": "b"}])


def test_what_is_no_issue_stays_away_whatever_runs_show_it(scene: IssueScene) -> None:
    assert _rows(scene, _decided("not_an_issue", 0), _found("Loops", "a", "b", known_id="i-loops")) == []


def test_a_reopened_issue_is_ongoing(scene: IssueScene) -> None:
    assert _states(_rows(scene, _decided("open", 2), _found("Loops", "a", "b"))) == [("i-loops", "ongoing")]


def test_a_closed_issue_that_is_not_found_is_not_reported_as_gone(make_scene: MakeScene) -> None:
    assert _rows(make_scene({"1": {"a": ""}}), _decided("closed", 1)) == []


def test_a_decision_ends_with_a_later_report_that_found_the_issue_again() -> None:
    known = replace(_decided("closed", 1), last_report_id=8)
    assert not known.is_closed
