"""Reports on the terminal: tables, a live progress bar, JSON. What agents and judges wrote is never markup."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Row = dict[str, Any]
_STATUS_STYLES = {
    "completed": "green",
    "evaluated": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "not_started": "yellow",
    "skipped_budget": "yellow",
    "no_evidence": "yellow",
}
_PASSED_STYLES = {True: "green", False: "red"}
# A line below the titles, and room between columns.
_BOX = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_POLL_SECONDS = 0.25
_FILE_WIDTH = 400
_PROSE_WIDTH = 100


def open_console(*, stderr: bool = False) -> Console:
    """The console for people. What goes to a file or a pipe is not cut to the 80 columns of a terminal that is none."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _FILE_WIDTH
    return console


def print_json(value: object) -> None:
    """``value`` as indented JSON on stdout, in UTF-8 whatever the locale; times in ISO."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def json_text(value: object) -> str:
    """``value`` as indented JSON, times in ISO."""
    return json.dumps(value, default=_plain_value, indent=2, ensure_ascii=False, allow_nan=False)


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


def print_report(console: Console, report: Row, agents: Sequence[Row]) -> None:
    """A report: verdict, warnings, summary, every agent in a table, and why some failed or did not pass."""
    from tasks.report.markdown import (
        describe_doubts,
        describe_mean,
        describe_runs_cost,
        format_judging_cost,
        format_score,
    )

    head = Text.assemble(
        ("Report ", "bold"), (str(report["id"]), "bold"), " on ", one_line(report["environment"], "bold"), ": "
    )
    head.append(report["status"], _STATUS_STYLES.get(report["status"], ""))
    if report["generation_duration_seconds"] is not None:
        head.append(f" in {report['generation_duration_seconds']:.1f} s")
    elif report["status"] != "completed":
        head.append(f", {report['progress']} %")
    if report["name"]:
        head.append_text(Text.assemble(" · ", one_line(report["name"])))
    console.print(head)
    if report["team_score"] is not None:
        console.print(
            Text.assemble(
                "Team: ",
                (format_score(report["team_score"]), "bold"),
                " of 10, ",
                ("passed", "green") if report["team_passed"] else ("not passed", "red"),
            )
        )
    if report["total_agents"] is not None:
        console.print(f"Agents: {describe_mean(report)}; {report['agents_failed']} failed")
        console.print(
            Text.assemble(
                f"Runs analysed: {report['total_runs_analyzed']}; judging cost {format_judging_cost(report)} (",
                one_line(report["judge_model"]),
                ")",
                f"; {costs}" if (costs := describe_runs_cost(report)) else "",
            )
        )
    if report["error"]:
        console.print(Text.assemble(("Error: ", "bold red"), one_line(report["error"])))
    if report["team_error"]:
        console.print(Text.assemble(("Team not judged: ", "yellow"), one_line(report["team_error"])))
    for warning in report["warnings"] or []:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(warning)))
    if report["executive_summary"]:
        console.print()
        console.print(plain(report["executive_summary"]), width=min(console.width, _PROSE_WIDTH))
    if agents:
        print_agents(console, agents)
    reasons = Table.grid(padding=(0, 2, 0, 0))
    for row in agents:
        if (why := _why_not(row)) is not None:
            reasons.add_row(one_line(row["agent_name"], "red"), one_line(why))
    if reasons.rows:
        console.print(reasons)
    notes = Table.grid(padding=(0, 2, 0, 0))
    for row in agents:
        if doubts := describe_doubts(row):
            notes.add_row(one_line(row["agent_name"], "yellow"), one_line(doubts))
    if notes.rows:
        console.print()
        console.print(notes)


def _why_not(row: Row) -> str | None:
    """Why an agent failed or did not pass, in short; None for the others."""
    from tasks.report.build import cut

    if row["status"] == "failed":
        return str(row["error"])
    if row["passed"] is False:
        return cut(next(iter(row["weaknesses"] or []), None) or row["reasoning"] or "")
    return None


def print_agents(console: Console, agents: Sequence[Row]) -> None:
    """Every agent in a row: status, score, passed, success rate with its interval, runs, cost of a run."""
    from tasks.report.markdown import format_cost, format_passed, format_rate, format_score

    passed = [(row, _PASSED_STYLES.get(row["passed"], "")) for row in agents]
    columns = [
        Column("Agent", [one_line(row["agent_name"]) for row in agents], folds=True),
        Column("Status", [Text(row["status"], _STATUS_STYLES.get(row["status"], "")) for row in agents]),
        Column("Score", [Text(format_score(row["score"]), style) for row, style in passed], justify="right"),
        Column("Passed", [Text(format_passed(row["passed"]), style) for row, style in passed], justify="right"),
        Column("Success", [format_rate(row["success_rate"]) for row in agents], justify="right"),
        Column("95% range", [_interval(row) for row in agents], rank=1, justify="right"),
        Column("Runs", [_dash(row["runs_analyzed"], str) for row in agents], justify="right"),
        Column(
            "Cost a run",
            ["–" if not row["runs_analyzed"] else format_cost(row["avg_cost_usd"]) for row in agents],
            justify="right",
        ),
    ]
    print_table(console, columns)


def print_reports(console: Console, reports: Sequence[Row]) -> None:
    """Reports in rows, as ``list_reports`` gives them."""
    from tasks.report.markdown import format_cost, format_score

    def seconds(value: float) -> str:
        return f"{value:.1f}"

    evaluated = [
        "–" if row["total_agents"] is None else f"{row['agents_evaluated']}/{row['total_agents']}" for row in reports
    ]
    costs = ["–" if row["total_agents"] is None else format_cost(row["cost_usd"]) for row in reports]
    columns = [
        Column("Id", [str(row["id"]) for row in reports], justify="right"),
        Column("Environment", [one_line(row["environment"]) for row in reports], folds=True),
        Column("Name", [one_line(row["name"]) for row in reports], rank=1, folds=True),
        Column("Status", [Text(row["status"], _STATUS_STYLES.get(row["status"], "")) for row in reports]),
        Column("Team", [format_score(row["team_score"]) for row in reports], justify="right"),
        Column("Agents", evaluated, justify="right"),
        Column("Created (UTC)", [f"{row['created_at']:%Y-%m-%d %H:%M}" for row in reports]),
        Column("Seconds", [_dash(row["generation_duration_seconds"], seconds) for row in reports], 3, justify="right"),
        Column("Cost", costs, rank=2, justify="right"),
    ]
    print_table(console, columns)


def _interval(row: Row) -> str:
    if row["success_rate_low"] is None:
        return "–"
    return f"{row['success_rate_low'] * 100:.0f}–{row['success_rate_high']:.0%}"


def _dash(value: Any, shown: Callable[[Any], str]) -> str:
    return "–" if value is None else shown(value)


@contextmanager
def live_progress(console: Console, look: Callable[[], Row | None]) -> Iterator[None]:
    """A progress bar that follows the report row that ``look`` gives; nothing where ``console`` is no terminal."""
    if not console.is_terminal:
        yield
        return
    over = threading.Event()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Starting Prefect", total=100)

        def follow() -> None:
            while not over.wait(_POLL_SECONDS):
                try:
                    row = look()
                except Exception:  # noqa: BLE001, S112 - a look that fails is only a look
                    continue
                if row is not None:
                    bar.update(task, completed=row["progress"], description=row["current_step"] or row["status"])

        follower = threading.Thread(target=follow, name="progress-bar", daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()
