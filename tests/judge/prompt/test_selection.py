"""What of the evidence a judgement sees: runs of every kind, within the budget, and a note of what was left out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.population.overlay import use_population
from tasks.evidence.types import Evidence, Population, Run, ToolCall
from tasks.judge.agent import build_agent_question, build_agent_questions
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.prompt.instructions import Asks
from tasks.judge.prompt.prompts import render_agent
from tasks.judge.prompt.selection import (
    RenderedEvidence,
    Selection,
    label_runs,
    select_runs,
)
from tasks.judge.prompt.tokens import TokenScale, estimate_tokens
from tasks.judge.question import Question, compose

MakeRun = Callable[..., Run]
MakeEvidence = Callable[..., Evidence]


def select(evidence: Evidence, budget_tokens: int = 80_000, rotation: float = 0.0) -> Selection:
    return select_runs(evidence, label_runs(evidence), budget_tokens, rotation)


def test_only_finished_runs_newest_first(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(1), make_run(2, status="running"), make_run(3, status="failed")])
    assert [(shown.labelled_run.label, shown.run.id) for shown in select(evidence).runs] == [("R1", "1"), ("R2", "3")]
    assert select(make_evidence([make_run(1, status="running")])).runs == ()
    assert select(make_evidence([])).runs == ()


def test_every_class_of_failure_is_shown_before_a_second_of_any(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    long = "word " * 2000
    runs = [make_run(n, task=long) for n in range(1, 91)]
    runs += [make_run(n, task=long, status="failed", error="disk full") for n in range(91, 96)]
    runs += [make_run(96, task=long, status="failed", error="no permission to read the ledger")]
    evidence = make_evidence(runs)
    selection = select(evidence, budget_tokens=1600)
    assert [shown.run.id for shown in selection.runs] == ["1", "91", "92", "96"]
    assert (selection.finished, selection.is_sample) == (96, True)
    again = [shown.run.id for shown in select(evidence, budget_tokens=1600).runs]
    assert again == [shown.run.id for shown in selection.runs]
    text = render_agent(evidence, selection)
    assert "## Runs shown: 4 of 96 runs, a sample\n" in text
    assert "- runs analysed: 96; left out as unfinished: 0\n" in text
    assert "90" not in text, "how many completed is not how many succeeded"


def test_runs_that_were_drawn_from_a_population_are_shown_with_its_size(
    make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence([make_run(n, task="word " * 400) for n in range(1, 21)])
    population = Population(runs=4812, completed=4700, failed=112, unfinished=9)
    metrics = use_population(evidence.metrics, population, {"avg_tokens": None, "avg_cost_usd": None})
    evidence = evidence.model_copy(update={"population": population, "metrics": metrics})
    text = render_agent(evidence, select(evidence))
    assert "## Runs shown: 20 of 4,812 runs, drawn at random\n" in text
    assert "- runs analysed: 4,812; left out as unfinished: 9\n- of these, 20 were read in full" in text
    # Left out for want of room: no random sample any more.
    assert not select(evidence, budget_tokens=1600).is_random


def test_runs_to_count_are_drawn_at_random_where_they_do_not_fit(
    make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    shares = []
    for agent in range(200):
        ids = range(1000 * agent, 1000 * agent + 40)
        # The newest failed.
        evidence = make_evidence([make_run(n, status="failed" if n % 1000 < 16 else "completed") for n in ids])
        found = select_runs(evidence, label_runs(evidence), 700, at_random=True)
        assert found.is_random
        assert 5 <= len(found.runs) < 20
        shares += [shown.run.outcome == "failed" for shown in found.runs]
    # Four standard errors of a share of independent runs, and two fifths failed.
    assert abs(sum(shares) / len(shares) - 0.4) < 4 * (0.4 * 0.6 / len(shares)) ** 0.5


@pytest.mark.parametrize(
    ("asks", "sampling"),
    [("verdicts", "drawn at random"), ("runs", "drawn at random"), ("words", "a sample"), ("scores", "a sample")],
)
def test_runs_to_give_verdicts_on_are_drawn_at_random(
    make_run: MakeRun, make_evidence: MakeEvidence, asks: Asks, sampling: str
) -> None:
    evidence = make_evidence([make_run(n, task="word " * 2000) for n in range(1, 41)])
    shown = build_agent_question(evidence, {"accuracy": Criterion()}, asks=asks).render(4000, 0.0)
    assert shown.sampling == f"{shown.runs} of 40 runs, {sampling}"
    assert "## Runs shown: " + shown.sampling in shown.text


def test_runs_that_are_shown_in_parts_are_all_shown(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 41)])
    first, second = (
        question.render(80_000, 0.0)
        for question in build_agent_questions(evidence, {"accuracy": Criterion()}, label_runs(evidence), 20)
    )
    assert (first.sampling, first.with_part(second).sampling) == ("20 of 40 runs, drawn at random", "")


def test_all_runs_are_shown_whole_where_there_is_room(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 21)])
    selection = select(evidence)
    assert (len(selection.runs), selection.is_sample) == (20, False)
    assert "## Runs shown: all 20\n" in render_agent(evidence, selection)


def test_short_runs_are_all_shown_however_many_there_are(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 401)])
    selection = select(evidence)
    assert (len(selection.runs), selection.is_sample) == (400, False)
    text = render_agent(evidence, select(evidence, budget_tokens=4000))
    assert 2000 < estimate_tokens(text) < 4500, "as many as there is room for"


def test_kinds_of_failure_that_are_not_listed_are_counted(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    names = ("disk", "memory", "network", "quota", "rights", "syntax", "time", "version")
    runs = [make_run(n, status="failed", error=f"out of {name}") for n, name in enumerate([*names, "disk"], 1)]
    evidence = make_evidence(runs)
    text = render_agent(evidence, select(evidence))
    assert text.count("- failure seen") == 6
    assert "- failures of other kinds: 2 runs, of 2 kinds" in text


def test_one_long_run_starves_nobody(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    runs = [make_run(1, final_response="lots of words " * 100_000), *(make_run(n) for n in range(2, 11))]
    first, *others = select(make_evidence(runs), budget_tokens=5000).runs
    assert "characters left out]" in first.response
    assert [shown.response for shown in others] == [f"Done {n}" for n in range(2, 11)]
    assert estimate_tokens(first.response) > 3000


def test_what_matters_most_is_kept_longest(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    def words(what: str) -> str:
        return f"{what} " * 2000

    calls = tuple(ToolCall(name=f"tool-{n}", arguments=words("argument"), result=words("result")) for n in range(1, 4))
    run = make_run(
        1, task=words("task"), final_response=words("response"), error=words("error"), tool_calls=calls,
        execution_steps=words("reasoning"),
    )  # fmt: skip
    [shown] = select(make_evidence([run]), budget_tokens=3000).runs
    sizes = [
        estimate_tokens(shown.task),
        estimate_tokens(shown.response),
        estimate_tokens(shown.error),
        sum(estimate_tokens(step.arguments) for step in shown.steps),
        sum(estimate_tokens(step.result) for step in shown.steps),
        sum(estimate_tokens(step.text) for step in shown.steps),
    ]
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3] > sizes[4]
    assert sum(sizes) < 3500
    assert [shown_step.step.name for shown_step in shown.steps[:3]] == ["tool-1", "tool-2", "tool-3"]


def test_of_too_many_steps_the_failed_and_the_outer_ones_are_shown(
    make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    calls = [ToolCall(name="look", arguments="{}", result="x" * 400) for _ in range(3000)]
    calls[1500] = ToolCall(name="pay", error="declined")
    evidence = make_evidence([make_run(1, tool_calls=tuple(calls))])
    selection = select(evidence, budget_tokens=2000)
    numbers = [step.step.number for step in selection.runs[0].steps]
    assert {1, 1501, 3000} <= set(numbers)
    assert numbers == sorted(numbers)
    assert len(numbers) < 60
    text = render_agent(evidence, selection)
    assert text.count("steps left out]") == 2
    assert estimate_tokens(text) < 3000


def test_a_call_is_shown_with_what_its_user_wrote_before_it(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    talk: list[dict[str, Any]] = []
    for number in range(300):
        talk += [{"role": "user", "content": f"yes {number}"}, {"role": "assistant", "content": f"thought {number}"}]
        talk.append({"role": "assistant", "tool_calls": [{"name": "pay", "arguments": f"{number}"}]})
        talk.append({"role": "tool", "content": "refused" if number == 150 else "x" * 99, "error": number == 150})
    evidence = make_evidence([make_run(1, execution_steps=json.dumps(talk))])
    shown = [step.step for step in select(evidence, budget_tokens=2000).runs[0].steps]
    calls = [step for step in shown if step.kind == "call"]
    assert "150" in [step.arguments for step in calls]
    texts = [step.text for step in shown]
    assert all(f"yes {step.arguments}" in texts for step in calls[:-1])


def test_one_sample_begins_with_a_run_that_follows_from_the_evidence(
    make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    rubric = {"accuracy": Criterion(weight=1, description="", threshold=7)}
    starts = []
    for answer in range(40):
        evidence = make_evidence([make_run(n, final_response=f"{answer}") for n in range(1, 11)])
        question = build_agent_question(evidence, rubric)
        assert question.rotation(0, 1) == build_agent_question(evidence, rubric).rotation(0, 1)
        assert question.rotation(1, 2) == pytest.approx((question.rotation(0, 2) + 0.5) % 1)
        starts.append(select(evidence, rotation=question.rotation(0, 1)).runs[0].run.id)
    assert len(set(starts)) > 5


def test_samples_see_the_runs_in_turned_order(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(n) for n in range(1, 7)])
    orders = [[int(shown.run.id) for shown in select(evidence, rotation=turn / 3).runs] for turn in range(3)]
    assert orders == [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 1, 2], [5, 6, 1, 2, 3, 4]]


def prose(random_: random.Random, size: int) -> str:
    sentence = "the customer asked for a refund of order and we made it after a short look at the ledger today"
    words = sentence.split()
    return " ".join(random_.choice(words) for _ in range(size // 5))


@pytest.mark.parametrize("kind", ["prose", "hex", "json", "other script"])
@pytest.mark.parametrize("count", [1, 20, 400])
def test_the_budget_holds_whatever_the_runs_are(
    kind: str, count: int, make_run: MakeRun, make_evidence: MakeEvidence, rubric: dict[str, Criterion]
) -> None:
    random_ = random.Random(3)
    size = 2_000_000 // count
    text = {
        "prose": lambda: prose(random_, size),
        "hex": lambda: " ".join(random_.randbytes(1000).hex() for _ in range(size // 2000 + 1)),
        "json": lambda: '{"order_id": "A-17", "amount": 12.50, "paid": true}, ' * (size // 52),
        "other script": lambda: "顧客は注文の返金を求めました。" * (size // 15),
    }[kind]()
    calls = (ToolCall(name="n" * 300, arguments=text[:9000], result=text),)
    runs = [
        make_run(n, status="failed", final_response=text, error=f"e{n % 3}", tool_calls=calls) for n in range(count)
    ]
    question = build_agent_question(make_evidence(runs), rubric)
    for budget in (10_000, 80_000):
        sent = compose(question, budget).messages[1]["content"]
        assert 0.6 * min(budget, 0.9 * budget) < estimate_tokens(sent) <= budget + 300


def test_the_budget_is_the_models_own_count(question: Question) -> None:
    rooms: list[int] = []

    def render(budget: int, rotation: float) -> RenderedEvidence:
        rooms.append(budget)
        return RenderedEvidence("x")

    scale = TokenScale()
    scale.learn(1000, 1500)
    compose(Question("agent", question.rubric, "", question.labelled_runs, render), 9000, scale)
    assert rooms == [6000]
