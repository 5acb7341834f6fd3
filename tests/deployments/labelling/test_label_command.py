"""``label`` and ``agreement`` as a person uses them, on a terminal; and what they say where there is none."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployments.cli import app
from deployments.labelling.command import LabelOrder, run_label
from tasks.errors import RefusedError

_COMMAND = Path(sys.executable).with_name("agent-report")
_PROMPT = b"? > "
_SECONDS = 90


class Terminal:
    """The command on a pseudo-terminal."""

    def __init__(self, command: Any, *arguments: str) -> None:
        variables = {"AGENT_REPORT_WAREHOUSE_URL": "sqlite:///warehouse.db", "TERM": "xterm", "COLUMNS": "120"}
        environment = command.environment(**variables)
        self.shown = b""
        self._read = 0
        self._child, self._file = pty.fork()
        if self._child == 0:
            os.chdir(command.folder)
            os.execve(_COMMAND, [str(_COMMAND), *arguments], environment)

    def ask(self) -> str:
        """What is on the screen since the last answer, when the command asks again."""
        deadline = time.monotonic() + _SECONDS
        while _PROMPT not in self.shown[self._read :]:
            assert time.monotonic() < deadline, self.shown
            assert self._more(), self.shown
        start, self._read = self._read, len(self.shown)
        return self.shown[start:].decode()

    def answer(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C, and what ``end`` gives. Once more where it came between the question and the reading of an answer:
        from there Python notices it when something is typed."""
        while b"Stopped" not in self.shown[self._read :]:
            self.answer("\x03")
            while select.select([self._file], [], [], 3)[0] and self._more():
                pass
        return self.end()

    def end(self) -> tuple[int, str]:
        """Exit code, and what was printed since the last question."""
        while self._more():
            pass
        # Only then: a terminal that is gone would end what has not quite ended by itself.
        _, status = os.waitpid(self._child, 0)
        os.close(self._file)
        return os.waitstatus_to_exitcode(status), _bare(self.shown[self._read :].decode())

    def _more(self) -> bool:
        if not select.select([self._file], [], [], _SECONDS)[0]:
            return False
        try:
            data = os.read(self._file, 65536)
        except OSError:  # Linux: the other side is closed.
            return False
        self.shown += data
        return bool(data)


def _bare(text: str) -> str:
    """``text`` without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def labelled(command: Any, write_label_report: Callable[..., str]) -> Any:
    """The command, in a folder with a warehouse of which report 1 can be labelled."""
    write_label_report(command.folder)
    return command


def _stored(command: Any) -> list[tuple[Any, ...]]:
    with sqlite3.connect(command.folder / "warehouse.db") as connection:
        rows = connection.execute(
            "SELECT agent_id, run_id, criterion, score, passed, labeler, note, judge_score FROM labels ORDER BY id"
        ).fetchall()
    connection.close()
    return rows


def test_a_walk_that_is_interrupted_goes_on_where_it_was(labelled: Any) -> None:
    walk = ("label", "1", "--count", "2", "--labeler", "ana")
    first = Terminal(labelled, *walk)
    screen = first.ask()
    assert "2 runs of 2 agents, 4 questions for ana, 0 answered before" in screen
    assert "Task: " in _bare(screen)
    assert "What accuracy is" in screen
    # The judge's scores are 8.0 and 5.0: nothing of them is shown.
    assert not re.search(r"[58]\.0", screen)
    first.answer("11\n")
    assert "'11' is neither a score from 0 to 10" in first.ask()
    first.answer("6,5 too slow\n")
    screen = first.ask()
    assert "[2/4]" in screen
    # Stored at once, and not when the walk is over.
    assert [row[2:7] for row in _stored(labelled)] == [("accuracy", 6.5, 0, "ana", "too slow")]
    first.answer("?\n")
    assert "goes back" in first.ask()
    first.answer("p\n")
    first.ask()
    first.answer("b\n")
    screen = first.ask()
    assert "[2/4]" in screen
    assert "Your answer so far: passed" in screen
    first.answer("4\n")
    first.ask()
    code, screen = first.interrupt()
    assert code == 1
    assert "Stopped: 2 answers stored; 2 unanswered" in screen
    assert "Traceback" not in screen
    assert [row[2:5] for row in _stored(labelled)] == [("accuracy", 6.5, 0), ("tone", 4.0, 0)]

    second = Terminal(labelled, *walk)
    screen = second.ask()
    assert "2 answered before" in screen
    assert "[3/4]" in screen
    second.answer("s\n")
    second.ask()
    second.answer("q\n")
    code, screen = second.end()
    assert code == 0
    # At the end the judge's verdict stands beside this person's; nothing of what is open.
    (line,) = [line for line in screen.splitlines() if " accuracy " in line]
    assert re.search(r"accuracy +6\.5 \(not passed\) +(5\.0 \(not passed\)|8\.0 \(passed\))", line)
    assert "Stopped: 0 answers stored; 2 unanswered" in screen
    assert {row[7] for row in _stored(labelled)} <= {5.0, 8.0}


def test_everything_answered_asks_nothing_and_another_person_is_asked_anew(labelled: Any) -> None:
    walk = ("label", "1", "--count", "1", "--agents", "id:1")
    first = Terminal(labelled, *walk, "--labeler", "ana", "--no-blind")
    screen = first.ask()
    assert "The judge, on the agent over all its runs: 8.0 (passed)" in screen
    # What an agent is called, and what it wrote, moves no cursor and is no markup.
    assert "[bold red]evil[/] �[2J" in screen
    assert "\x1b[2J" not in screen
    assert "\x1b]0;" not in screen
    assert "refund�[2J" in screen
    assert "3 tool calls" in screen
    first.answer("9\n")
    first.ask()
    first.answer("5\n")
    code, screen = first.end()
    assert code == 0
    assert "Done: 2 answers stored." in screen
    assert re.search(r"tone +5 \(not passed\) +8\.0 \(passed\)", screen)
    again = Terminal(labelled, *walk, "--labeler", "ana")
    code, screen = again.end()
    assert code == 0
    assert "Done: 0 answers stored." in screen
    other = Terminal(labelled, *walk, "--labeler", "ben")
    assert "0 answered before" in other.ask()
    other.answer("\x04")
    code, screen = other.end()
    assert code == 0
    assert "Stopped: 0 answers stored" in screen


_REFUSED: list[tuple[LabelOrder, str]] = [
    (LabelOrder(1), "needs a terminal; without one, `--template labels.csv`"),
    (LabelOrder(99), "no report 99"),
    (LabelOrder(1, as_json=True), "--json requires --csv"),
    (LabelOrder(2), r"report 2 \(pending\) has no scored agent"),
    (LabelOrder(1, agents=["no-such-bot"]), "'no-such-bot' is no agent"),
    (LabelOrder(1, count=0), "--count 0: must be at least 1"),
    (LabelOrder(1, labeler=" "), "--labeler is required"),
    (LabelOrder(1, labeler="x\x1b[2J"), "printable"),
    (LabelOrder(1, csv=Path("a.csv"), template=Path("b.csv")), "exclude each other"),
    (LabelOrder(1, csv=Path("nope.csv")), r"nope\.csv cannot be read"),
]


@pytest.fixture
def here(labelled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same, for commands that run in this process."""
    monkeypatch.chdir(labelled.folder)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{labelled.folder}/warehouse.db")
    return labelled


@pytest.mark.parametrize(("order", "says"), _REFUSED, ids=[says for _, says in _REFUSED])
def test_what_is_wrong_is_refused(here: Any, monkeypatch: pytest.MonkeyPatch, order: LabelOrder, says: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("7\n"))
    with pytest.raises(RefusedError, match=says):
        run_label(order)
    assert _stored(here) == []


def test_from_nothing_labelled_to_the_measured_judge(here: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        code = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        assert code == 0
        return capsys.readouterr().out

    nothing = run("agreement")
    assert "no labels yet" in nothing
    assert "agent-report label 1`" in nothing
    lines = ["agent,run_id,criterion,score,labeler"]
    for agent in range(1, 7):
        score = 6.5 if agent % 2 else 4 + agent / 10
        lines += [f"id:{agent},{agent}01,{name},{score},ana" for name in ("accuracy", "tone")]
    (here.folder / "ana.csv").write_text("\n".join(lines))
    assert "12 labels by 1 person are stored" in run("label", "1", "--csv", "ana.csv")
    stored = json.loads(run("label", "1", "--csv", "ana.csv", "--json"))
    assert (stored["report_id"], len(stored["labels"]), stored["empty_lines"]) == (1, 12, 0)
    assert stored["labels"][0] | {"agent_name": None, "created_at": None} == {
        "report_id": 1, "agent_id": "1", "run_id": "101", "agent_name": None, "criterion": "accuracy", "labeler": "ana",
        "score": 6.5, "passed": False, "threshold": 7.0, "judge_model": "judge-1", "judge_fingerprint": "f1",
        "judge_score": 8.0, "judge_passed": True, "created_at": None, "note": None,
    }  # fmt: skip
    assert len(_stored(here)) == 12
    shown = run("agreement", "1")
    assert "12 labels by 1 person" in shown
    assert re.search(r"Criterion +Agents +Same verdict +Kappa +Weighted kappa +Rank +Bias +Noise", shown)
    assert re.search(r"^all criteria +6 +75% \(\d+ to \d+%\) ", shown, re.MULTILINE)
    assert "Pass rate of report 1 (agents and criteria): by the judge 50%" in shown
    assert "labels of at least 10 agents are needed" in shown
    assert "Next: label more agents" in shown
    found = json.loads(run("agreement", "--environment", "prod", "--json"))
    assert (found["labels"], found["judge_model"], found["report_id"]) == (12, "judge-1", 1)
    bias = found["criteria"][0]["bias"]
    expected = sum(8 - 6.5 if agent % 2 else 5 - (4 + agent / 10) for agent in range(1, 7)) / 6
    assert bias["value"] == pytest.approx(expected)
    assert bias["low"] < expected < bias["high"]
    run("show", "1", "--html", "page.html")
    assert "12 labels of 1 person" in (here.folder / "page.html").read_text(encoding="utf-8")
    assert "6 lines to fill in" in run("label", "1", "--template", "t.csv", "--count", "3")
    assert (here.folder / "t.csv").exists()


def test_a_file_with_a_wrong_line_changes_nothing(here: Any) -> None:
    Path("bad.csv").write_text("agent,criterion,score\nid:1,accuracy,7\nid:2,accuracy,70\n")
    with pytest.raises(RefusedError, match=r"bad\.csv: nothing was stored: line 3, column score: '70'"):
        run_label(LabelOrder(1, csv=Path("bad.csv")))
    assert _stored(here) == []
