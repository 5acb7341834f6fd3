"""A run judged by itself: the same question every night, without its agent's words, under the label of its place."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tasks.evidence.types import Agent, Evidence, Run
from tasks.judge.agent import judge_agent
from tasks.judge.call_context import Spent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.prompt.citations import Citation
from tasks.judge.prompt.selection import label_runs
from tasks.judge.question import compose
from tasks.judge.runs.each import JudgedRuns, build_run_question, judge_each, judge_run, merge_judged
from tasks.judge.runs.guidance import Guidance
from tasks.judge.runs.verdict import RunVerdict

_RUBRIC = {"accuracy": Criterion(description="right"), "ends": Criterion(kind="completion", threshold=7)}
_STEPS = json.dumps(
    [
        {"role": "user", "content": "Please refund order seven to my card."},
        {"role": "assistant", "content": "Surely everything went perfectly well here."},
    ]
)


@pytest.fixture
def talking(make_run: Callable[..., Run]) -> Run:
    """A run whose agent said something along the way."""
    return make_run(1, task="Refund it", final_response="All done for you.", execution_steps=_STEPS)


def _text(agent: Agent, run: Run) -> str:
    return compose(build_run_question(agent, run, None, _RUBRIC), 8000).messages[1]["content"]


def test_what_the_agent_said_along_the_way_is_neither_shown_nor_quoted(
    make_agent: Callable[..., Agent], talking: Run
) -> None:
    agent = make_agent()
    text = _text(agent, talking)
    assert "Please refund order seven" in text
    assert "All done for you." in text
    assert "everything went perfectly" not in text
    question = build_run_question(agent, talking, None, _RUBRIC)
    assert question.labelled_runs.find("R1", "everything went perfectly well here") is None
    assert question.labelled_runs.find("R1", "refund order seven to my card") is not None
    assert "facts, computed from all runs" not in text.lower()


def test_the_question_hangs_on_nothing_but_the_run_its_agent_and_the_criteria(
    make_agent: Callable[..., Agent], talking: Run
) -> None:
    agent = make_agent()
    question = build_run_question(agent, talking, None, _RUBRIC)
    assert list(question.rubric) == ["accuracy"]
    assert question.labelled_runs.labels == ("R1",)
    same = talking.model_copy(update={"succeeded": True, "tags": ("a",), "owner": "b"})
    assert build_run_question(agent, same, None, _RUBRIC, cost_usd=2.0).digest == question.digest
    for other in (talking.model_copy(update={"final_response": "No."}), talking.model_copy(update={"error": "boom"})):
        assert build_run_question(agent, other, None, _RUBRIC).digest != question.digest
    described = agent.model_copy(update={"description": "another"})
    assert build_run_question(described, talking, None, _RUBRIC).digest != question.digest
    guided = question.guided_by(Guidance(guidance="Be strict.", examples=()))
    assert guided.guidance is not None


def test_each_run_is_asked_once_and_kept_by_its_own_fingerprint(
    judging: Callable[..., Any], make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    judge, server = judging()
    first = make_evidence([make_run(2), make_run(3)])
    found = judge_each(judge, first, ["2", "3"], _RUBRIC, timeout_seconds=60)
    assert len(server.requests) == found.spent.calls == 2
    assert [verdict.run_id for verdict in found.verdicts] == ["2", "3"]
    assert all(verdict.success for verdict in found.verdicts)
    # The next night: another newest run, so that every run has another place.
    later = make_evidence([make_run(1), make_run(2), make_run(3)])
    again = judge_each(replace(judge, report_id=9), later, ["1", "2", "3"], _RUBRIC, timeout_seconds=60)
    assert len(server.requests) == 3
    assert again.spent.calls == 1
    assert [verdict.success for verdict in again.verdicts[1:]] == [verdict.success for verdict in found.verdicts]


def test_a_run_without_a_usable_answer_has_the_reason(
    judging: Callable[..., Any], make_evidence: Callable[..., Evidence]
) -> None:
    judge, _ = judging()
    evidence = make_evidence()
    [labelled_run, *_] = label_runs(evidence)
    verdict = judge_run(judge, evidence.agent, labelled_run, _RUBRIC, deadline=time.monotonic() - 1, spent=Spent())
    assert verdict.success is None
    assert verdict.problem


def test_verdicts_stand_in_the_order_of_runs_under_their_labels(
    make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    labelled = label_runs(make_evidence([make_run(number) for number in (1, 2, 3)]))
    quote = Citation("R1.2", "3", "", "some words of it")
    third = RunVerdict("3", "R1", "no", step="R1.2", evidence=(quote,))
    first = RunVerdict("1", "R1", "yes")
    ordered = JudgedRuns((third, first)).in_order(labelled)
    assert [(verdict.run_id, verdict.label, verdict.step) for verdict in ordered.verdicts] == [
        ("1", "R1", ""),
        ("3", "R3", "R3.2"),
    ]
    assert ordered.verdicts[1].evidence[0].label == "R3.2"
    assert ordered.in_order(labelled) == ordered


def test_what_parts_cost_is_added_and_unknown_stays_unknown() -> None:
    known, unknown, nothing = Spent(), Spent(), Spent()
    known.add(10, 2, 0.5)
    unknown.add(20, 4, None)
    merged = merge_judged([JudgedRuns(spent=known), JudgedRuns(spent=nothing), JudgedRuns(spent=unknown)])
    spent = merged.spent
    assert (spent.calls, spent.prompt_tokens, spent.completion_tokens) == (2, 30, 6)
    assert (spent.cost_usd, spent.known_cost_usd) == (None, 0.5)
    assert merge_judged([JudgedRuns(spent=nothing)]).spent.calls == 0


def test_a_call_of_unknown_cost_is_not_a_reuse(
    judging: Callable[..., Any], make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    """Of one run the call was never answered; the words come from the ledger."""
    evidence = make_evidence([make_run(n) for n in range(1, 4)])
    verdicts = tuple(RunVerdict(str(n), "R1", "yes") for n in range(1, 4))
    judge, _ = judging(json.dumps({"reasoning": "Fine.", "criteria": {"accuracy": {"reasoning": "It is right."}}}))
    found = []
    for report_id, lost in enumerate((0, 0, 1)):
        spent = Spent()
        spent.lose(lost)
        judged = JudgedRuns(verdicts, spent)
        found.append(
            judge_agent(replace(judge, report_id=report_id), evidence, _RUBRIC, timeout_seconds=30, judged=judged)
        )
    assert [one.reused for one in found] == [False, True, False]
    assert [one.cost_usd for one in found[1:]] == [0.0, None]


def test_when_judging_ends_runs_that_wait_for_a_slot_have_the_reason(
    judging: Callable[..., Any], make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    judge, server = judging(slots=RateLimiter(1))
    evidence = make_evidence([make_run(2), make_run(3)])
    with ThreadPoolExecutor() as pool, judge.slots.slot(math.inf, judge.stop):
        judged = pool.submit(judge_each, judge, evidence, ["2", "3"], _RUBRIC, timeout_seconds=60)
        judge.stop.end("quota", "no credit")
        found = judged.result(60)
    assert [(verdict.run_id, verdict.problem) for verdict in found.verdicts] == [("2", "no credit"), ("3", "no credit")]
    assert (found.spent.calls, server.requests) == (0, [])
