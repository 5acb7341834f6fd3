"""Which agents are flagged: those that fail for certain, and those that stay too close to call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tasks.evidence.types import AgentId
from tasks.report.rows import AgentRow

Flag = Literal["fails", "too close twice"]


def flag_agents(rows: Iterable[AgentRow], previous: Iterable[AgentRow] = ()) -> dict[AgentId, Flag]:
    """The agents of a report that need attention, and why; ``previous`` are the rows of the report before, empty where
    there is none that is comparable.

    One that fails is below a threshold with its whole interval. One that was too close to call in both reports has had
    twice as many runs and still does not show that it passes. An agent that is too close for the first time is mostly
    fine, and one without a score was not looked at, so neither is flagged.
    """
    close_before = {row["agent_id"] for row in previous if is_too_close(row)}
    flags: dict[AgentId, Flag] = {}
    for row in rows:
        if row["status"] == "evaluated" and row["passed"] is False:
            flags[row["agent_id"]] = "fails"
        elif is_too_close(row) and row["agent_id"] in close_before:
            flags[row["agent_id"]] = "too close twice"
    return flags


def is_too_close(row: AgentRow) -> bool:
    """Whether an agent was scored, and its intervals do not decide whether it passes."""
    return row["status"] == "evaluated" and row["passed"] is None and row["score"] is not None
