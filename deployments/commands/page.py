"""``agent-report show ID --html FILE``: a report's page from the warehouse, into a file or to stdout."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from deployments.terminal.console import one_line, open_console
from deployments.terminal.invocation import printed_command
from deployments.terminal.out_file import STDOUT, write_out
from tasks.connecting import open_clients
from tasks.errors import ConflictError, UsageError


@open_clients()
def save_page(report_id: int, target: str) -> None:
    """Write a report's page to the file ``target``, or for ``-`` to stdout; an existing page is replaced.

    A page can be made again at any time, so only a non-empty file of another type is refused.

    Raises:
        RefusedError: no such report, or a target that is a folder, not an HTML file, or not writable.
    """
    from tasks.render.html.html import render_html
    from tasks.stored.page import load_page

    path = None if target == STDOUT else _check(Path(target).expanduser(), target)
    page = load_page(report_id)
    if page.agreement_error:
        note = f"Note: agreement of judge and people could not be measured: {page.agreement_error}"
        open_console(stderr=True).print(one_line(note), soft_wrap=True)
    write_out(target, render_html(page).encode(), "--html")
    if path is not None:
        open_console(stderr=True).print(one_line(f"The page of report {report_id}: {path}"), soft_wrap=True)


@open_clients()
def print_place(console: Console, report_id: int) -> None:
    """Print where the report's page is, or how to create it."""
    from tasks.stored.page import find_page

    place = find_page(report_id)
    console.print()
    command = printed_command("show", report_id, "--html", "report.html")
    console.print(one_line(f"Page: {place}" if place else f"Page: `{command}` creates it"), soft_wrap=True)


def _check(path: Path, target: str) -> Path:
    if path.is_dir():
        raise UsageError(f"--html {target} is a folder: name a file in it, such as {target.rstrip('/')}/report.html")
    if path.is_file() and path.suffix.lower() not in (".html", ".htm") and path.stat().st_size:
        raise ConflictError(f"--html {target} exists and is not an .html file: name another one")
    return path
