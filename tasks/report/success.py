"""Whether runs did their task: the source's own outcome where it has one, else the judge's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.evidence.types import Evidence, Run, RunId, VerdictCounts
from tasks.judge.run_verdict import RunVerdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import estimate_share

SuccessSource = Literal["source", "judge"]


class RunSuccess(NamedTuple):
    """Whether one run did its task (None: unknown), and what states that (None: nothing)."""

    succeeded: bool | None
    source: SuccessSource | None


@dataclass(frozen=True, slots=True)
class AgentSuccess:
    """The success of one agent's finished runs: its rate, and how many runs each kind of verdict is known of.

    ``hits`` and ``weights`` have an entry for each run whose success is known.
    """

    rate: Estimate
    counts: VerdictCounts
    hits: Sequence[bool] = ()
    weights: Sequence[float] = ()


def find_success(run: Run, verdict: RunVerdict | None) -> RunSuccess:
    """The success of ``run``, of which the judge gave ``verdict`` (None: none)."""
    if run.succeeded is not None:
        return RunSuccess(run.succeeded, "source")
    if verdict is not None and verdict.success in ("yes", "no"):
        return RunSuccess(verdict.success == "yes", "judge")
    return RunSuccess(None, None)


def estimate_success(evidence: Evidence, verdicts: Mapping[RunId, RunVerdict]) -> AgentSuccess:
    """The success of the runs in ``evidence``, each weighted by how many runs of the population it stands for.

    A run of which neither the source nor the judge states it is in no rate. Without a known run the rate is empty.
    """
    hits, weights = [], []
    counts = dict.fromkeys(VerdictCounts.model_fields, 0)
    for run in evidence.finished_runs:
        verdict = verdicts.get(run.id)
        found = find_success(run, verdict)
        counts[_kind(found, verdict)] += 1
        if found.succeeded is not None:
            hits.append(found.succeeded)
            weights.append(1 / evidence.inclusion_of(run.id))
    return AgentSuccess(estimate_share(hits, weights), VerdictCounts(**counts), hits, weights)


def _kind(found: RunSuccess, verdict: RunVerdict | None) -> str:
    if found.source is not None:
        return f"from_{found.source}"
    if verdict is None:
        return "not_judged"
    return "cannot_tell" if verdict.success == "cannot_tell" else "unusable"
