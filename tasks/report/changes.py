"""What changed since another report, in the order in which it is read: worse first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.changed import worst_first
from tasks.report.comparison import AgentComparison, Comparison


@dataclass(frozen=True, slots=True)
class Changes:
    """A comparison by what it means; ``detectable`` is the smallest change of a success rate that most agents' runs
    could have shown (0 to 1), None where nothing is known of that."""

    comparison: Comparison
    worse: Sequence[AgentComparison]
    better: Sequence[AgentComparison]
    same: int
    not_comparable: Sequence[AgentComparison]
    new: Sequence[AgentComparison]
    gone: Sequence[AgentComparison]
    renamed: Sequence[AgentComparison]
    detectable: float | None


def sort_changes(comparison: Comparison | None) -> Changes | None:
    """``comparison`` sorted; None without one."""
    if comparison is None:
        return None
    both = [agent for agent in worst_first(comparison.agents) if agent.presence in ("both", "renamed")]
    found = sorted(
        change.detectable
        for agent in both
        for change in agent.changes
        if change.metric == "success_rate" and change.verdict == "no_change" and change.detectable is not None
    )
    return Changes(
        comparison=comparison,
        worse=[agent for agent in both if agent.verdict == "worse"],
        better=[agent for agent in both if agent.verdict == "better"],
        same=sum(agent.verdict == "no_change" for agent in both),
        not_comparable=[agent for agent in both if agent.verdict == "not_comparable"],
        new=[agent for agent in comparison.agents if agent.presence == "new"],
        gone=[agent for agent in comparison.agents if agent.presence == "gone"],
        renamed=[agent for agent in comparison.agents if agent.presence == "renamed"],
        detectable=found[len(found) // 2] if found else None,
    )
