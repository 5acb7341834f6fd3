"""Judging the team as a whole, from every agent's facts and one run of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.evidence.types import Evidence
from tasks.judge.digest import digest_evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.judgement import judge_question
from tasks.judge.ledger import fingerprint
from tasks.judge.prompt.allocation import water_fill
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.prompts import TEAM_DETAILS, FactsDetail, render_member, render_team
from tasks.judge.prompt.selection import RenderedEvidence, run_size, show_run
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question
from tasks.judge.rubric import TeamCriteria, in_order

_LEAST_RUN_TOKENS = 150
# What the facts of all agents may take of the budget before they are written in less detail: runs show more.
_FACTS_SHARE = 0.7


def build_team_question(
    evidences: Sequence[Evidence], without_evidence: Mapping[str, str], criteria: TeamCriteria
) -> Question:
    """The question about the team; ``without_evidence`` maps the name of each agent without evidence to why.

    An agent without a finished run has none either, and is listed once.
    """
    idle = {evidence.agent.name: "no finished run" for evidence in evidences if not evidence.finished_runs}
    without = idle | dict(without_evidence)
    evidences = [evidence for evidence in evidences if evidence.finished_runs]
    worst = [_worst(number, evidence) for number, evidence in enumerate(evidences, start=1)]

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        detail, facts_tokens = _detail(evidences, budget_tokens)
        sizes = [run_size(labelled_run) if labelled_run else 0 for labelled_run in worst]
        shares = water_fill(sizes, budget_tokens - facts_tokens)
        shown = [
            (
                evidence,
                show_run(labelled_run, share) if labelled_run and share >= min(size, _LEAST_RUN_TOKENS) else None,
            )
            for evidence, labelled_run, size, share in zip(evidences, worst, sizes, shares, strict=True)
        ]
        turn = round(rotation * len(shown)) % max(1, len(shown))
        return RenderedEvidence(render_team(shown[turn:] + shown[:turn], without, detail))

    return Question(
        kind="team",
        rubric=in_order(criteria.criteria),
        digest=fingerprint({"agents": [digest_evidence(evidence) for evidence in evidences], "without": without}),
        labelled_runs=LabelledRuns([labelled_run for labelled_run in worst if labelled_run is not None]),
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


def _detail(evidences: Sequence[Evidence], budget_tokens: int) -> tuple[FactsDetail, int]:
    """In how much detail the facts of all agents find room, and the tokens that they take, about."""
    size = 0
    for detail in TEAM_DETAILS:
        texts = ["\n".join(render_member(evidence, None, detail)) for evidence in evidences]
        size = estimate_tokens("\n".join(texts))
        if size <= _FACTS_SHARE * budget_tokens:
            break
    return detail, size


def _worst(number: int, evidence: Evidence) -> LabelledRun | None:
    """The agent's worst run under the agent's number, so that its label does not hang on what else is shown."""
    reference = evidence.metrics.worst_run
    run = next((run for run in evidence.finished_runs if reference and run.id == reference.run_id), None)
    if run is None:
        return None
    return LabelledRun(f"R{number}", run, evidence.traces.get(run.id), evidence.costs_usd.get(run.id))
