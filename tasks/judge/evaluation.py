"""The outcome of judging one agent, or the team: a judgement, or the reason why there is none. Failure is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.evidence.types import AgentId, RunId
from tasks.judge.answer import Contradiction
from tasks.judge.prompt.suspicion import Suspicion
from tasks.judge.runs.verdict import Check, RunVerdict
from tasks.judge.scoring import Verdict

AgentStatus = Literal["evaluated", "no_evidence", "no_runs", "failed", "not_started", "skipped_budget"]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """One agent's evaluation; ``agent_id`` None is the team's. Scores are 0 to 10 and None for whatever failed.

    ``prompt_tokens``, ``completion_tokens`` and ``cost_usd`` are what was paid for it in this report: 0 when the
    answer was ``reused``, None when unknown; ``known_cost_usd`` is the part that is known. ``calls`` counts replies,
    useless ones too, ``samples`` the answers that were used. ``sampling`` describes which runs the judge saw when it
    did not see all of them ("" otherwise); ``runs_shown`` is None when none were shown.
    ``run_verdicts`` are on the runs that the judge was shown, empty for the team. ``run_checks`` are the computed
    criteria by run: all finished runs of an agent that has any.
    """

    agent_id: AgentId | None
    status: AgentStatus
    error: str | None = None
    score: float | None = None
    passed: bool | None = None
    coverage: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    reasoning: str = ""
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    recommendations: tuple[str, ...] = ()
    executive_summary: str = ""
    calls: int = 0
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    cost_usd: float | None = 0.0
    known_cost_usd: float = 0.0
    samples: int = 0
    reused: bool = False
    contradictions: tuple[Contradiction, ...] = ()
    citations_dropped: int = 0
    suspicions: tuple[Suspicion, ...] = ()
    runs_shown: int | None = None
    sampling: str = ""
    warnings: tuple[str, ...] = ()
    run_verdicts: tuple[RunVerdict, ...] = ()
    run_checks: Mapping[RunId, Mapping[str, Check]] = field(default_factory=dict)

    def __repr__(self) -> str:
        # Prefect logs the state of a failed task run, and with it what is in it.
        return f"Evaluation(agent_id={self.agent_id!r}, status={self.status!r}, error={self.error!r})"
