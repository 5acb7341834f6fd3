"""Verdicts on runs that were judged by themselves, for no report."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa

from tasks.evidence.types import AgentId
from tasks.judge.runs.verdict import RunVerdict
from tasks.warehouse.engine import Database
from tasks.warehouse.schema import run_verdicts


def write_run_verdict(
    database: Database,
    environment: str,
    agent_id: AgentId,
    verdict: RunVerdict,
    *,
    judge_model: str,
    judge_fingerprint: str,
    cost_usd: float | None,
) -> int:
    """Store one verdict beside those that there are of the same run; its id.

    ``cost_usd`` is None when it is not known, 0 when the answer came from the ledger.
    """
    row = {
        "environment": environment,
        "agent_id": agent_id,
        "run_id": verdict.run_id,
        "verdict": verdict.success,
        "verdict_error": verdict.problem or None,
        "checks": dict(verdict.checks),
        "failure_mode": verdict.failure_mode or None,
        "failure_step": verdict.step or None,
        "verdict_evidence": [asdict(quote) for quote in verdict.evidence],
        "judge_model": judge_model,
        "judge_fingerprint": judge_fingerprint,
        "cost_usd": cost_usd,
        "created_at": datetime.now(UTC),
    }
    with database.writing() as connection:
        return int(connection.execute(sa.insert(run_verdicts).values(row).returning(run_verdicts.c.id)).scalar_one())
