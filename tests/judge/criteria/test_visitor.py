"""Runs that go by are counted without being kept, and the sample shows what was found on them before redaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.evidence.criterion_tally import CriterionTally
from tasks.evidence.types import Evidence, Run
from tasks.judge.criteria.computed import compute_criteria
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.visitor import CriteriaVisitor
from tasks.judge.evaluation import Evaluation
from tasks.sources.contract.columns import RUN, names

EVALUATION = Evaluation("1", "evaluated")
RUBRIC = {
    "judged": Criterion(),
    "works": Criterion(kind="success"),
    "cheap": Criterion(kind="max_cost_usd", limit=0.1),
    "right": Criterion(kind="response_equals_expected"),
    "own": Criterion(kind="code", function="my:check"),
}


def check(run: Run) -> float:
    if run.id == "3":
        raise ValueError("of jane@example.com")
    return 0.5


def hide(text: str) -> str:
    return text.replace("jane@example.com", "[e-mail address]")


@pytest.fixture
def visitor() -> CriteriaVisitor:
    return CriteriaVisitor(RUBRIC, {"my:check": check}, hide)


@pytest.fixture
def runs(make_run: Callable[..., Run]) -> list[Run]:
    """Four runs; the answers of 1 and 2 are mail addresses, and the first is right."""
    answers = {1: ("a@example.com", "a@example.com"), 2: ("a@example.com", "b@example.com")}
    found = []
    for n in range(1, 5):
        response, expected = answers.get(n, ("x", None))
        found.append(make_run(n, final_response=response, expected=expected))
    return found


def test_counts_by_criterion(visitor: CriteriaVisitor, runs: list[Run]) -> None:
    for run, cost in zip(runs, (0.05, 0.2, None, 0.1), strict=True):
        visitor.visit(run, cost)
    assert visitor.tallies() == {
        "cheap": CriterionTally(runs=4, decided=3, passed=2, total=2),
        "right": CriterionTally(runs=4, decided=2, passed=1, total=1),
        "own": CriterionTally(
            runs=4, decided=3, passed=0, total=1.5, problem="raised ValueError: of [e-mail address]", problems=1
        ),
    }


def test_only_the_columns_that_are_needed_are_asked_for() -> None:
    def columns(**rubric: Criterion) -> frozenset[str]:
        return CriteriaVisitor(rubric, {}, hide).columns

    assert columns(a=Criterion(), b=Criterion(kind="completion"), c=Criterion(kind="max_cost_usd", limit=1)) == set()
    assert columns(a=Criterion(kind="no_repeats")) == {"tool_calls"}
    assert columns(a=Criterion(kind="tool_must", tools=("x",)), b=Criterion(kind="response_matches", pattern="x")) == {
        "tool_calls",
        "final_response",
    }
    assert columns(a=Criterion(kind="code", function="my:check")) == set(names(RUN))


def test_a_million_runs_are_not_kept(visitor: CriteriaVisitor, make_run: Callable[..., Run]) -> None:
    for n in range(1, 1200):
        visitor.visit(make_run(n % 50, id=f"run {n}"), 0.0)
    assert len(visitor._kept) == 1000
    assert visitor.tallies()["cheap"].runs == 1199
    [late] = visitor.check_sample([(make_run(7, id="run 1199"), 0.5)]).values()
    assert late["cheap"] == 0
    assert visitor.tallies()["cheap"].runs == 1199


def test_what_was_found_before_redaction_stands(
    visitor: CriteriaVisitor, runs: list[Run], make_evidence: Callable[..., Evidence]
) -> None:
    for run in runs:
        visitor.visit(run, None)
    redacted = [
        run.model_copy(update={"final_response": "[e-mail address]", "expected": "[e-mail address]"}) for run in runs
    ]
    evidence = make_evidence(redacted).model_copy(
        update={"tallies": visitor.tallies(), "checks": visitor.check_sample([(run, None) for run in runs])}
    )
    called: list[Run] = []
    functions = {"my:check": lambda run: called.append(run)}
    rubric = {name: RUBRIC[name] for name in ("right", "own")}
    found = compute_criteria(rubric, evidence, functions, EVALUATION)
    assert [found.checks[n]["right"] for n in "1234"][:2] == ["pass", "fail"]
    assert (found.verdicts["own"].runs_decided, found.verdicts["own"].score) == (3, 5)
    assert not called
    assert found.warnings == ("criterion own: my:check raised ValueError: of [e-mail address] (1 run of 4 undecided)",)


def test_all_runs_count_and_not_only_those_that_are_shown(
    make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    criterion_tally = CriterionTally(runs=4812, decided=4800, passed=4700, total=4700)
    evidence = make_evidence([make_run(n, status="failed") for n in range(1, 4)]).model_copy(
        update={"tallies": {"ends": criterion_tally}}
    )
    ends = compute_criteria({"ends": Criterion(kind="completion")}, evidence, {}, EVALUATION).verdicts["ends"]
    assert (ends.runs_decided, ends.runs_passed) == (4800, 4700)
    assert ends.score == pytest.approx(10 * 4700 / 4800)
    assert ends.reasoning == "4,700 of 4,800 runs completed. Of 12 runs it is unknown."
