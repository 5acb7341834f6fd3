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
    """Write the page of a report to the file ``target``, or with ``-`` to stdout; a file that is there is replaced.

    Replacing is what a command that is told a file's name does (``-o`` of a compiler, say), and a page can be made
    again at any time; only another kind of file, which no page was written to, is refused.

    Raises:
        RefusedError: no such report, a folder, a file that is no page, or a place that cannot be written.
    """
    from tasks.paging import load_page
    from tasks.render.html.html import render_html

    path = None if target == STDOUT else _check(Path(target).expanduser(), target)
    page = load_page(report_id)
    if page.agreement_error:
        note = f"Note: how far judge and people agree could not be measured: {page.agreement_error}"
        open_console(stderr=True).print(one_line(note), soft_wrap=True)
    write_out(target, render_html(page).encode(), "--html")
    if path is not None:
        open_console(stderr=True).print(one_line(f"The page of report {report_id}: {path}"), soft_wrap=True)


@open_clients()
def print_place(console: Console, report_id: int) -> None:
    """Say where the page is that a report wrote; where there is none, how to get one."""
    from tasks.paging import find_page

    place = find_page(report_id)
    console.print()
    command = printed_command("show", report_id, "--html", "report.html")
    console.print(one_line(f"Page: {place}" if place else f"Page: `{command}` makes it"), soft_wrap=True)


def _check(path: Path, target: str) -> Path:
    if path.is_dir():
        raise UsageError(f"--html {target} is a folder: name a file in it, such as {target.rstrip('/')}/report.html")
    if path.is_file() and path.suffix.lower() not in (".html", ".htm") and path.stat().st_size:
        raise ConflictError(f"--html {target} is there already and no .html file: name another one")
    return path
