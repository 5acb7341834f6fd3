"""Labels in a CSV file: writing a template, and reading a filled-in one, whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployments.labelling.csv_cell import guard, unguard
from deployments.labelling.label_entry import FAILED, PASSED, parse_passed, parse_score
from deployments.labelling.questions import Question
from tasks.calibration.labels import Label
from tasks.errors import ConflictError, RefusedError, UsageError
from tasks.evidence.types import AgentId, RunId
from tasks.judge.rubric import find_agent
from tasks.report.rows import SUCCESS_QUESTION
from tasks.report.stored_report import agents_of
from tasks.wording.formats import format_threshold

if TYPE_CHECKING:
    from deployments.labelling.labelled_report import LabelledReport

COLUMNS = ("agent", "run_id", "criterion", "score", "passed", "labeler", "note")
"""What is read. Needed are agent (``id:12``, 12 or a name), criterion, and passed or score."""

SHOWN = ("agent_name", "threshold", "status", "task", "response", "error", "question")
"""Columns that a template shows in addition, or did in earlier versions, and that are not read back."""

_OF_TEMPLATES = "status"
"""Every line of a template has it: a line without it is on a run that a person chose."""

_MOST_SHOWN = 20
_LONGEST_NOTE = 2000


@dataclass(frozen=True, slots=True)
class Sheet:
    """The labels of a file with their notes, and how many lines have neither score nor passed."""

    labels: list[tuple[Label, str | None]]
    empty: int


class _WrongCellError(ValueError):
    def __init__(self, column: str, value: str, why: str) -> None:
        super().__init__(f"column {column}: {value[:60]!r} {why}")


def write_template(path: Path, questions: Sequence[Question], labeler: str) -> int:
    """Write a CSV file with a line for each question about a run, passed left empty; the number of lines.

    Raises:
        RefusedError: there is such a file (it may hold labels), or it cannot be written.
    """
    lines = [
        {
            "agent": _cell(f"id:{of.agent['agent_id']}"),
            "agent_name": _cell(of.agent["agent_name"]),
            "run_id": _cell(of.run["run_id"]),
            "criterion": _cell(question.name),
            "question": _cell(f"{question.title}: {question.meaning}" if question.meaning else question.title),
            "status": _cell(of.run["status"]),
            "task": _cell(of.run["task_excerpt"]),
            "response": _cell(of.run["response_excerpt"]),
            "error": _cell(of.run["error"]),
            "labeler": _cell(labeler),
        }
        for question in questions
        for of in (question.of,)
    ]
    order = ["agent", "agent_name", "run_id", "status", "task", "response", "error", "criterion", "question"]
    order += ["passed", "labeler", "note"]
    try:
        # With the mark by which spreadsheets know UTF-8.
        with path.open("x", encoding="utf-8-sig", errors="replace", newline="") as file:
            writer = csv.DictWriter(file, order)
            writer.writeheader()
            writer.writerows(lines)
    except FileExistsError:
        raise ConflictError(f"--template {path}: the file exists and may hold labels; name another") from None
    except OSError as error:
        raise UsageError(f"--template {path} cannot be written: {error.strerror}") from None
    return len(lines)


def _cell(text: object) -> str:
    """``text`` so that no spreadsheet takes an agent's words for a formula."""
    return "" if text is None else guard(str(text).replace("\0", "�"))


def read_labels(path: Path, report: LabelledReport, labeler: str) -> Sheet:
    """The labels of a CSV file on ``report``; a line without a labeler is by ``labeler``.

    Comma, semicolon or tab between cells; UTF-8, with or without a byte order mark, or UTF-16 with one; any line
    endings; decimal point or comma; passed as yes/no, true/false, pass/fail, p/f or 1/0. A line with neither score nor
    passed is counted and left out.

    Raises:
        RefusedError: the file cannot be read, or anything in it is wrong: then each wrong line is named.
    """
    rows = _rows(path)
    labels: list[tuple[Label, str | None]] = []
    wrong: list[str] = []
    seen: dict[tuple[object, ...], int] = {}
    empty = 0
    for number, row in rows:
        if not any(row.values()):
            continue
        if not row["score"] and not row["passed"]:
            empty += 1
            continue
        try:
            label, note = _label(row, report, labeler)
        except (_WrongCellError, RefusedError) as error:
            wrong.append(f"line {number}, {error}")
            continue
        key = (label.agent_id, label.run_id, label.criterion, label.labeler)
        if key in seen:
            wrong.append(f"line {number}: the same agent, run, criterion and labeler as line {seen[key]}")
        seen.setdefault(key, number)
        labels.append((label, note))
    if wrong:
        more = f"; and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
        raise UsageError(f"{path}: nothing was stored: {'; '.join(wrong[:_MOST_SHOWN])}{more}")
    if not labels:
        raise UsageError(f"{path} has no labels: fill in passed (yes, no), or a score (0 to 10)")
    return Sheet(labels, empty)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Each line after the first with its number, by column; missing cells are empty."""
    text = _text(path)
    head = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if names is None:
                names = _names(path, cells)
            else:
                rows.append((line, _named(path, line, names, cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{path}: line {line} is not CSV: {error}") from None
    if names is None:
        raise UsageError(f"{path} is empty: its first line names the columns, {', '.join(COLUMNS)}")
    return rows


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--csv {path} cannot be read: {error.strerror}") from None
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}: line {line} is not {encoding[:5].upper()}: save the file as CSV UTF-8") from None


def _names(path: Path, cells: Sequence[str]) -> list[str]:
    names = [cell.strip().casefold().replace(" ", "_") for cell in cells]
    while names and not names[-1]:
        names.pop()
    unknown = [name for name in names if name not in COLUMNS and name not in SHOWN]
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in ("agent", "criterion") if name not in names]
    if "score" not in names and "passed" not in names:
        missing.append("score or passed")
    if unknown or twice or missing:
        parts = [f"unknown columns: {', '.join(repr(name[:40]) for name in unknown[:5])}"] if unknown else []
        parts += [f"the column {name} appears twice" for name in twice[:5]]
        parts += [f"the column {name} is missing" for name in missing]
        raise UsageError(f"{path}: line 1: {'; '.join(parts)}; the columns are {', '.join(COLUMNS)}")
    return names


def _named(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise UsageError(f"{path}: line {line} has {len(cells)} cells, but line 1 has {len(names)} columns")
    given = dict(zip(names, (unguard(cell.strip()) for cell in cells), strict=False))
    return {name: given.get(name, "") for name in (*COLUMNS, _OF_TEMPLATES)}


def _label(row: Mapping[str, str], report: LabelledReport, labeler: str) -> tuple[Label, str | None]:
    agent_id = _agent(row["agent"], report)
    run_id = _run(row["run_id"], agent_id, report)
    question = row["criterion"]
    judged = report.find_criterion(agent_id, question)
    if question == SUCCESS_QUESTION and run_id is None:
        raise _WrongCellError("run_id", "", f"is needed: {SUCCESS_QUESTION} is about a run")
    if judged is None and question != SUCCESS_QUESTION:
        there = sorted(r["criterion"] for r in report.criteria if r["agent_id"] == agent_id)
        raise _WrongCellError(
            "criterion", question, f"is no question about this agent; {', '.join((SUCCESS_QUESTION, *there))} are"
        )
    if judged is not None and judged["kind"] not in (None, "judge"):
        raise _WrongCellError("criterion", question, "is computed by code, which is not compared with people")
    if judged is not None and run_id is None and judged["score"] is None:
        raise _WrongCellError("criterion", question, "has no score of this agent to compare with: name a run_id")
    score = parse_score(row["score"]) if row["score"] else None
    if row["score"] and score is None:
        raise _WrongCellError("score", row["score"], "is not a number from 0 to 10")
    if score is not None and judged is None:
        raise _WrongCellError("score", row["score"], f"does not answer {SUCCESS_QUESTION}: fill in passed (yes, no)")
    passed = parse_passed(row["passed"]) if row["passed"] else None
    if row["passed"] and passed is None:
        words = ", ".join(f"{yes}/{no}" for yes, no in zip(PASSED, FAILED, strict=True))
        raise _WrongCellError("passed", row["passed"], f"is none of {words}")
    if judged is not None and score is not None and passed is not None and passed != (score >= judged["threshold"]):
        bound = format_threshold(judged["threshold"])
        why = f"contradicts the score {score:.12g}, which passes from {bound} on: leave one of them empty"
        raise _WrongCellError("passed", row["passed"], why)
    who = " ".join(row["labeler"].split()) or labeler
    if len(who) > 100 or not who.isprintable():
        raise _WrongCellError("labeler", row["labeler"], "is not a name of at most 100 printable characters")
    if len(row["note"]) > _LONGEST_NOTE:
        raise _WrongCellError("note", row["note"], f"has more than {_LONGEST_NOTE} characters")
    drawn = bool(row[_OF_TEMPLATES])
    label = report.make_label(agent_id, run_id, question, who, passed=passed, score=score, drawn=drawn)
    return label, row["note"] or None


def _agent(text: str, report: LabelledReport) -> AgentId:
    agents = agents_of(report.agents)
    # A name comes first: an agent can be called 12.
    found = find_agent(text, agents) or find_agent(f"id:{text}", agents)
    if found is None:
        raise _WrongCellError("agent", text, "is not an agent of this report")
    return found.id


def _run(text: str, agent_id: AgentId, report: LabelledReport) -> RunId | None:
    if not text:
        return None
    own = [row["run_id"] for row in report.runs if row["agent_id"] == agent_id]
    # Blanks around a cell's text are not kept.
    run_id = text if text in own else next((one for one in own if one.strip() == text), None)
    if run_id is None:
        raise _WrongCellError("run_id", text, "is not a run of this agent in the report (empty: the agent as a whole)")
    return run_id
