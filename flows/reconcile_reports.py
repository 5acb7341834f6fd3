"""What becomes of reports that nobody works on any more."""

from __future__ import annotations

from prefect import flow

from tasks.bridge.fixed_options import flow_options
from tasks.reconciling import mark_abandoned


@flow(name="reconcile_reports", **flow_options())
def reconcile_reports() -> list[int]:
    """Mark the reports failed whose process was killed or lost. Those that somebody works on are left alone.

    Returns:
        The ids of the reports that it marked.
    """
    return mark_abandoned()


if __name__ == "__main__":
    reconcile_reports()
