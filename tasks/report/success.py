"""Whether an agent's runs did their task: by the source's own outcome, else by the judge's verdict."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evidence.types import Evidence, RunId, VerdictCounts
from tasks.judge.runs.success import run_success
from tasks.judge.runs.verdict import RunVerdict
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import estimate_share

Verdicts = Mapping[RunId, RunVerdict]


def estimate_success(evidence: Evidence, verdicts: Verdicts) -> Estimate:
    """The share of the population that did its task, by the runs of which it is known; none: an estimate of None."""
    known = [
        (found.succeeded, 1 / evidence.inclusion_of(run.id))
        for run in evidence.finished_runs
        if (found := run_success(run, verdicts.get(run.id))).succeeded is not None
    ]
    return estimate_share([bool(hit) for hit, _ in known], [weight for _, weight in known])


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
