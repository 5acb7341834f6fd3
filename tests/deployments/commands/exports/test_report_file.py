"""Reports in JSON and CSV, of which no spreadsheet runs anything."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.commands.exports.report_file import write_csv
from tasks.warehouse.schema import agent_report_details, reports

AgentReport = Callable[..., tuple[int, str, str]]
Write = Callable[..., int]
HOSTILE = "=cmd|' /C calc'!A0"


def test_json_is_the_whole_report_in_one_document(agent_report: AgentReport, tmp_path: Path, write: Write) -> None:
    report_id = str(write())
    whole = json.loads(agent_report("export", report_id, "--format", "json")[1])
    assert list(whole) == ["report", "agents", "criteria", "runs", "issues"]
    assert list(whole["report"]) == reports.columns.keys()
    assert [len(whole[name]) for name in ("agents", "criteria", "runs")] == [2, 5, 2]
    assert whole["agents"][1]["tool_usage"][0]["calls"] == 4
    runs = json.loads(agent_report("export", report_id, "--format", "json", "--table", "runs")[1])
    assert runs == whole["runs"]
    out = tmp_path / "report.json"
    assert agent_report("export", report_id, "--format", "json", "--out", str(out)) == (0, "", "")
    assert json.loads(out.read_text(encoding="utf-8")) == whole


def test_a_file_that_exists_is_replaced_only_with_force(
    agent_report: AgentReport, tmp_path: Path, write: Write
) -> None:
    report_id = str(write())
    for name, kind in (("thesis.txt", "json"), ("runs.csv", "csv"), ("report.json", "json")):
        out = tmp_path / name
        out.write_text("dear", encoding="utf-8")
        code, printed, errors = agent_report("export", report_id, "--format", kind, "--out", str(out))
        assert (code, printed) == (2, "")
        assert str(out) in errors
        assert "--force" in errors
        assert out.read_text(encoding="utf-8") == "dear"
        assert agent_report("export", report_id, "--format", kind, "--out", str(out), "--force") == (0, "", "")
        assert "good-bot" in out.read_text(encoding="utf-8")
    empty = tmp_path / "empty"
    empty.touch()
    assert agent_report("export", report_id, "--format", "json", "--out", str(empty)) == (0, "", "")


def test_csv_is_a_table_that_no_spreadsheet_runs(agent_report: AgentReport, tmp_path: Path, write: Write) -> None:
    report_id = str(write())
    out = agent_report("export", report_id, "--format", "csv")[1]
    first, second = csv.DictReader(io.StringIO(out))
    assert list(first) == agent_report_details.columns.keys()
    assert (first["agent_name"], first["score"], first["passed"], first["reasoning"]) == ("good-bot", "9.0", "true", "")
    assert second["agent_name"] == "'" + HOSTILE
    assert second["reasoning"] == "'-1 \ufffd[31mfor\nlateness"
    assert json.loads(second["tool_usage"])[0]["name"] == "search"
    for table, count in (("reports", 1), ("criteria", 5), ("runs", 2)):
        printed = agent_report("export", report_id, "--format", "csv", "--table", table)[1]
        assert len(list(csv.DictReader(io.StringIO(printed)))) == count
    file = tmp_path / "runs.csv"
    agent_report("export", report_id, "--format", "csv", "--table", "runs", "--out", str(file), "--bom")
    assert file.read_bytes().startswith(b"\xef\xbb\xbfreport_id,")
    assert [path.name for path in tmp_path.glob("*.csv")] == ["runs.csv"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n=", "＝", "＠"])
def test_what_could_be_a_formula_is_text_and_numbers_stay_numbers(start: str) -> None:
    (row,) = csv.DictReader(
        io.StringIO(
            write_csv(["text", "number", "json"], [{"text": f"{start}1+1", "number": -1.5, "json": [f"{start}1"]}]),
            newline="",
        )
    )
    assert row["text"].startswith("'")
    assert row["number"] == "-1.5"
    assert json.loads(row["json"]) == [f"{start}1"]


def test_json_has_no_byte_order_mark(agent_report: AgentReport, write: Write) -> None:
    code, _, error = agent_report("export", str(write()), "--format", "json", "--bom")
    assert code == 2
    assert "--bom requires --format csv" in error
