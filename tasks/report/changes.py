"""What changed since another report, in the order in which it is read: worse first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.report.comparison import AgentComparison, Change, Comparison

_METRICS = {
    "score": "score",
    "success_rate": "success rate",
    "avg_duration_seconds": "duration",
    "avg_cost_usd": "cost of a run",
}


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
    both = [agent for agent in comparison.agents if agent.presence in ("both", "renamed")]
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


def told(agent: AgentComparison) -> list[Change]:
    """The changes of an agent, or of the team, that could be told from noise, worse first."""
    changes = [change for change in agent.changes if change.verdict in ("worse", "better")]
    return sorted(changes, key=lambda change: change.verdict != "worse")


def name_metric(metric: str) -> str:
    """A metric as people call it; a criterion by its name."""
    return metric.removeprefix("criterion:") if metric.startswith("criterion:") else _METRICS.get(metric, metric)


def format_metric(value: float | None, metric: str) -> str:
    """A metric's value in its own unit; a dash when it is not known."""
    if value is None:
        return "–"
    if metric == "success_rate":
        return f"{value:.0%}"
    if metric == "avg_duration_seconds":
        return f"{value:.1f} s"
    return f"${value:.4f}" if metric.endswith("cost_usd") else f"{value:.1f}"
