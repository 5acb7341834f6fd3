"""A report to label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.calibration.judging import run_verdicts
from tasks.calibration.labels import Label
from tasks.errors import NotFoundError, RefusedError
from tasks.evidence.types import AgentId, RunId
from tasks.judge.rubric import parse_criteria, resolve_rubrics
from tasks.report.rows import SUCCESS_QUESTION, CriterionRow, RunRow
from tasks.report.stored_report import agents_of
from tasks.stored.reports import require_report
from tasks.warehouse.labels import load_labels, write_labels
from tasks.warehouse.sql import Warehouse

SUCCESS_TITLE = "Did it do its task?"
_SUCCESS_MEANS = "What was asked is done, by what the tools returned and not by what the agent claims"


class LabelledReport:
    """A report to label: its rows, and the store of its labels."""

    def __init__(self, warehouse: Warehouse, report_id: int) -> None:
        """Raises RefusedError when there is no such report, or no finished run in it."""
        self.warehouse = warehouse
        self.report = report = require_report(report_id, warehouse)
        self.agents = warehouse.load_agents(report_id)
        self.runs = warehouse.load_runs(report_id)
        self.criteria = [row for row in warehouse.load_criteria(report_id) if row["agent_id"] is not None]
        self._runs = {(run["agent_id"], run["run_id"]): run for run in self.runs}
        self._criteria = {(row["agent_id"], row["criterion"]): row for row in self.criteria}
        if not any(run["completed"] is not None for run in self.runs):
            raise NotFoundError(f"report {report_id} ({report['status']}) has no finished run to label")

    def find_criterion(self, agent_id: AgentId, criterion: str) -> CriterionRow | None:
        """The row on a criterion of an agent; None when it has none."""
        return self._criteria.get((agent_id, criterion))

    def find_run(self, agent_id: AgentId, run_id: RunId | None) -> RunRow | None:
        """The row of a run; None when the report has none such."""
        return None if run_id is None else self._runs.get((agent_id, run_id))

    def descriptions(self) -> dict[tuple[AgentId, str], str]:
        """What each question means by agent and question, as far as the report's parameters have it."""
        found = {(row["agent_id"], SUCCESS_QUESTION): _SUCCESS_MEANS for row in self.agents}
        try:
            criteria = parse_criteria((self.report["parameters"] or {}).get("criteria"))
            rubrics = resolve_rubrics(criteria, agents_of(self.agents))
        except RefusedError:
            return found
        return found | {
            (agent_id, name): criterion.description
            for agent_id, rubric in rubrics.items()
            for name, criterion in rubric.items()
        }

    def make_label(
        self,
        agent_id: AgentId,
        run_id: RunId | None,
        question: str,
        labeler: str,
        *,
        passed: bool | None,
        score: float | None = None,
        drawn: bool = True,
    ) -> Label:
        """A label with the judge's verdict at this time: on this run where it gave one, else on the agent.

        A score implies the verdict, at the criterion's threshold. ``drawn`` is whether the run was drawn at random.
        """
        row, run = self.find_criterion(agent_id, question), self.find_run(agent_id, run_id)
        threshold = None if row is None else row["threshold"]
        if score is not None and threshold is not None:
            passed = score >= threshold
        on_run = run is not None and is_judged(run)
        verdict = run_verdicts(run).get(question) if run is not None and on_run else None
        return Label(
            report_id=self.report["id"],
            agent_id=agent_id,
            run_id=run_id,
            criterion=question,
            labeler=labeler,
            score=score,
            passed=passed,
            threshold=threshold,
            judge_model=self.report["judge_model"],
            judge_fingerprint=self.report["judge_fingerprint"],
            judge_score=None if on_run or row is None else row["score"],
            judge_passed=verdict if on_run or row is None else row["passed"],
            created_at=datetime.now(UTC),
            judge_on_run=on_run,
            drawn=drawn,
        )

    def store(self, labels: Sequence[tuple[Label, str | None]]) -> None:
        """Store labels with their notes: all or none."""
        names = {row["agent_id"]: row["agent_name"] for row in self.agents}
        rows = [(label, names.get(label.agent_id), note) for label, note in labels]
        write_labels(self.warehouse.database, self.report["environment"], rows)

    def stored(self, labeler: str) -> list[Label]:
        """The labels that this person has given the report so far."""
        return load_labels(self.warehouse.database, report_id=self.report["id"], labeler=labeler)


def is_judged(run: RunRow) -> bool:
    """Whether the judge was asked about this very run, with or without a usable answer."""
    return run["verdict"] is not None or run["verdict_error"] is not None


def title_of(question: str) -> str:
    """A question as people read it."""
    return SUCCESS_TITLE if question == SUCCESS_QUESTION else question
