"""``label`` and ``agreement`` as a person uses them, on a terminal; and what they print where there is none."""

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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
            while select.select([self._file], [], [], 3)[0]:
                if not self._more():
                    return self.end()
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


@pytest.fixture
def here(labelled: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same, for commands that run in this process."""
    monkeypatch.chdir(labelled.folder)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("AGENT_REPORT_WAREHOUSE_URL", f"sqlite:///{labelled.folder}/warehouse.db")
    return labelled


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, LabelOrder], str]:
    """What is on the terminal of a walk in this process, whose answers are typed before they are asked for."""

    def run(keys: str, order: LabelOrder) -> str:
        terminal, inside = pty.openpty()
        os.write(terminal, keys.encode())
        with (
            ThreadPoolExecutor(1) as pool,
            os.fdopen(os.dup(inside), encoding="utf-8") as stdin,
            os.fdopen(inside, "w", encoding="utf-8") as stdout,
            monkeypatch.context() as patch,
        ):
            screen = pool.submit(_read_to_the_end, terminal)
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", stdout)
            assert run_label(order) == 0
        return screen.result()

    return run


def _stored(command: Any) -> list[tuple[Any, ...]]:
    with sqlite3.connect(command.folder / "warehouse.db") as connection:
        rows = connection.execute(
            "SELECT agent_id, run_id, criterion, score, passed, labeler, note, judge_score, judge_passed, "
            "judge_on_run FROM labels ORDER BY id"
        ).fetchall()
    connection.close()
    return rows


def test_a_walk_that_is_interrupted_goes_on_where_it_was(here: Any, walk: Callable[..., str]) -> None:
    first = Terminal(here, "label", "1", "--count", "2", "--labeler", "ana")
    screen = first.ask()
    assert "2 runs of 2 agents, 6 questions for ana, 0 answered before" in screen
    assert "Task: " in _bare(screen)
    # Success comes first, and nothing of the judge's verdict is shown.
    assert "[1/6] Did it do its task?" in _bare(screen)
    assert "wrong amount" not in screen
    first.answer("7\n")
    assert "'7' is none of y (yes), n (no)" in first.ask()
    first.answer("n too slow\n")
    screen = _bare(first.ask())
    assert "[2/6] accuracy: What accuracy is" in screen
    # Stored at once, and not when the walk is over.
    assert [row[2:7] for row in _stored(here)] == [("(success)", None, 0, "ana", "too slow")]
    first.answer("?\n")
    assert "goes back" in first.ask()
    first.answer("p\n")
    first.ask()
    first.answer("b\n")
    screen = first.ask()
    assert "[2/6]" in screen
    assert "Your answer so far: passes" in screen
    first.answer("n\n")
    first.ask()
    code, screen = first.interrupt()
    assert code == 1
    assert "Stopped: 2 answers stored; 4 unanswered" in screen
    assert "Traceback" not in screen
    assert [row[2:5] for row in _stored(here)] == [("(success)", None, 0), ("accuracy", None, 0)]

    screen, _, rest = _bare(walk("s\nq\n", LabelOrder(1, count=2, labeler="ana"))).partition(_PROMPT.decode())
    assert "2 answered before" in screen
    assert "[3/6]" in screen
    screen = rest.rpartition(_PROMPT.decode())[2]
    # At the end the judge's verdict on this run stands beside this person's; nothing of the run that is open.
    (line,) = [line for line in screen.splitlines() if " accuracy " in line]
    assert re.search(r"accuracy +fails +(passes|fails)", line)
    assert re.search(r"Did it do its task\? +no +(yes|no \(wrong amount\))", screen)
    assert "Stopped: 0 answers stored; 4 unanswered" in screen
    # The judge's verdict on this very run: no score.
    rows = _stored(here)
    assert {row[7] for row in rows} == {None}
    assert {row[8] for row in rows} == {int(int(row[0]) % 2) for row in rows}
    assert {row[9] for row in rows} == {1}


def test_everything_answered_asks_nothing_and_another_person_is_asked_anew(here: Any, walk: Callable[..., str]) -> None:
    def ask(keys: str, labeler: str, **order: Any) -> str:
        return walk(keys, LabelOrder(1, count=1, agents=["id:1"], labeler=labeler, **order))

    screen = ask("y\ny\nn\n", "ana", blind=False)
    assert "The judge: yes" in screen
    # What an agent is called, and what it wrote, moves no cursor and is no markup.
    assert "[bold red]evil[/] �[2J" in screen
    assert "\x1b[2J" not in screen
    assert "\x1b]0;" not in screen
    assert "refund�[2J" in screen
    assert "3 tool calls" in screen
    assert "Done: 3 answers stored." in _bare(screen)
    assert re.search(r"tone +fails +passes", _bare(screen))
    again = _bare(ask("", "ana"))
    assert "Done: 0 answers stored." in again
    assert _PROMPT.decode() not in again
    other = _bare(ask("\x04", "ben"))
    assert "0 answered before" in other
    assert "Stopped: 0 answers stored" in other


def _read_to_the_end(terminal: int) -> str:
    shown = b""
    # Linux: the other side is closed.
    with suppress(OSError):
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    return shown.decode()


_REFUSED: list[tuple[LabelOrder, str]] = [
    (LabelOrder(1), "needs a terminal; without one, `--serve` opens a page, `--template labels.csv`"),
    (LabelOrder(1, serve=True, csv=Path("a.csv")), "exclude each other"),
    (LabelOrder(1, port=80), "--port requires --serve"),
    (LabelOrder(99), "no report 99"),
    (LabelOrder(1, as_json=True), "--json requires --csv"),
    (LabelOrder(2), r"report 2 \(pending\) has no finished run to label"),
    (LabelOrder(1, agents=["no-such-bot"]), "'no-such-bot' is no agent"),
    (LabelOrder(1, count=0), "--count 0: must be at least 1"),
    (LabelOrder(1, labeler=" "), "--labeler is required"),
    (LabelOrder(1, labeler="x\x1b[2J"), "printable"),
    (LabelOrder(1, csv=Path("a.csv"), template=Path("b.csv")), "exclude each other"),
    (LabelOrder(1, csv=Path("nope.csv")), r"nope\.csv cannot be read"),
]


@pytest.mark.parametrize(("order", "message"), _REFUSED, ids=[message for _, message in _REFUSED])
def test_what_is_wrong_is_refused(here: Any, monkeypatch: pytest.MonkeyPatch, order: LabelOrder, message: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("7\n"))
    with pytest.raises(RefusedError, match=message):
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
    lines = ["agent,run_id,criterion,passed,labeler,note"]
    for agent in range(1, 7):
        for number in range(1, 4):
            # People fail one run of each agent that the judge passes.
            passed = "yes" if agent % 2 and number > 1 else "no"
            lines.append(f"id:{agent},{agent}0{number},(success),{passed},ana,")
            lines.append(f"id:{agent},{agent}0{number},tone,{'no' if number == 1 else 'yes'},ana,rude")
    (here.folder / "ana.csv").write_text("\n".join(lines))
    assert "36 labels by 1 person are stored" in run("label", "1", "--csv", "ana.csv")
    stored = json.loads(run("label", "1", "--csv", "ana.csv", "--json"))
    assert (stored["report_id"], len(stored["labels"]), stored["empty_lines"]) == (1, 36, 0)
    assert stored["labels"][0] | {"agent_name": None, "created_at": None} == {
        "report_id": 1, "agent_id": "1", "run_id": "101", "agent_name": None, "criterion": "(success)",
        "labeler": "ana", "score": None, "passed": False, "threshold": None, "judge_model": "judge-1",
        "judge_fingerprint": "f1", "judge_score": None, "judge_passed": True, "judge_on_run": True, "created_at": None,
        "drawn": False, "note": None,
    }  # fmt: skip
    assert len(_stored(here)) == 36
    shown = run("agreement", "1")
    assert "36 labels by 1 person" in shown
    assert re.search(r"Question +Runs +Agents +Sensitivity +Specificity +Kappa", shown)
    # Of the 6 runs that people pass the judge passes all, of the 12 that they fail it fails 9.
    assert re.search(
        r"^Did it do its task\? +18 +6 +100% \(\d+ to 100%\) +75% \(\d+ to \d+%\) +0\.\d+", shown, re.MULTILINE
    )
    assert re.search(r"^tone +18 +6 ", shown, re.MULTILINE)
    assert re.search(r"^wrong amount +9 +9, 100% \(", shown, re.MULTILINE)
    assert "Success rate of report 1 (share of runs): by the judge 50%" in shown
    assert "6 agents have too few labels for a corrected rate of their own" in shown
    assert "Next: label more runs" in shown
    found = json.loads(run("agreement", "--environment", "prod", "--json"))
    assert (found["labels"], found["judge_model"], found["report_id"]) == (36, "judge-1", 1)
    assert [one["question"] for one in found["runs"]] == ["(success)", "tone"]
    assert found["runs"][0]["specificity"]["value"] == pytest.approx(0.75)
    assert "examples" not in found
    run("show", "1", "--html", "page.html")
    assert "36 labels of 1 person" in (here.folder / "page.html").read_text(encoding="utf-8")
    assert "9 lines to fill in" in run("label", "1", "--template", "t.csv", "--count", "3")
    assert (here.folder / "t.csv").exists()


def test_examples_show_both_answers_and_what_the_judge_quoted(
    here: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["agent,run_id,criterion,passed,labeler,note", "id:2,201,(success),yes,ana,refunded all the same"]
    lines += ["id:1,101,(success),yes,ana,", "id:2,201,accuracy,yes,ben,"]
    (here.folder / "ana.csv").write_text("\n".join(lines))
    run_label(LabelOrder(1, csv=Path("ana.csv")))
    capsys.readouterr()
    monkeypatch.setenv("AGENT_REPORT_TRACE_URL", "https://traces.example.com/{run_id}")
    for arguments in (["agreement", "1", "--examples"], ["agreement", "1", "--examples", "--json"]):
        assert app(arguments, exit_on_error=False, print_error=False, result_action="return_value") == 0
    shown, _, data = capsys.readouterr().out.partition("\n{\n")
    assert "Disagreements on runs: 2" in shown
    assert "run 201 · report 1 · Did it do its task?" in shown
    assert "The judge: fails (wrong amount), candidate step R1.2" in shown
    assert "R1.2: “refund [bold red]evil[/] �[2J" in shown
    assert "\x1b[2J" not in shown
    assert "ana: passes: refunded all the same" in shown
    assert "Trace: https://traces.example.com/201" in shown
    assert "run 201 · report 1 · accuracy" in shown
    examples = json.loads("{\n" + data)["examples"]
    assert [(one["run_id"], one["question"], one["judge"], one["passed"]) for one in examples] == [
        ("201", "(success)", False, True),
        ("201", "accuracy", False, True),
    ]


def test_a_file_with_a_wrong_line_changes_nothing(here: Any) -> None:
    Path("bad.csv").write_text("agent,criterion,score\nid:1,accuracy,7\nid:2,accuracy,70\n")
    with pytest.raises(RefusedError, match=r"bad\.csv: nothing was stored: line 3, column score: '70'"):
        run_label(LabelOrder(1, csv=Path("bad.csv")))
    assert _stored(here) == []
