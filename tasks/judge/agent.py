"""Judging one agent."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evidence.types import Evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge, Question
from tasks.judge.judgement import judge_question
from tasks.judge.prompts import render_agent
from tasks.judge.rubric import Criterion
from tasks.judge.selection import select_runs


def build_agent_question(evidence: Evidence, rubric: Mapping[str, Criterion]) -> Question:
    """The question about one agent; citations may name any run that is shown."""
    excerpts = select_runs(evidence)
    return Question(
        kind="agent",
        rubric=rubric,
        text=render_agent(evidence, excerpts),
        run_ids=frozenset(excerpt.run.id for excerpt in excerpts),
        agent_id=evidence.agent.id,
    )


def judge_agent(
    judge: Judge, evidence: Evidence, rubric: Mapping[str, Criterion], *, timeout_seconds: float
) -> Evaluation:
    """One agent's evaluation; without a finished run it is ``no_runs`` and nothing is asked."""
    if not evidence.finished_runs:
        unfinished = evidence.metrics.runs_unfinished
        why = f"no finished run ({unfinished} unfinished)" if unfinished else "no runs"
        return Evaluation(agent_id=evidence.agent.id, status="no_runs", error=why)
    return judge_question(judge, build_agent_question(evidence, rubric), timeout_seconds=timeout_seconds)
