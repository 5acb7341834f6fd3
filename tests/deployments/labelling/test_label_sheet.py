"""Labels in a CSV file: what spreadsheets make of one is taken, and a file with anything wrong in it is not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.labelling.csv_cell import guard, unguard
from deployments.labelling.labelled_report import LabelledReport
from deployments.labelling.questions import Question, ask_about, describe_judge
from deployments.labelling.sheet import read_labels, write_template
from tasks.calibration.label_sample import RunToLabel, choose_runs
from tasks.errors import RefusedError
from tasks.warehouse.sql import open_warehouse

_HEAD = "agent,run_id,criterion,score,passed,labeler,note\n"


@pytest.fixture
def report(tmp_path: Path, write_label_report: Callable[..., str]) -> LabelledReport:
    return LabelledReport(open_warehouse(write_label_report(tmp_path)), 1)


def _asked(report: LabelledReport, chosen: list[RunToLabel]) -> list[Question]:
    return ask_about(chosen, report.descriptions())


def _read(report: LabelledReport, tmp_path: Path, data: str | bytes) -> list[tuple[object, ...]]:
    path = tmp_path / "labels.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return [
        (label.agent_id, label.run_id, label.criterion, label.score, label.passed, label.labeler, note)
        for label, note in read_labels(path, report, "me").labels
    ]


@pytest.mark.parametrize("formula", ["=1", " =1", "\n=1", "＝1", "\t@x", "-2"])
def test_no_cell_of_a_template_is_a_formula(report: LabelledReport, tmp_path: Path, formula: str) -> None:
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=1, seed=0, only={"3"})
    chosen[0].agent["agent_name"] = formula
    write_template(tmp_path / "t.csv", _asked(report, chosen), "me")
    with (tmp_path / "t.csv").open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["agent_name"] == "'" + formula


@pytest.mark.parametrize("formula", ["=1", " =1", "＝1", "\n=1"])
def test_a_criterion_that_looks_like_a_formula_is_read_back(formula: str) -> None:
    assert unguard(guard(formula)) == formula
    assert unguard("'plain'") == "'plain'"


def test_a_plain_file(report: LabelledReport, tmp_path: Path) -> None:
    lines = "id:3,301,accuracy,7,,ana,fine\nbot-3,,tone,,no,,\n4,401,tone,5.5,,ben,\n"
    assert _read(report, tmp_path, _HEAD + lines) == [
        ("3", "301", "accuracy", 7.0, True, "ana", "fine"),
        ("3", None, "tone", None, False, "me", None),
        ("4", "401", "tone", 5.5, False, "ben", None),
    ]


def test_lines_of_a_template_are_on_runs_that_were_drawn(report: LabelledReport, tmp_path: Path) -> None:
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=2, seed=0)
    path = tmp_path / "t.csv"
    write_template(path, _asked(report, chosen), "me")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows({**line, "passed": "yes"} for line in lines)
        writer.writerow({"agent": "id:4", "run_id": "401", "criterion": "tone", "passed": "no", "labeler": "ben"})
    assert [label.drawn for label, _ in read_labels(path, report, "me").labels] == [True] * len(lines) + [False]


def test_ids_are_any_text(report: LabelledReport, tmp_path: Path) -> None:
    agent, run = "=team: a;b, ü/1", '-7 "x"\n, y'
    for row in (*report.agents, *report.criteria, *report.runs):
        if row["agent_id"] == "3":
            row["agent_id"] = agent
    for row in report.runs:
        if row["run_id"] == "301":
            row["run_id"] = run
    report._runs = {(row["agent_id"], row["run_id"]): row for row in report.runs}
    report._criteria = {(row["agent_id"] or "", row["criterion"]): row for row in report.criteria}
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=3, seed=0, only={agent})
    write_template(tmp_path / "t.csv", _asked(report, chosen), "me")
    filled = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").replace(",,me,", ",yes,me,")
    assert {found[:2] for found in _read(report, tmp_path, filled)} == {(agent, run), (agent, "302"), (agent, "303")}
    # Without "id:" too, and without the blanks that a cell loses.
    assert _read(report, tmp_path, f'agent,criterion,score\n"{agent} ",tone,7\n')[0][0] == agent


@pytest.mark.parametrize(
    "data",
    [
        "Agent;Criterion;Score\r\nid:3;accuracy;6,5\r\n".encode("utf-8-sig"),
        "agent\tcriterion\tscore\tpassed\r\nid:3\taccuracy\t6,5\t\r\n".encode("utf-16"),
        b'agent,criterion,score\rid:3,accuracy,"6,5"\r',
        b"criterion,score,agent,task,threshold,,\n accuracy ,6.50,id:3,x,7,,\n,,,,,,\n",
    ],
    ids=[
        "mark, semicolons and CRLF",
        "UTF-16 with tabs",
        "old Mac line ends",
        "other order, more columns and empty lines",
    ],
)
def test_what_spreadsheets_write(report: LabelledReport, tmp_path: Path, data: bytes) -> None:
    assert _read(report, tmp_path, data) == [("3", None, "accuracy", 6.5, False, "me", None)]


@pytest.mark.parametrize(
    ("word", "passed"), [(w, True) for w in ("yes", "TRUE", "p", "1")] + [(w, False) for w in ("No", "fail", "F", "0")]
)
def test_words_for_passed(report: LabelledReport, tmp_path: Path, word: str, passed: bool) -> None:
    assert _read(report, tmp_path, f"agent,criterion,passed\nid:3,tone,{word}\n")[0][4] is passed


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("id:3,301,accuracy,11,,,\n", "line 2, column score: '11' is not a number from 0 to 10"),
        ("id:3,301,accuracy,nan,,,\n", "column score: 'nan'"),
        ("id:3,301,accuracy,-1,,,\n", "column score: '-1'"),
        ("id:3,301,accuracy,1_0,,,\n", "column score: '1_0'"),
        ("id:3,301,accuracy,,maybe,,\n", "column passed: 'maybe' is none of"),
        ("id:3,301,accuracy,8,no,,\n", "column passed: 'no' contradicts the score 8"),
        ("id:99,301,accuracy,8,,,\n", "column agent: 'id:99' is not an agent"),
        ("no-such-bot,301,accuracy,8,,,\n", "column agent: 'no-such-bot' is not an agent"),
        ("id:3,401,accuracy,8,,,\n", "column run_id: '401' is not a run of this agent"),
        ("id:3,x,accuracy,8,,,\n", "column run_id: 'x'"),
        (
            "id:3,301,beauty,8,,,\n",
            r"column criterion: 'beauty' is no question about this agent; \(success\), accuracy, tone are",
        ),
        ("id:3,301,(success),8,,,\n", r"column score: '8' does not answer \(success\): fill in passed"),
        ("id:3,,(success),,yes,,\n", r"column run_id: '' is needed: \(success\) is about a run"),
        (f"id:3,301,accuracy,8,,{'x' * 101},\n", "column labeler: "),
        ("id:3,301,accuracy,8,,ana,\n\nid:3,301,accuracy,9,,ana,\n", "line 4: the same .* as line 2"),
        ('id:3,301,accuracy,8,,,"two\nlines"\nid:3,302,accuracy,x,,,\n', "line 4, column score: 'x'"),
        ('id:3,301,accuracy,8,,,"open\n', "line 2 is not CSV"),
        ("id:3,301,accuracy,8,,,,,more\n", "line 2 has 9 cells, but line 1 has 7"),
        ("id:3,301,accuracy,,,,\n", "has no labels"),
        ("", "has no labels"),
    ],
)
def test_what_is_wrong_is_named(report: LabelledReport, tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        _read(report, tmp_path, _HEAD + lines)


def test_every_wrong_line_is_named_up_to_twenty(report: LabelledReport, tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        _read(report, tmp_path, _HEAD + "id:3,301,accuracy,99,,,\n" * 30)
    assert [f"line {number}, " in str(refused.value) for number in (2, 21, 22)] == [True, True, False]
    assert "and 10 more" in str(refused.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"agent,criterion,scor\n", "line 1: unknown columns: 'scor'; the column score or passed is missing"),
        (b"agent,criterion,score,score\n", "the column score appears twice"),
        (b"criterion,score\n", "the column agent is missing"),
        (
            b"agent,criterion,score\nid:3,accuracy,7\nM\xfcller,tone,7\n",
            "line 3 is not UTF-8: save the file as CSV UTF-8",
        ),
        (b"agent,criterion,score\n" + b"x" * 200_000, "line 2 is not CSV: field larger"),
    ],
)
def test_files_that_are_none(report: LabelledReport, tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        _read(report, tmp_path, data)


def test_a_file_that_is_not_there(report: LabelledReport, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"nope\.csv cannot be read: No such file"):
        read_labels(tmp_path / "nope.csv", report, "me")


def test_the_template_is_filled_in_and_taken(report: LabelledReport, tmp_path: Path) -> None:
    path = tmp_path / "template.csv"
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=99, seed=0)
    assert write_template(path, _asked(report, chosen), "ana") == 54
    text = path.read_text(encoding="utf-8-sig")
    # The judge's verdicts are not in it, and what an agent is called is no formula.
    assert "wrong amount" not in text
    assert ",'=SUM(A1)," in text
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["criterion"] for row in rows[:4]] == ["(success)", "accuracy", "tone", "(success)"]
    assert rows[0]["question"].startswith("Did it do its task?: ")
    rows[0]["passed"], rows[5]["passed"] = "no", "yes"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    found = read_labels(path, report, "me")
    assert [(label.score, label.passed, label.labeler) for label, _ in found.labels] == [
        (None, False, "ana"),
        (None, True, "ana"),
    ]
    assert [label.judge_on_run for label, _ in found.labels] == [True, True]
    assert found.empty == 52
    with pytest.raises(RefusedError, match="the file exists and may hold labels"):
        write_template(path, _asked(report, chosen), "ana")
    with pytest.raises(RefusedError, match="cannot be written"):
        write_template(tmp_path / "no" / "folder.csv", _asked(report, chosen), "ana")


def test_a_label_of_a_whole_agent_is_compared_with_its_score(report: LabelledReport, tmp_path: Path) -> None:
    path = tmp_path / "whole.csv"
    path.write_text("agent,run_id,criterion,score\nid:3,,accuracy,5\nid:3,301,accuracy,5\n")
    whole, of_run = (label for label, _ in read_labels(path, report, "me").labels)
    assert (whole.judge_on_run, whole.judge_score, whole.judge_passed) == (False, 8.0, True)
    assert (of_run.judge_on_run, of_run.judge_score, of_run.judge_passed) == (True, None, True)


def test_a_report_from_before_verdicts_on_runs_can_be_labelled(
    tmp_path: Path, write_label_report: Callable[..., str]
) -> None:
    report = LabelledReport(open_warehouse(write_label_report(tmp_path, verdicts=False)), 1)
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=1, seed=0, only={"3"})
    asked = _asked(report, chosen)
    assert [question.name for question in asked] == ["(success)", "accuracy", "tone"]
    assert [describe_judge(question) for question in asked] == [
        "no verdict on this run",
        *["8.0 for the agent over all its runs, none on this run"] * 2,
    ]
    path = tmp_path / "old.csv"
    path.write_text("agent,run_id,criterion,passed\nid:3,301,(success),yes\nid:3,301,accuracy,no\n")
    success, accuracy = (label for label, _ in read_labels(path, report, "me").labels)
    assert (success.judge_on_run, success.judge_passed, success.judge_score) == (False, None, None)
    assert (accuracy.judge_on_run, accuracy.judge_passed, accuracy.judge_score) == (False, True, 8.0)
