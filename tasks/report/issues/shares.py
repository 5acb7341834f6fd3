"""How many of all runs an issue affects, and what the team's success rate would gain without it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.evidence.types import AgentId, Evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.issues.found_issue import RunKey
from tasks.judge.runs.success import run_success
from tasks.report.issues.failing_runs import verdicts_of
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import estimate_share


@dataclass(frozen=True, slots=True)
class WeighedRuns:
    """The runs that shares are of, each with the number of runs of the population that it stands for.

    They are those whose success is known. ``by_status``: it is known of no run, so they are all finished runs.
    """

    weights: Mapping[RunKey, float]
    by_status: bool = False

    def share(self, runs: Collection[RunKey]) -> Estimate:
        """The share of all runs that are like ``runs``, 0 to 1, with its 95 % interval; None without any run."""
        chosen = frozenset(runs)
        return estimate_share([key in chosen for key in self.weights], list(self.weights.values()))

    def gain(self, runs: Iterable[RunKey]) -> float | None:
        """By how much the success rate would rise, 0 to 1, had ``runs`` succeeded; None where the rate is not known."""
        total = math.fsum(self.weights.values())
        if self.by_status or not total:
            return None
        return math.fsum(self.weights.get(key, 0.0) for key in set(runs)) / total


def weigh_runs(evidences: Sequence[Evidence], evaluations: Mapping[AgentId, Evaluation]) -> WeighedRuns:
    """Every run whose success is known, with its weight: one over its inclusion probability.

    An agent's weights are scaled to all its runs, so that runs without a usable verdict do not make it count less.
    """
    known: dict[RunKey, float] = {}
    finished: dict[RunKey, float] = {}
    for evidence in evidences:
        agent_id = evidence.agent.id
        verdicts = verdicts_of(evaluations.get(agent_id))
        weights = {run.id: 1 / evidence.inclusion_of(run.id) for run in evidence.finished_runs}
        finished |= {RunKey(agent_id, run_id): weight for run_id, weight in weights.items()}
        own = [run.id for run in evidence.finished_runs if run_success(run, verdicts.get(run.id)).succeeded is not None]
        if own:
            scale = math.fsum(weights.values()) / math.fsum(weights[run_id] for run_id in own)
            known |= {RunKey(agent_id, run_id): weights[run_id] * scale for run_id in own}
    return WeighedRuns(known) if known else WeighedRuns(finished, by_status=True)
