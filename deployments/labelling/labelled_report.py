"""A report to label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from tasks.calibration.labels import Label
from tasks.errors import NotFoundError, RefusedError
from tasks.evidence.types import AgentId, RunId
from tasks.judge.rubric import parse_criteria, resolve_rubrics
from tasks.report.rows import CriterionRow
from tasks.report.stored_report import agents_of
from tasks.stored.reports import require_report
from tasks.warehouse.labels import load_labels, write_labels
from tasks.warehouse.sql import Warehouse


class LabelledReport:
    """A report to label: its rows, and the store of its labels."""

    def __init__(self, warehouse: Warehouse, report_id: int) -> None:
        """Raises RefusedError when there is no such report, or the judge scored nothing in it."""
        self.warehouse = warehouse
        self.report = report = require_report(report_id, warehouse)
        self.agents = warehouse.load_agents(report_id)
        self.runs = warehouse.load_runs(report_id)
        self.criteria = [row for row in warehouse.load_criteria(report_id) if row["agent_id"] is not None]
        if not any(row["score"] is not None for row in self.criteria):
            raise NotFoundError(f"report {report_id} ({report['status']}) has no scored agent to label")

    def find_criterion(self, agent_id: AgentId, criterion: str) -> CriterionRow | None:
        """The judge's row on a criterion of an agent; None when it has none, or no score."""
        rows = (row for row in self.criteria if (row["agent_id"], row["criterion"]) == (agent_id, criterion))
        return next((row for row in rows if row["score"] is not None), None)

    def descriptions(self) -> dict[tuple[AgentId, str], str]:
        """Descriptions of criteria by agent and criterion, as far as the report's parameters have them."""
        try:
            criteria = parse_criteria((self.report["parameters"] or {}).get("criteria"))
            rubrics = resolve_rubrics(criteria, agents_of(self.agents))
        except RefusedError:
            return {}
        return {
            (agent_id, name): criterion.description
            for agent_id, rubric in rubrics.items()
            for name, criterion in rubric.items()
        }

    def make_label(
        self, judged: CriterionRow, run_id: RunId | None, labeler: str, score: float | None, passed: bool | None
    ) -> Label:
        """A label with the judge's verdict from the row ``judged``; a score implies the verdict."""
        return Label(
            report_id=self.report["id"],
            agent_id=cast(AgentId, judged["agent_id"]),
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
        """The labels that this person has given the report so far."""
        return load_labels(self.warehouse.database, report_id=self.report["id"], labeler=labeler)
