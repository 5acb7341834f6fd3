"""What changed since another report, in the order in which it is read: worse first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.comparison.comparison import AgentComparison, Change, Comparison

_ORDER = ("worse", "better", "no_change", "not_comparable")
_LEAST_SCORE, _MOST_SCORE = 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Changes:
    """A comparison by what it means.

    ``rate`` is the metric that shows best how agents do: success_rate, or completion_rate where no success could be
    compared. ``detectable`` is the smallest change of it that most agents' runs could have shown (0 to 1), None where
    nothing is known of that. ``widest_score`` is how far a bar of a score's change has to reach to either side.
    """

    comparison: Comparison
    worse: Sequence[AgentComparison]
    better: Sequence[AgentComparison]
    same: int
    not_comparable: Sequence[AgentComparison]
    new: Sequence[AgentComparison]
    gone: Sequence[AgentComparison]
    renamed: Sequence[AgentComparison]
    rate: str
    detectable: float | None
    widest_score: float


def worst_first(agents: Sequence[AgentComparison]) -> list[AgentComparison]:
    """Worse before better before the rest; within each the surest first, then by name."""

    def key(agent: AgentComparison) -> tuple[int, float, str]:
        surest = min([1.0, *(c.p_value for c in agent.changes if c.verdict == agent.verdict and c.p_value is not None)])
        return _ORDER.index(agent.verdict), surest, agent.agent_name

    return sorted(agents, key=key)


def clear_changes(subject: AgentComparison) -> list[Change]:
    """The changes that are better or worse; the worse ones first."""
    clear = [change for change in subject.changes if change.verdict in ("worse", "better")]
    return sorted(clear, key=lambda change: _ORDER.index(change.verdict))


def sort_changes(comparison: Comparison) -> Changes:
    """``comparison`` sorted by what it means."""
    both = [agent for agent in worst_first(comparison.agents) if agent.presence in ("both", "renamed")]
    rate = main_rate(comparison)
    found = sorted(
        change.detectable
        for agent in both
        for change in agent.changes
        if change.metric == rate and change.verdict == "no_change" and change.detectable is not None
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
        rate=rate,
        detectable=found[len(found) // 2] if found else None,
        widest_score=_widest_score([comparison.team, *both]),
    )


def main_rate(comparison: Comparison) -> str:
    """success_rate where that of any agent was compared, else completion_rate."""
    compared = (
        change.metric == "success_rate" and change.verdict != "not_comparable"
        for subject in (comparison.team, *comparison.agents)
        for change in subject.changes
    )
    return "success_rate" if any(compared) else "completion_rate"


def _widest_score(agents: Sequence[AgentComparison]) -> float:
    """The largest bound of a clear change of a score, at most the 10 by which one can move.

    At least 2: what is a small step of a score looks like one.
    """
    clear = [change for agent in agents for change in clear_changes(agent) if _is_score(change)]
    bounds = [abs(bound) for change in clear for bound in (change.difference, change.low, change.high) if bound]
    return min(_MOST_SCORE, max([_LEAST_SCORE, *bounds]))


def _is_score(change: Change) -> bool:
    return change.metric == "score" or change.metric.startswith("criterion:")
