"""Stored reports: read back for rules, and compared. Imports no Prefect: commands need it."""

from __future__ import annotations

from tasks.clients import current_clients
from tasks.comparison.comparison import Comparison
from tasks.errors import ConflictError, ReportNotFoundError, UsageError
from tasks.report.rows import ReportRow
from tasks.report.stored_report import StoredReport
from tasks.warehouse.comparisons import (
    find_baseline,
    find_followers,
    load_comparison,
    load_score_history,
    load_stored_report,
    write_comparison,
)
from tasks.warehouse.schema import ENDED
from tasks.warehouse.sql import Warehouse


def require_report(report_id: int, warehouse: Warehouse | None = None) -> ReportRow:
    """The row of a report, in ``warehouse`` or the configured one.

    Raises:
        RefusedError: there is none of this id.
    """
    warehouse = warehouse or current_clients().warehouse()
    row = warehouse.load_report(report_id)
    if row is None:
        raise ReportNotFoundError(report_id, warehouse.database.shown)
    return row


def compare_stored(
    report_id: int, baseline_id: int | None, *, across_environments: bool = False, of_agents: bool = True
) -> Comparison | None:
    """Two stored reports compared, and what was found stored; None when no earlier report is there to compare with.

    What was found before is read: it goes from the warehouse as soon as one of the reports is written again.

    Args:
        report_id: The later report.
        baseline_id: The earlier one; None: the last comparable report (``find_baseline``).
        across_environments: Whether the two may be of different environments.
        of_agents: Whether a later report that ended before it had any agent is refused; else nothing of it is
            comparable, and nothing is stored.

    Raises:
        RefusedError: no such report, one that has not ended or has no rows, one with itself, or two environments.
    """
    warehouse = current_clients().warehouse()
    later = _check_ended(require_report(report_id, warehouse))
    if baseline_id is None:
        baseline_id = find_baseline(warehouse, later)
        if baseline_id is None:
            return None
    if baseline_id == report_id:
        raise UsageError(f"report {report_id} cannot be compared with itself: name another, or --last 2")
    names = [row["environment"] for row in (_check_ended(require_report(baseline_id, warehouse)), later)]
    if names[0] != names[1] and not across_environments:
        raise ConflictError(
            f"report {baseline_id} is of the environment {names[0]!r}, report {report_id} of {names[1]!r}: "
            "--across-environments compares them all the same, agents by their names"
        )
    if (known := load_comparison(warehouse, report_id, baseline_id)) is not None:
        return known
    report, baseline = read_ended(report_id, of_agents=of_agents), read_ended(baseline_id)
    # SciPy takes a second to import: only where there is something to compare.
    from tasks.comparison.compare import compare_reports

    comparison = compare_reports(baseline, report, load_score_history(warehouse, later))
    if report.details:
        write_comparison(warehouse, comparison)
    return comparison


def compare_followers(report_id: int) -> list[int]:
    """Compare the later reports with a report that was made again, which deleted the comparisons of before; the ids of
    those reports.

    Raises:
        RefusedError: there is no such report.
    """
    followers = find_followers(current_clients().warehouse(), require_report(report_id))
    return [follower for follower in followers if compare_stored(follower, report_id) is not None]


def read_ended(report_id: int, *, of_agents: bool = True) -> StoredReport:
    """A stored report that has ended and, unless ``of_agents`` is false, has agents.

    Raises:
        RefusedError: there is none of this id, it is still made, or it ended before it had anything.
    """
    warehouse = current_clients().warehouse()
    reading = load_stored_report(warehouse, report_id)
    if reading is None:
        raise ReportNotFoundError(report_id, warehouse.database.shown)
    status = _check_ended(reading.report)["status"]
    if of_agents and not reading.details:
        raise ConflictError(f"report {report_id} {status} before it had any agent: there is nothing to compare")
    return reading


def _check_ended(report: ReportRow) -> ReportRow:
    if report["status"] not in ENDED:
        raise ConflictError(
            f"report {report['id']} is not done yet ({report['status']}, {report['progress']}%): wait for it"
        )
    return report
