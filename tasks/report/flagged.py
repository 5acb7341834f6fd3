"""Which agents stay too close to call: they are flagged, as those are that fail for certain."""

from __future__ import annotations

from tasks.report.rows import AgentRow


def is_too_close(row: AgentRow) -> bool:
    """Whether an agent was scored, and its intervals do not decide whether it passes."""
    return row["status"] == "evaluated" and row["passed"] is None and row["score"] is not None


def stays_too_close(before: AgentRow, now: AgentRow) -> bool:
    """Whether an agent was too close to call in two comparable reports in a row.

    It has had twice as many runs and still does not show that it passes. An agent that is too close for the first time
    is mostly fine.
    """
    return is_too_close(before) and is_too_close(now)
