"""Issues as rows: checked, merged, counted over the population, and without a judge grouped by code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasks.judge.issues.found_issue import FoundIssue, RunKey
from tasks.judge.issues.judging import IssueSearch
from tasks.report.issues.failing_runs import find_failing_runs
from tasks.report.issues.issue_rows import IssueScene, build_issue_rows
from tasks.report.rows import IssueRow

MakeScene = Callable[..., IssueScene]


def _search(scene: IssueScene, *found: FoundIssue, **parts: Any) -> IssueSearch:
    return IssueSearch(find_failing_runs(scene.evidences, scene.evaluations), found=found, **parts)


def _runs(row: IssueRow) -> list[str]:
    return [run["run_id"] for run in row["runs"]]


def _found(title: str, *runs: tuple[str, str], **parts: str) -> FoundIssue:
    return FoundIssue(title, tuple(RunKey(*run) for run in runs), **parts)


def test_an_issue_has_its_share_of_all_runs_and_what_the_rate_would_gain(make_scene: MakeScene) -> None:
    scene = make_scene(
        {
            "1": {"a": "books too early", "b": "books too early", "c": "", "d": ""},
            "2": {"e": "books too early", "f": "gives up", "g": "", "h": ""},
        }
    )
    issue = _found(
        "Books too early", ("1", "a"), ("1", "b"), ("2", "e"), description="It books.", recommendation="Ask."
    )
    first, rest = build_issue_rows(scene, _search(scene, issue))
    assert (first["title"], first["description"], first["recommendation"]) == ("Books too early", "It books.", "Ask.")
    assert (first["agent_ids"], first["runs_affected"]) == (["1", "2"], 3)
    assert first["share"] == pytest.approx(3 / 8)
    assert first["share_low"] < 3 / 8 < first["share_high"]
    assert first["gain"] == pytest.approx(3 / 8)
    assert (first["state"], first["first_report_id"], first["origin"]) == ("new", 1, "judge")
    assert (rest["issue_id"], rest["state"], _runs(rest)) == ("other", "other", ["f"])


def test_shares_are_of_the_population_not_of_the_sample(make_scene: MakeScene) -> None:
    agents = {"1": {"a": "loops", "b": ""}, "2": {"c": "", "d": ""}}
    scene = make_scene(agents, weights={"1": 100, "2": 1})
    (row,) = build_issue_rows(scene, _search(scene, _found("Loops", ("1", "a"))))
    assert row["share"] == pytest.approx(100 / 202)


def test_runs_without_a_usable_verdict_do_not_make_their_agent_count_less(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "loops", "b": "", "c": None, "d": None}, "2": {"e": "", "f": "", "g": "", "h": ""}})
    (row,) = build_issue_rows(scene, _search(scene, _found("Loops", ("1", "a"))))
    assert row["share"] == pytest.approx(2 / 8)


def test_a_run_that_fails_in_two_ways_is_not_repaired_by_one_change(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "loops", "b": "loops", "c": "", "d": ""}})
    both = (_found("Loops", ("1", "a"), ("1", "b")), _found("Leaks", ("1", "b")))
    rows = {row["title"]: row for row in build_issue_rows(scene, _search(scene, *both))}
    assert (rows["Loops"]["share"], rows["Loops"]["gain"]) == (pytest.approx(0.5), pytest.approx(0.25))
    assert (rows["Leaks"]["share"], rows["Leaks"]["gain"]) == (pytest.approx(0.25), 0)


def test_runs_that_the_judge_left_out_join_the_issue_with_their_failure_mode_or_error(make_scene: MakeScene) -> None:
    scene = make_scene(
        {"1": {"a": "books too early", "b": "Books too early!", "c": "", "d": None, "e": None, "f": "odd"}},
        failed={"a": "HTTP 500 at 12:00:01", "d": "HTTP 500 at 13:00:09", "e": "disk full"},
    )
    first, rest = build_issue_rows(scene, _search(scene, _found("Too early", ("1", "a"))))
    assert _runs(first) == ["a", "b", "d"]
    assert _runs(rest) == ["e", "f"]


def test_without_an_answer_failure_modes_are_grouped_by_code(make_scene: MakeScene) -> None:
    scene = make_scene(
        {
            "1": {"a": "books too early", "b": "", "c": "Books too early."},
            "2": {"d": "it books too early", "e": "no policy was read"},
            "3": {"f": "", "g": None},
        },
        failed={"g": "HTTP 500 from the shop"},
    )
    rows = build_issue_rows(scene, _search(scene, error="the judge is unreachable"))
    assert [_runs(row) for row in rows] == [["a", "c", "d"], ["e"], ["g"]]
    assert {row["origin"] for row in rows} == {"code"}
    assert rows[0]["agent_ids"] == ["1", "2"]
    assert rows[0]["probable_cause"] is None
    assert rows[2]["title"] == "HTTP 500 from the shop"


def test_where_no_run_was_judged_the_statuses_are_what_is_known(make_scene: MakeScene) -> None:
    runs: dict[str, str | None] = dict.fromkeys("abcd", "")
    scene = make_scene({"1": runs}, failed={"a": "HTTP 500 x", "b": "HTTP 500 x"}, verdicts=False)
    (row,) = build_issue_rows(scene, _search(scene))
    assert _runs(row) == ["a", "b"]
    assert row["share"] == pytest.approx(0.5)
    assert row["gain"] is None, "the success rate is not known"


def test_runs_that_failed_by_their_status_alone_are_a_share_of_all_runs(make_scene: MakeScene) -> None:
    # Of the runs that the judge gave no usable verdict on, two ended as failures: an issue of two runs is not 0%.
    runs = {"a": None, "b": None, "c": "", "d": "", "e": None, "f": None}
    scene = make_scene({"1": runs}, failed={"a": "HTTP 500 x", "b": "HTTP 500 x"})
    (row,) = build_issue_rows(scene, _search(scene))
    assert (_runs(row), row["share"], row["gain"]) == (["a", "b"], pytest.approx(2 / 6), 0)
    # What is gained is no more than that share, however many verdicts were lost.
    scene = make_scene({"1": {"a": "loops", "b": "", "c": None, "d": None}}, failed={"a": "x", "c": "y", "d": "z"})
    (row, *_) = build_issue_rows(scene, _search(scene, _found("Loops", ("1", "a"))))
    assert (row["share"], row["gain"]) == (pytest.approx(1 / 4), pytest.approx(1 / 4))
    # Of an agent without any verdict the other runs count as runs without the issue.
    scene = make_scene({"1": runs, "2": {"g": None, "h": None}}, failed={"g": "disk full"})
    rows = {row["title"]: row for row in build_issue_rows(scene, _search(scene))}
    assert rows["disk full"]["share"] == pytest.approx(1 / 8)


def test_what_to_fix_first_is_what_gains_most(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "x", "b": "y", "c": "y", "d": ""}, "2": {"e": "z"}}, weights={"2": 10})
    issues = (_found("X", ("1", "a")), _found("Y", ("1", "b"), ("1", "c")), _found("Z", ("2", "e")))
    assert [row["title"] for row in build_issue_rows(scene, _search(scene, *issues))] == ["Z", "Y", "X"]


def test_where_no_run_failed_there_is_nothing(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "", "b": None}})
    assert build_issue_rows(scene, _search(scene)) == []


def test_reports_at_once_give_an_issue_of_the_same_title_the_same_id(make_scene: MakeScene) -> None:
    scene = make_scene({"1": {"a": "x", "b": "y"}})
    issues = (_found("X", ("1", "a")), _found("Y", ("1", "b")))

    def ids(given: Sequence[FoundIssue], report_id: int = 1, environment: str = scene.environment) -> set[str]:
        other = IssueScene(report_id, environment, scene.agents, scene.evidences, scene.evaluations)
        return {row["issue_id"] for row in build_issue_rows(other, _search(scene, *given))}

    assert ids(issues) == ids(issues[::-1])
    assert len(ids(issues)) == 2
    assert ids(issues) == ids(issues, report_id=2)
    assert not ids(issues) & ids(issues, environment="staging")
    assert all(len(issue_id) == 8 for issue_id in ids(issues))
