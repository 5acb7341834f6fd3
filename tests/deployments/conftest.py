"""The command as a user runs it: a process of its own, in a folder of its own, with nothing of the user's around it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from deployments.cli import main
from deployments.demo.sample import build_sample
from tasks.settings import ReportOptions, Settings
from tasks.warehouse.sql import open_warehouse

COMMAND = Path(sys.executable).with_name("agent-report")
HOSTILE = "[bold red]evil[/] \x1b[2J\x1b]0;owned\x07 | <b>"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def printed(self) -> str:
        """Both streams."""
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Command:
    """``agent-report`` in ``folder``: its home, its Prefect home and its files are there too."""

    folder: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """Only what a process needs, and ``variables``."""
        home = {"HOME": str(self.folder), "PREFECT_HOME": str(self.folder / "prefect"), "DO_NOT_TRACK": "1"}
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **home, **variables}

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The running command."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @staticmethod
    def finish(process: subprocess.Popen[str]) -> Ended:
        """Wait for a command that was started."""
        try:
            out, err = process.communicate(timeout=200)
        finally:
            process.kill()
        return Ended(process.returncode, out, err)

    def run(self, *arguments: str, **variables: str) -> Ended:
        """The command to its end."""
        return self.finish(self.start(*arguments, **variables))


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command in a fresh folder."""
    return Command(tmp_path)


@pytest.fixture
def run_here(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """``command.run`` in this process, which has imported all that is slow, there or in another ``folder``."""

    def run(*arguments: str, folder: Path = command.folder, **variables: str) -> Ended:
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("AGENT_REPORT_", "OPENAI_"))]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            # A command sets variables for the processes that it starts.
            with mock.patch.dict(os.environ), pytest.raises(SystemExit) as ended:
                main(arguments)
        finally:
            signal.signal(signal.SIGINT, interrupt)
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def make_command(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Command]:
    """The command in a folder of this name, for what several tests look at."""
    return lambda name: Command(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def hostile() -> str:
    """The name of one of the agents of ``source``: markup, escape sequences, a bell."""
    return HOSTILE


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of three agents with six runs each, of which one has a name with terminal escapes."""
    path = tmp_path_factory.mktemp("source") / "station.db"
    build_sample(datetime.now(UTC), agents=3, runs_per_agent=6).write_sqlite(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE agents SET name = ? WHERE id = 3", (HOSTILE,))
    connection.close()
    return path


@pytest.fixture(scope="session")
def write_label_report(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes a report that people can label, as the first of a warehouse in this folder, and returns its URL.

    With ``verdicts`` the judge finds that the runs of every other agent did their task, and that the others did not.
    """
    made: dict[bool, Path] = {}

    def write(folder: Path, *, verdicts: bool = True) -> str:
        if verdicts not in made:
            made[verdicts] = tmp_path_factory.mktemp("label_report") / "warehouse.db"
            _write_report(made[verdicts], verdicts=verdicts)
        return f"sqlite:///{shutil.copy(made[verdicts], folder / 'warehouse.db')}"

    return write


def _verdict(passed: bool) -> dict[str, Any]:
    """The judge on a run, with words of an agent that would be markup."""
    quote = {"run_id": None, "label": "R1.2", "span_id": None, "quote": f"refund {HOSTILE}"}
    return {
        "succeeded": passed,
        "success_source": "judge",
        "verdict": "yes" if passed else "no",
        "checks": {"accuracy": "pass" if passed else "fail", "tone": "pass"},
        "failure_mode": None if passed else "wrong amount",
        "failure_step": None if passed else "R1.2",
        "verdict_evidence": [quote],
        "unstable": False,
    }


def _telemetry(**values: Any) -> dict[str, Any]:
    """A trace's summary with one tool call of hostile words."""
    numbers = dict.fromkeys(("wall_seconds", "llm_seconds", "tool_seconds", "other_seconds"), 1.5)
    counts = dict.fromkeys(("spans", "roots", "orphans", "depth", "llm_calls", "errors"), 1)
    call = {"name": "refund\x1b[2J", "start_seconds": 0.0, "duration_seconds": 0.1, "arguments": '{"amount": 12}'}
    return numbers | counts | {"tool_calls": [call], "tool_calls_left_out": 2} | values


def _write_report(path: Path, agents: int = 6, runs: int = 3, *, verdicts: bool) -> None:
    """A warehouse with a report (id 1) of agents with two criteria, every other passed."""
    warehouse = open_warehouse(f"sqlite:///{path}")
    report_id = warehouse.create_report({"environment": "prod", "evidence_until": datetime.now(UTC)})
    details, criteria, rows = [], [], []
    for agent in range(1, agents + 1):
        score = 8.0 if agent % 2 else 5.0
        name = HOSTILE if agent == 1 else "=SUM(A1)" if agent == 2 else f"bot-{agent}"
        details.append(
            {
                "agent_id": str(agent),
                "agent_name": name,
                "status": "evaluated",
                "passed": score >= 7,
                "runs_analyzed": runs,
            }
        )
        for name, threshold in (("accuracy", 7.0), ("tone", 6.0)):
            judged = {"agent_id": str(agent), "criterion": name, "weight": 0.5, "threshold": threshold}
            criteria.append(judged | {"score": score, "passed": score >= threshold})
        rows += [
            {
                "agent_id": str(agent),
                "run_id": str(100 * agent + run),
                "status": "completed",
                "completed": True,
                "duration_seconds": 2.5,
                "tokens": 900,
                **(_verdict(agent % 2 == 1) if verdicts else {}),
                "task_excerpt": f"Task {100 * agent + run}: ü, \x1b[2J",
                "response_excerpt": "Done.",
                "telemetry": _telemetry(),
            }
            for run in range(1, runs + 1)
        ]
    values = {
        "status": "completed",
        "judge_model": "judge-1",
        "judge_fingerprint": "f1",
        "parameters": {
            "options": Settings(_env_file=None).options(ReportOptions()).model_dump(mode="json"),
            "criteria": {
                "default": {
                    n: {"weight": 1, "description": f"What {n} is", "threshold": 7} for n in ("accuracy", "tone")
                }
            },
        },
    }
    warehouse.write_report(report_id, values, details, criteria, rows)
    warehouse.create_report({"environment": "prod"})
    warehouse.close()
