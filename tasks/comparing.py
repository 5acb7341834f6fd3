"""Tasks that compare reports: a report that is done with the last comparable one, and any two that are stored."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact
from prefect.logging import get_run_logger

from tasks.bridge.decorators import step
from tasks.comparison.comparison import AgentComparison, Comparison
from tasks.errors import NotFoundError, scrub
from tasks.render.change_text import render_changed
from tasks.report.build import ReportRows
from tasks.report.plan import ReportPlan
from tasks.stored.reports import compare_followers, compare_stored


@step("compare the report on {plan.environment}")
def compare_with_last(plan: ReportPlan, rows: ReportRows) -> Comparison | None:
    """What changed since the last comparable report; None without one, or of a report that did not complete.

    Of a report that is made again, also what changed from it to those that came after it.

    The report is written by now: whatever goes wrong here is a warning in the log, and no more.
    """
    if rows.report["status"] != "completed" or not rows.details:
        return None
    try:
        comparison = compare_stored(plan.id, None)
        if plan.resumed:
            compare_followers(plan.id)
    except Exception as error:  # noqa: BLE001 - no error is worth a report that is done
        get_run_logger().warning("Report %s could not be compared with the last: %s", plan.id, scrub(str(error)))
        return None
    if comparison is not None:
        _tell(comparison)
    return comparison


@step("compare report {report_id}")
def compare_two(report_id: int, baseline_id: int | None) -> Comparison:
    """Report ``report_id`` compared with ``baseline_id``, or with the last comparable one.

    Raises:
        RefusedError: as ``compare_stored``, or there is nothing to compare with.
    """
    comparison = compare_stored(report_id, baseline_id)
    if comparison is None:
        raise NotFoundError(f"there is no completed report of this environment before report {report_id}")
    _tell(comparison)
    return comparison


@step("publish the comparison")
def publish_comparison(comparison: Comparison) -> list[str]:
    """A markdown artifact that shows what changed; the names of the agents that got worse."""
    text = "\n".join([f"# Report {comparison.report_id}", "", *render_changed(comparison)]) + "\n"
    description = f"Report {comparison.report_id} against {comparison.baseline_id}"
    key = f"comparison-{comparison.report_id}-{comparison.baseline_id}"
    try:
        create_markdown_artifact(text, key=key, description=description)
    except Exception as error:  # noqa: BLE001 - whatever the API's client raises, the comparison is stored
        get_run_logger().warning("The artifact of the comparison could not be written: %s", scrub(str(error)))
    return [agent.agent_name for agent in _worse(comparison)]


def _tell(comparison: Comparison) -> None:
    better = sum(agent.verdict == "better" for agent in comparison.agents)
    get_run_logger().info(
        "Report %s against %s: %s agents worse, %s better",
        comparison.report_id,
        comparison.baseline_id,
        len(_worse(comparison)),
        better,
    )


def _worse(comparison: Comparison) -> list[AgentComparison]:
    return [agent for agent in comparison.agents if agent.verdict == "worse"]
