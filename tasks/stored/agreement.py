"""The measurement of the judge, from what the warehouse holds: for the commands, the HTML page and the artifact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.calibration.agreement import Agreement
from tasks.calibration.judging import Judging
from tasks.calibration.labels import ItemKey, Label
from tasks.clients import current_clients
from tasks.errors import ConflictError, NotFoundError, scrub
from tasks.evidence.types import AgentId
from tasks.report.rows import ReportRow, RunRow
from tasks.stored.reports import require_report
from tasks.warehouse.labels import (
    find_judged_report,
    find_reports_of_runs,
    has_labels,
    has_outcomes,
    load_judged,
    load_labels,
    load_notes,
    load_repeated_answers,
)
from tasks.warehouse.sql import Warehouse

if TYPE_CHECKING:
    from tasks.calibration.disagreements import Disagreement, RatedRun


def load_agreement(report_id: int, warehouse: Warehouse | None = None) -> Agreement | None:
    """How far the judge of a report and people agree, over all labels of its environment; None without any label and
    without an outcome of the source that the judge could be compared with.

    ``warehouse`` is the configured one unless it is given. The report has to be written; what is measured may grow
    with every label, so nothing of it is stored.

    Raises:
        RefusedError: there is no such report.
    """
    warehouse = warehouse or current_clients().warehouse()
    report = require_report(report_id, warehouse)
    database = warehouse.database
    if not has_labels(database, report["environment"]) and not has_outcomes(database, report_id):
        return None
    return measure(warehouse, report)


def try_agreement(report_id: int, warehouse: Warehouse | None = None) -> tuple[Agreement | None, str]:
    """``load_agreement`` for what is worth more than the agreement (a page, an artifact): whatever goes wrong is given
    as a text beside None, and "" when nothing did."""
    try:
        return load_agreement(report_id, warehouse), ""
    except Exception as error:  # noqa: BLE001 - labels, or what is computed of them, may be anything
        return None, scrub(str(error) or type(error).__name__)


def find_report(warehouse: Warehouse, report_id: int | None, environment: str | None) -> ReportRow:
    """The report of this id, or the newest completed one that has agents (of ``environment``).

    Raises:
        RefusedError: there is none, or it is of another environment.
    """
    if report_id is None:
        report = find_judged_report(warehouse.database, environment)
        of_it = f" of {environment!r}" if environment is not None else ""
        if report is None:
            raise NotFoundError(
                f"there is no completed report with agents{of_it}: `agent-report list` shows those there are"
            )
        return report
    report = require_report(report_id, warehouse)
    if environment is not None and report["environment"] != environment:
        raise ConflictError(
            f"report {report_id} is of {report['environment']!r}, not of {environment!r}: leave one out"
        )
    return report


def measure(warehouse: Warehouse, report: ReportRow) -> Agreement:
    """The agreement as it is now, for ``report`` (a row of ``reports``); without labels only what needs none."""
    # Imported when it is needed: scipy and statsmodels take a second, and most reports have no labels.
    from tasks.calibration.agree import measure_agreement

    labels = load_labels(warehouse.database, report["environment"])
    return measure_agreement(load_judging(warehouse, report, labels), labels)


def load_judging(warehouse: Warehouse, report: ReportRow, labels: Sequence[Label]) -> Judging:
    """What is known of the judge of ``report``, as far as these labels can be compared with it."""
    database, model = warehouse.database, report["judge_model"]
    wanted = {report["id"], *(label.report_id for label in labels if label.judge_model == model)}
    if model is not None:
        keys = {(label.agent_id, label.run_id) for label in labels if label.run_id is not None}
        wanted |= find_reports_of_runs(database, report["environment"], model, keys)
    judged, agent_runs, asked = load_judged(database, wanted)
    if model is not None:
        asked += load_repeated_answers(database, report["environment"], model)
    return Judging(
        environment=report["environment"],
        report_id=report["id"],
        model=model,
        fingerprint=report["judge_fingerprint"],
        agent_runs=agent_runs,
        reports=judged,
        asked=asked,
    )


def load_rated_runs(warehouse: Warehouse, report: ReportRow) -> list[RatedRun]:
    """Every labelled run on which the judge of ``report`` and people both decided, and every run whose outcome the
    source states (unless people labelled it), question by question, with
    excerpts."""
    from tasks.calibration.disagreements import describe_rated
    from tasks.calibration.rated_runs import match_labels, rate_outcomes

    database = warehouse.database
    labels = load_labels(database, report["environment"])
    judging = load_judging(warehouse, report, labels)
    matched = match_labels(judging, labels)
    labelled = {rating.unit for rating in matched.rated}
    rated = [*matched.rated, *(rating for rating in rate_outcomes(judging) if rating.unit not in labelled)]
    given = load_notes(database, report["environment"])
    notes = {
        (item, label.labeler): note
        for item, label in matched.on_runs
        if (note := given.get((label.report_id, *item[1:], label.labeler)))
    }
    rows: dict[ItemKey, RunRow] = {}
    names: dict[AgentId, str] = {}
    for report_id in {rating.unit.report_id for rating in rated}:
        names |= {row["agent_id"]: row["agent_name"] for row in warehouse.load_agents(report_id)}
        runs = {(run["agent_id"], run["run_id"]): run for run in warehouse.load_runs(report_id)}
        for rating in rated:
            unit = rating.unit
            if unit.report_id == report_id and (run := runs.get((unit.agent_id, unit.run_id or ""))) is not None:
                rows[unit] = run
    return describe_rated(rated, rows, names, notes)


def load_disagreements(warehouse: Warehouse, report: ReportRow) -> list[Disagreement]:
    """Those of ``load_rated_runs`` on which the judge and people disagree."""
    from tasks.calibration.disagreements import find_disagreements

    return find_disagreements(load_rated_runs(warehouse, report))
