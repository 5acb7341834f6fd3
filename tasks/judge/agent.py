"""Judging one agent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tasks.evidence.left_out import LeftOut
from tasks.evidence.types import Evidence, RunId
from tasks.judge.answer import RenderedEvidence
from tasks.judge.digest import digest_evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.judgement import judge_question
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.prompts import AGENT_DETAILS, ALL_FACTS, FactsDetail, describe_selection, render_agent
from tasks.judge.prompt.selection import Selection, label_runs, select_runs
from tasks.judge.prompt.suspicion import find_suspicions
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question
from tasks.judge.rubric import Criterion

# All of an agent's facts have a third of this at the most.
_ROOM_FOR_ALL_FACTS = 8000
_FACTS_SHARE = 0.5


def build_agent_question(
    evidence: Evidence, rubric: Mapping[str, Criterion], labelled_runs: Sequence[LabelledRun] | None = None
) -> Question:
    """The question about one agent; citations may name any of its finished runs (``labelled_runs``, when labelled)."""
    labelled = label_runs(evidence) if labelled_runs is None else labelled_runs

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        selection = select_runs(evidence, labelled, budget_tokens, rotation)
        text = render_agent(evidence, selection, _detail(evidence, budget_tokens))
        return RenderedEvidence(text, len(selection.runs), _sampling(selection))

    return Question(
        kind="agent",
        rubric=rubric,
        digest=digest_evidence(evidence),
        labelled_runs=LabelledRuns(labelled),
        render=render,
        agent_id=evidence.agent.id,
    )


def judge_agent(
    judge: Judge, evidence: Evidence, rubric: Mapping[str, Criterion], *, timeout_seconds: float
) -> Evaluation:
    """One agent's evaluation; without a finished run it is ``no_runs`` and nothing is asked."""
    if not evidence.finished_runs:
        left_out = LeftOut().add(evidence.runs, evidence.future)
        why = f"no finished run; left out: {left_out.short()}" if left_out else "no runs"
        return Evaluation(agent_id=evidence.agent.id, status="no_runs", error=why)
    labelled_runs = label_runs(evidence)
    question = build_agent_question(evidence, rubric, labelled_runs)
    evaluation = judge_question(judge, question, timeout_seconds=timeout_seconds)
    evaluation = replace(evaluation, suspicions=find_suspicions(_all_texts(evidence, labelled_runs)))
    if not evaluation.samples or evaluation.runs_shown is not None:
        return evaluation
    # From the ledger alone: what the same budget shows today, which is what it was asked with.
    selection = select_runs(evidence, labelled_runs, int(judge.evidence_tokens / judge.scale.factor))
    return replace(evaluation, runs_shown=len(selection.runs), sampling=_sampling(selection))


def _detail(evidence: Evidence, budget_tokens: int) -> FactsDetail:
    """In how much detail the facts are written, so that there is room for runs."""
    if budget_tokens >= _ROOM_FOR_ALL_FACTS:
        return ALL_FACTS
    without_runs = Selection((), evidence.metrics.runs_analyzed)
    for detail in AGENT_DETAILS:
        if estimate_tokens(render_agent(evidence, without_runs, detail)) <= _FACTS_SHARE * budget_tokens:
            break
    return detail


def _sampling(selection: Selection) -> str:
    return describe_selection(selection) if selection.is_sample else ""


def _all_texts(
    evidence: Evidence, labelled_runs: Sequence[LabelledRun]
) -> Iterator[tuple[RunId | None, str, str | None]]:
    agent = evidence.agent
    yield from (
        (None, "agent name", agent.name),
        (None, "description", agent.description),
        (None, "prompt", agent.prompt),
    )
    for labelled_run in labelled_runs:
        run = labelled_run.run
        telemetry = labelled_run.trace.telemetry if labelled_run.trace else None
        for message in telemetry.error_messages if telemetry else ():
            yield run.id, "trace", message
        yield run.id, "model", run.model_name
        yield run.id, "task", run.task
        yield run.id, "expected", run.expected
        yield run.id, "context", run.context
        yield run.id, "final response", run.final_response
        yield run.id, "error", run.error
        for step in labelled_run.steps:
            place = f"step {step.number}"
            for text in (step.name, step.arguments, step.result, step.error, step.own_text):
                yield run.id, place, text
