"""The terminal: tables for people, JSON for programs. What agents and judges wrote is never markup in it."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, cast

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.terminal.invocation import fill_in_program

Row = Mapping[str, Any]
STATUS_STYLES = {
    "completed": "green",
    "evaluated": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "not_started": "yellow",
    "skipped_budget": "yellow",
    "no_evidence": "yellow",
}
PASSED_STYLES: dict[bool | None, str] = {True: "green", False: "red"}
# Control and format characters, which in JSON only stand in texts (json.dumps escapes those below the space itself).
_INVISIBLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
# One letter for one, so that columns stay in line.
_PLAIN_FORMS = {"–": "-", "—": "-", "−": "-", "─": "-", "━": "-", "│": "|", "…": ".", "×": "x", "·": ".", "•": "*",
                "‘": "'", "’": "'", "“": '"', "”": '"', "→": ">"}  # fmt: skip
_REPLACING = "agent-report-replace"
# A line below the titles, and room between columns.
_FOLDED_WIDTH = 20
_BOX = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_USUAL_WIDTH = 80
_WIDEST = 10_000
# In less, rich lays out the help of a command without end; a terminal wraps what is wider.
_NARROWEST = 20
PROSE_WIDTH = 100


def let_all_be_written() -> None:
    """Have stdout and stderr replace what their encoding lacks (ASCII in the C locale): a report that was paid for must
    not fail because a dash cannot be shown. What cannot be read on stdin is replaced too. A stream that the caller has
    closed (``>&-``) takes what is written, and has nothing to read."""
    codecs.register_error(_REPLACING, _replace)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for the process
    for stream, errors in ((sys.stdout, _REPLACING), (sys.stderr, _REPLACING), (sys.stdin, "replace")):
        if isinstance(stream, io.TextIOWrapper):
            # A stream that the caller has read from cannot be reconfigured any more.
            with suppress(io.UnsupportedOperation):
                stream.reconfigure(errors=errors)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN_FORMS.get(char, "?") for char in error.object[error.start : error.end]), error.end


def open_console(*, stderr: bool = False) -> Console:
    """The console for people: COLUMNS wide, else as wide as the terminal, also where the output goes to a pipe.

    At least 20 characters wide.
    """
    console = Console(
        stderr=stderr, highlight=False, file=cast("IO[str]", _WorkflowLog(stderr)) if _in_workflow() else None
    )
    columns = os.environ.get("COLUMNS", "").strip()
    if columns.isdecimal() and 0 < int(columns[:6]) <= _WIDEST:
        console.width = int(columns)
    elif "COLUMNS" in os.environ or not console.is_terminal:
        console.width = _terminal_width()
    if console.width < _NARROWEST:
        console.width = _NARROWEST
    return console


def _terminal_width() -> int:
    """The width of the first of stdout, stderr and stdin that is a terminal (as with ``| less``), else 80."""
    for file in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with suppress(AttributeError, ValueError, OSError):
            if width := os.get_terminal_size(file.fileno()).columns:  # type: ignore[union-attr]
                return width
    return _USUAL_WIDTH


def _in_workflow() -> bool:
    """Whether this is a step of GitHub Actions, which reads commands out of what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


class _WorkflowLog(io.TextIOBase):
    """stdout or stderr in which no line is a workflow command (``::add-mask::…``, ``##[…]``), whosever words it has."""

    _STARTS = re.compile(r"^([^\S\n]*(?:\x1b\[[0-9;]*m)*[^\S\n]*):(?=:)", re.MULTILINE)

    def __init__(self, stderr: bool) -> None:
        super().__init__()
        self._file = sys.stderr if stderr else sys.stdout

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._file.encoding

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()

    def flush(self) -> None:
        # Also called when this is collected: by then pytest, for one, has closed the other one.
        if not self._file.closed:
            self._file.flush()

    def write(self, text: str) -> int:
        # Split by a space, a command is text that can still be read.
        self._file.write(self._STARTS.sub(r"\1: ", text).replace("##[", "## ["))
        return len(text)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """``value`` as JSON on stdout, in UTF-8 whatever the locale; times in ISO. On one line with ``indent=None``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    text = json_text(value, indent=indent)
    if _in_workflow():
        # The older kind of command counts anywhere in a line; in JSON such a sign only stands in texts.
        text = text.replace("##[", "#\\u0023[")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_text(value: object, *, indent: int | None = 2) -> str:
    """``value`` as JSON, times in ISO; on one line with ``indent=None``.

    What moves a cursor or turns the direction of text around is escaped, as is what no UTF-8 holds.
    """
    text = json.dumps(value, default=_plain_value, indent=indent, ensure_ascii=False, allow_nan=False)
    return _INVISIBLE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _plain_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")


def plain(text: object, style: str = "") -> Text:
    """``text`` without control characters: an agent's words must not move the cursor or change the colours."""
    return Text("".join(char if char.isprintable() or char in "\n\t" else "�" for char in str(text)), style=style)


def one_line(text: object, style: str = "") -> Text:
    """``plain``, on one line."""
    return plain(" ".join(str(text).split()), style)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: title, cells, and ``rank``: without room the highest goes first, then the last.

    Where it folds, it is at least ``folded_width`` wide, or as wide as its cells.
    """

    title: str
    cells: Sequence[Text | str]
    rank: int = 0
    justify: Literal["left", "right"] = "left"
    folds: bool = False
    folded_width: int = _FOLDED_WIDTH


def print_table(console: Console, columns: Sequence[Column]) -> tuple[str, ...]:
    """Print the columns that fit, always the first. A cell that folds continues on the next line.

    Returns the titles of the columns printed.
    """
    shown = list(columns)
    while len(shown) > 1:
        # The last of those with the highest rank.
        last = max(reversed(shown[1:]), key=lambda column: column.rank)
        # What folds needs no more room than a few words do.
        least = console.measure(_table(shown, folded=True), options=console.options.update(max_width=10_000))
        if least.maximum <= console.width:
            break
        shown = [column for column in shown if column is not last]
    console.print()
    console.print(_table(shown))
    console.print()
    return tuple(column.title for column in shown)


def _table(columns: Sequence[Column], *, folded: bool = False) -> Table:
    table = Table(
        box=_BOX, header_style="bold", border_style="dim", pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        table.add_column(
            column.title,
            justify=column.justify,
            no_wrap=not column.folds,
            overflow="fold" if column.folds else "ellipsis",
            max_width=column.folded_width if folded and column.folds else None,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def status(row: Row) -> Text:
    """The status of a report or an agent in its colour."""
    return Text(row["status"], STATUS_STYLES.get(row["status"], ""))


def dash(value: Any, shown: Callable[[Any], str] = str) -> str:
    """``value`` as ``shown`` has it, a dash when there is none."""
    return "–" if value is None else shown(value)


def format_interval(low: float | None, high: float | None) -> str:
    """An interval of rates in percent, a dash when there is none."""
    return "–" if low is None or high is None else f"{low * 100:.0f}–{high:.0%}"


def complain(what: str, why: object) -> None:
    """One line in red on stderr, of agents' or endpoints' words, too; ``why`` may name this program's command."""
    console = open_console(stderr=True)
    console.print(one_line(fill_in_program(f"{what}: {why}"), "red"), soft_wrap=True)
