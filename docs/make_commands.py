"""Makes ``docs/reference/commands.md`` from the command line: run this file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from deployments.cli import app

_FILE = Path(__file__).parent / "reference" / "commands.md"
_HEAD = """\
# Commands

`agent-report --help` lists the commands, and `agent-report run --help` explains one. This page has the same text; it is
made by `docs/make_commands.py`.

## Exit codes

| exit code | |
|---|---|
| 0 | the report is `completed` (`list`, `show`, `compare`, `--dry-run`: done; `check`: no rule is broken) |
| 1 | the report is `failed` or `cancelled`, a rule is broken, or source, warehouse or Prefect are unreachable |
| 2 | refused: a setting, an option, the criteria or a name is wrong; nothing was paid for |
| 130 | `watch`: stopped by Ctrl-C; the report goes on |
"""


def render() -> str:
    """The page."""
    arguments = sys.argv
    # The usage lines have the name of the program that runs.
    sys.argv = ["agent-report"]
    try:
        text = app.generate_docs(output_format="markdown")
    finally:
        sys.argv = arguments
    _, *sections = re.split(r"^## agent-report ", text, flags=re.MULTILINE)
    parts = [_HEAD, *(f"## agent-report {section.strip()}\n" for section in sections)]
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


def main() -> None:
    """Write the page."""
    _FILE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
