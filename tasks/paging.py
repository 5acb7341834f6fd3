"""The report's page: put together from the warehouse, and written beside the Parquet files."""

from __future__ import annotations

from typing import NamedTuple

from prefect.logging import get_run_logger

from tasks.bridge.decorators import step
from tasks.calibration.agreement_summary import describe_agreement
from tasks.clients import current_clients
from tasks.errors import scrub
from tasks.measuring import try_agreement
from tasks.render.html.html import render_html
from tasks.render.html.page import Page
from tasks.report.plan import ReportPlan
from tasks.stored_reports import require_report
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.history import load_history, load_judging_stats
from tasks.warehouse.pages import has_page, page_place, write_page_file

_UNMEASURED = "how far it agrees with people could not be measured"


class WrittenPage(NamedTuple):
    """Where a report's page is, as it may be shown, and a sentence on how far its judge can be trusted; "" each where
    there is none."""

    place: str = ""
    trust: str = ""


@step("write the page of {plan.environment}")
def write_page(plan: ReportPlan) -> WrittenPage:
    """Write the page of a report that is written.

    What is in the warehouse can be made a page at any time, so a failure is a warning and loses nothing.
    """
    trust = ""
    try:
        url = current_clients().settings.parquet_url
        page = load_page(plan.id)
        trust = _UNMEASURED if page.agreement_error else describe_agreement(page.agreement, plan.id)
        if page.agreement_error:
            get_run_logger().warning(
                "How far judge and people agree could not be measured for report %s: %s", plan.id, page.agreement_error
            )
        write_page_file(url, plan.environment, plan.id, render_html(page))
        return WrittenPage(page_place(url, plan.environment, plan.id), trust)
    except Exception as error:  # noqa: BLE001 - whatever it is, the report is written
        get_run_logger().warning(
            "The page of report %s could not be written (`agent-report show %s --html FILE` tries again): %s",
            plan.id,
            plan.id,
            scrub(str(error) or type(error).__name__),
        )
        return WrittenPage(trust=trust)


def find_page(report_id: int) -> str:
    """Where the page of a report is, as it may be shown; "" when there is no such report, or no page of it."""
    report = current_clients().warehouse().load_report(report_id)
    if report is None:
        return ""
    url = current_clients().settings.parquet_url
    return page_place(url, report["environment"], report_id) if has_page(url, report["environment"], report_id) else ""


def load_page(report_id: int) -> Page:
    """Everything that the page of a report is made of, as the warehouse has it now.

    Raises:
        RefusedError: there is no such report.
    """
    warehouse = current_clients().warehouse()
    report = require_report(report_id, warehouse)
    agreement, unmeasured = try_agreement(report_id, warehouse)
    return Page(
        report=report,
        agents=warehouse.load_agents(report_id),
        criteria=warehouse.load_criteria(report_id),
        runs=warehouse.load_runs(report_id),
        comparison=load_comparison(warehouse, report_id),
        agreement=agreement,
        agreement_error=unmeasured,
        history=load_history(warehouse.database, report),
        judging=load_judging_stats(warehouse.database, report_id),
        jaeger_ui_url=current_clients().settings.jaeger_ui_url,
    )
