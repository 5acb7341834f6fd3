"""Runs of a report as JSON lines: inputs, outputs, verdicts and labels, for a regression set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from deployments.terminal.console import json_text
from tasks.calibration.labels import Label
from tasks.evidence.types import AgentId, RunId
from tasks.report.rows import OTHER_ISSUE, SUCCESS_QUESTION, AgentRow, IssueRow, ReportRow, RunRow
from tasks.warehouse.labels import load_labels
from tasks.warehouse.sql import Warehouse

WhichRuns = Literal["failing", "all"]

# What stands in an excerpt for what was left out of it.
_LEFT_OUT = "characters left out]"


def write_dataset(warehouse: Warehouse, report: ReportRow, which: WhichRuns) -> str:
    """The finished runs of a report, a line each, those of one agent together; "" when there is none.

    ``which``: ``failing`` is those that did not do their task, or of which that is not known and whose status is a
    failure.
    """
    labels = load_labels(warehouse.database, report["environment"])
    agents, issues = warehouse.load_agents(report["id"]), warehouse.load_issues(report["id"])
    runs = [run for run in warehouse.load_runs(report["id"]) if run["completed"] is not None]
    chosen = [run for run in runs if which == "all" or is_failing(run)]
    return "".join(json_text(row, indent=None) + "\n" for row in _rows(report, agents, chosen, issues, labels))


def is_failing(run: RunRow) -> bool:
    """Whether a stored run did not do its task, or where that is not known, did not complete."""
    return run["succeeded"] is False or (run["succeeded"] is None and run["completed"] is False)


def _rows(
    report: ReportRow,
    agents: Sequence[AgentRow],
    runs: Iterable[RunRow],
    issues: Iterable[IssueRow],
    labels: Iterable[Label],
) -> Iterator[Mapping[str, Any]]:
    names = {row["agent_id"]: row["agent_name"] for row in agents}
    of_run: dict[tuple[AgentId, RunId], list[str]] = {}
    for issue in issues:
        for seen in issue["runs"] if issue["issue_id"] != OTHER_ISSUE else ():
            of_run.setdefault((seen["agent_id"], seen["run_id"]), []).append(issue["issue_id"])
    given: dict[tuple[AgentId, RunId], dict[str, bool]] = {}
    for label in labels:
        if label.run_id is not None and label.criterion == SUCCESS_QUESTION and label.passed is not None:
            given.setdefault((label.agent_id, label.run_id), {})[label.labeler] = label.passed
    for run in runs:
        key = run["agent_id"], run["run_id"]
        people = given.get(key, {})
        texts = {"input": run["task_excerpt"], "output": run["response_excerpt"]}
        yield {
            "environment": report["environment"],
            "report_id": report["id"],
            "agent_id": run["agent_id"],
            "agent": names.get(run["agent_id"]),
            "run_id": run["run_id"],
            "started_at": run["started_at"],
            **texts,
            "shortened": [name for name, text in texts.items() if text and _LEFT_OUT in text],
            "status": run["status"],
            "error": run["error"],
            "succeeded": run["succeeded"],
            "success_source": run["success_source"],
            "verdict": run["verdict"],
            "verdict_error": run["verdict_error"],
            "checks": run["checks"],
            "failure_mode": run["failure_mode"],
            "failure_step": run["failure_step"],
            "evidence": [found["quote"] for found in run["verdict_evidence"] or ()],
            "issues": of_run.get(key, []),
            # People who disagree give no label.
            "label": next(iter(set(people.values()))) if len(set(people.values())) == 1 else None,
            "labels": people,
            "session_id": run["session_id"],
            "trace_id": run["trace_id"],
        }
