"""Tasks that write: the report's row when it is opened, the report when it is done, and what the Prefect UI shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.utilities.urls import url_for

from tasks.announcements import announce, announce_end
from tasks.bridge.decorators import step
from tasks.bridge.llm_limit import find_limit
from tasks.clients import current_clients
from tasks.comparison.comparison import Comparison
from tasks.errors import ParquetError, RefusedError, ReportFailedError, UsageError, scrub
from tasks.judge.rubric import Criteria
from tasks.progress import Progress
from tasks.render.change_text import render_changed
from tasks.render.markdown import Links, agents_table, describe_mean, escape, format_judging_cost, render_markdown
from tasks.report.build import Ending, ReportDraft, ReportRows, build_rows
from tasks.report.plan import ReportPlan, check_conflicts, restore_plan
from tasks.report.rows import ReportRow
from tasks.settings import ReportOptions
from tasks.warehouse.owner import current_owner
from tasks.warehouse.parquet import list_files, stage_parquet
from tasks.warehouse.patience import ENDING_SECONDS, Patience
from tasks.warehouse.sql import Values
from tasks.wording.formats import format_score


@step("open the report on {environment}")
def open_report(
    environment: str,
    name: str,
    criteria: Criteria,
    options: ReportOptions,
    report_id: int | None,
    started_at: datetime,
) -> ReportPlan:
    """A new report's row (``pending``), or report ``report_id`` taken up with what is stored with it.

    Raises:
        RefusedError: no such report, its owner lives, or something is asked for that conflicts with what is stored.
    """
    warehouse = current_clients().warehouse()
    # The environment is a name of the source's, whatever it begins or ends with.
    name = name.strip()
    context = FlowRunContext.get()
    run_id = str(context.flow_run.id) if context and context.flow_run else None
    if report_id is not None:
        row = warehouse.load_report(report_id)
        if row is not None:
            check_conflicts(row, environment, name, criteria, options)
        taken = warehouse.take_report(report_id, {"flow_run_id": run_id, "generation_started_at": started_at})
        return _bounded(restore_plan(taken, started_at, fresh=options.fresh))
    if not environment.strip():
        raise UsageError("environment is empty: name the environment to report on, as the source has it")
    resolved = current_clients().settings.options(options)
    values = {
        "environment": environment,
        "name": name,
        "flow_run_id": run_id,
        "parameters": {"criteria": criteria.model_dump(mode="json"), "options": resolved.model_dump(mode="json")},
        "evidence_until": started_at,
        "judge_model": resolved.judge_model,
        "generation_started_at": started_at,
    }
    plan = ReportPlan(
        id=warehouse.create_report(values),
        environment=environment,
        name=name,
        criteria=criteria,
        options=resolved,
        evidence_until=started_at,
        started_at=started_at,
        fresh_since=started_at if resolved.fresh else None,
    )
    return _bounded(plan)


def _bounded(plan: ReportPlan) -> ReportPlan:
    """``plan`` within the server's limit: a task run more than that would be sent back, and stall those behind it."""
    return plan.model_copy(update={"server_limit": find_limit(plan.options.max_concurrent_evals)})


@contextmanager
def reporting(plan: ReportPlan, findings: ReportDraft) -> Iterator[Progress]:
    """The life of a report: while the block runs its heart beats, and however the block is left, its rows say so.

    A refusal leaves no row (a report that was taken up keeps its own); an error makes the report ``failed``; an
    interruption (cancelled in the UI, Ctrl-C) makes it ``cancelled``. Of both last, what was found out is written.
    """
    try:
        with Progress(current_clients().warehouse(), plan.id) as progress:
            yield progress
    except RefusedError as error:
        if plan.taken_up:
            _end_report(plan, "failed", str(error))
        else:
            _patience("failed").keep_trying(lambda: current_clients().warehouse().discard_report(plan.id))
        raise
    except Exception as error:
        _write_ended(plan, findings, Ending("error", scrub(str(error) or type(error).__name__)))
        raise
    except BaseException:
        _write_ended(plan, findings, Ending("cancelled", "the report was stopped before it was done"))
        raise


def _write_ended(plan: ReportPlan, findings: ReportDraft, ending: Ending) -> None:
    """Write what there is; when that fails too, at least the report's row says how it ended.

    A warehouse that is away is waited for: the row would say for ever that the report is being made.
    """
    findings.ending = ending
    status = "cancelled" if ending.kind == "cancelled" else "failed"
    try:
        if findings.agents:
            write_rows(plan, findings, _patience(status))
            return
    except Exception as error:  # noqa: BLE001 - the error that brought us here is the one to raise
        get_run_logger().warning("Report %s could not be written in full: %s", plan.id, scrub(str(error)))
    _end_report(plan, status, ending.reason)


def _end_report(plan: ReportPlan, status: str, reason: str) -> None:
    """End the report's row, and announce that; not when it has ended before, or is somebody else's by now."""
    warehouse, owner = current_clients().warehouse(), current_owner()
    if _patience(status).keep_trying(lambda: warehouse.end_report(plan.id, status, reason, owner=owner)):
        row = {"id": plan.id, "environment": plan.environment, "name": plan.name}
        announce_end({**row, "status": status, "error": reason})


def _patience(status: str) -> Patience:
    """How long the end of a report is tried to be written. Who cancels a report does not want to wait for long."""
    return (
        current_clients().patience() if status == "cancelled" else current_clients().patience().lasting(ENDING_SECONDS)
    )


@step("write the report on {plan.environment}")
def write_report(plan: ReportPlan, findings: ReportDraft) -> ReportRows:
    """Write the report to Parquet and SQL; SQL comes last, in one transaction, and is what readers trust."""
    return write_rows(plan, findings, current_clients().patience())


def write_rows(plan: ReportPlan, findings: ReportDraft, patience: Patience) -> ReportRows:
    """What ``write_report`` does, also for a flow that can run no more tasks.

    Files that cannot be written make the report ``failed``; its rows, which were paid for, are in SQL all the same.

    Raises:
        WarehouseError: SQL cannot be written, for as long as ``patience`` lasts.
    """
    paid = patience.keep_trying(lambda: current_clients().ledger().load_paid(plan.id))
    rows = build_rows(plan, findings, paid)
    url = current_clients().settings.parquet_url
    children: dict[str, Sequence[Mapping[str, Any]]] = {
        "agent_report_details": rows.details,
        "criterion_scores": rows.criteria,
        "report_runs": rows.runs,
    }
    files_until = patience.clock() + current_clients().patience().seconds

    def write() -> None:
        try:
            with stage_parquet(url, plan.environment, plan.id, children) as files:
                _write_sql(plan, rows, lambda row: files.publish([row]))
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
        patience.keep_trying(lambda: _write_sql(plan, rows, lambda row: None))
    announce(plan, rows)
    return rows


def _write_sql(plan: ReportPlan, rows: ReportRows, publish: Callable[[ReportRow], object]) -> None:
    def finish(row: ReportRow) -> Values:
        # As late as can be: the duration is stored in the very rows whose writing it counts.
        completed_at = datetime.now(UTC)
        ended = rows.report | {
            "generation_completed_at": completed_at,
            "generation_duration_seconds": (completed_at - plan.started_at).total_seconds(),
        }
        publish({**row, **ended})
        return ended

    warehouse = current_clients().warehouse()
    warehouse.write_report(plan.id, finish, rows.details, rows.criteria, rows.runs, owner=current_owner())


@step("publish the report on {plan.environment}")
def publish_artifacts(
    plan: ReportPlan, rows: ReportRows, comparison: Comparison | None = None, page: str = "", trust: str = ""
) -> None:
    """A markdown artifact with the whole and what changed, and a table artifact with every agent.

    They are not worth losing a report for. ``comparison`` is with the last comparable report; None: there is none.
    ``page`` is where the report's HTML page is, ``trust`` says how far its judge can be trusted; "": not known.
    """
    try:
        what = f"Report {plan.id} on {escape(plan.environment)}"
        changed = render_changed(comparison) if comparison else ()
        text = render_markdown(rows, _links(plan, page), changed, trust, comparison)
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
        jaeger_ui_url=settings.jaeger_ui_url,
    )


def finish_report(plan: ReportPlan, rows: ReportRows) -> int:
    """The report's id; ReportFailedError when it ended as ``failed``, so that the flow run fails as well."""
    report = rows.report
    get_run_logger().info(
        "Report %s %s after %.1f s: team %s of 10; %s; %s failed; judging cost %s",
        plan.id,
        report["status"],
        (datetime.now(UTC) - plan.started_at).total_seconds(),
        format_score(report["team_score"]),
        describe_mean(report),
        report["agents_failed"],
        format_judging_cost(report),
    )
    if rows.report["status"] == "failed":
        raise ReportFailedError(f"report {plan.id} failed: {rows.report['error']}")
    return plan.id
