"""Judging the team as a whole, from every agent's facts and one run of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.evidence.types import Evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge, Question
from tasks.judge.judgement import judge_question
from tasks.judge.prompts import render_team
from tasks.judge.rubric import TeamCriteria
from tasks.judge.selection import DEFAULT_BUDGET_TOKENS, RunExcerpt, select_run


def build_team_question(
    evidences: Sequence[Evidence], without_evidence: Mapping[str, str], criteria: TeamCriteria
) -> Question:
    """The question about the team; ``without_evidence`` says by agent name why it has none."""
    budget = DEFAULT_BUDGET_TOKENS // max(1, 2 * len(evidences))
    shown: list[tuple[Evidence, RunExcerpt | None]] = []
    for evidence in evidences:
        worst = evidence.metrics.worst_run
        shown.append((evidence, select_run(evidence, worst.run_id, budget) if worst else None))
    return Question(
        kind="team",
        rubric=criteria.criteria,
        text=render_team(shown, without_evidence),
        run_ids=frozenset(excerpt.run.id for _, excerpt in shown if excerpt is not None),
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
