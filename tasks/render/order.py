"""The order of a report's agents on the page, on the terminal and in Markdown: those that need attention first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.report.rows import AgentRow

if TYPE_CHECKING:
    from tasks.comparison.comparison import Comparison

STATES = (
    "failed",
    "needs_attention",
    "unclear",
    "passed",
    "no_evidence",
    "skipped_budget",
    "not_started",
    "no_runs",
)
"""What an agent can be, those that need attention first: before all those of which nothing is known, and which a list
of the worst must not cut off."""


STAYS_CLOSE = "too close to call in two reports in a row"
"""Why an agent that does not fail needs attention."""


def agent_state(row: AgentRow) -> str:
    """One of ``STATES``, from an agent's row: its status, or of an evaluated one how it passed."""
    status = row["status"]
    if status == "evaluated":
        return "unclear" if row["passed"] is None else "passed" if row["passed"] else "needs_attention"
    return status if status in STATES else "not_started"


def worst_agents_first(rows: Iterable[AgentRow], comparison: Comparison | None = None) -> list[AgentRow]:
    """Rows of agents by state; within one by the success rate that is expected of them given all agents, the lowest
    first. Where none is known: those that got worse first, then by score from the lowest, then by name."""
    compared = comparison.agents if comparison is not None else ()
    worse = {agent.agent_id for agent in compared if agent.verdict == "worse" and agent.presence != "gone"}

    def key(row: AgentRow) -> tuple[int, float, bool, float, str]:
        shrunk, raw, score = row.get("success_rate_shrunk"), row.get("success_rate"), row["score"]
        success = raw if shrunk is None else shrunk
        return (
            STATES.index(agent_state(row)),
            2.0 if success is None else success,
            row.get("agent_id") not in worse,
            11.0 if score is None else score,
            row["agent_name"],
        )

    return sorted(rows, key=key)


def needs_attention(row: AgentRow, comparison: Comparison | None = None) -> bool:
    """Whether an agent was judged and fails, or was too close to call also in the report of ``comparison`` before.

    One that could not be judged may need none.
    """
    return agent_state(row) == "needs_attention" or stays_close(row, comparison)


def stays_close(row: AgentRow, comparison: Comparison | None) -> bool:
    """Whether an agent is too close to call, and was so in the report before; False where none is compared with."""
    compared = comparison.agents if comparison is not None else ()
    return any(agent.stays_close and agent.agent_id == row.get("agent_id") for agent in compared)


def describe_need(row: AgentRow) -> str:
    """Why an agent needs attention, in the judge's first words on it; why it could not be judged. "" where unknown."""
    if row["status"] == "failed":
        return str(row["error"] or "")
    return str(next(iter(row["weaknesses"] or ()), None) or row["reasoning"] or "")
