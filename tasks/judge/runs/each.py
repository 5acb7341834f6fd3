"""Runs judged each by itself: what is asked about one, and the verdicts that come of it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tasks.errors import AgentReportError, JudgingEndedError
from tasks.evidence.types import Agent, Evidence, Run, RunId, Trace
from tasks.judge.call_context import Spent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.digest import digest_run
from tasks.judge.exchange import Judge
from tasks.judge.prompt.citations import LabelledRun, LabelledRuns
from tasks.judge.prompt.prompts import render_alone
from tasks.judge.prompt.selection import RenderedEvidence, label_runs, show_run
from tasks.judge.question import Question
from tasks.judge.rubric import judged_criteria
from tasks.judge.runs.scoring import combine_samples
from tasks.judge.runs.verdict import RunVerdict

_LABEL = "R1"
_OF_LABEL = re.compile(r"\AR1(?=\.|\Z)")


@dataclass(frozen=True, slots=True, repr=False)
class JudgedRuns:
    """Verdicts on runs that were judged each by itself, and what they cost."""

    verdicts: tuple[RunVerdict, ...] = ()
    spent: Spent = field(default_factory=Spent)

    def in_order(self, labelled_runs: Sequence[LabelledRun]) -> JudgedRuns:
        """The verdicts in the order of ``labelled_runs``, under their labels: so that the same are always the same."""
        by_run = {verdict.run_id: verdict for verdict in self.verdicts}
        verdicts = tuple(
            _under(labelled_run.label, by_run[labelled_run.run.id])
            for labelled_run in labelled_runs
            if labelled_run.run.id in by_run
        )
        return JudgedRuns(verdicts, self.spent)

    def __repr__(self) -> str:
        # Prefect can log what a task run returns.
        return f"JudgedRuns({len(self.verdicts)} verdicts)"


def build_run_question(
    agent: Agent, run: Run, trace: Trace | None, rubric: Mapping[str, Criterion], cost_usd: float | None = None
) -> Question:
    """The question about one run, without what its agent said along the way: that sways judges, and proves nothing.

    It depends on nothing but the run, its trace, the agent's description and the criteria: asked again, as in the next
    night's report, it has the same fingerprint.
    """
    labelled_run = LabelledRun(_LABEL, run, trace, cost_usd, own_words=False)

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        text = render_alone(agent, show_run(labelled_run, budget_tokens))
        return RenderedEvidence(text, 1, labels=(_LABEL,))

    return Question(
        kind="run",
        rubric=judged_criteria(rubric),
        digest=digest_run(agent, run, trace),
        labelled_runs=LabelledRuns([labelled_run]),
        render=render,
        agent_id=agent.id,
        asks="runs",
    )


def judge_each(
    judge: Judge,
    evidence: Evidence,
    run_ids: Sequence[RunId],
    rubric: Mapping[str, Criterion],
    *,
    timeout_seconds: float,
) -> JudgedRuns:
    """A verdict on each of these runs of an agent, one after the other; one that could not be judged has the reason.

    ``timeout_seconds`` counts from when one of the judge's slots is free, and bounds all of them together.
    """
    wanted = frozenset(run_ids)
    labelled = [labelled_run for labelled_run in label_runs(evidence) if labelled_run.run.id in wanted]
    spent = Spent()
    try:
        with judge.slots.slot(math.inf, judge.stop):
            deadline = time.monotonic() + timeout_seconds
            verdicts = [
                judge_run(judge, evidence.agent, labelled_run, rubric, deadline=deadline, spent=spent)
                for labelled_run in labelled
            ]
    except JudgingEndedError as error:
        verdicts = [RunVerdict(run.run.id, _LABEL, None, problem=str(error)) for run in labelled]
    return JudgedRuns(tuple(verdicts), spent)


def judge_run(
    judge: Judge,
    agent: Agent,
    labelled_run: LabelledRun,
    rubric: Mapping[str, Criterion],
    *,
    deadline: float,
    spent: Spent,
) -> RunVerdict:
    """The verdict on one run, under the label R1; without a usable answer it has the reason. ``spent`` is added to."""
    run = labelled_run.run
    question = build_run_question(agent, run, labelled_run.trace, rubric, labelled_run.cost_usd)
    samples: list[Sequence[RunVerdict]] = []
    problem = ""
    for sample in range(judge.samples):
        try:
            answer, _ = judge.ask(question, deadline=deadline, spent=spent, sample=sample)
        except AgentReportError as error:
            problem = problem or str(error)
        else:
            samples.append(answer.run_verdicts)
    combined = combine_samples(samples)
    return combined[0] if combined else RunVerdict(run.id, _LABEL, None, problem=problem)


def merge_judged(parts: Sequence[JudgedRuns]) -> JudgedRuns:
    """What several tasks judged of one agent."""
    spent = Spent()
    for part in parts:
        spent.include(part.spent)
    return JudgedRuns(tuple(verdict for part in parts for verdict in part.verdicts), spent)


def _under(label: str, verdict: RunVerdict) -> RunVerdict:
    """``verdict`` under the label that its run has among the agent's runs."""

    def renamed(found: str) -> str:
        return _OF_LABEL.sub(label, found)

    evidence = tuple(replace(quote, label=renamed(quote.label)) for quote in verdict.evidence)
    return replace(verdict, label=label, step=renamed(verdict.step), evidence=evidence)
