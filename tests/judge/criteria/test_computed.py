"""Computed criteria over an agent's runs: scores with intervals, what is undecided, what an evaluation becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evidence.types import Evidence, Population, Run, ToolCall
from tasks.judge.agent import judge_agent
from tasks.judge.criteria.computed import add_computed
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.criteria.share import build_verdict, share_of_all, share_of_sample
from tasks.judge.evaluation import Evaluation
from tasks.judge.runs.success import read_success
from tasks.judge.runs.verdict import RunVerdict
from tasks.judge.scoring import Verdict

JUDGED = Verdict("accuracy", 1, 7, 9.0, True, "Well done.", (), True)


@pytest.fixture
def evidence(make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]) -> Evidence:
    """Twenty runs: every fifth failed, the first takes 60 s and calls ``delete_user``, the last has no duration."""
    runs = [make_run(n, status="failed" if n % 5 == 0 else "completed", tool_calls_known=True) for n in range(1, 21)]
    runs[0] = runs[0].model_copy(
        update={"duration_seconds": 60.0, "tool_calls": (ToolCall(name="look_up"), ToolCall(name="delete_user"))}
    )
    runs[-1] = runs[-1].model_copy(update={"duration_seconds": None})
    return make_evidence(runs)


def evaluated(**parts: Any) -> Evaluation:
    values: dict[str, Any] = {"status": "evaluated", "score": 9.0, "passed": True, "coverage": 1.0}
    return Evaluation("1", **(values | {"verdicts": (JUDGED,)} | parts))


RUBRIC = {
    "accuracy": Criterion(),
    "ends": Criterion(kind="completion", threshold=5),
    "fast": Criterion(kind="max_duration_seconds", limit=30, weight=2),
    "safe": Criterion(kind="tool_never", tools=("delete_*",), threshold=10),
}


def test_scores_are_ten_times_the_share_of_the_runs_that_are_decided(evidence: Evidence) -> None:
    found = add_computed(evaluated(), RUBRIC, evidence, {})
    accuracy, ends, fast, safe = found.verdicts
    assert accuracy is JUDGED
    assert (ends.kind, ends.score, ends.coverage) == ("completion", 8.0, 1.0)
    assert (ends.runs_passed, ends.runs_decided) == (16, 20)
    assert ends.score_low == pytest.approx(5.84, abs=0.01)
    assert ends.score_high == pytest.approx(9.19, abs=0.01)
    assert ends.passed is True
    assert fast.score == pytest.approx(10 * 18 / 19)
    assert (fast.runs_decided, fast.coverage, fast.passed) == (19, 0.95, True)
    assert fast.reasoning == "18 of 19 runs took at most 30 s. Of 1 run it is unknown."
    assert (safe.score, safe.passed) == (9.5, False)
    assert safe.reasoning == "19 of 20 runs did not call delete_*."
    assert found.score == pytest.approx((9 + 8 + 2 * fast.score + 9.5) / 5)
    assert found.passed is False


def test_every_run_has_its_checks(evidence: Evidence) -> None:
    found = add_computed(evaluated(), RUBRIC, evidence, {})
    assert found.run_checks["1"] == {"ends": "pass", "fast": "fail", "safe": "fail"}
    assert found.run_checks["20"] == {"ends": "fail", "fast": "cannot_tell", "safe": "pass"}
    assert len(found.run_checks) == 20


def test_without_computed_criteria_nothing_changes(evidence: Evidence) -> None:
    evaluation = evaluated()
    assert add_computed(evaluation, {"accuracy": Criterion()}, evidence, {}) is evaluation


def test_a_failed_judgement_keeps_what_code_found_and_has_no_score(evidence: Evidence) -> None:
    failed = Evaluation("1", "failed", error="the endpoint is down")
    found = add_computed(failed, RUBRIC, evidence, {})
    assert [verdict.criterion for verdict in found.verdicts] == ["ends", "fast", "safe"]
    assert (found.status, found.score, found.passed) == ("failed", None, None)


def test_computed_criteria_alone_make_a_score(evidence: Evidence) -> None:
    bare = Evaluation("1", "no_evidence", coverage=0.0)
    found = add_computed(bare, {"ends": Criterion(kind="completion", threshold=5)}, evidence, {})
    assert (found.status, found.score, found.passed, found.coverage) == ("evaluated", 8.0, True, 1.0)


def test_success_is_the_sources_outcome_else_the_judges(
    make_evidence: Callable[..., Evidence], make_run: Callable[..., Run]
) -> None:
    runs = [make_run(n, succeeded={1: True, 2: False}.get(n)) for n in range(1, 6)]
    verdicts = [RunVerdict(str(n), f"R{n}", success) for n, success in ((2, "yes"), (3, "yes"), (4, "cannot_tell"))]
    evaluation = evaluated(run_verdicts=tuple(verdicts))
    rubric = {"works": Criterion(kind="success")}
    found = add_computed(evaluation, rubric, make_evidence(runs), {}).verdicts[0]
    assert (found.runs_passed, found.runs_decided, found.coverage) == (2, 3, 0.6)
    assert found.score == pytest.approx(10 * 2 / 3)


@pytest.mark.parametrize("outcomes", [0, 100, 1000])
def test_the_criterion_on_success_is_the_agents_success_rate(
    make_evidence: Callable[..., Evidence], make_run: Callable[..., Run], outcomes: int
) -> None:
    """Of 1,000 runs four were read; of so many of all the source states the outcome, nine of ten a success."""
    runs = [make_run(n, succeeded=True if n == 1 and outcomes else None) for n in range(1, 5)]
    population = Population(
        runs=1000, completed=1000, failed=0, unfinished=0, succeeded=outcomes * 9 // 10, not_succeeded=outcomes // 10
    )
    update = {"population": population, "inclusion": {"1": 0.002, "2": 0.002, "3": 0.01, "4": 0.01}}
    evidence = make_evidence(runs).model_copy(update=update)
    verdicts = tuple(RunVerdict(str(n), f"R{n}", s) for n, s in ((1, "yes"), (2, "no"), (3, "yes"), (4, "yes")))
    rubric = {"works": Criterion(kind="success")}
    found = add_computed(evaluated(run_verdicts=verdicts), rubric, evidence, {}).verdicts[0]
    known = read_success(evidence, {verdict.run_id: verdict for verdict in verdicts})
    assert found.score == pytest.approx(10 * (known.rate.value or 0))
    assert (found.score_low, found.score_high) == pytest.approx(
        (10 * (known.rate.low or 0), 10 * (known.rate.high or 0))
    )
    assert found.runs_decided == known.rate.n


def test_a_function_that_raises_leaves_its_runs_undecided_and_is_warned_of_once(evidence: Evidence) -> None:
    def check(run: Run) -> float:
        if run.status == "failed":
            raise KeyError("amount")
        return 0.5 if run.id == "2" else 1.0

    rubric = {"own": Criterion(kind="code", function="my:check", threshold=6)}
    found = add_computed(evaluated(warnings=("before",)), rubric, evidence, {"my:check": check})
    own = found.verdicts[0]
    assert own.score == pytest.approx(10 * 15.5 / 16)
    assert (own.runs_passed, own.runs_decided, own.coverage) == (15, 16, 0.8)
    assert found.warnings == ("before", "criterion own: my:check raised KeyError: 'amount' (4 runs of 20 undecided)")
    assert (found.run_checks["5"], found.run_checks["2"]) == ({"own": "cannot_tell"}, {"own": "fail"})


def test_below_three_decided_runs_there_is_no_score() -> None:
    criterion = Criterion(kind="completion")
    two = build_verdict("ends", criterion, share_of_all(runs=9, decided=2, passed=2, total=2.0))
    assert (two.score, two.score_low, two.passed, two.runs_passed, two.runs_decided) == (None, None, None, 2, 2)
    assert two.coverage == pytest.approx(2 / 9)
    none = build_verdict("ends", criterion, share_of_all(runs=9, decided=0, passed=0, total=0.0))
    assert none.reasoning == "Of none of 9 runs it is known whether they completed."


@pytest.mark.parametrize(
    ("passed", "of", "undecided", "threshold", "verdict"),
    [
        # The whole interval is above, below, on both sides.
        (19, 20, 0, 7, True),
        (5, 20, 0, 7, False),
        (15, 20, 0, 7, None),
        # Ten is every run: one that misses it is enough, and one that is undecided leaves it open.
        (20, 20, 0, 10, True),
        (20, 20, 1, 10, None),
        (4811, 4812, 0, 10, False),
        (0, 20, 0, 0, True),
    ],
)
def test_passed_is_three_valued(passed: int, of: int, undecided: int, threshold: float, verdict: bool | None) -> None:
    criterion = Criterion(kind="completion", threshold=threshold)
    share = share_of_all(runs=of + undecided, decided=of, passed=passed, total=float(passed))
    assert build_verdict("ends", criterion, share).passed is verdict


def test_a_sample_never_passes_for_every_run_and_is_weighted() -> None:
    criterion = Criterion(kind="completion", threshold=10)
    share = share_of_sample([(1.0, 0.1)] * 20, criterion)
    assert build_verdict("ends", criterion, share).passed is None
    weighted = share_of_sample([(1.0, 0.1), (0.0, 0.5), (0.0, 1.0), (None, 0.5)], criterion)
    assert weighted.estimate.value == pytest.approx(10 / 13)
    assert weighted.coverage == pytest.approx(13 / 15)


def test_without_a_judged_criterion_the_judge_still_finds_out_who_did_its_task(
    evidence: Evidence, judging: Callable[..., Any]
) -> None:
    success = {f"R{n}": "yes" if n <= 15 else "no" for n in range(1, 21)}
    runs = {
        label: {
            "evidence": [{"key": label, "quote": "started 2026"}],
            "checks": {},
            "success": answer,
            "failure_mode": "",
            "step": "",
        }
        for label, answer in success.items()
    }
    answer = {"runs": runs, "contradictions": [], "criteria": {}, "reasoning": "Fine.", "strengths": []}
    judge, server = judging(json.dumps(answer | {"weaknesses": [], "recommendations": ["Go on."]}))
    rubric = {"works": Criterion(kind="success", threshold=4), "ends": Criterion(kind="completion", threshold=5)}
    evaluation = judge_agent(judge, evidence, rubric, timeout_seconds=20)
    assert (evaluation.score, len(evaluation.verdicts), len(evaluation.run_verdicts)) == (None, 0, 20)
    found = add_computed(evaluation, rubric, evidence, {})
    assert (found.status, found.score, found.passed) == ("evaluated", pytest.approx((7.5 + 8) / 2), True)
    assert [verdict.score for verdict in found.verdicts] == [7.5, 8]
    assert found.recommendations == ("Go on.",)
    assert len(server.requests) == 1
    asked = json.loads(server.requests[0].body)["response_format"]["json_schema"]["schema"]["properties"]
    assert asked["criteria"]["properties"] == {}
    assert asked["runs"]["properties"].keys() == success.keys()
