"""The digest of one agent's evidence: what stands for it in the fingerprint of a question."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic_core import PydanticSerializationError

from tasks.evidence.ids import whole_number
from tasks.evidence.types import Evidence, Metrics
from tasks.judge.ledger import fingerprint

# What is not shown, or follows from the rest: with it, answers that earlier versions paid for would not be found.
_NOT_SHOWN = ("left_out_for", "messages", "cost_usd", "session_id", "version", "succeeded", "owner", "tags")
_DERIVED: Any = {
    "agent": {"owner": True},
    "future": True,
    # Its figures are in the metrics.
    "population": True,
    "inclusion": True,
    "metrics": {
        "p50_duration_seconds": True,
        "runs_with_tokens": True,
        "telemetry": {
            "runs_with_llm_calls": True,
            "runs_with_tool_calls": True,
            "runs_with_tool_times": True,
            "runs_with_tokens": True,
        },
    },
    "traces": {"__all__": {"telemetry": {"tool_calls_from": True}}},
}


def digest_evidence(evidence: Evidence) -> str:
    """SHA-256 over all that could be shown of the evidence: a run that is still going says nothing but that it is."""
    finished = evidence.finished_runs
    known = {run.id for run in finished}
    canonical = evidence.model_copy(
        update={
            "runs": finished,
            "traces": {run_id: trace for run_id, trace in evidence.traces.items() if run_id in known},
        }
    )
    # Shown where they are given.
    absent = [name for name in ("expected", "context") if all(getattr(run, name) is None for run in finished)]
    left_out = _DERIVED | {"runs": {"__all__": dict.fromkeys((*_NOT_SHOWN, *absent), True)}}
    if all(whole_number(found) is not None for found in (evidence.agent.id, *known)):
        canonical = _with_numbers(canonical)
    try:
        written = canonical.__pydantic_serializer__.to_json(canonical, exclude=left_out, warnings=False)
        return hashlib.sha256(written).hexdigest()
    except PydanticSerializationError:  # A lone surrogate, which agents' texts can hold.
        return fingerprint({"evidence": canonical.model_dump(mode="python", exclude=left_out, warnings=False)})


def _with_numbers(evidence: Evidence) -> Evidence:
    """``evidence`` for writing only, with its ids as numbers: earlier versions knew no others."""
    agent = evidence.agent
    runs = [
        run.model_copy(
            update={
                "id": whole_number(run.id),
                "agent_id": whole_number(run.agent_id),
                # Another parent's id was not read.
                "parent_run_id": whole_number(run.parent_run_id or ""),
            }
        )
        for run in evidence.runs
    ]
    return evidence.model_copy(
        update={
            "agent": agent.model_copy(update={"id": whole_number(agent.id)}),
            "runs": tuple(runs),
            "traces": {
                whole_number(run_id): trace.model_copy(update={"run_id": whole_number(trace.run_id)})
                for run_id, trace in evidence.traces.items()
            },
            "costs_usd": {whole_number(run_id): cost for run_id, cost in evidence.costs_usd.items()},
            "waterfalls": {whole_number(run_id): spans for run_id, spans in evidence.waterfalls.items()},
            "metrics": _metrics_with_numbers(evidence.metrics),
        }
    )


def _metrics_with_numbers(metrics: Metrics) -> Metrics:
    patterns = [
        pattern.model_copy(update={"run_ids": tuple(whole_number(run_id) for run_id in pattern.run_ids)})
        for pattern in metrics.failure_patterns
    ]
    notable = {
        name: ref.model_copy(update={"run_id": whole_number(ref.run_id)})
        for name in ("best_run", "worst_run", "typical_run")
        if (ref := getattr(metrics, name)) is not None
    }
    return metrics.model_copy(update={"failure_patterns": tuple(patterns), **notable})
