"""What becomes of reports that nobody works on any more."""

from __future__ import annotations

from tasks.bridge.decorators import flow
from tasks.connecting import open_clients
from tasks.reconciling import mark_abandoned


@flow(name="reconcile_reports")
def reconcile_reports() -> list[int]:
    """Mark the reports failed whose process was killed or lost. Those that somebody works on are left alone.

    Returns:
        The ids of the reports that it marked.
    """
    with open_clients():
        return mark_abandoned()


if __name__ == "__main__":
    reconcile_reports()
