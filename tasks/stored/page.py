"""A report's page, from what is stored in the warehouse."""

from __future__ import annotations

from tasks.clients import current_clients
from tasks.render.html.page import Page
from tasks.stored.agreement import try_agreement
from tasks.stored.reports import require_report
from tasks.warehouse.comparisons import load_comparison
from tasks.warehouse.history import load_history, load_judging_stats
from tasks.warehouse.pages import has_page, page_place


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
        issues=warehouse.load_issues(report_id),
        comparison=load_comparison(warehouse, report_id),
        agreement=agreement,
        agreement_error=unmeasured,
        history=load_history(warehouse.database, report),
        judging=load_judging_stats(warehouse.database, report_id),
        trace_pages=current_clients().settings.trace_pages,
    )
