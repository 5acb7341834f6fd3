"""Verdicts on chosen runs of an agent alone, asked for once more: to measure the judge on runs that people labelled."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from tasks.errors import UnusableAnswerError
from tasks.evidence.types import Evidence, RunId
from tasks.judge.agent import build_agent_question
from tasks.judge.call_context import Spent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.digest import digest_evidence
from tasks.judge.exchange import Judge
from tasks.judge.ledger import fingerprint
from tasks.judge.prompt.selection import label_runs
from tasks.judge.rubric import judged_criteria
from tasks.judge.runs.verdict import RunVerdict


def judge_chosen(
    judge: Judge,
    evidence: Evidence,
    rubric: Mapping[str, Criterion],
    run_ids: Collection[RunId],
    *,
    timeout_seconds: float,
    spent: Spent,
) -> dict[RunId, RunVerdict]:
    """The verdicts on the runs ``run_ids`` of ``evidence``, in as few questions as their answers allow.

    A run that the evidence does not have is left out. Of a question whose answer cannot be used, every run is left out.
    An answer from the ledger costs nothing; ``spent`` is filled in also when this raises.

    Raises:
        AgentReportError: the judge could not be asked, or there is no money for a call.
    """
    deadline = time.monotonic() + timeout_seconds
    chosen = [run for run in label_runs(evidence) if run.run.id in run_ids]
    at_once = judge.verdicts_at_once(len(judged_criteria(rubric)))
    found: dict[RunId, RunVerdict] = {}
    for start in range(0, len(chosen), at_once):
        part = chosen[start : start + at_once]
        question = build_agent_question(evidence, rubric, part, asks="runs")
        # The evidence alone stands for all runs: these are another question than a report's.
        digest = fingerprint({"evidence": digest_evidence(evidence), "runs": [run.run.id for run in part]})
        try:
            answer, _ = judge.ask(replace(question, digest=digest), deadline=deadline, spent=spent)
        except UnusableAnswerError:
            continue
        found |= {verdict.run_id: verdict for verdict in answer.run_verdicts}
    return found
