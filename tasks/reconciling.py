"""The task that ends reports whose owner is gone: killed, crashed, or lost with its machine."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from tasks import connections
from tasks.announcements import announce_end


@task(task_run_name="mark abandoned reports", cache_policy=NO_CACHE)
def mark_abandoned() -> list[int]:
    """Mark every report ``failed`` that is not done and whose owner is dead; their ids. Called again, it finds none."""
    marked = connections.warehouse().fail_abandoned()
    for row in marked:
        get_run_logger().warning("Report %s is marked failed: %s", row["id"], row["error"])
        announce_end(row)
    return [row["id"] for row in marked]
