"""The command ``label``: people's own verdicts on a report's runs, asked for on the terminal or taken from a file."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.terminal.console import open_console, print_json
from deployments.terminal.invocation import printed_command
from tasks.calibration.label_sample import RunToLabel, choose_runs
from tasks.calibration.labels import Label
from tasks.errors import RefusedError
from tasks.judge.rubric import parse_criteria, resolve_rubrics, select_agents
from tasks.report.reading import as_agents
from tasks.stored_reports import require_report
from tasks.warehouse.labels import load_labels, write_labels
from tasks.warehouse.sql import Warehouse
from tasks.wording.counts import counted, is_are

Row = dict[str, Any]
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """What was asked for on the command line."""

    report_id: int
    agents: Sequence[str] = ()
    count: int = 20
    seed: int = 0
    labeler: str | None = None
    blind: bool = True
    csv: Path | None = None
    template: Path | None = None
    as_json: bool = False


class LabelledReport:
    """A report that people label: its rows, and where their labels go."""

    def __init__(self, warehouse: Warehouse, report_id: int) -> None:
        """Raises RefusedError when there is no such report, or the judge scored nothing in it."""
        self.warehouse = warehouse
        self.report = report = require_report(report_id, warehouse)
        self.agents = warehouse.load_agents(report_id)
        self.runs = warehouse.load_runs(report_id)
        self.criteria = [row for row in warehouse.load_criteria(report_id) if row["agent_id"] is not None]
        if not any(row["score"] is not None for row in self.criteria):
            raise RefusedError(
                f"report {report_id} ({report['status']}) has no score of an agent that a label could be held against"
            )

    def find_criterion(self, agent_id: int, criterion: str) -> Row | None:
        """The judge's row on a criterion of an agent; None when it has none, or no score."""
        rows = (row for row in self.criteria if (row["agent_id"], row["criterion"]) == (agent_id, criterion))
        return next((row for row in rows if row["score"] is not None), None)

    def descriptions(self) -> dict[tuple[int, str], str]:
        """What criteria mean, by agent and criterion, as far as the report's parameters still say it."""
        try:
            criteria = parse_criteria((self.report["parameters"] or {}).get("criteria"))
            rubrics = resolve_rubrics(criteria, as_agents(self.agents))
        except RefusedError:
            return {}
        return {
            (agent_id, name): criterion.description
            for agent_id, rubric in rubrics.items()
            for name, criterion in rubric.items()
        }

    def make_label(
        self, judged: Row, run_id: int | None, labeler: str, score: float | None, passed: bool | None
    ) -> Label:
        """A label beside the judge's word in the row ``judged``; a score alone says whether it passes."""
        return Label(
            report_id=self.report["id"],
            agent_id=judged["agent_id"],
            run_id=run_id,
            criterion=judged["criterion"],
            labeler=labeler,
            score=score,
            passed=passed if score is None else score >= judged["threshold"],
            threshold=judged["threshold"],
            judge_model=self.report["judge_model"],
            judge_fingerprint=self.report["judge_fingerprint"],
            judge_score=judged["score"],
            judge_passed=judged["passed"],
            created_at=datetime.now(UTC),
        )

    def store(self, labels: Sequence[tuple[Label, str | None]]) -> None:
        """Store labels with their notes: all or none."""
        names = {row["agent_id"]: row["agent_name"] for row in self.agents}
        rows = [(label, names.get(label.agent_id), note) for label, note in labels]
        write_labels(self.warehouse.database, self.report["environment"], rows)

    def stored(self, labeler: str) -> list[Label]:
        """What this person has said of the report so far."""
        return load_labels(self.warehouse.database, report_id=self.report["id"], labeler=labeler)


def run_label(order: LabelOrder) -> int:
    """Take labels from a file, write a file to fill in, or ask for them on the terminal. The exit code.

    Raises:
        RefusedError: no such report or agent, a file that cannot be used, or no terminal to ask on.
    """
    from tasks.clients import warehouse

    if order.count < 1:
        raise RefusedError(f"--count {order.count}: at least 1")
    if order.csv is not None and order.template is not None:
        raise RefusedError("--csv takes labels and --template writes a file to fill in: one of them at a time")
    if order.as_json and order.csv is None:
        raise RefusedError("--json goes with --csv: it prints the labels that were taken from the file")
    order = replace(order, labeler=_labeler(order.labeler))
    report = LabelledReport(warehouse(), order.report_id)
    if order.csv is not None:
        return _take_file(report, order.csv, str(order.labeler), as_json=order.as_json)
    chosen = _choose(report, order)
    if order.template is not None:
        from deployments.labelling.sheet import write_template

        lines = write_template(order.template, chosen, str(order.labeler))
        open_console().print(
            f"{counted(lines, 'line')} to fill in, in {order.template}: score (0 to 10) or passed (yes, no). Then: "
            f"{printed_command('label', order.report_id, '--csv', order.template)}",
            markup=False,
            soft_wrap=True,
        )
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RefusedError(
            "labels are asked for on a terminal, and this is none: `--template labels.csv` writes a file to fill in, "
            "and `--csv labels.csv` takes it"
        )
    from deployments.labelling.session import Walk

    return Walk(report, chosen, str(order.labeler), blind=order.blind, console=open_console()).run()


def _choose(report: LabelledReport, order: LabelOrder) -> list[RunToLabel]:
    only = {agent.id for agent in select_agents(order.agents, as_agents(report.agents))}
    chosen = choose_runs(report.agents, report.criteria, report.runs, count=order.count, seed=order.seed, only=only)
    if not chosen:
        of_them = "of these agents " if order.agents else ""
        raise RefusedError(f"report {order.report_id} holds no run {of_them}that the judge scored: nothing to label")
    return chosen


def _labeler(given: str | None) -> str:
    try:
        name = " ".join((getpass.getuser() if given is None else given).split())
    except (OSError, KeyError):
        name = ""
    if not name:
        raise RefusedError("who labels? --labeler NAME")
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise RefusedError(f"--labeler: a name of at most {_LONGEST_NAME} printable characters")
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
    empty = f"; {counted(found.empty, 'line has', 'lines have')} neither score nor passed" if found.empty else ""
    open_console().print(
        f"{counted(len(found.labels), 'label')} by {counted(people, 'person', 'people')} "
        f"{is_are(len(found.labels))} stored{empty}. "
        f"`{printed_command('agreement', report.report['id'])}` says how far the judge and people agree.",
        soft_wrap=True,
    )
    return 0
