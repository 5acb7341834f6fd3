"""A question asked several times: one after the other, and what happens to the samples that fail."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from deployments.demo.judge import completion
from deployments.demo.loopback import Response
from tasks.evidence.prices import RunPrices
from tasks.judge.endpoint.limiter import RateLimiter
from tasks.judge.judgement import judge_question
from tasks.judge.prompt.citations import LabelledRuns
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.question import Question
from tasks.judge.runs.parsing import UNANSWERED

Make = Callable[..., Any]
PRICES = RunPrices({"gpt-5.4-mini": {"input": 1.0, "output": 10.0}})
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def reply(content: str) -> dict[str, Any]:
    return completion(content, model="gpt-5.4-mini", usage=USAGE)


@pytest.fixture
def sample(make_answer: Make) -> Callable[[float], dict[str, Any]]:
    """A completion that scores accuracy so."""
    return lambda score: reply(json.dumps(make_answer(accuracy={"score": score})))


@pytest.fixture
def ask(judging: Make) -> Make:
    return partial(judging, prices=PRICES, samples=3)


def test_three_samples_are_three_answers(ask: Make, sample: Make, question: Question) -> None:
    judge, server = ask(sample(8), sample(6), sample(7))
    evaluation = judge_question(judge, question, timeout_seconds=20)
    [accuracy, _] = evaluation.verdicts
    assert (accuracy.score, accuracy.spread, accuracy.unstable) == (7, 2, True)
    assert (evaluation.samples, evaluation.calls, len(server.requests)) == (3, 3, 3)
    assert evaluation.cost_usd == pytest.approx(0.006)
    again = judge_question(replace(judge, report_id=9), question, timeout_seconds=20)
    assert (again.reused, again.verdicts, len(server.requests)) == (True, evaluation.verdicts, 3)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_sample_that_cannot_be_used_is_left_out_whichever_it_is(
    place: int, ask: Make, sample: Make, question: Question
) -> None:
    good, useless = [[sample(8)], [sample(6)]], [reply("garbage"), reply("garbage")]
    turns = [*good[:place], useless, *good[place:]]
    judge, server = ask(*[given for turn in turns for given in turn])
    evaluation = judge_question(judge, question, timeout_seconds=20)
    assert (evaluation.status, evaluation.samples, len(server.requests)) == ("evaluated", 2, 4)
    assert evaluation.verdicts[0].score == 7
    assert evaluation.cost_usd == pytest.approx(0.008), "what could not be used is paid for as well"
    [missing] = [warning for warning in evaluation.warnings if "missing" in warning]
    assert missing.startswith("1 of 3 samples is missing: the judge's answer could not be used")


def test_when_no_sample_can_be_used_it_failed(ask: Make, question: Question) -> None:
    judge, server = ask(reply("garbage"))
    evaluation = judge_question(judge, question, timeout_seconds=20)
    assert (evaluation.status, evaluation.score, evaluation.calls, len(server.requests)) == ("failed", None, 6, 6)
    assert "not a JSON object" in (evaluation.error or "")


def test_runs_that_were_asked_about_in_vain_have_a_verdict_that_cannot_be_used(ask: Make, question: Question) -> None:
    judge, _ = ask(reply("garbage"))
    part = replace(question, digest="of a part", asks="runs", labelled_runs=LabelledRuns([]))
    evaluation = judge_question(judge, replace(question, asks="verdicts"), timeout_seconds=20, parts=[part])
    assert evaluation.status == "failed"
    found = [(verdict.run_id, verdict.label, verdict.success, verdict.problem) for verdict in evaluation.run_verdicts]
    assert found == [("1", "R1", None, UNANSWERED), ("2", "R2", None, UNANSWERED)]
    # Of an endpoint that does not answer nothing came that could be unusable.
    broken, _ = ask(Response(401, b'{"error": {"message": "no"}}'))
    assert judge_question(broken, replace(question, asks="verdicts"), timeout_seconds=20).run_verdicts == ()


def test_a_judge_that_cannot_tell_on_most_runs_is_pointed_out(ask: Make, question: Question) -> None:
    unsure = {"evidence": [], "checks": {}, "success": "cannot_tell", "failure_mode": "", "step": ""}
    sure = unsure | {"success": "yes", "evidence": [{"key": "R1", "quote": "status completed"}]}
    judge, _ = ask(reply(json.dumps({"runs": {"R1": sure, "R2": unsure}})))
    shown = RenderedEvidence("The evidence.", 2, 2, labels=("R1", "R2"))
    asked = replace(question, asks="verdicts", render=lambda budget, rotation: shown)
    evaluation = judge_question(judge, asked, timeout_seconds=20)
    assert [verdict.success for verdict in evaluation.run_verdicts] == ["yes", "cannot_tell"]
    assert "the judge cannot tell on 1 of 2 runs" in evaluation.warnings


def test_an_endpoint_that_fails_the_first_is_not_asked_for_the_others(ask: Make, question: Question) -> None:
    judge, server = ask(Response(400, b'{"error": {"message": "no"}}'))
    evaluation = judge_question(judge, question, timeout_seconds=20)
    assert (evaluation.status, len(server.requests)) == ("failed", 1)


def test_who_waits_for_a_slot_has_its_question_ready_and_loses_no_time(
    judging: Make, sample: Make, question: Question
) -> None:
    """It waits for longer than it may take."""
    judge, server = judging(sample(8), slots=RateLimiter(1))
    rendered: list[int] = []
    is_ready = threading.Event()

    def render(budget_tokens: int, rotation: float) -> RenderedEvidence:
        rendered.append(len(server.requests))
        is_ready.set()
        return question.render(budget_tokens, rotation)

    with ThreadPoolExecutor() as pool:
        with judge.slots.slot(math.inf, judge.stop):
            asked = replace(question, render=render)
            evaluating = pool.submit(judge_question, judge, asked, timeout_seconds=3)
            assert is_ready.wait(60)
            time.sleep(3.2)
            assert server.requests == []
            assert not evaluating.done()
        assert evaluating.result(60).status == "evaluated"
    # What was prepared is what was asked.
    assert set(rendered) == {0}


def test_when_judging_ends_who_waits_for_a_slot_was_not_started(judging: Make, question: Question) -> None:
    judge, server = judging(slots=RateLimiter(1))
    with ThreadPoolExecutor() as pool, judge.slots.slot(math.inf, judge.stop):
        evaluating = pool.submit(judge_question, judge, question, timeout_seconds=60)
        judge.stop.end("quota", "no credit")
        evaluation = evaluating.result(60)
    assert (evaluation.status, evaluation.error, server.requests) == ("not_started", "no credit", [])
