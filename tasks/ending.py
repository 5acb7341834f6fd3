"""Ending a report: its rows record how it ended, whichever way the flow is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from prefect.logging import get_run_logger

from tasks.announcements import announce_end
from tasks.clients import current_clients
from tasks.errors import RefusedError, ReportFailedError, scrub
from tasks.progress import Progress
from tasks.publishing import write_rows
from tasks.render.markdown import describe_mean, format_judging_cost
from tasks.report.build import Ending, ReportDraft, ReportRows
from tasks.report.plan import ReportPlan
from tasks.warehouse.owner import current_owner
from tasks.warehouse.patience import ENDING_SECONDS, Patience
from tasks.wording.formats import format_score


@contextmanager
def reporting(plan: ReportPlan, draft: ReportDraft) -> Iterator[Progress]:
    """Keep the report's heartbeat for the block, and record how the block ended.

    A refusal deletes the row (a resumed report keeps it); an error makes the report ``failed``; an interruption
    (cancelled in the UI, Ctrl-C) makes it ``cancelled``. Failed and cancelled reports are written with what is known.
    """
    try:
        with Progress(current_clients().warehouse(), plan.id) as progress:
            yield progress
    except RefusedError as error:
        if plan.resumed:
            _end_report(plan, "failed", str(error))
        else:
            _patience("failed").keep_trying(lambda: current_clients().warehouse().discard_report(plan.id))
        raise
    except Exception as error:
        _write_ended(plan, draft, Ending("error", scrub(str(error) or type(error).__name__)))
        raise
    except BaseException:
        _write_ended(plan, draft, Ending("cancelled", "the report was stopped before it was done"))
        raise


def _write_ended(plan: ReportPlan, draft: ReportDraft, ending: Ending) -> None:
    """Write what is known of the report, or, if that fails too, at least its status.

    Waits for an unreachable warehouse: the row would stay "in progress" forever.
    """
    draft.ending = ending
    status = "cancelled" if ending.kind == "cancelled" else "failed"
    try:
        if draft.agents:
            write_rows(plan, draft, _patience(status))
            return
    except Exception as error:  # noqa: BLE001 - the error that brought us here is the one to raise
        get_run_logger().warning("Report %s could not be written in full: %s", plan.id, scrub(str(error)))
    _end_report(plan, status, ending.reason)


def _end_report(plan: ReportPlan, status: str, reason: str) -> None:
    """End the report's row, and announce that; not when it has ended before, or belongs to another process by now."""
    warehouse, owner = current_clients().warehouse(), current_owner()
    if _patience(status).keep_trying(lambda: warehouse.end_report(plan.id, status, reason, owner=owner)):
        row = {"id": plan.id, "environment": plan.environment, "name": plan.name}
        announce_end({**row, "status": status, "error": reason})


def _patience(status: str) -> Patience:
    """How long the end of a report is tried to be written. Who cancels a report does not want to wait for long."""
    return (
        current_clients().patience() if status == "cancelled" else current_clients().patience().lasting(ENDING_SECONDS)
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
