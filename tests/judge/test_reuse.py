"""Which answers are found again: those of the same question, and of no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.demo.judge import SimulatedJudge
from tasks.errors import JudgeError
from tasks.judge.call_context import Spent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.endpoint.access.address import Address
from tasks.judge.exchange import Judge
from tasks.judge.prompt.selection import RenderedEvidence
from tasks.judge.question import Question

Make = Callable[..., dict[str, Any]]
Judging = Callable[..., tuple[Judge, SimulatedJudge]]

KEPT = "not asked again"
ASKED = "asked again"


def test_what_was_paid_is_not_paid_again(judging: Judging, question: Question, good: str, soon: float) -> None:
    judge, server = judging(good)
    first, _ = judge.ask(question, deadline=soon, spent=Spent())
    spent = Spent()
    second, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=spent)
    assert (second, reused, spent.calls) == (first, True, 0)
    assert len(server.requests) == len(judge.ledger.answers) == 1


def test_fresh_asks_anew_and_keeps_the_new_answer(
    judging: Judging, question: Question, make_answer: Make, soon: float
) -> None:
    old, new = (json.dumps(make_answer(accuracy={"score": score})) for score in (2, 9))
    judge, server = judging(old, new)
    judge.ask(question, deadline=soon, spent=Spent())
    answer, reused = replace(judge, fresh_since=datetime.now(UTC)).ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, reused) == (9, False)
    answer, reused = replace(judge, report_id=4).ask(question, deadline=soon, spent=Spent())
    assert (answer.criteria["accuracy"].score, reused) == (9, True)
    assert len(server.requests) == 2


def test_a_kept_answer_that_can_be_used_no_more_is_asked_for_anew(
    judging: Judging, question: Question, good: str, soon: float
) -> None:
    judge, server = judging(good)
    judge.ask(question, deadline=soon, spent=Spent())
    judge.ledger.answers[0] = judge.ledger.answers[0].model_copy(update={"answer": "garbage"})
    _, reused = judge.ask(question, deadline=soon, spent=Spent())
    assert not reused
    assert len(server.requests) == 2


def test_useless_answers_are_never_found_again(judging: Judging, question: Question, good: str, soon: float) -> None:
    judge, server = judging("garbage", "garbage", good)
    with pytest.raises(JudgeError):
        judge.ask(question, deadline=soon, spent=Spent())
    _, reused = judge.ask(question, deadline=soon, spent=Spent())
    assert not reused
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, KEPT),
        ({"client": {"model": "gpt-5.5"}}, ASKED),
        ({"client": {"max_output_tokens": 4000}}, ASKED),
        ({"client": {"call_timeout_seconds": 7.0, "max_attempts": 9}}, KEPT),
        ({"question": {"digest": "of other evidence"}}, ASKED),
        (
            {"question": {"render": lambda budget, rotation: RenderedEvidence("In other words.")}},
            KEPT,
        ),
        ({"judge": {"evidence_tokens": 500}}, ASKED),
        ({"judge": {"samples": 3}}, KEPT),
        ({"question": {"goal": "Another goal."}}, ASKED),
        ({"question": {"kind": "team"}}, ASKED),
        ({"question": {"agent_id": "6"}}, KEPT),
        ({"criterion": {"description": "Answers are right and short."}}, ASKED),
        ({"criterion": {"weight": 0.1}}, KEPT),
        ({"criterion": {"threshold": 2}}, KEPT),
        ({"order": True}, ASKED),
        ({"extra": True}, ASKED),
    ],
    # Without the address of a function, which is another in each process of a run.
    ids=lambda value: re.sub(r" at 0x[0-9a-f]+", "", str(value)),
)
def test_what_makes_it_another_question(
    change: dict[str, Any],
    expected: str,
    judging: Judging,
    question: Question,
    rubric: dict[str, Criterion],
    make_answer: Make,
    soon: float,
) -> None:
    answer = make_answer(executive_summary="Sum.")
    answer["criteria"]["extra"] = {"score": 1}
    judge, server = judging(json.dumps(answer))
    judge.ask(question, deadline=soon, spent=Spent())
    changed = rubric | {"accuracy": rubric["accuracy"].model_copy(update=change.get("criterion", {}))}
    if "order" in change:
        changed = dict(reversed(changed.items()))
    if "extra" in change:
        changed["extra"] = Criterion()
    client = replace(judge.client, **change.get("client", {}))
    other = replace(judge, **({"client": client, "report_id": 99} | change.get("judge", {})))
    other.ask(replace(question, **({"rubric": changed} | change.get("question", {}))), deadline=soon, spent=Spent())
    assert len(server.requests) == (1 if expected == KEPT else 2)


def test_the_prompt_version_is_part_of_the_question(judging: Judging) -> None:
    judge, _ = judging()
    assert judge.settings()["prompt_version"]
    assert judge.settings() == {
        "model": "gpt-5.4-mini",
        "parameters": {"max_completion_tokens": 8000},
        "prompt_version": judge.settings()["prompt_version"],
        "evidence_tokens": 80_000,
    }


def _at(judge: Judge, url: str) -> Judge:
    return replace(judge, client=replace(judge.client, address=Address(url)))


def test_two_endpoints_that_call_their_model_alike_do_not_share_answers(
    judging: Judging, question: Question, good: str, soon: float
) -> None:
    judge, server = judging(good)
    asked = [replace(judge, report_id=8).ask(question, deadline=soon, spent=Spent())[1]]
    for url in ("http://one:8000/v1", "http://one:1234/v1", "http://two:8000/v1", "http://one:8000/v2"):
        _, reused = replace(_at(judge, url), report_id=len(asked)).ask(question, deadline=soon, spent=Spent())
        asked.append(reused)
    assert asked == [False] * 5
    assert len({answer.fingerprint for answer in judge.ledger.answers}) == len(server.requests) == 5
    again = replace(_at(judge, "https://me:other@one:8000/v1"), report_id=9)
    assert again.ask(question, deadline=soon, spent=Spent())[1] is True


def test_the_endpoint_does_not_make_reports_incomparable(judging: Judging) -> None:
    judge, _ = judging("unused")
    assert _at(judge, "http://one:8000/v1").settings() == judge.settings()


def test_other_fields_make_another_question(judging: Judging, question: Question, good: str, soon: float) -> None:
    judge, server = judging(good)
    plain = judge.settings()
    low = replace(judge, client=replace(judge.client, extra={"reasoning_effort": "low"}))
    assert low.settings()["parameters"] == plain["parameters"] | {"extra": {"reasoning_effort": "low"}}
    assert "extra" not in plain["parameters"]
    for one in (judge, low):
        assert one.ask(question, deadline=soon, spent=Spent())[1] is False
    assert len(server.requests) == 2
