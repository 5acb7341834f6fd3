"""How this command was called, so that the commands it prints work when they are pasted into the same shell."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from deployments.stack.place import DEFAULT_FOLDER

NAME = "agent-report"
_PLACES = ("AGENT_REPORT_WAREHOUSE_URL", "AGENT_REPORT_PARQUET_URL")
_WITH_PASSWORD = re.compile(r"://[^/@]*:[^@]+@|[?&](?:password|sslpassword)=")
# A command in the text of an error, which is written without knowing how this one was called.
_COMMAND = re.compile(rf"`{NAME} (?=[a-z])")


def _folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


# As the shell that started this process has them: the demo changes both.
_STARTED_IN = _folder()
_GIVEN = {name: os.environ.get(name) for name in _PLACES}


def printed_command(*arguments: object, environment: Mapping[str, str] | None = None, name: str = NAME) -> str:
    """The command line that calls this program with ``arguments``, quoted for a shell.

    ``environment`` stands in front: by default the places of warehouse and files, where this process chose them itself.
    A URL with a password is never printed. ``name`` is another program that is installed beside this one.
    """
    given = _chosen_places() if environment is None else environment
    variables = [
        f"{variable}={shlex.quote(value)}" for variable, value in given.items() if not _WITH_PASSWORD.search(value)
    ]
    return " ".join([*variables, program(name), *(shlex.quote(str(argument)) for argument in arguments)])


def process_seconds() -> float:
    """How long this process has been running, the start of Python and its imports included."""
    return max(0.0, time.time() - psutil.Process().create_time())


def fill_in_program(text: str) -> str:
    """``text`` with the commands in it, as ``agent-report list``, the way this program was called."""
    return _COMMAND.sub(lambda _: f"`{printed_command()} ", text)


def program(name: str = NAME) -> str:
    """``agent-report`` where the shell finds this one by that name, else its path, or the module for Python; quoted."""
    called = Path(sys.argv[0])
    if called.name == "cli.py":
        if name == NAME:
            return f"{_shown(Path(sys.executable))} -m deployments.cli"
        called = Path(sys.executable)
    elif called.name != NAME:
        # A flow run or a test: no command was called.
        return name
    # A bare name was found on PATH, or is what Python was given.
    found = shutil.which(NAME) if called.parent == Path() and str(called) == NAME else None
    script = _STARTED_IN / (Path(found).parent if found else called.parent) / name
    return _shown(script)


def _shown(script: Path) -> str:
    """The name alone where PATH leads to this very file, else a path from where the command was called."""
    found = shutil.which(script.name)
    # Not resolved: the Python of an environment is a link to one without our packages.
    if found is not None and _same(_STARTED_IN / found, script):
        return script.name
    return shlex.quote(str(_from_here(script)))


def _same(one: Path, other: Path) -> bool:
    return _whole(one) == _whole(other)


def _whole(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are


def _from_here(path: Path) -> Path:
    """Relative to where the command was called if it is below, else absolute."""
    whole = _whole(path)
    with suppress(ValueError):
        return whole.relative_to(_STARTED_IN)
    return whole


def _chosen_places() -> dict[str, str]:
    """Where the reports of this process are, if the same command called again would not find them by itself."""
    from deployments.stack.beside import find_stack

    stack = find_stack(_STARTED_IN / DEFAULT_FOLDER)
    found = {} if stack is None else stack.places()
    chosen = {}
    for name in _PLACES:
        value = os.environ.get(name)
        if value and value not in (_GIVEN[name], found.get(name)):
            scheme = "sqlite:///" if value.startswith("sqlite:////") else ""
            path = Path(value.removeprefix(scheme))
            chosen[name] = f"{scheme}{_from_here(path)}" if path.is_absolute() else value
    return chosen
