"""The success of several agents' runs together, and what is expected of each agent given all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.evidence.types import AgentId, VerdictCounts
from tasks.judge.runs.success import KnownSuccess
from tasks.statistics.estimate import Estimate, widen
from tasks.statistics.shrinkage import shrink_rates
from tasks.statistics.weighted import estimate_groups


def estimate_team_success(known: Iterable[KnownSuccess]) -> Estimate:
    """The share of all agents' runs that did their task, each agent counted by its runs; of no known run, None."""
    known = list(known)
    worst, best = (estimate_groups([found.bounds[side] for found in known]) for side in (0, 1))
    return widen(estimate_groups([found.whole for found in known]), worst, best)


def add_counts(parts: Iterable[VerdictCounts]) -> VerdictCounts:
    """The counts of several agents together."""
    parts = list(parts)
    return VerdictCounts(**{name: sum(getattr(part, name) for part in parts) for name in VerdictCounts.model_fields})


def shrink_success(known: Mapping[AgentId, KnownSuccess]) -> dict[AgentId, float | None]:
    """The success rate that is expected of each agent given all agents, to order them by; None where none is known."""
    rates = shrink_rates(
        [found.rate.value for found in known.values()], [found.whole.worth for found in known.values()]
    )
    return dict(zip(known, rates, strict=True))
