"""Chosen runs judged once more: only these are asked about, in as few questions as answers allow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployments.demo.judge import asked_schema, completion
from tasks.errors import AgentReportError
from tasks.evidence.types import Evidence, Run
from tasks.judge.call_context import Spent
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.exchange import Judge
from tasks.judge.runs.again import judge_chosen
from tasks.judge.runs.guidance import Guidance

_SECONDS = 30.0


def _answer(payload: dict[str, Any], _: Any) -> dict[str, Any]:
    guided = "Guidance from people" in payload["messages"][0]["content"]
    schema = asked_schema(payload)
    runs = {
        key: {"evidence": [{"key": key, "quote": "status completed"}], "checks": {"accuracy": "pass", "care": "pass"},
              "success": "no" if guided else "yes", "failure_mode": "lax" if guided else "", "step": ""}
        for key in schema["properties"]["runs"]["properties"]
    }  # fmt: skip
    return completion(json.dumps({"runs": runs}))


@pytest.fixture
def evidence(make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]) -> Evidence:
    return make_evidence([make_run(number) for number in range(1, 11)])


def test_only_the_chosen_runs_are_judged_and_the_ledger_keeps_it(
    judging: Callable[..., tuple[Judge, Any]], evidence: Evidence, rubric: dict[str, Criterion]
) -> None:
    judge, server = judging(_answer)
    spent = Spent()

    def ask(judge: Judge) -> dict[str, str | None]:
        chosen = {"2", "7", "99"}
        found = judge_chosen(judge, evidence, rubric, chosen, timeout_seconds=_SECONDS, spent=spent)
        return {run_id: verdict.success for run_id, verdict in found.items()}

    assert ask(judge) == {"2": "yes", "7": "yes"}
    prompt = json.loads(server.requests[0].body)["messages"][1]["content"]
    assert "Task 7" in prompt
    assert "Task 3" not in prompt
    assert spent.calls == 1
    # With guidance it is another question; asked again it costs nothing.
    guided = replace(judge, guidance=Guidance(guidance="Be strict."), report_id=None)
    assert ask(guided) == {"2": "no", "7": "no"}
    assert ask(guided) == {"2": "no", "7": "no"}
    assert spent.calls == 2


def test_runs_that_do_not_fit_one_answer_are_asked_in_parts_and_a_useless_answer_costs_its_own_part_only(
    judging: Callable[..., tuple[Judge, Any]], evidence: Evidence, rubric: dict[str, Criterion]
) -> None:
    replies = iter(["nothing", "nothing"])

    def answer(payload: dict[str, Any], request: Any) -> dict[str, Any] | str:
        return next(replies, None) or _answer(payload, request)

    judge, _ = judging(answer)
    judge = replace(judge, context_tokens=4000)
    at_once = judge.verdicts_at_once(len(rubric))
    assert at_once < 10
    chosen = {str(number) for number in range(1, 11)}
    found = judge_chosen(judge, evidence, rubric, chosen, timeout_seconds=_SECONDS, spent=Spent())
    assert len(found) == 10 - at_once


def test_without_an_endpoint_it_raises(
    judging: Callable[..., tuple[Judge, Any]], evidence: Evidence, rubric: dict[str, Criterion]
) -> None:
    from deployments.demo.loopback import Response

    judge, _ = judging(Response(401, b'{"error": {"message": "no key"}}'))
    with pytest.raises(AgentReportError):
        judge_chosen(judge, evidence, rubric, {"1"}, timeout_seconds=_SECONDS, spent=Spent())
