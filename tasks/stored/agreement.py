"""The measurement of the judge, from what the warehouse holds: for the commands, the HTML page and the artifact."""

from __future__ import annotations

from tasks.calibration.agreement import Agreement
from tasks.calibration.judging import Judging
from tasks.clients import current_clients
from tasks.errors import ConflictError, NotFoundError, scrub
from tasks.report.rows import ReportRow
from tasks.stored.reports import require_report
from tasks.warehouse.labels import find_judged_report, has_labels, load_judged, load_labels, load_repeated_answers
from tasks.warehouse.sql import Warehouse


def load_agreement(report_id: int, warehouse: Warehouse | None = None) -> Agreement | None:
    """How far the judge of a report and people agree, over all labels of its environment; None without any label.

    ``warehouse`` is the configured one unless it is given. The report has to be written; what is measured may grow
    with every label, so nothing of it is stored.

    Raises:
        RefusedError: there is no such report.
    """
    warehouse = warehouse or current_clients().warehouse()
    report = require_report(report_id, warehouse)
    if not has_labels(warehouse.database, report["environment"]):
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

    database = warehouse.database
    labels = load_labels(database, report["environment"])
    model = report["judge_model"]
    ours = {label.report_id for label in labels if label.judge_model == model}
    judged, runs, asked = load_judged(database, {report["id"], *ours})
    if model is not None:
        asked += load_repeated_answers(database, report["environment"], model)
    return measure_agreement(
        Judging(
            environment=report["environment"],
            report_id=report["id"],
            model=model,
            fingerprint=report["judge_fingerprint"],
            runs=runs,
            reports=judged,
            asked=asked,
        ),
        labels,
    )
