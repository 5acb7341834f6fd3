"""The command line: what is wrong is one line, what is asked for as JSON is only JSON, and no secret is printed."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.cli import app
from deployments.demo.judge import SimulatedJudge
from tasks.warehouse.schema import agent_report_details, report_issues, reports

COMMAND = Path(sys.executable).with_name("agent-report")
_KEY = "sk-planted-key-0123456789"
_POSTGRES = "postgresql+psycopg://someone:hunter2@127.0.0.1:1/nothing"

# name: (arguments, environment, exit code, part of the line); SOURCE stands for the URL of a source.
_REFUSED: dict[str, tuple[list[str], dict[str, str], int, str]] = {
    "unknown option": (["run", "demo", "--nope"], {}, 2, "--nope"),
    "unknown command": (["nope"], {}, 2, "nope"),
    "no environment": (["run"], {}, 2, "ENVIRONMENT"),
    "option is no number": (["run", "demo", "--runs-per-agent", "abc"], {}, 2, "--runs-per-agent"),
    "option out of range": (["run", "demo", "--max-concurrent-runs", "0"], {}, 2, "max_concurrent_runs"),
    "since": (["run", "demo", "--since", "yesterday"], {}, 2, "yesterday"),
    "no criteria file": (["run", "demo", "--criteria", "nope.yaml"], {}, 2, "nope.yaml"),
    "bad criteria": (["run", "demo", "--criteria", "bad.yaml"], {}, 2, "default.accuracy.weight"),
    "no source": (["run", "demo"], {}, 2, "AGENT_REPORT_SOURCE_URL"),
    "missing source": (["run", "demo"], {"AGENT_REPORT_SOURCE_URL": "sqlite:///nope.db"}, 1, "nope.db does not exist"),
    "unreachable source": (["run", "demo"], {"AGENT_REPORT_SOURCE_URL": _POSTGRES}, 1, "127.0.0.1:1/nothing"),
    "unreachable warehouse": (["list"], {"AGENT_REPORT_WAREHOUSE_URL": _POSTGRES}, 1, "127.0.0.1:1/nothing"),
    "unknown environment": (["run", "nope"], {"AGENT_REPORT_SOURCE_URL": "SOURCE"}, 2, "'nope'; there is demo"),
    "unknown agent": (
        ["run", "demo", "--agents", "no-such-bot"],
        {"AGENT_REPORT_SOURCE_URL": "SOURCE"},
        2,
        "no-such-bot",
    ),
    "no key": (["run", "demo"], {"AGENT_REPORT_SOURCE_URL": "SOURCE", "OPENAI_API_KEY": ""}, 2, "OPENAI_API_KEY"),
    "setting is no JSON": (["list"], {"AGENT_REPORT_JAEGER_HEADERS": "hunter2"}, 2, "AGENT_REPORT_JAEGER_HEADERS"),
    "setting is no number": (["list"], {"AGENT_REPORT_RUNS_PER_AGENT": "abc"}, 2, "AGENT_REPORT_RUNS_PER_AGENT"),
    "unknown report": (["show", "99"], {}, 2, "no report 99"),
    "unknown report resumed": (
        ["run", "demo", "--report-id", "99"],
        {"AGENT_REPORT_SOURCE_URL": "SOURCE"},
        2,
        "no report 99",
    ),
    "unreachable Prefect": (
        ["run", "demo"],
        {"AGENT_REPORT_SOURCE_URL": "SOURCE", "PREFECT_API_URL": "http://admin:hunter2@127.0.0.1:1/api"},
        1,
        "PREFECT_API_URL",
    ),
    "Prefect home is a file": (
        ["run", "demo"],
        {"AGENT_REPORT_SOURCE_URL": "SOURCE", "PREFECT_HOME": "bad.yaml"},
        1,
        "PREFECT_HOME",
    ),
}


# What a process of its own decides: whether Prefect's settings are read right, and that stdout stays empty. One that
# has started a server when it fails, and ends all the same, is in tests/flows/test_secrets.py (an unreachable
# warehouse).
_APART = ("Prefect home is a file",)


@pytest.fixture
def refuse(command: Any, run_here: Callable[..., Any], source: Path) -> Callable[[str], Any]:
    """How a command of ``_REFUSED`` ends. In this process an API is configured that is not there: none is started."""

    def run(name: str) -> Any:
        arguments, variables, _, _ = _REFUSED[name]
        (command.folder / "bad.yaml").write_text("default: {accuracy: {weight: -1, description: x}}\n")
        given = {"OPENAI_API_KEY": _KEY} | variables
        if given.get("AGENT_REPORT_SOURCE_URL") == "SOURCE":
            given["AGENT_REPORT_SOURCE_URL"] = f"sqlite:///{source}"
        if name in _APART:
            return command.run(*arguments, **given)
        with temporary_settings({PREFECT_API_URL: given.get("PREFECT_API_URL", "http://127.0.0.1:1/api")}):
            return run_here(*arguments, **given)

    return run


@pytest.mark.parametrize("name", list(_REFUSED))
def test_what_is_wrong_is_one_line_without_secrets(refuse: Callable[[str], Any], name: str) -> None:
    ended, (_, _, code, message) = refuse(name), _REFUSED[name]
    assert ended.code == code, ended.err
    assert message in ended.err
    assert ended.out == ""
    lines = [line for line in ended.err.splitlines() if "UserWarning" not in line and not line.startswith("  ")]
    if re.fullmatch(r"Starting (Prefect and )?a report on \S+ …", lines[0]):
        del lines[0]
    assert len(lines) == 1, ended.err
    assert re.match("Refused: " if code == 2 else "Failed: ", lines[0])
    assert "hunter2" not in ended.err
    assert _KEY not in ended.err


_SLOW = {"prefect", "pandas", "pyarrow", "openai", "sqlalchemy"}


def test_help_imports_nothing_slow_and_the_list_of_commands_no_command() -> None:
    code = f"""
import contextlib, gc, io, sys
from deployments import cli
def show(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            cli.main(arguments)
        except SystemExit as end:
            assert not end.code, arguments
    return printed.getvalue()
names = {[name for name in app if not name.startswith("-")]}
listed = show("--help")
assert not [name for name in sys.modules if name.startswith("deployments.commands.")]
slow = {_SLOW | {"pydantic"}} & set(sys.modules)
assert not slow, slow
assert not [name for name in {list(app)} if name not in listed], listed
# Collections took a tenth of the time of the imports that a command goes on to.
assert gc.get_threshold()[0] > 10_000
for name in names:
    shown = show(name, "--help")
    slow = {_SLOW} & set(sys.modules)
    assert not slow, (name, slow)
    assert f"Example: {{cli.app.name[0]}} {{name}}" in shown, (name, shown)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_there_is_a_sign_of_life_before_anything_slow_is_imported() -> None:
    """What comes after it is of no interest here."""
    calls = [["run", "nowhere"], ["run", "nowhere", "--dry-run"], ["demo", "--judge", "none"]]
    code = f"""
import os, sys
from deployments import cli
class Watched:
    def __init__(self, file): self.file = file
    def __getattr__(self, name): return getattr(self.file, name)
    def write(self, text):
        self.file.write(text)
        if "…" in text:
            print({_SLOW} & set(sys.modules), flush=True)
            self.file.flush()
            os._exit(0)
for arguments in {calls}:
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, arguments
        continue
    sys.stderr = Watched(sys.stderr)
    cli.main(arguments)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == len(calls) * "set()\n", ended.stderr
    assert re.fullmatch(r"(Starting .* …\n?)(Estimating .* …\n?)(Starting .* …\n?)", ended.stderr)


@pytest.fixture(scope="session")
def made(make_command: Callable[[str], Any], source: Path) -> Iterator[tuple[Any, Any]]:
    """The command in whose folder a report was made on a fresh Prefect home, and how it ended."""
    command = make_command("made")
    with SimulatedJudge(agent_seconds=0.05, team_seconds=0.05) as judge:
        ended = command.run(
            *("run", "demo", "--json", "--judge-model", "simulated-judge", "--name", "good [bold]one"),
            AGENT_REPORT_SOURCE_URL=f"sqlite:///{source}",
            AGENT_REPORT_WAREHOUSE_URL="sqlite:///good.db",
            AGENT_REPORT_PARQUET_URL="parquet",
            OPENAI_API_KEY=_KEY,
            OPENAI_BASE_URL=judge.base_url,
        )
        yield command, ended


def test_json_is_all_that_is_printed(made: tuple[Any, Any], hostile: str) -> None:
    """Of a failed report tests/flows/test_prefects_settings.py shows the same."""
    _, ended = made
    assert ended.code == 0, ended.err
    printed = json.loads(ended.out)
    assert list(printed) == ["report", "agents", "issues"]
    assert set(printed["report"]) == {column.name for column in reports.columns}
    assert printed["report"]["status"] == "completed"
    assert len(printed["agents"]) == 3
    for agent in printed["agents"]:
        assert set(agent) == {column.name for column in agent_report_details.columns}
        assert isinstance(agent["run_ids"], list)
    assert printed["issues"]
    for issue in printed["issues"]:
        assert set(issue) == {column.name for column in report_issues.columns}
        assert issue["report_id"] == printed["report"]["id"]
        assert issue["runs_affected"] == len(issue["runs"]) > 0
    # JSON escapes control characters: the name comes out as it is, and moves no cursor on its way.
    assert printed["agents"][2]["agent_name"] == hostile
    assert "\x1b" not in ended.out


def test_the_key_is_nowhere(made: tuple[Any, Any]) -> None:
    command, ended = made
    files = [path for path in command.folder.rglob("*") if path.is_file()]
    assert {"good.db", "prefect.db"} <= {path.name for path in files}
    assert any(path.suffix == ".parquet" for path in files)
    assert not [path for path in files if _KEY.encode() in path.read_bytes()]
    assert _KEY not in ended.printed


def test_the_server_of_one_process_is_not_missing_a_limit(made: tuple[Any, Any]) -> None:
    with sqlite3.connect(made[0].folder / "prefect" / "prefect.db") as connection:
        messages = [message for (message,) in connection.execute("SELECT message FROM log")]
    connection.close()
    assert any("Finished in state" in message for message in messages)
    assert not [message for message in messages if "limit on the tag" in message]


@pytest.fixture
def again(made: tuple[Any, Any], run_here: Callable[..., Any]) -> Callable[..., str]:
    """What a command prints of this report, in this process."""

    def run(*arguments: str, **variables: str) -> str:
        folder = made[0].folder
        ended = run_here(*arguments, folder=folder, AGENT_REPORT_WAREHOUSE_URL="sqlite:///good.db", **variables)
        assert (ended.code, ended.err) == (0, "")
        return str(ended.out)

    return run


def _moves_a_cursor(text: str) -> bool:
    return re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) is not None


def test_show_prints_a_report_again(made: tuple[Any, Any], again: Callable[..., str]) -> None:
    shown = again("show", "1", "--json")
    assert json.loads(shown) == json.loads(made[1].out)
    assert not _moves_a_cursor(shown)
    wide = again("show", "1", COLUMNS="200")
    assert "Report 1 on demo: completed" in wide
    assert "good [bold]one" in wide
    # A hostile name is only text.
    assert not _moves_a_cursor(wide)
    assert "[bold red]evil[/] �[2J�]0;owned� | <b>" in wide


def test_list_shows_the_reports(again: Callable[..., str]) -> None:
    listed = again("list", COLUMNS="80")
    assert re.search(r"^ *1 +demo +good \[bold\]one +completed +\d+% +3/3 ", listed, re.MULTILINE)
    assert not _moves_a_cursor(listed)


def test_a_closed_output_is_no_error(made: tuple[Any, Any]) -> None:
    """As with ``>&-``: the report is made and stored, so the exit code is 0."""
    command, _ = made
    call = f"{COMMAND} show 1 --json >&- 2>&- <&-"
    environment = command.environment(AGENT_REPORT_WAREHOUSE_URL="sqlite:///good.db")
    assert subprocess.run(["sh", "-c", call], cwd=command.folder, env=environment, timeout=200).returncode == 0


def test_a_folder_that_is_gone_is_named(command: Any) -> None:
    gone = command.folder / "gone"
    call = f"mkdir {gone} && cd {gone} && rmdir {gone} && {COMMAND} list"
    ended = subprocess.run(["sh", "-c", call], env=command.environment(), capture_output=True, text=True, timeout=200)
    assert ended.returncode == 1
    assert ended.stderr == "Failed: the current folder does not exist any more: change to another one\n"


def test_output_to_a_pipe_that_closes_is_no_traceback(made: tuple[Any, Any]) -> None:
    process = made[0].start("show", "1", "--json", AGENT_REPORT_WAREHOUSE_URL="sqlite:///good.db")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
