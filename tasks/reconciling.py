"""The task that ends reports whose owner is gone: killed, crashed, or lost with its machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from tasks.announcements import announce_end
from tasks.bridge.decorators import step
from tasks.clients import current_clients
from tasks.report.rows import ReportRow
from tasks.warehouse.owner import HEARTBEAT_LAPSES, Owner, is_local


@step("mark abandoned reports")
def mark_abandoned() -> list[int]:
    """Mark every report ``failed`` that is not done and whose owner is dead; their ids. Called again, it finds none.

    A process of another host counts as alive until its last heartbeat is a minute old. Where Prefect knows that its
    run has ended, that minute is waited for: this is called when a run crashed, and the next call may be an hour away.
    """
    warehouse = current_clients().warehouse()
    marked = warehouse.fail_abandoned()
    lost = [row for row in warehouse.load_unfinished() if _is_elsewhere(row)]
    if lost and (ended := _ended(lost)):
        get_run_logger().info("Waiting for the last heartbeats of the reports %s", [row["id"] for row in ended])
        lapsed_at = max(row["heartbeat"] for row in ended if row["heartbeat"]) + HEARTBEAT_LAPSES
        time.sleep(max(0.0, (lapsed_at - datetime.now(UTC)).total_seconds()))
        marked += warehouse.fail_abandoned()
    for row in marked:
        get_run_logger().warning("Report %s is marked failed: %s", row["id"], row["error"])
        announce_end(row)
    return [row["id"] for row in marked]


def _is_elsewhere(row: ReportRow) -> bool:
    return (
        row["owner"] is not None and row["heartbeat"] is not None and not is_local(Owner.model_validate(row["owner"]))
    )


def _ended(rows: list[ReportRow]) -> list[ReportRow]:
    """Those whose flow run has ended, or is gone; none while Prefect cannot be asked."""
    try:
        with get_client(sync_client=True) as client:
            return [row for row in rows if row["flow_run_id"] and _has_ended(client, UUID(row["flow_run_id"]))]
    except Exception as error:  # noqa: BLE001 - then the heartbeat alone decides, in the next call
        get_run_logger().warning("Prefect cannot be asked for the runs of reports: %s", type(error).__name__)
        return []


def _has_ended(client: SyncPrefectClient, flow_run_id: UUID) -> bool:
    try:
        state = client.read_flow_run(flow_run_id).state
    except ObjectNotFound:
        return True
    return state is not None and state.is_final()
