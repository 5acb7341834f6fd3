"""The judge's answer on issues: read as what it means, and every key in it checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import UnusableAnswerError
from tasks.judge.issues.answer import IssueKeys, build_issues_schema, parse_issues
from tasks.judge.issues.found_issue import RunKey

_R = {f"R{number}": RunKey(f"agent-{number % 3}", f"run-{number}") for number in range(1, 7)}
_KEYS = IssueKeys(_R, {"I1": "i-aaaaaa", "I2": "i-bbbbbb"})


def _issue(**changes: Any) -> dict[str, Any]:
    return {
        "runs": ["R1", "R4"],
        "what_happens": "It books before the customer agrees.",
        "title": "Books without consent",
        "probable_cause": "The policy is not in the prompt.",
        "what_to_change": "Ask before booking.",
        "known_issue": "",
    } | changes


def _answer(*issues: Any) -> str:
    return json.dumps({"issues": list(issues)})


def test_an_issue_has_its_words_and_the_runs_behind_its_keys() -> None:
    parsed = parse_issues(_answer(_issue(known_issue="I2")), _KEYS)
    assert parsed.keys_dropped == 0
    (issue,) = parsed.issues
    assert (issue.title, issue.known_id) == ("Books without consent", "i-bbbbbb")
    assert issue.runs == (_R["R1"], _R["R4"])
    assert issue.probable_cause == "The policy is not in the prompt."
    assert issue.recommendation == "Ask before booking."
    assert issue.description == "It books before the customer agrees."


@pytest.mark.parametrize(
    "runs",
    [
        ["r1", "R4"],
        "R1, R4",
        ["R1.3", "R4.1"],
        [{"key": "R1"}, {"key": "R4", "quote": "it was done"}],
        {"R1": "…", "keys": ["R1", "R4"]},
        ["R01", "R 4", "R1"],
    ],
)
def test_keys_are_read_however_they_are_written(runs: Any) -> None:
    (issue,) = parse_issues(_answer(_issue(runs=runs)), _KEYS).issues
    assert issue.runs == (_R["R1"], _R["R4"])


def test_keys_of_nothing_are_dropped_and_counted() -> None:
    parsed = parse_issues(_answer(_issue(runs=["R1", "R99", "R98", "R99"], known_issue="I7")), _KEYS)
    assert parsed.keys_dropped == 3
    assert parsed.issues[0].runs == (_R["R1"],)
    assert parsed.issues[0].known_id == ""


def test_an_issue_without_a_run_or_a_title_is_none() -> None:
    parsed = parse_issues(_answer(_issue(runs=[]), _issue(title="", what_happens=""), "R1", _issue(runs=["R2"])), _KEYS)
    assert [issue.runs for issue in parsed.issues] == [(_R["R2"],)]


def test_issues_of_one_title_or_of_one_earlier_issue_are_one() -> None:
    parsed = parse_issues(
        _answer(
            _issue(runs=["R1"]),
            _issue(runs=["R1", "R2"], title="books  WITHOUT consent"),
            _issue(runs=["R3"], title="Another", known_issue="I1"),
            _issue(runs=["R4"], title="In other words", known_issue="I1"),
        ),
        _KEYS,
    )
    assert [issue.runs for issue in parsed.issues] == [(_R["R1"], _R["R2"]), (_R["R3"], _R["R4"])]


@pytest.mark.parametrize(
    "text",
    [
        "```json\n" + _answer(_issue()) + "\n```",
        "<think>One or two?</think>" + _answer(_issue()),
        json.dumps({"answer": {"issues": [_issue()]}}),
        json.dumps([_issue()]),
        json.dumps({"Issues": {"1": _issue()}}),
        json.dumps(
            {
                "issues": [
                    {"Name": "Books without consent", "description": "It books before the customer agrees.",
                     "root cause": "The policy is not in the prompt.", "Fix": "Ask before booking.", "Keys": "R1 R4"}
                ]
            }
        ),
    ],
)  # fmt: skip
def test_the_list_is_found_where_judges_put_it(text: str) -> None:
    (issue,) = parse_issues(text, _KEYS).issues
    assert issue.title == "Books without consent"
    assert issue.runs == (_R["R1"], _R["R4"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The agents book too early.",
        "<think>It is hard to tell.</think>",
        _answer(),
        _answer(_issue(runs=["R99"])),
        _answer(_issue()) + _answer(_issue(runs=["R2"])),
        json.dumps({"criteria": {"accuracy": {"score": 7}}}),
    ],
)
def test_what_is_no_list_of_issues_is_no_answer(text: str) -> None:
    with pytest.raises(UnusableAnswerError):
        parse_issues(text, _KEYS)


def test_an_answer_that_was_cut_off_is_none() -> None:
    with pytest.raises(UnusableAnswerError):
        parse_issues(_answer(_issue(), _issue())[:-20], _KEYS, cut_off=True)


def test_texts_are_bounded_and_hold_nothing_that_no_store_takes() -> None:
    (issue,) = parse_issues(_answer(_issue(title="x" * 500, what_happens="a\ud800b\0c" * 900)), _KEYS).issues
    assert len(issue.title) == 120
    assert len(issue.description) <= 1000
    assert "\0" not in issue.description
    issue.description.encode()


def test_the_schema_is_strict() -> None:
    issue = build_issues_schema()["properties"]["issues"]["items"]
    assert issue["required"] == list(issue["properties"])
    assert issue["additionalProperties"] is False
    assert next(iter(issue["properties"])) == "runs"
