"""Asking for issues: one call where runs failed, none where none did, and a failure is data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.judge import completion
from tasks.judge.exchange import Judge
from tasks.judge.issues.failing_run import FailingRun
from tasks.judge.issues.found_issue import RunKey
from tasks.judge.issues.judging import judge_issues
from tasks.judge.issues.known_issue import KnownIssue

MakeJudge = Callable[..., tuple[Judge, Any]]


@pytest.fixture
def failing() -> list[FailingRun]:
    """Two runs of two agents that fail alike, and one that fails in its own way."""
    modes = ("books too early", "Books too early", "gives up")
    return [
        FailingRun(RunKey(str(n), f"run-{n}"), f"agent-{n}", None, failure_mode=mode) for n, mode in enumerate(modes)
    ]


def test_the_judge_groups_the_failing_runs_in_one_call(judging: MakeJudge, failing: list[FailingRun]) -> None:
    judge, server = judging()
    search = judge_issues(judge, failing, [], timeout_seconds=20)
    assert search.error is None
    assert [issue.runs for issue in search.found] == [(failing[0].key, failing[1].key), (failing[2].key,)]
    assert len(server.requests) == 1
    assert search.seconds is not None
    assert search.seconds >= 0


def test_where_no_run_failed_nothing_is_asked(judging: MakeJudge) -> None:
    judge, server = judging()
    search = judge_issues(judge, [], [], timeout_seconds=20)
    assert (search.found, search.error, search.seconds) == ((), None, None)
    assert server.requests == []


def test_of_a_judge_that_could_judge_no_agent_nothing_is_asked(judging: MakeJudge, failing: list[FailingRun]) -> None:
    judge, server = judging()
    search = judge_issues(judge, failing, [], timeout_seconds=20, any_judged=False)
    assert (search.failing, search.found, search.seconds) == (tuple(failing), (), None)
    assert search.error == "no agent could be judged, so that there is no verdict to group"
    assert server.requests == []
    assert judge_issues(judge, [], [], timeout_seconds=20, any_judged=False).error is None


def test_the_same_question_is_paid_for_once(judging: MakeJudge, failing: list[FailingRun]) -> None:
    judge, server = judging()
    first = judge_issues(judge, failing, [], timeout_seconds=20)
    again = judge_issues(replace(judge, report_id=4), failing, [], timeout_seconds=20)
    assert again.found == first.found
    assert again.seconds is None, "no call was made"
    assert len(server.requests) == 1


def test_the_same_failing_runs_cost_nothing_once_their_issues_are_known(
    judging: MakeJudge, failing: list[FailingRun]
) -> None:
    judge, server = judging()
    old = KnownIssue("i-1", "An old one", 1, 1)
    first = judge_issues(judge, failing, [old], timeout_seconds=20)
    known = [old, *(KnownIssue(f"i-{n}", issue.title, 2, 2) for n, issue in enumerate(first.found, 2))]
    again = judge_issues(replace(judge, report_id=4), failing, known, timeout_seconds=20)
    assert (again.found, again.seconds, len(server.requests)) == (first.found, None, 1)
    fewer = judge_issues(replace(judge, report_id=5), failing[:2], known, timeout_seconds=20)
    assert (fewer.error, len(server.requests)) == (None, 2)


def test_garbage_is_asked_again_once_and_is_then_an_error(judging: MakeJudge, failing: list[FailingRun]) -> None:
    judge, server = judging("They all fail.")
    search = judge_issues(judge, failing, [], timeout_seconds=20)
    assert search.found == ()
    assert search.error is not None
    assert "could not be used" in search.error
    assert len(server.requests) == 2


def test_an_answer_that_was_cut_off_is_no_answer(judging: MakeJudge, failing: list[FailingRun]) -> None:
    cut = completion('{"issues": [{"runs": ["R1"], "title": "Books', finish_reason="length")
    judge, _ = judging(cut)
    assert "length limit" in str(judge_issues(judge, failing, [], timeout_seconds=20).error)


def test_when_judging_has_ended_no_call_is_made(judging: MakeJudge, failing: list[FailingRun]) -> None:
    judge, server = judging()
    judge.stop.end("timeout", "the report's time was up")
    search = judge_issues(judge, failing, [], timeout_seconds=20)
    assert "time was up" in str(search.error)
    assert server.requests == []
