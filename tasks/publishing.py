"""Publishing a report: its rows and files, its page, and what the Prefect UI shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.utilities.urls import url_for

from tasks.announcements import announce
from tasks.bridge.decorators import step
from tasks.calibration.agreement_summary import describe_agreement
from tasks.clients import current_clients
from tasks.comparison.comparison import Comparison
from tasks.errors import ParquetError, scrub
from tasks.render.change_text import render_changed
from tasks.render.html.html import render_html
from tasks.render.markdown import Links, agents_table, escape, render_markdown
from tasks.report.build import ReportDraft, ReportRows, build_rows
from tasks.report.notes import build_notes, write_notes
from tasks.report.plan import ReportPlan
from tasks.report.rows import ReportRow
from tasks.stored.page import load_page
from tasks.warehouse.owner import current_owner
from tasks.warehouse.pages import page_place, write_page_file
from tasks.warehouse.parquet import list_files, stage_parquet
from tasks.warehouse.patience import Patience
from tasks.warehouse.schema import REPORT_TABLES, clean_nested
from tasks.warehouse.sql import Values


@step("write the report on {plan.environment}")
def write_report(plan: ReportPlan, draft: ReportDraft) -> ReportRows:
    """Write the report to Parquet and SQL; SQL comes last, in one transaction, and is what readers trust."""
    return write_rows(plan, draft, current_clients().patience())


def write_rows(plan: ReportPlan, draft: ReportDraft, patience: Patience) -> ReportRows:
    """What ``write_report`` does, also for a flow that can run no more tasks.

    Files that cannot be written make the report ``failed``; its rows, which were paid for, are in SQL all the same.

    Raises:
        WarehouseError: SQL cannot be written, for as long as ``patience`` lasts.
    """
    paid = patience.keep_trying(lambda: current_clients().ledger().load_paid(plan.id))
    rows = build_rows(plan, draft, paid)
    url = current_clients().settings.parquet_url
    given: dict[str, Sequence[Mapping[str, Any]]] = {
        "agent_report_details": rows.details,
        "criterion_scores": rows.criteria,
        "report_runs": rows.runs,
        "report_issues": rows.issues,
    }
    children = {name: clean_nested(REPORT_TABLES[name], own) for name, own in given.items()}
    files_until = patience.clock() + current_clients().patience().seconds

    def write() -> None:
        try:
            with stage_parquet(url, plan.environment, plan.id, children) as files:
                _write_sql(plan, rows.report, children, lambda row: files.publish([row]))
        except ParquetError as error:
            # SQL may be waited for longer, as there is no report without it.
            error.passing = error.passing and patience.clock() < files_until
            raise

    try:
        patience.keep_trying(write)
    except ParquetError as error:
        failed = {"status": "failed", "current_step": "Failed", "error": f"the files could not be written: {error}"}
        # A report that failed keeps the progress that it had.
        known = {name: value for name, value in rows.report.items() if name != "progress"}
        rows = replace(rows, report=cast(ReportRow, known | failed))
        patience.keep_trying(lambda: _write_sql(plan, rows.report, children, lambda row: None))
    announce(plan, rows)
    return rows


def _write_sql(
    plan: ReportPlan,
    report: ReportRow,
    children: Mapping[str, Sequence[Values]],
    publish: Callable[[ReportRow], object],
) -> None:
    def finish(row: ReportRow) -> Values:
        # As late as can be: the duration is stored in the very rows whose writing it counts.
        completed_at = datetime.now(UTC)
        ended = report | {
            "generation_completed_at": completed_at,
            "generation_duration_seconds": (completed_at - plan.started_at).total_seconds(),
        }
        publish({**row, **ended})
        return ended

    warehouse = current_clients().warehouse()
    details, criteria, runs, issues = (
        children[name] for name in ("agent_report_details", "criterion_scores", "report_runs", "report_issues")
    )
    warehouse.write_report(plan.id, finish, details, criteria, runs, issues, owner=current_owner())


@step("publish the verdicts on {plan.environment}")
def publish_verdicts(plan: ReportPlan, draft: ReportDraft, rows: ReportRows) -> str:
    """Write the verdicts on runs back to the store of traces that they came from, where that is asked for.

    A failure is a warning: the report is written. Returns what happened as a sentence, "" where it was not asked for.
    """
    if not plan.options.publish_verdicts:
        return ""
    inner = (run.id for found in draft.evidence.values() for run in found.runs if run.parent_run_id)
    try:
        message = write_notes(
            current_clients().source().note_store(), build_notes(rows.runs, inner, plan.id, plan.options.judge_model)
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the report is written
        message = f"The verdicts could not be published: {scrub(str(error) or type(error).__name__)}"
        get_run_logger().warning("Report %s: %s", plan.id, message)
        return message
    get_run_logger().info("Report %s: %s", plan.id, message)
    return message


@step("publish the report on {plan.environment}")
def publish_artifacts(
    plan: ReportPlan,
    rows: ReportRows,
    comparison: Comparison | None = None,
    page: str = "",
    agreement_note: str = "",
    published: str = "",
) -> None:
    """A markdown artifact with the whole and what changed, and a table artifact with every agent.

    They are not worth losing a report for. ``comparison`` is with the last comparable report; None: there is none.
    ``page`` is where the HTML page is, ``agreement_note`` how far the judge can be trusted; "" where not known.
    ``published`` is what happened to the verdicts that were to be written back, "" for none.
    """
    try:
        what = f"Report {plan.id} on {escape(plan.environment)}"
        changed = render_changed(comparison) if comparison else ()
        links = replace(_links(plan, page), published=published)
        text = render_markdown(rows, links, changed, agreement_note, comparison)
        create_markdown_artifact(text, key=f"report-{plan.id}", description=what)
        create_table_artifact(
            agents_table(rows, comparison),
            key=f"report-{plan.id}-agents",
            description=f"{what}: every agent, the worst first",
        )
    except Exception as error:  # noqa: BLE001 - whatever the API's client raises, the report is written
        get_run_logger().warning("The artifacts of report %s could not be written: %s", plan.id, scrub(str(error)))


def _links(plan: ReportPlan, page: str) -> Links:
    settings = current_clients().settings
    context = FlowRunContext.get()
    return Links(
        flow_run_url=(url_for(context.flow_run) or "") if context and context.flow_run else "",
        files=[*([page] if page else []), *list_files(settings.parquet_url, plan.environment, plan.id)],
        trace_pages=settings.trace_pages,
    )


_UNMEASURED = "how far it agrees with people could not be measured"


class WrittenPage(NamedTuple):
    """Where a report's page is, as it may be shown, and a sentence on how far its judge can be trusted; "" each where
    there is none."""

    place: str = ""
    agreement_note: str = ""


@step("write the page of {plan.environment}")
def write_page(plan: ReportPlan) -> WrittenPage:
    """Write the page of a report that is written.

    What is in the warehouse can be made a page at any time, so a failure is a warning and loses nothing.
    """
    agreement_note = ""
    try:
        url = current_clients().settings.parquet_url
        page = load_page(plan.id)
        agreement_note = _UNMEASURED if page.agreement_error else describe_agreement(page.agreement, plan.id)
        if page.agreement_error:
            get_run_logger().warning(
                "How far judge and people agree could not be measured for report %s: %s", plan.id, page.agreement_error
            )
        write_page_file(url, plan.environment, plan.id, render_html(page))
        return WrittenPage(page_place(url, plan.environment, plan.id), agreement_note)
    except Exception as error:  # noqa: BLE001 - whatever it is, the report is written
        get_run_logger().warning(
            "The page of report %s could not be written (`agent-report show %s --html FILE` tries again): %s",
            plan.id,
            plan.id,
            scrub(str(error) or type(error).__name__),
        )
        return WrittenPage(agreement_note=agreement_note)
