"""The digest of an agent's evidence, or of one run: what stands for it in the fingerprint of a question."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic_core import PydanticSerializationError

from tasks.evidence.types import Agent, Evidence, Run, Trace
from tasks.judge.ledger import fingerprint

# What the judge is not shown, or what follows from the rest.
_RUN_NOT_SHOWN = ("left_out_for", "tool_calls_known", "cost_usd", "session_id", "version", "succeeded", "owner", "tags")
_NOT_SHOWN: Any = {
    "agent": {"owner": True},
    "future": True,
    # Its figures are in the metrics.
    "population": True,
    "inclusion": True,
    "tallies": True,
    "checks": True,
    "runs": {"__all__": dict.fromkeys(_RUN_NOT_SHOWN, True)},
}


def digest_evidence(evidence: Evidence) -> str:
    """SHA-256 over all that could be shown of the evidence: of a run in progress, only that it is in progress."""
    finished = evidence.finished_runs
    known = {run.id for run in finished}
    canonical = evidence.model_copy(
        update={
            "runs": finished,
            "traces": {run_id: trace for run_id, trace in evidence.traces.items() if run_id in known},
        }
    )
    try:
        written = canonical.__pydantic_serializer__.to_json(canonical, exclude=_NOT_SHOWN, warnings=False)
        return hashlib.sha256(written).hexdigest()
    except PydanticSerializationError:  # A lone surrogate, which agents' texts can hold.
        return fingerprint({"evidence": canonical.model_dump(mode="python", exclude=_NOT_SHOWN, warnings=False)})


def digest_run(agent: Agent, run: Run, trace: Trace | None) -> str:
    """SHA-256 over all that could be shown of one run by itself; whether its trace is still awaited is not shown."""
    return fingerprint(
        {
            "agent": agent.model_dump(mode="python", include={"name", "description", "prompt"}),
            "run": run.model_dump(mode="python", exclude=set(_RUN_NOT_SHOWN), warnings=False),
            "telemetry": trace.telemetry.model_dump(mode="python") if trace and trace.telemetry else None,
        }
    )
