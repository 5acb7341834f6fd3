"""Commands that are printed work as printed: how the program was called, quoted, with the places it chose itself."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployments.cli import main
from deployments.terminal.invocation import printed_command
from tasks.settings import ReportOptions

_PRINT = """
import sys
sys.argv[0] = {called!r}
from deployments.terminal import invocation
import os
os.environ.update({chosen!r})
os.chdir("/")
print(invocation.printed_command("show", 12, "--agent", "it's; rm -rf $HOME"))
print(invocation.fill_in_program("no report 3: `agent-report list` shows them"))
"""


@pytest.fixture
def call(tmp_path: Path) -> Any:
    """Print a command in a process that was called as ``called``, in a folder that has .venv/bin/agent-report."""
    script = tmp_path / ".venv" / "bin" / "agent-report"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    def printed(called: str, chosen: dict[str, str] | None = None, **environment: str) -> list[str]:
        code = _PRINT.format(called=called, chosen=chosen or {})
        given = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_REPORT_")}
        given |= {"PYTHONPATH": str(Path(__file__).parents[3])} | environment
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=given, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return printed


_QUOTED = shlex.join(["show", "12", "--agent", "it's; rm -rf $HOME"])


def test_a_path_stays_a_path(call: Any) -> None:
    assert call(".venv/bin/agent-report") == [
        f".venv/bin/agent-report {_QUOTED}",
        "no report 3: `.venv/bin/agent-report list` shows them",
    ]


def test_the_name_is_enough_where_path_leads_to_it(call: Any, tmp_path: Path) -> None:
    folder = tmp_path / ".venv" / "bin"
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    assert call(str(folder / "agent-report"), PATH=path)[0] == f"agent-report {_QUOTED}"
    # Another one of that name is on PATH, this one is not.
    other = tmp_path / "other"
    other.mkdir()
    (other / "agent-report").symlink_to("/bin/true")
    assert call(str(folder / "agent-report"), PATH=f"{other}:/usr/bin:/bin")[0] == f".venv/bin/agent-report {_QUOTED}"


def test_the_module_is_called_as_a_module(call: Any) -> None:
    assert call("/clone/deployments/cli.py", PATH="/usr/bin:/bin")[0].endswith(f" -m deployments.cli {_QUOTED}")


def test_places_that_the_process_chose_stand_in_front(call: Any, tmp_path: Path) -> None:
    chosen = {
        "AGENT_REPORT_WAREHOUSE_URL": f"sqlite:///{tmp_path}/a folder/warehouse.db",
        "AGENT_REPORT_PARQUET_URL": "/elsewhere/parquet",
    }
    front = "AGENT_REPORT_WAREHOUSE_URL='sqlite:///a folder/warehouse.db' AGENT_REPORT_PARQUET_URL=/elsewhere/parquet"
    lines = call("agent-report", chosen)
    assert lines[0] == f"{front} agent-report {_QUOTED}"
    assert f"`{front} agent-report list`" in lines[1]


def test_places_that_the_shell_has_are_not_repeated(call: Any) -> None:
    given = {"AGENT_REPORT_WAREHOUSE_URL": "sqlite:////a.db"}
    assert call("agent-report", given, **given)[0] == f"agent-report {_QUOTED}"


@pytest.mark.parametrize(
    "url", ["postgresql://me:TOPp@a/SECRETq@host/db", "postgresql://me:secret@host/db", "postgresql://h/d?password=x"]
)
def test_no_password_is_printed(url: str) -> None:
    places = {"AGENT_REPORT_WAREHOUSE_URL": url, "AGENT_REPORT_PARQUET_URL": "parquet"}
    assert printed_command("list", environment=places) == "AGENT_REPORT_PARQUET_URL=parquet agent-report list"


def test_no_password_that_the_process_chose_is_printed(call: Any) -> None:
    chosen = {"AGENT_REPORT_WAREHOUSE_URL": "postgresql://me:secret@host/db"}
    assert call("agent-report", chosen)[0] == f"agent-report {_QUOTED}"


def test_help_names_the_default_and_the_setting_of_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    for name, field in ReportOptions.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = "all" if default in ("", []) else str(default).lower() if isinstance(default, bool) else f"{default}"
        assert f"[default: {value.removesuffix('.0')}, or AGENT_REPORT_{name.upper()}]" in shown
