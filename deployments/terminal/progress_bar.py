"""A progress bar that follows a report's row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.terminal.console import Row, one_line

_POLL_SECONDS = 0.25


def open_bar(console: Console) -> Progress:
    """A bar of 100 with description, percentage and time that goes away at its end."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def describe_step(row: Row) -> str:
    """What a report is at, on one line."""
    return one_line(row["current_step"] or row["status"]).plain


@contextmanager
def live_progress(console: Console, look: Callable[[], Row | None]) -> Iterator[None]:
    """A progress bar that follows the report row that ``look`` gives; nothing where ``console`` is no terminal."""
    if not console.is_terminal:
        yield
        return
    over = threading.Event()
    with open_bar(console) as bar:
        task = bar.add_task("Starting Prefect", total=100)

        def follow() -> None:
            while not over.wait(_POLL_SECONDS):
                try:
                    row = look()
                except Exception:  # noqa: BLE001, S112 - a look that fails is only a look
                    continue
                if row is not None:
                    bar.update(task, completed=row["progress"], description=describe_step(row))

        follower = threading.Thread(target=copy_context().run, args=(follow,), name="progress-bar", daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()
