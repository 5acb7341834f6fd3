"""Judging the team as a whole, from every agent's facts and one run of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.evidence.types import Evidence
from tasks.judge.agent import digest_evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge, Question
from tasks.judge.exhibits import Exhibit, Exhibits
from tasks.judge.judgement import judge_question
from tasks.judge.ledger import fingerprint
from tasks.judge.prompts import render_team
from tasks.judge.rubric import TeamCriteria, in_order
from tasks.judge.selection import show_run, water_fill

# What the facts of one agent take, about.
_FACTS_TOKENS = 300
_LEAST_RUN_TOKENS = 150


def build_team_question(
    evidences: Sequence[Evidence], without_evidence: Mapping[str, str], criteria: TeamCriteria
) -> Question:
    """The question about the team; ``without_evidence`` says by agent name why it has none."""
    worst = [_worst(number, evidence) for number, evidence in enumerate(evidences, start=1)]

    def render(budget_tokens: int, rotation: float) -> str:
        shares = water_fill([budget_tokens] * len(evidences), budget_tokens - _FACTS_TOKENS * len(evidences))
        shown = [
            (evidence, show_run(evidence, exhibit, share) if exhibit and share >= _LEAST_RUN_TOKENS else None)
            for evidence, exhibit, share in zip(evidences, worst, shares, strict=True)
        ]
        turn = round(rotation * len(shown)) % max(1, len(shown))
        return render_team(shown[turn:] + shown[:turn], without_evidence)

    return Question(
        kind="team",
        rubric=in_order(criteria.criteria),
        digest=fingerprint(
            {"agents": [digest_evidence(evidence) for evidence in evidences], "without": dict(without_evidence)}
        ),
        exhibits=Exhibits([exhibit for exhibit in worst if exhibit is not None]),
        render=render,
        goal=criteria.goal,
    )


def judge_team(
    judge: Judge,
    evidences: Sequence[Evidence],
    without_evidence: Mapping[str, str],
    criteria: TeamCriteria,
    *,
    timeout_seconds: float,
) -> Evaluation:
    """The team's evaluation; without a finished run of any agent it is ``no_runs`` and nothing is asked."""
    if not any(evidence.finished_runs for evidence in evidences):
        return Evaluation(agent_id=None, status="no_runs", error="no agent has a finished run")
    question = build_team_question(evidences, without_evidence, criteria)
    return judge_question(judge, question, timeout_seconds=timeout_seconds)


def _worst(number: int, evidence: Evidence) -> Exhibit | None:
    """The agent's worst run under the agent's number, so that its label does not hang on what else is shown."""
    reference = evidence.metrics.worst_run
    run = next((run for run in evidence.finished_runs if reference and run.id == reference.run_id), None)
    return Exhibit(f"R{number}", run, evidence.traces.get(run.id)) if run else None
