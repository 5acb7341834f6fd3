"""Whether an agent's runs did their task: by the source's own outcome, else by the judge's verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tasks.evidence.types import AgentId, Evidence, RunId, VerdictCounts
from tasks.judge.runs.success import run_success
from tasks.judge.runs.verdict import RunVerdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.shrinkage import shrink_rates
from tasks.statistics.weighted import estimate_share, weighted_share

Verdicts = Mapping[RunId, RunVerdict]


@dataclass(frozen=True, slots=True)
class KnownSuccess:
    """The runs of which success is known: whether each did its task, and how many runs of the population it stands for.

    ``counts`` has all finished runs.
    """

    hits: list[bool] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    counts: VerdictCounts = field(default_factory=VerdictCounts)

    @property
    def worth(self) -> float:
        """How many runs with equal weights these are worth; 0 of none."""
        return weighted_share(np.asarray(self.hits, dtype=np.float64), np.asarray(self.weights, dtype=np.float64))[1]

    @property
    def rate(self) -> Estimate:
        """The share of the population that did its task; of no known run, an estimate of None."""
        return estimate_share(self.hits, self.weights)


def read_success(evidence: Evidence, verdicts: Verdicts) -> KnownSuccess:
    """What is known of the success of the finished runs in ``evidence``."""
    known = [
        (found.succeeded, 1 / evidence.inclusion_of(run.id))
        for run in evidence.finished_runs
        if (found := run_success(run, verdicts.get(run.id))).succeeded is not None
    ]
    return KnownSuccess(
        hits=[bool(hit) for hit, _ in known],
        weights=[weight for _, weight in known],
        counts=count_verdicts(evidence, verdicts),
    )


def add_counts(parts: Iterable[VerdictCounts]) -> VerdictCounts:
    """The counts of several agents together."""
    parts = list(parts)
    return VerdictCounts(**{name: sum(getattr(part, name) for part in parts) for name in VerdictCounts.model_fields})


def shrink_success(known: Mapping[AgentId, KnownSuccess]) -> dict[AgentId, float | None]:
    """The success rate that is expected of each agent given all agents, to order them by; None where none is known."""
    rates = shrink_rates([found.rate.value for found in known.values()], [found.worth for found in known.values()])
    return dict(zip(known, rates, strict=True))


def count_verdicts(evidence: Evidence, verdicts: Verdicts) -> VerdictCounts:
    """The finished runs by where their success is known from."""
    counts = dict.fromkeys(VerdictCounts.model_fields, 0)
    for run in evidence.finished_runs:
        verdict = verdicts.get(run.id)
        source = run_success(run, verdict).source
        if source is not None:
            counts[f"from_{source}"] += 1
        elif verdict is None:
            counts["not_judged"] += 1
        else:
            counts["cannot_tell" if verdict.success == "cannot_tell" else "unusable"] += 1
    return VerdictCounts(**counts)
