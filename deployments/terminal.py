"""The terminal: tables for people, JSON for programs. What agents and judges wrote is never markup in it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]
STATUS_STYLES = {
    "completed": "green",
    "evaluated": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "not_started": "yellow",
    "skipped_budget": "yellow",
    "no_evidence": "yellow",
}
PASSED_STYLES = {True: "green", False: "red"}
# A line below the titles, and room between columns.
_BOX = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_FILE_WIDTH = 400
PROSE_WIDTH = 100


def open_console(*, stderr: bool = False) -> Console:
    """The console for people. What goes to a file or a pipe is not cut to the 80 columns of a terminal that is none."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _FILE_WIDTH
    return console


def print_json(value: object, *, indent: int | None = 2) -> None:
    """``value`` as JSON on stdout, in UTF-8 whatever the locale; times in ISO. On one line with ``indent=None``."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout.write(json_text(value, indent=indent) + "\n")
    sys.stdout.flush()


def json_text(value: object, *, indent: int | None = 2) -> str:
    """``value`` as JSON, times in ISO; on one line with ``indent=None``."""
    return json.dumps(value, default=_plain_value, indent=indent, ensure_ascii=False, allow_nan=False)


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
    """A column of a table: its title, its cells, and ``rank``: where there is no room, the highest rank goes first."""

    title: str
    cells: Sequence[Text | str]
    rank: int = 0
    justify: Literal["left", "right"] = "left"
    folds: bool = False


def print_table(console: Console, columns: Sequence[Column]) -> None:
    """Print the columns that fit; those without a rank always do. A cell that folds goes on in the next line."""
    shown = list(columns)
    while True:
        table = Table(
            box=_BOX, header_style="bold", border_style="dim", pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
        )
        for column in shown:
            table.add_column(
                column.title,
                justify=column.justify,
                no_wrap=not column.folds,
                overflow="fold" if column.folds else "ellipsis",
            )
        for cells in zip(*(column.cells for column in shown), strict=True):
            table.add_row(*cells)
        last = max(shown, key=lambda column: column.rank)
        if last.rank == 0 or console.measure(table, options=console.options.update(max_width=10_000)).maximum <= (
            console.width
        ):
            break
        shown.remove(last)
    console.print()
    console.print(table)
    console.print()


def status(row: Row) -> Text:
    """The status of a report or an agent in its colour."""
    return Text(row["status"], STATUS_STYLES.get(row["status"], ""))


def dash(value: Any, shown: Callable[[Any], str] = str) -> str:
    """``value`` as ``shown`` has it, a dash when there is none."""
    return "–" if value is None else shown(value)


def format_interval(low: float | None, high: float | None) -> str:
    """An interval of rates in percent, a dash when there is none."""
    return "–" if low is None or high is None else f"{low * 100:.0f}–{high:.0%}"
