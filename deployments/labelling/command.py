"""The command ``label``: people's verdicts on a report's runs, entered on the terminal or read from a file."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from deployments.labelling.labelled_report import LabelledReport
from deployments.terminal.console import one_line, open_console, print_json
from deployments.terminal.invocation import printed_command
from tasks.calibration.label_sample import RunToLabel, choose_runs
from tasks.connecting import open_clients
from tasks.errors import NotFoundError, UsageError
from tasks.judge.rubric import select_agents
from tasks.report.stored_report import agents_of
from tasks.wire.trace_pages import TracePages
from tasks.wording.counts import counted, is_are

if TYPE_CHECKING:
    from deployments.labelling.whole_run import WholeRun
    from tasks.calibration.judging import RunKey

Row = dict[str, Any]
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """The arguments of ``agent-report label``."""

    report_id: int
    agents: Sequence[str] = ()
    count: int = 20
    seed: int = 0
    labeler: str | None = None
    blind: bool = True
    csv: Path | None = None
    template: Path | None = None
    as_json: bool = False
    serve: bool = False
    port: int = 0
    source: bool = True


@open_clients()
def run_label(order: LabelOrder) -> int:
    """Read labels from a file, write a template, ask on a page or on the terminal; returns the exit code.

    Raises:
        RefusedError: no such report or agent, a file that cannot be used, or no terminal to ask on.
    """
    from tasks.clients import current_clients

    if order.count < 1:
        raise UsageError(f"--count {order.count}: must be at least 1")
    if sum((order.csv is not None, order.template is not None, order.serve)) > 1:
        raise UsageError("--csv, --template and --serve exclude each other")
    if order.port and not order.serve:
        raise UsageError("--port requires --serve")
    if order.as_json and order.csv is None:
        raise UsageError("--json requires --csv")
    order = replace(order, labeler=_labeler(order.labeler))
    report = LabelledReport(current_clients().warehouse(), order.report_id)
    if order.csv is not None:
        return _take_file(report, order.csv, str(order.labeler), as_json=order.as_json)
    chosen = _choose(report, order)
    if order.template is not None:
        from deployments.labelling.questions import ask_about
        from deployments.labelling.sheet import write_template

        lines = write_template(order.template, ask_about(chosen, report.descriptions()), str(order.labeler))
        open_console().print(
            f"{counted(lines, 'line')} to fill in, in {order.template}: passed (yes, no). Then: "
            f"{printed_command('label', order.report_id, '--csv', order.template)}",
            markup=False,
            soft_wrap=True,
        )
        return 0
    if order.serve:
        _serve(report, chosen, order)
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "labelling needs a terminal; without one, `--serve` opens a page, `--template labels.csv` writes a file to "
            "fill in, and `--csv labels.csv` reads it"
        )
    from deployments.labelling.session import LabellingSession

    console = open_console()
    whole = _read_whole(report, chosen, order)
    return LabellingSession(
        report, chosen, str(order.labeler), blind=order.blind, console=console, whole=whole, pages=_pages()
    ).run()


def _read_whole(report: LabelledReport, chosen: Sequence[RunToLabel], order: LabelOrder) -> Mapping[RunKey, WholeRun]:
    """The runs as the source has them; where it cannot be read, the report's excerpts do, with a note."""
    from deployments.labelling.whole_run import read_whole_runs

    if not order.source:
        return {}
    found = read_whole_runs(report.report, chosen)
    if found.problem:
        open_console().print(
            Text.assemble(
                ("Note: ", "yellow"), one_line(f"excerpts are shown instead of the source's runs: {found.problem}")
            ),
            soft_wrap=True,
        )
    return found.runs


def _serve(report: LabelledReport, chosen: Sequence[RunToLabel], order: LabelOrder) -> None:
    from deployments.labelling.page import LabellingPage
    from deployments.labelling.server import base_path, listen, new_secret, serve

    secret = new_secret()
    whole = _read_whole(report, chosen, order)
    page = LabellingPage(
        report, chosen, str(order.labeler), blind=order.blind, base=base_path(secret), whole=whole, pages=_pages()
    )
    with listen(order.port) as listener:
        link = f"http://127.0.0.1:{listener.getsockname()[1]}{base_path(secret)}"
        open_console().print(
            f"{counted(len(chosen), 'run')} to label, as {order.labeler}: open this link in a browser on this "
            "computer. Ctrl-C ends it; what is answered is stored.",
            markup=False,
            soft_wrap=True,
        )
        open_console().print(link, markup=False, soft_wrap=True)
        serve(page, secret, listener)


def _pages() -> TracePages:
    from tasks.clients import current_clients

    return current_clients().settings.trace_pages


def _choose(report: LabelledReport, order: LabelOrder) -> list[RunToLabel]:
    only = {agent.id for agent in select_agents(order.agents, agents_of(report.agents))}
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=order.count, seed=order.seed, only=only)
    if not chosen:
        of_them = " of these agents" if order.agents else ""
        raise NotFoundError(f"report {order.report_id} has no finished run{of_them}: nothing to label")
    return chosen


def _labeler(given: str | None) -> str:
    try:
        name = " ".join((getpass.getuser() if given is None else given).split())
    except (OSError, KeyError):
        name = ""
    if not name:
        raise UsageError("--labeler is required")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError(f"--labeler: a name of at most {_LONGEST_NAME} printable characters")
    return name


def _take_file(report: LabelledReport, path: Path, labeler: str, *, as_json: bool) -> int:
    from deployments.labelling.sheet import read_labels

    found = read_labels(path, report, labeler)
    report.store(found.labels)
    if as_json:
        names = {row["agent_id"]: row["agent_name"] for row in report.agents}
        labels = [
            asdict(label) | {"agent_name": names.get(label.agent_id), "note": note} for label, note in found.labels
        ]
        print_json({"report_id": report.report["id"], "labels": labels, "empty_lines": found.empty})
        return 0
    people = len({label.labeler for label, _ in found.labels})
    empty = f"; {counted(found.empty, 'line has', 'lines have')} neither passed nor score" if found.empty else ""
    open_console().print(
        f"{counted(len(found.labels), 'label')} by {counted(people, 'person', 'people')} "
        f"{is_are(len(found.labels))} stored{empty}. "
        f"`{printed_command('agreement', report.report['id'])}` shows how well the judge and people agree.",
        soft_wrap=True,
    )
    return 0
