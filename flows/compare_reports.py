"""The recipe of a comparison: two stored reports, compared with each other."""

from __future__ import annotations

from tasks.bridge.decorators import flow
from tasks.bridge.quoting import quoted
from tasks.comparing import compare_two, publish_comparison
from tasks.connecting import open_clients


@flow(name="compare_reports", flow_run_name="compare report {report_id}")
def compare_reports(report_id: int, baseline_id: int | None = None) -> list[str]:
    """Compare two reports: what got better or worse, beyond what noise explains.

    Args:
        report_id: The report in question, by its id in the warehouse.
        baseline_id: The earlier report that it is compared with. Empty: the last comparable one.

    Returns:
        The names of the agents that got worse.

    Raises:
        RefusedError: there is no such report, it is not done, or there is nothing to compare it with.
    """
    with open_clients():
        comparison = compare_two(report_id, baseline_id)
        return publish_comparison(quoted(comparison))
