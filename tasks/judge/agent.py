"""Judging one agent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tasks.evidence.left_out import LeftOut
from tasks.evidence.types import Evidence, RunId
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.digest import digest_evidence
from tasks.judge.evaluation import Evaluation
from tasks.judge.exchange import Judge
from tasks.judge.judgement import judge_question
from tasks.judge.ledger import fingerprint
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.instructions import Asks
from tasks.judge.prompt.prompts import (
    AGENT_DETAILS,
    ALL_FACTS,
    FactsDetail,
    render_agent,
    render_known,
)
from tasks.judge.prompt.selection import RenderedEvidence, Selection, label_runs, select_runs
from tasks.judge.prompt.suspicion import find_suspicions
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question
from tasks.judge.rubric import judged_criteria
from tasks.judge.runs.each import JudgedRuns
from tasks.judge.runs.verdict import RunVerdict

# All of an agent's facts have a third of this at the most.
_ROOM_FOR_ALL_FACTS = 8000
_FACTS_SHARE = 0.5


def build_agent_question(
    evidence: Evidence,
    rubric: Mapping[str, Criterion],
    labelled_runs: Sequence[LabelledRun] | None = None,
    *,
    asks: Asks = "verdicts",
    of: int = 1,
    part: int = 0,
    known: Sequence[RunVerdict] = (),
) -> Question:
    """The question about one agent, on those of its criteria that code does not compute.

    Quotes may name any of its finished runs (``labelled_runs``, when labelled). Where its runs are asked about in
    ``of`` parts, ``part`` (from 0) has every ``of``-th run, so that each has new and old ones. ``known`` are
    verdicts on runs that were judged each by itself, where it is not to ask for verdicts.
    """
    labelled = label_runs(evidence) if labelled_runs is None else labelled_runs
    asked = labelled[part::of]
    digest = digest_evidence(evidence)
    if of > 1:
        digest = fingerprint({"evidence": digest, "part": part, "of": of})
    verdicts = render_known(known) if known else ""
    if verdicts:
        digest = fingerprint({"evidence": digest, "verdicts": verdicts})

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        selection = select_runs(evidence, asked, budget_tokens, rotation, at_random=asks in ("verdicts", "runs"))
        text = render_agent(evidence, selection, _detail(evidence, budget_tokens)) + verdicts
        labels = tuple(shown.labelled_run.label for shown in selection.runs)
        return RenderedEvidence(text, len(selection.runs), selection.finished, selection.is_random, labels)

    return Question(
        kind="agent",
        rubric=judged_criteria(rubric),
        digest=digest,
        labelled_runs=LabelledRuns(asked if asks in ("verdicts", "runs") else labelled),
        render=render,
        agent_id=evidence.agent.id,
        asks=asks,
    )


def build_agent_questions(
    evidence: Evidence, rubric: Mapping[str, Criterion], labelled_runs: Sequence[LabelledRun], at_once: int
) -> list[Question]:
    """The questions about one agent: on its runs and on itself, then on runs that are beyond ``at_once`` an answer."""
    of = max(1, math.ceil(len(labelled_runs) / at_once))
    kinds: list[Asks] = ["verdicts"]
    kinds += ["runs"] * (of - 1)
    return [
        build_agent_question(evidence, rubric, labelled_runs, asks=asks, of=of, part=part)
        for part, asks in enumerate(kinds)
    ]


def judge_agent(
    judge: Judge,
    evidence: Evidence,
    rubric: Mapping[str, Criterion],
    *,
    timeout_seconds: float,
    counts_runs: bool = True,
    judged: JudgedRuns | None = None,
) -> Evaluation:
    """One agent's evaluation; without a finished run it is ``no_runs`` and nothing is asked.

    ``judged`` has the verdicts on its runs where each was judged by itself; None: they are asked for with the agent.
    Without ``counts_runs`` the judge gives scores itself, and no verdicts but those.
    """
    if not evidence.finished_runs:
        left_out = LeftOut().add_evidence(evidence)
        why = f"no finished run; left out: {left_out.short()}" if left_out else "no runs"
        return Evaluation(agent_id=evidence.agent.id, status="no_runs", error=why)
    labelled_runs = label_runs(evidence)
    parts: list[Question] = []
    if counts_runs and judged is None:
        first, *parts = build_agent_questions(
            evidence, rubric, labelled_runs, judge.verdicts_at_once(len(judged_criteria(rubric)))
        )
    else:
        asks: Asks = "words" if counts_runs else "scores"
        judged = judged.in_order(labelled_runs) if judged is not None else None
        known = judged.verdicts if judged is not None else ()
        first = build_agent_question(evidence, rubric, labelled_runs, asks=asks, known=known)
    evaluation = judge_question(
        judge, first, timeout_seconds=timeout_seconds, parts=parts, inclusion_of=evidence.inclusion_of, judged=judged
    )
    return replace(evaluation, suspicions=find_suspicions(_all_texts(evidence, labelled_runs)))


def _detail(evidence: Evidence, budget_tokens: int) -> FactsDetail:
    """In how much detail the facts are written, so that there is room for runs."""
    if budget_tokens >= _ROOM_FOR_ALL_FACTS:
        return ALL_FACTS
    without_runs = Selection((), evidence.metrics.runs_in_population)
    for detail in AGENT_DETAILS:
        if estimate_tokens(render_agent(evidence, without_runs, detail)) <= _FACTS_SHARE * budget_tokens:
            break
    return detail


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
