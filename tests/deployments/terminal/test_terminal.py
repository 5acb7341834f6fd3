"""What is printed for people fits its terminal, is whole in a file, and holds no markup of others."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from deployments.cli import main
from deployments.commands.report_list import print_reports
from deployments.terminal.console import Column, json_text, one_line, open_console, plain, print_json, print_table
from deployments.terminal.progress_bar import live_progress
from deployments.terminal.report_view import print_agents, print_report

_LONG = "the-agent-that-reconciles-carrier-invoices-with-goods-receipts"
_NAMES = ["invoice-matcher", "onboarding-guide", "ticket-router-2"]


def _agent(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "agent_name": name,
        "status": "evaluated",
        "score": 7.25,
        "passed": True,
        "completion_rate": 1.0,
        "completion_rate_low": 0.839,
        "completion_rate_high": 1.0,
        "success_rate": 0.45,
        "success_rate_low": 0.258,
        "success_rate_high": 0.658,
        "success_rate_shrunk": 0.5,
        "verdicts": None,
        "runs_analyzed": 20,
        "runs_in_population": 20,
        "avg_cost_usd": 0.0123,
        "error": None,
        "reasoning": None,
        "weaknesses": [],
    } | changes


def _report(**changes: Any) -> dict[str, Any]:
    return {
        "id": 1048576,
        "environment": "production-eu",
        "name": "after the release",
        "status": "generating_agents",
        "progress": 42,
        "team_score": None,
        "team_passed": None,
        "team_error": None,
        "error": None,
        "warnings": [],
        "executive_summary": None,
        "total_agents": 14,
        "agents_evaluated": 13,
        "agents_failed": 1,
        "avg_agent_score": 7.25,
        "total_runs_analyzed": 258,
        "runs_in_population": 258,
        "completion_rate": 0.88,
        "success_rate": None,
        "success_rate_low": None,
        "success_rate_high": None,
        "verdicts": None,
        "cost_usd": None,
        "known_cost_usd": 0.0,
        "runs_cost_usd": None,
        "runs_with_cost": 0,
        "judge_model": "some-model",
        "created_at": datetime(2026, 1, 31, 8, 5, tzinfo=UTC),
        "generation_duration_seconds": None,
    } | changes


def _printed(width: int, show: Any, *arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    show(console, *arguments)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines), default=0) <= width
    return "\n".join(lines)


def test_agents_fit_80_columns_with_whole_names() -> None:
    agents = [_agent(name) for name in _NAMES] + [_agent("x", status="skipped_budget", score=None, passed=None)]
    narrow = _printed(80, print_agents, agents)
    for name in _NAMES:
        assert f"\n{name} " in narrow
    assert "skipped_budget" in narrow
    assert "26–66%" in narrow
    assert " 100% " in narrow
    assert "$0.0123" not in narrow
    assert "…" not in narrow
    assert "$0.0123" in _printed(100, print_agents, agents)


def test_an_agent_too_close_to_call_neither_passes_nor_fails() -> None:
    agents = [_agent("a", passed=None), _agent("b", passed=None, score=None), _agent("c", passed=False)]
    lines = _printed(120, print_agents, agents).splitlines()
    assert [line for line in lines if "too close to call" in line and line.startswith("a ")]
    assert [line for line in lines if "not scored" in line and line.startswith("b ")]
    assert [line for line in lines if "fails" in line and line.startswith("c ")]


def test_runs_of_which_a_sample_was_read_are_shown_as_such() -> None:
    assert "20 of 4,812" in _printed(120, print_agents, [_agent("a", runs_in_population=4812)])


def test_a_report_shows_success_beside_completion_and_where_its_verdicts_come_from() -> None:
    counts = {"from_source": 2, "from_judge": 250, "cannot_tell": 5, "unusable": 1, "not_judged": 0}
    report = _report(success_rate=0.62, success_rate_low=0.56, success_rate_high=0.68, verdicts=counts)
    printed = _printed(120, print_report, report, [])
    assert "Success: 62% (56 to 68%) of runs did their task; completed 88%" in printed
    assert "250 by the judge, 2 from the source, 5 where the judge cannot tell, 1 without a usable verdict" in printed
    without = _printed(120, print_report, _report(), [])
    assert "Success" not in without


def test_a_long_name_goes_on_in_the_next_line_and_is_whole_in_a_file() -> None:
    folded = _printed(80, print_agents, [_agent(_LONG)])
    parts = [line.split(" passes ")[0].strip() for line in folded.splitlines()]
    assert "".join(parts).endswith(_LONG)
    assert _LONG in _printed(400, print_agents, [_agent(_LONG)])


def test_reports_fit_80_columns_with_whole_ids_and_times() -> None:
    narrow = _printed(80, print_reports, [_report(generation_duration_seconds=5.44)])
    for whole in ("1048576", "production-eu", "generating_agents", "13/14", "2026-01-31 08:05"):
        assert f" {whole} " in f" {narrow} ".replace("\n", " "), narrow
    wide = _printed(120, print_reports, [_report(generation_duration_seconds=5.44)])
    assert "after the release" in wide
    assert "5.4" in wide


@pytest.mark.parametrize("name", ["after the release", "after the release of the new booking desk"])
def test_a_list_of_finished_reports_keeps_name_and_success_at_80_columns(name: str) -> None:
    report = _report(id=12, environment="demo", name=name, status="completed", success_rate=0.62, team_score=8.3)
    narrow = _printed(80, print_reports, [report]).splitlines()
    assert max(len(line) for line in narrow) <= 80
    number, environment, words, *others = re.split(r" {2,}", narrow[3].strip())
    assert (number, environment, others) == ("12", "demo", ["completed", "62%", "13/14", "2026-01-31 08:05"])
    assert " ".join([words, *(line.strip() for line in narrow[4:] if line)]) == name
    assert " 8.3 " in _printed(100, print_reports, [report])


def test_columns_leave_in_the_order_of_their_rank() -> None:
    columns = [Column("a", ["1" * 20]), Column("b", ["2" * 20], rank=1), Column("c", ["3" * 20], rank=2)]
    assert "3" * 20 in _printed(80, print_table, columns)
    assert "3" not in _printed(60, print_table, columns)
    assert "2" * 20 in _printed(60, print_table, columns)
    assert "2" not in _printed(30, print_table, columns)
    assert "1" * 20 in _printed(30, print_table, columns)


def test_what_folds_takes_no_columns_room() -> None:
    note = "timed out after 30 s " * 20
    columns = [Column("a", ["1" * 20]), Column("b", ["2" * 20], rank=2), Column("", [note], rank=1, folds=True)]
    printed = _printed(80, print_table, columns)
    assert "2" * 20 in printed
    assert printed.count("timed") == 20
    assert "2" * 20 not in _printed(60, print_table, columns)


def test_a_report_shows_why_agents_failed_or_did_not_pass() -> None:
    agents = [
        _agent("good", weaknesses=["slow"]),
        _agent("weak", passed=False, weaknesses=["5 runs timed out"], reasoning="Often late."),
        _agent("broken", status="failed", passed=None, error="no [b]usable[/b] answer\nat all"),
    ]
    report = _report(status="failed", error="no \x1b[31mmoney", team_error="not asked", judge_model="[red]m")
    printed = _printed(120, print_report, report, agents)
    assert re.search(r"^weak +5 runs timed out", printed, re.MULTILINE)
    assert "no [b]usable[/b] answer at all" in " ".join(printed.split())
    assert "slow" not in printed
    assert "Error: no �[31mmoney" in printed
    assert "Team not judged: not asked" in printed
    assert "([red]m)" in printed


def test_unfinished_reports_show_how_far_they_are() -> None:
    assert "generating_agents, 42%" in _printed(80, print_report, _report(), [])
    for seconds, shown in ((5.44, "completed in 5.4 s"), (103.4, "completed in 1 min 43 s")):
        report = _report(status="completed", generation_duration_seconds=seconds)
        assert shown in _printed(80, print_report, report, [])


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\x9b31m", "‮gnp.exe", "\x00", "\u2028"])
def test_text_of_others_moves_no_cursor(hostile: str) -> None:
    assert plain(f"a{hostile}b").plain.isprintable()
    assert one_line(f"a\n{hostile}\tb").plain.isprintable()


@pytest.mark.parametrize("columns", [None, "0", "", "-5", "wide", "12.5", "00", "99999999999999999999"])
def test_without_a_usable_width_a_file_has_80_columns(monkeypatch: pytest.MonkeyPatch, columns: str | None) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    assert open_console().width == 80


@pytest.mark.parametrize("columns", ["1", "19"])
def test_a_terminal_without_room_has_20_columns(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert open_console().width == 20


def test_the_help_of_a_command_ends_in_a_terminal_without_room(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one column rich wraps without end."""
    monkeypatch.setenv("COLUMNS", "1")
    with pytest.raises(SystemExit):
        main(["list", "--help"])
    assert "agent-report list" in " ".join(capsys.readouterr().out.split())


def test_columns_is_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    assert open_console().width == 90


_SHOW_WIDTH = "from deployments.terminal.console import open_console; print(open_console().width)"


@pytest.mark.parametrize("terminal", ["stdin", "stderr"])
@pytest.mark.parametrize("columns", [None, "0"])
def test_a_pipe_is_as_wide_as_the_terminal_it_comes_from(terminal: str, columns: str | None) -> None:
    control, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 57))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {"COLUMNS": columns} if columns is not None else {}
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE} | {terminal: end}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SHOW_WIDTH], stdout=subprocess.PIPE, env=environment, check=True, **streams
        )
    finally:
        os.close(control)
        os.close(end)
    assert done.stdout.split() == [b"57"]


@pytest.mark.parametrize("width", [20, 24, 30, 40, 50, 60, 72])
def test_the_agents_name_is_the_last_column_to_go(width: int) -> None:
    printed = _printed(width, print_agents, [_agent(name) for name in _NAMES])
    assert all(name in printed for name in _NAMES)
    assert "Agent" in printed
    assert ("passes" in printed) == (width >= 30)
    assert ("45%" in printed) == (width >= 40)
    assert "…" not in printed


def test_columns_without_a_rank_leave_from_the_right() -> None:
    columns = [Column("a", ["1" * 10]), Column("b", ["2" * 10]), Column("c", ["3" * 10])]
    assert "3" * 10 in _printed(40, print_table, columns)
    narrow = _printed(25, print_table, columns)
    assert "2" * 10 in narrow
    assert "3" not in narrow
    assert "2" not in _printed(15, print_table, columns)
    assert "1" * 10 in _printed(15, print_table, columns)


def test_progress_follows_the_row_and_survives_a_failing_look() -> None:
    looks: list[int] = []

    def look() -> dict[str, Any] | None:
        looks.append(1)
        if len(looks) == 1:
            return None
        if len(looks) == 2:
            raise OSError("the warehouse is busy")
        return {"progress": 40, "current_step": "Evaluated [b]7/14 agents", "status": "generating_agents"}

    console = Console(file=io.StringIO(), width=100, force_terminal=True, legacy_windows=False)
    with live_progress(console, look):
        while len(looks) < 5:
            pass
    assert isinstance(console.file, io.StringIO)
    assert "Evaluated [b]7/14 agents" in console.file.getvalue()


def test_no_progress_where_nobody_looks() -> None:
    console = Console(file=io.StringIO())
    with live_progress(console, lambda: pytest.fail("not asked")):
        pass
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


@pytest.mark.parametrize("width", [400, 60])
def test_no_line_is_a_command_of_github_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = ["::add-mask::x", "  ::error::y", "##[error]z", "fine::name", "a word ::stop-commands::" + "x" * 60]

    def printed() -> str:
        for stderr in (False, True):
            console = open_console(stderr=stderr)
            print_agents(console, [_agent(name) for name in names])
            for name in names:
                console.print(one_line(name), soft_wrap=True)
        return "".join(capsys.readouterr())

    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert _COMMAND.search(printed())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shown = printed()
    assert not _COMMAND.search(shown)
    assert "fine::name" in shown
    assert ": :add-mask::x" in shown
    print_json({"agents": names})
    text = capsys.readouterr().out
    assert not _COMMAND.search(text)
    assert json.loads(text) == {"agents": names}


CONTROLS = "".join(map(chr, (0, 7, 0x1B, 0x7F, 0x80, 0x85, 0x9B, 0x9D, 0x9F, 0xAD, 0x200B, 0x200E, 0x202A, 0x202E)))
CONTROLS += "\u2028\u2029\u2066\u2069\ufeff\U000e0041\ud800"


def test_json_holds_no_control_characters_and_means_the_same() -> None:
    value = {f"key{CONTROLS}": [f"a{char}b" for char in CONTROLS], "kept": "ü – 日本 😀 עברית\tx\n"}
    text = json_text(value)
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char != "\n"]
    assert json.loads(text) == value
    assert "ü – 日本 😀 עברית\\tx\\n" in text
