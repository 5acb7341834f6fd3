"""Labels on both databases, and what of the reports and of the ledger goes into measuring the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.calibration.labels import ItemKey, Label
from tasks.errors import RefusedError, WarehouseError
from tasks.judge.ledger import PaidAnswer
from tasks.report.rows import SUCCESS_QUESTION
from tasks.stored.agreement import find_report, load_agreement, load_disagreements, measure
from tasks.warehouse.labels import (
    find_reports_of_runs,
    has_labels,
    load_judged,
    load_labels,
    load_repeated_answers,
    read_scores,
    write_labels,
)
from tasks.warehouse.ledger.sql_ledger import SqlLedger
from tasks.warehouse.sql import Warehouse

_NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
_LABEL = Label(1, "7", "70", "accuracy", "ana", 6.5, False, 7.0, "judge-1", "f1", 8.0, True, _NOW)


def _store(warehouse: Warehouse, *labels: Label, environment: str = "prod") -> None:
    write_labels(warehouse.database, environment, [(label, "bot", "a note") for label in labels])


def _report(
    warehouse: Warehouse,
    *,
    environment: str = "prod",
    samples: bool = False,
    runs: list[dict[str, Any]] | None = None,
    **values: Any,
) -> int:
    """A completed report of 8 agents, of which every other passes."""
    report_id = warehouse.create_report({"environment": environment})
    agents: list[dict[str, Any]] = []
    criteria: list[dict[str, Any]] = [{"criterion": "accuracy", "weight": 1.0, "threshold": 7.0, "score": 5.0}]
    for agent in range(1, 9):
        score = 8.0 if agent % 2 else 6.0
        passed = score >= 7
        agents.append(
            {
                "agent_id": str(agent),
                "agent_name": f"a{agent}",
                "status": "evaluated",
                "passed": passed,
                "runs_analyzed": 20,
            }
        )
        row = {"agent_id": str(agent), "criterion": "accuracy", "weight": 1.0, "threshold": 7.0, "score": score}
        criteria.append(row | {"passed": passed, "scores": [score - 1, score + 1] if samples else [score]})
    values = {"status": "completed", "judge_model": "judge-1", "judge_fingerprint": "f1", **values}
    warehouse.write_report(report_id, values, agents, criteria, runs or [])
    return report_id


def _run(agent: int, run: str, verdict: str | None, **values: Any) -> dict[str, Any]:
    known = {"agent_id": str(agent), "run_id": run, "status": "completed", "completed": True, "verdict": verdict}
    return known | {"checks": {"accuracy": "pass"}, "task_excerpt": f"task {run}", "failure_mode": "slow"} | values


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(True, False, True), (None, False, None), (False, True, True), (False, False, False)]
)
def test_a_run_that_was_drawn_for_a_label_stays_one(
    warehouse: Warehouse, first: bool | None, second: bool | None, kept: bool | None
) -> None:
    _store(warehouse, replace(_LABEL, drawn=first))
    _store(warehouse, replace(_LABEL, drawn=second, passed=True))
    assert load_labels(warehouse.database, "prod") == [replace(_LABEL, drawn=kept, passed=True)]


def test_labels_read_as_they_were_written(warehouse: Warehouse) -> None:
    whole = replace(_LABEL, run_id=None, score=None, passed=True)
    _store(warehouse, _LABEL, whole)
    assert load_labels(warehouse.database, "prod") == [_LABEL, whole]
    assert load_labels(warehouse.database, report_id=1, labeler="ana") == [_LABEL, whole]
    assert load_labels(warehouse.database, report_id=2) == load_labels(warehouse.database, "other") == []
    assert load_labels(warehouse.database, labeler="ben") == []
    assert has_labels(warehouse.database, "prod")
    assert not has_labels(warehouse.database, "other")


@pytest.mark.parametrize("run_id", ["70", None])
def test_labelled_again_by_the_same_person_it_is_replaced(warehouse: Warehouse, run_id: str | None) -> None:
    first = replace(_LABEL, run_id=run_id)
    again = replace(first, score=None, passed=True, judge_score=9.0, created_at=_NOW + timedelta(days=1))
    others = [replace(first, labeler="ben"), replace(first, criterion="tone"), replace(first, report_id=2)]
    _store(warehouse, first, *others)
    _store(warehouse, again)
    assert load_labels(warehouse.database) == [again, *others]


def test_of_labels_that_cannot_all_be_stored_none_is(warehouse: Warehouse) -> None:
    broken = replace(_LABEL, run_id="71", criterion=None)  # type: ignore[arg-type]
    with pytest.raises(WarehouseError):
        _store(warehouse, _LABEL, broken)
    assert load_labels(warehouse.database) == []


def test_labels_outlive_their_report(warehouse: Warehouse) -> None:
    report_id = _report(warehouse)
    _store(warehouse, replace(_LABEL, report_id=report_id))
    warehouse.discard_report(report_id)
    assert len(load_labels(warehouse.database, "prod")) == 1


def test_the_judges_verdicts_of_a_report(warehouse: Warehouse) -> None:
    report_id = _report(warehouse, samples=True)
    judged, runs, asked = load_judged(warehouse.database, {report_id, 999})
    assert list(judged) == [report_id]
    assert judged[report_id].units[ItemKey(report_id, "1", None, "accuracy")] is True
    assert judged[report_id].agents == {str(agent): bool(agent % 2) for agent in range(1, 9)}
    assert runs[report_id, "3"] == 20
    assert [(one.agent_id, one.scores) for one in asked[:2]] == [("1", (7.0, 9.0)), ("2", (5.0, 7.0))]
    assert load_judged(warehouse.database, {_report(warehouse)})[2] == []
    # The next night's report took the same answers from the ledger: they are no more answers for that.
    reused = _report(warehouse, samples=True)
    assert load_judged(warehouse.database, {report_id, reused})[2] == asked


def test_the_judges_verdicts_on_runs(warehouse: Warehouse) -> None:
    runs = [
        _run(1, "a", "no", inclusion_probability=0.5, checks={"accuracy": "fail", "tone": "cannot_tell"}),
        _run(1, "b", None, checks=None, completed=None, status="running"),
        _run(2, "a", "yes", succeeded=False, success_source="source"),
    ]
    report_id = _report(warehouse, runs=runs)
    judged = load_judged(warehouse.database, {report_id})[0][report_id]
    assert (judged.model, judged.fingerprint) == ("judge-1", "f1")
    assert set(judged.runs) == {("1", "a"), ("2", "a")}
    one, other = judged.runs["1", "a"], judged.runs["2", "a"]
    assert one.verdicts == {SUCCESS_QUESTION: False, "accuracy": False, "tone": None}
    assert (one.weight, one.failure_mode, one.outcome, other.outcome) == (2.0, "slow", None, False)
    # What code computed is left out.
    agents = [{"agent_id": "1", "agent_name": "a1", "status": "evaluated"}]
    scores = [{"agent_id": "1", "criterion": "quick", "kind": "max_duration_seconds", "weight": 1.0, "threshold": 7.0,
               "score": 9.0, "passed": True}]  # fmt: skip
    computed = warehouse.create_report({"environment": "prod"})
    run = _run(1, "a", "yes", checks={"quick": "fail", "tone": "pass"})
    warehouse.write_report(computed, {"status": "completed", "judge_model": "judge-1"}, agents, scores, [run])
    found = load_judged(warehouse.database, {computed})[0][computed]
    assert (found.units, found.runs["1", "a"].verdicts) == ({}, {SUCCESS_QUESTION: True, "tone": True})
    without = _report(warehouse, runs=[_run(1, "a", None, checks=None)])
    assert load_judged(warehouse.database, {without})[0][without].runs == {}


def test_reports_of_the_same_judge_that_have_a_verdict_on_labelled_runs(warehouse: Warehouse) -> None:
    first = _report(warehouse, runs=[_run(1, "a", "yes"), _run(2, "b", None)])
    _report(warehouse, runs=[_run(1, "a", "yes")], judge_model="judge-0")
    _report(warehouse, runs=[_run(1, "a", "yes")], environment="test")
    second = _report(warehouse, runs=[_run(3, "c", "no"), _run(2, "a", "no")])

    def find(*keys: tuple[str, str]) -> set[int]:
        return find_reports_of_runs(warehouse.database, "prod", "judge-1", keys)

    assert find(("1", "a")) == {first}
    assert find(("2", "b"), ("1", "b")) == set()
    assert find(*((str(agent), "a") for agent in range(900)), ("3", "c")) == {first, second}
    assert find() == set()


def test_labels_of_runs_are_compared_with_verdicts_of_a_later_report(warehouse: Warehouse) -> None:
    first = _report(warehouse, judge_model="judge-0", runs=[_run(a, "a", "yes") for a in range(1, 9)])
    ours = _report(warehouse, runs=[_run(a, "a", "yes" if a % 2 else "no") for a in range(1, 9)])
    given = replace(_LABEL, report_id=first, run_id="a", criterion=SUCCESS_QUESTION, score=None, judge_model="judge-0",
                    judge_on_run=True)  # fmt: skip
    _store(warehouse, *(replace(given, agent_id=str(a), passed=True) for a in range(1, 9)))
    found = load_agreement(ours, warehouse)
    assert found is not None
    assert (found.labels, found.run_labels, found.left_out, found.runs[0].runs) == (8, 8, 0, 8)
    row = warehouse.load_report(ours)
    assert row is not None
    disagreements = load_disagreements(warehouse, row)
    assert [(one.agent_id, one.agent_name, one.task) for one in disagreements] == [
        (str(a), f"a{a}", "task a") for a in range(2, 9, 2)
    ]
    assert {(one.people[0].note, one.failure_mode) for one in disagreements} == {("a note", "slow")}


def test_outcomes_of_the_source_need_no_label(warehouse: Warehouse) -> None:
    runs = [_run(1, str(r), "yes", succeeded=r > 2, success_source="source") for r in range(12)]
    report_id = _report(warehouse, runs=runs)
    found = load_agreement(report_id, warehouse)
    assert found is not None
    assert found.outcomes is not None
    assert (found.labels, found.outcomes.runs) == (0, 12)
    row = warehouse.load_report(report_id)
    assert row is not None
    disagreements = load_disagreements(warehouse, row)
    assert [(one.run_id, one.judge, one.passed, one.people) for one in disagreements] == [
        (str(run), True, False, ()) for run in range(3)
    ]
    assert load_agreement(_report(warehouse, runs=[_run(1, "a", "yes")]), warehouse) is None


def test_the_stability_of_another_judge_does_not_count_for_this_one(warehouse: Warehouse) -> None:
    other, ours = _report(warehouse, samples=True, judge_model="judge-0"), _report(warehouse)
    _store(warehouse, replace(_LABEL, report_id=other, judge_model="judge-0"))
    found = load_agreement(ours, warehouse)
    assert found is not None
    assert (found.left_out, found.stability) == (1, ())


def _answer(report_id: int, fingerprint: str, score: float | None, **changes: Any) -> PaidAnswer:
    text = json.dumps({"criteria": {"accuracy": {"score": score, "reasoning": "x"}, "unknown": {"score": 1}}})
    given: dict[str, Any] = {
        "fingerprint": fingerprint,
        "kind": "agent",
        "model": "judge-1",
        "answer": text,
        "outcome": "usable",
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "cached_tokens": None,
        "cost_usd": None,
        "latency_seconds": 1.0,
        "attempts": 1,
        "report_id": report_id,
        "agent_id": "1",
    }
    return PaidAnswer(**given | changes)


def test_answers_to_the_same_question_are_found_in_the_ledger(warehouse: Warehouse) -> None:
    first, second = _report(warehouse), _report(warehouse)
    elsewhere, other_judge = _report(warehouse, environment="test"), _report(warehouse, judge_model="judge-0")
    ledger = SqlLedger(warehouse.database)
    for answer in (
        _answer(first, "same", 6.0),
        _answer(second, "same", 8.5),
        _answer(second, "same", None),
        _answer(second, "same", 1.0, outcome="refused"),
        _answer(elsewhere, "same", 2.0),
        _answer(other_judge, "same", 3.0),
        _answer(first, "once", 4.0),
        _answer(first, "team", 4.0, kind="team", agent_id=None),
        _answer(second, "team", 5.0, kind="team", agent_id=None),
    ):
        ledger.commit(answer)
    (found,) = load_repeated_answers(warehouse.database, "prod", "judge-1")
    assert (found.agent_id, found.criterion, found.threshold, found.scores) == ("1", "accuracy", 7.0, (6.0, 8.5))


@pytest.mark.parametrize(
    "answer", [None, "", "no JSON", "[1]", '{"criteria": 3}', '{"criteria": {"a": {"score": "x"}}}']
)
def test_an_answer_that_reads_as_none_has_no_scores(answer: str | None) -> None:
    assert read_scores(answer) == {}


def test_the_agreement_of_a_report_is_over_all_labels_of_its_environment(warehouse: Warehouse) -> None:
    first, second = _report(warehouse), _report(warehouse)
    assert load_agreement(first, warehouse) is None
    _store(warehouse, replace(_LABEL, report_id=9), environment="other")
    assert load_agreement(first, warehouse) is None
    labels = [
        replace(
            _LABEL, report_id=first, agent_id=str(agent), score=score - 1, judge_score=score, judge_passed=score >= 7
        )
        for agent in range(1, 9)
        for score in [8.0 if agent % 2 else 6.0]
    ]
    _store(warehouse, *labels)
    for report_id in (first, second):
        found = load_agreement(report_id, warehouse)
        assert found is not None
        assert (found.report_id, found.labels, found.labelers, found.judge_model) == (report_id, 8, 1, "judge-1")
        assert found.criteria[0].bias.value == pytest.approx(1)
    other = _report(warehouse, judge_model="judge-2")
    found = load_agreement(other, warehouse)
    assert found is not None
    assert (found.labels, found.left_out) == (0, 8)
    with pytest.raises(RefusedError, match="no report 999"):
        load_agreement(999, warehouse)


def test_without_labels_there_is_what_needs_none(warehouse: Warehouse) -> None:
    report_id = _report(warehouse, samples=True)
    row = warehouse.load_report(report_id)
    assert row is not None
    found = measure(warehouse, row)
    assert found.labels == 0
    # 7 and 9 both pass, 5 and 7 do not.
    assert found.stability[0].unstable.value == pytest.approx(0.5)


def test_the_report_is_the_one_named_or_the_newest_completed(warehouse: Warehouse) -> None:
    with pytest.raises(RefusedError, match="no completed report with agents: "):
        find_report(warehouse, None, None)
    first, second = _report(warehouse), _report(warehouse, environment="test")
    warehouse.create_report({"environment": "prod"})
    assert find_report(warehouse, None, None)["id"] == second
    assert find_report(warehouse, None, "prod")["id"] == first
    assert find_report(warehouse, first, "prod")["id"] == first
    with pytest.raises(RefusedError, match="no completed report with agents of 'none'"):
        find_report(warehouse, None, "none")
    with pytest.raises(RefusedError, match="no report 99"):
        find_report(warehouse, 99, None)
    with pytest.raises(RefusedError, match="is of 'prod', not of 'test'"):
        find_report(warehouse, first, "test")


def test_without_an_id_a_report_without_agents_is_passed_over(warehouse: Warehouse) -> None:
    first = _report(warehouse)
    empty = warehouse.create_report({"environment": "prod"})
    warehouse.write_report(empty, {"status": "completed", "judge_model": "judge-1"}, [], [], [])
    assert find_report(warehouse, None, None)["id"] == first
    assert find_report(warehouse, None, "prod")["id"] == first
    assert find_report(warehouse, empty, None)["id"] == empty
