"""Reports as the warehouse has them, by the flow run that made them."""

from __future__ import annotations

from typing import Any

from tasks.connecting import open_clients


@open_clients()
def load_report(flow_run_id: str) -> dict[str, Any] | None:
    """``{"report": …, "agents": […], "issues": […]}`` of the newest report that this flow run made, or None.

    Raises:
        RefusedError, WarehouseError: the warehouse is unusable.
    """
    from tasks.clients import current_clients

    warehouse = current_clients().warehouse()
    report = warehouse.find_report(flow_run_id)
    if report is None:
        return None
    number = report["id"]
    return {"report": report, "agents": warehouse.load_agents(number), "issues": warehouse.load_issues(number)}
