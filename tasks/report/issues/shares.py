"""How many of all runs an issue affects, and what the team's success rate would gain without it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tasks.evidence.types import AgentId, Evidence, RunId
from tasks.judge.evaluation import Evaluation
from tasks.judge.issues.found_issue import RunKey
from tasks.judge.runs.success import run_success
from tasks.report.issues.failing_runs import verdicts_of
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import estimate_share


@dataclass(frozen=True, slots=True)
class WeighedRuns:
    """The runs that shares are of, each with the number of runs of the population that it stands for.

    ``known`` are those whose success is known; ``weights`` also has others, as those that ended as failures.
    """

    weights: Mapping[RunKey, float]
    known: Set[RunKey]

    def share(self, runs: Collection[RunKey]) -> Estimate:
        """The share of all runs that are like ``runs``, 0 to 1, with its 95% interval; None without any run."""
        chosen = frozenset(runs)
        return estimate_share([key in chosen for key in self.weights], list(self.weights.values()))

    def gain(self, runs: Iterable[RunKey]) -> float | None:
        """By how much the success rate would rise, 0 to 1, if ``runs`` succeeded; None where the rate is not known."""
        if not self.known:
            return None
        total = math.fsum(self.weights.values())
        return math.fsum(self.weights.get(key, 0.0) for key in set(runs) & self.known) / total


def weigh_runs(evidences: Sequence[Evidence], evaluations: Mapping[AgentId, Evaluation]) -> WeighedRuns:
    """The runs that an issue may list or not, each with its weight: one over its inclusion probability.

    Those are the runs whose success is known, and those that ended as failures. They stand for the agent's others of
    the same outcome, so that runs without a usable verdict do not make it count less; where no such run is known, the
    others count as runs without the issue.
    """
    weights: dict[RunKey, float] = {}
    known: set[RunKey] = set()
    for evidence in evidences:
        agent_id = evidence.agent.id
        verdicts = verdicts_of(evaluations.get(agent_id))
        judged = {
            run.id for run in evidence.finished_runs if run_success(run, verdicts.get(run.id)).succeeded is not None
        }
        every = {run.id: 1 / evidence.inclusion_of(run.id) for run in evidence.finished_runs}
        known |= {RunKey(agent_id, run_id) for run_id in judged}
        for outcome in ("failed", "completed"):
            part = {run.id: every[run.id] for run in evidence.finished_runs if run.outcome == outcome}
            found = part.keys() if outcome == "failed" else part.keys() & judged
            weights |= _stand_for(agent_id, found or part.keys(), part)
    return WeighedRuns(weights, known)


def _stand_for(agent_id: AgentId, runs: Collection[RunId], every: Mapping[RunId, float]) -> dict[RunKey, float]:
    """The weights of ``runs``, scaled to those of ``every`` run; empty without any."""
    own = {run_id: weight for run_id, weight in every.items() if run_id in runs}
    scale = math.fsum(every.values()) / math.fsum(own.values()) if own else 0.0
    return {RunKey(agent_id, run_id): weight * scale for run_id, weight in own.items()}
