"""From where it is known whether an agent's runs did their task."""

from __future__ import annotations

from tasks.evidence.types import Evidence, VerdictCounts
from tasks.judge.runs.success import Verdicts, run_success


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
