"""The command ``agent-report``: the list of its commands. Each is imported only when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

from cyclopts import App, CycloptsError, Parameter

from deployments.connections import prepare_connections
from deployments.garbage import calm_collector
from deployments.help_texts import TEXTS
from deployments.terminal.console import complain, let_all_be_written, open_console
from tasks.errors import AgentReportError, UsageError, scrub

app = App(
    name="agent-report",
    help="Report on teams of LLM agents: which of them do their job, which do not, why, and what they cost.",
    version=lambda: metadata.version("agent-report"),
    help_format="markdown",
    default_parameter=Parameter(negative=""),
)


_COMMANDS = {
    "init": "stack:init",
    "doctor": "stack:doctor",
    "run": "reports:run",
    "demo": "reports:demo",
    "show": "reports:show",
    "list": "reports:list_reports",
    "watch": "reports:watch",
    "compare": "comparisons:compare",
    "check": "comparisons:check",
    "issues": "decisions:issues",
    "close": "decisions:close",
    "reopen": "decisions:reopen",
    "not-an-issue": "decisions:not_an_issue",
    "judge": "judging.command:judge",
    "label": "labels:label",
    "agreement": "labels:agreement",
    "align": "labels:align",
    "export": "storage:export",
    "prune": "storage:prune",
    "setup": "stack:setup",
    "up": "stack:up",
    "webhook": "stack:webhook",
}
for _name, _function in _COMMANDS.items():
    app.command(f"deployments.commands.{_function}", name=_name, help=TEXTS[_name])


@app.command
def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Print a shell completion script: `source <(agent-report completion bash)` in `~/.bashrc`.

    Example: `agent-report completion fish > ~/.config/fish/completions/agent-report.fish`

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    sys.stdout.write(app.generate_completion(shell=shell))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (of this process, or ``arguments``) and exit. An error is one line on stderr."""
    calm_collector()
    let_all_be_written()
    try:
        prepare_connections()
        code = app(
            arguments,
            console=open_console(),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        complain(UsageError.prefix, error)
        code = UsageError.exit_code
    except AgentReportError as error:
        complain(error.prefix, error)
        code = error.exit_code
    except BrokenPipeError:
        # The reader has closed the pipe; what is left in the buffer has nowhere to go when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = AgentReportError.exit_code
    except Exception as error:  # noqa: BLE001 - a traceback does not help the user of a command
        complain(AgentReportError.prefix, _in_short(error))
        code = AgentReportError.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _in_short(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        try:
            Path.cwd()
        except FileNotFoundError:
            return "the current folder does not exist any more: change to another one"
    return scrub(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
