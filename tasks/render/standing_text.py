"""How many agents pass, fail and are too close to call, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tasks.render.order import agent_state
from tasks.report.rows import AgentRow

OTHER_STATES = {
    "no_evidence": "without enough evidence",
    "skipped_budget": "skipped for the budget",
    "not_started": "not judged",
    "no_runs": "without finished runs",
}
"""The states of agents of which nothing is known, in words that follow their number."""


def describe_standing(agents: Sequence[AgentRow]) -> str:
    """``3 pass, 5 fail, 5 too close to call, 1 without finished runs``; no agents, ""."""
    counts = Counter(agent_state(row) for row in agents)
    parts = [
        (counts["passed"], "passes" if counts["passed"] == 1 else "pass"),
        (counts["needs_attention"], "fails" if counts["needs_attention"] == 1 else "fail"),
        (counts["unclear"], "too close to call"),
        (counts["failed"], "could not be judged"),
        *((counts[state], words) for state, words in OTHER_STATES.items()),
    ]
    return ", ".join(f"{number:,} {words}" for number, words in parts if number)
