"""The judge against people on single runs: what a simulation puts in comes out again, within the intervals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tasks.calibration.agree import measure_agreement
from tasks.calibration.agreement import MINIMUM_RUNS, Agreement, RunAgreement
from tasks.calibration.disagreements import describe_rated, find_disagreements
from tasks.calibration.judging import JudgedReport, JudgedRun, Judging, build_judged_run
from tasks.calibration.label_sample import choose_runs
from tasks.calibration.labels import ItemKey, Label
from tasks.calibration.rated_runs import match_labels
from tasks.report.rows import SUCCESS_QUESTION, RunRow

_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_SENSITIVITY, _SPECIFICITY = 0.85, 0.75


def _row(agent: str, run: str, verdict: str | None, **values: Any) -> RunRow:
    known: dict[str, Any] = {
        "agent_id": agent, "run_id": run, "status": "completed", "completed": True, "succeeded": None,
        "success_source": None, "verdict": verdict, "verdict_error": None, "checks": None, "failure_mode": None,
        "failure_step": None, "verdict_evidence": None, "unstable": False, "inclusion_probability": None,
        "task_excerpt": "a task", "response_excerpt": "done", "error": None, "trace_id": "t1", "session_id": None,
    }  # fmt: skip
    return known | values  # type: ignore[return-value]


def _report(*rows: RunRow, model: str = "judge-1", fingerprint: str = "f1") -> JudgedReport:
    runs = {(row["agent_id"], row["run_id"]): build_judged_run(row) for row in rows}
    return JudgedReport({}, {}, runs, model, fingerprint)


def _label(agent: str, run: str | None, passed: bool, **changes: Any) -> Label:
    given: dict[str, Any] = {
        "report_id": 1, "agent_id": agent, "run_id": run, "criterion": SUCCESS_QUESTION, "labeler": "ana",
        "score": None, "passed": passed, "threshold": None, "judge_model": "judge-1", "judge_fingerprint": "f1",
        "judge_score": None, "judge_passed": None, "created_at": _NOW, "judge_on_run": True,
    }  # fmt: skip
    return Label(**given | changes)


def _judging(reports: Mapping[int, JudgedReport], report_id: int = 1) -> Judging:
    return Judging("prod", report_id, "judge-1", "f1", {}, reports)


def _measure(labels: list[Label], reports: Mapping[int, JudgedReport], report_id: int = 1) -> Agreement:
    return measure_agreement(_judging(reports, report_id), labels)


class _Team:
    """Agents whose runs do their task with a probability of their own, in samples of 20 of unequal populations."""

    def __init__(self, rng: np.random.Generator, agents: int) -> None:
        self.truth: dict[tuple[str, str], bool] = {}
        self.rows: list[RunRow] = []
        for agent in range(agents):
            rate = rng.beta(2, 2)
            inclusion = 0.1 if agent % 2 else 1.0
            for run in range(20):
                truth = bool(rng.random() < rate)
                passes = rng.random() < (_SENSITIVITY if truth else 1 - _SPECIFICITY)
                verdict = "cannot_tell" if rng.random() < 0.1 else "yes" if passes else "no"
                key = (str(agent), f"{agent}-{run}")
                self.truth[key] = truth
                self.rows.append(_row(*key, verdict, inclusion_probability=inclusion))

    def labels(self, count: int, seed: int) -> list[Label]:
        agents = [{"agent_id": agent} for agent in sorted({agent for agent, _ in self.truth})]
        chosen = choose_runs(agents, [], self.rows, count=count, seed=seed)  # type: ignore[arg-type]
        keys = [(one.run["agent_id"], one.run["run_id"]) for one in chosen]
        return [_label(*key, self.truth[key]) for key in keys]


def _success(found: Agreement) -> RunAgreement:
    assert found.runs[0].question == SUCCESS_QUESTION
    return found.runs[0]


@pytest.mark.parametrize(("agents", "by"), [(14, "agents"), (3, "runs")])
def test_the_judges_errors_are_recovered_though_doubtful_runs_are_labelled_more_often(agents: int, by: str) -> None:
    rng = np.random.default_rng(4)
    trials = 80
    truth = {"sensitivity": _SENSITIVITY, "specificity": _SPECIFICITY}
    held = dict.fromkeys(truth, 0)
    values: dict[str, list[float]] = {name: [] for name in truth}
    kappas = []
    for trial in range(trials):
        team = _Team(rng, agents)
        found = _success(_measure(team.labels(40, trial), {1: _report(*team.rows)}))
        assert found.by == by
        assert found.runs + found.undecided == 40
        for name, value in truth.items():
            estimate = getattr(found, name)
            values[name].append(estimate.value)
            held[name] += estimate.low <= value <= estimate.high
        kappas.append(found.kappa.value)
    for name, value in truth.items():
        assert abs(np.mean(values[name]) - value) < 0.04, name
        assert held[name] >= 0.88 * trials, (name, held)
    # The kappa of verdicts against truth, and not the 0.3 of scores of agents against labels of runs.
    assert 0.45 < np.mean([kappa for kappa in kappas if kappa is not None]) < 0.7


def test_a_perfect_judge_has_a_kappa_of_one() -> None:
    rows = [_row(str(i % 6), str(i), "yes" if i % 4 else "no") for i in range(30)]
    labels = [_label(row["agent_id"], row["run_id"], row["verdict"] == "yes") for row in rows]
    found = _success(_measure(labels, {1: _report(*rows)}))
    assert (found.kappa.value, found.sensitivity.value, found.specificity.value) == (1, 1, 1)
    # No error among 30 is no certainty.
    assert found.sensitivity.low is not None
    assert 0.4 < found.sensitivity.low < 0.99


def test_of_few_runs_there_is_no_figure_but_a_warning() -> None:
    rows = [_row(str(i), str(i), "yes") for i in range(MINIMUM_RUNS - 1)]
    found = _measure([_label(row["agent_id"], row["run_id"], True) for row in rows], {1: _report(*rows)})
    assert (_success(found).runs, _success(found).kappa.value, _success(found).sensitivity.value) == (9, None, None)
    warning = "success is labelled on 9 runs of 9 agents: figures on it need at least 10 runs"
    assert warning in found.warnings


def test_what_the_judge_cannot_tell_is_counted_and_is_no_disagreement() -> None:
    rows = [_row(str(i % 6), str(i), "cannot_tell" if i < 5 else "yes") for i in range(20)]
    found = _success(_measure([_label(r["agent_id"], r["run_id"], True) for r in rows], {1: _report(*rows)}))
    assert (found.runs, found.undecided) == (15, 5)
    assert found.same_verdict.value == 1


def test_criteria_are_compared_run_by_run_and_success_comes_first() -> None:
    rows = [_row(str(i % 6), str(i), "yes", checks={"accuracy": "fail" if i < 6 else "pass"}) for i in range(12)]
    labels = [_label(row["agent_id"], row["run_id"], True) for row in rows]
    labels += [_label(r["agent_id"], r["run_id"], True, criterion="accuracy") for r in rows]
    found = _measure(labels, {1: _report(*rows)})
    assert [one.question for one in found.runs] == [SUCCESS_QUESTION, "accuracy"]
    assert found.runs[1].same_verdict.value == pytest.approx(0.5)
    assert (found.labels, found.run_labels, found.criteria) == (24, 24, ())


def test_a_label_goes_with_its_run_to_a_later_report_of_the_same_judge() -> None:
    first = _report(_row("1", "a", "yes"), _row("1", "b", "no"), fingerprint="f0")
    later = _report(_row("1", "a", "no"), _row("2", "c", "yes"))
    other = _report(_row("1", "a", "yes"), model="judge-2")
    labels = [_label("1", "a", False, judge_passed=True), _label("1", "b", False, judge_passed=False)]
    matched = match_labels(_judging({1: first, 2: later, 3: other}, 2), labels)
    # The judge as it is now has a verdict on the first run; on the second one only the same model with another prompt.
    assert [item for item, _ in matched.on_runs] == [
        ItemKey(2, "1", "a", SUCCESS_QUESTION),
        ItemKey(1, "1", "b", SUCCESS_QUESTION),
    ]
    assert [(one.judge.passed, one.people.passed) for one in matched.rated] == [(False, False), (False, False)]
    # Labelled in a report of another judge, it counts all the same where this one has judged the run.
    theirs = _label("2", "c", True, report_id=3, judge_model="judge-2")
    assert match_labels(_judging({2: later}, 2), [theirs]).on_runs
    elsewhere = _label("9", "z", True, report_id=8, judge_model="judge-2")
    assert match_labels(_judging({2: later}, 2), [elsewhere]).waiting == 1
    of_criterion = _label("9", "z", True, report_id=8, judge_model="judge-2", criterion="tone")
    assert match_labels(_judging({2: later}, 2), [of_criterion]).left_out == 1


def test_verdicts_of_an_earlier_form_of_the_judge_count_only_while_there_are_too_few_of_the_present_one() -> None:
    def match(now: int) -> tuple[int, int, int]:
        earlier = _report(*(_row("1", f"old {i}", "yes") for i in range(5)), fingerprint="f0")
        present = _report(*(_row("1", f"new {i}", "yes") for i in range(now)))
        labels = [_label("1", f"old {i}", True, report_id=1) for i in range(5)]
        labels += [_label("1", f"new {i}", True, report_id=2) for i in range(now)]
        found = match_labels(_judging({1: earlier, 2: present}, 2), labels)
        return len(found.rated), found.outgrown, found.earlier

    assert match(MINIMUM_RUNS - 1) == (MINIMUM_RUNS + 4, 0, 5)
    assert match(MINIMUM_RUNS) == (MINIMUM_RUNS, 5, 0)


def test_a_label_outlives_its_report_with_the_verdict_that_it_kept() -> None:
    matched = match_labels(_judging({}), [_label("1", "a", False, judge_passed=True)])
    assert [(one.judge.passed, one.people.passed) for one in matched.rated] == [(True, False)]


def test_old_labels_of_runs_count_where_a_later_report_has_a_verdict_on_the_run() -> None:
    old = _label("1", "a", False, criterion="accuracy", score=4.0, threshold=7.0, judge_on_run=None, judge_score=8.0)
    kept = match_labels(_judging({1: _report(_row("1", "b", "yes"))}), [old])
    assert (len(kept.on_runs), len(kept.on_agents)) == (0, 1)
    found = match_labels(_judging({2: _report(_row("1", "a", "yes", checks={"accuracy": "pass"}))}, 2), [old])
    assert [(one.judge.passed, one.people.passed) for one in found.rated] == [(True, False)]


def test_labels_of_one_run_in_two_reports_are_labels_of_one_run() -> None:
    reports = {number: _report(_row("1", "a", "yes"), _row("1", str(number), "yes")) for number in (1, 2, 3)}
    labels = [_label("1", "a", True, report_id=1), _label("1", "a", False, report_id=2, labeler="ben")]
    (one,) = match_labels(_judging(reports, 3), labels).rated
    assert (one.unit.report_id, set(one.labelers), one.people.passed) == (3, {"ana", "ben"}, None)
    (gone,) = match_labels(_judging({1: reports[1], 2: reports[2]}, 9), labels).rated
    assert gone.unit.report_id == 2


def test_answers_on_success_wait_for_a_verdict_and_are_named() -> None:
    found = _measure([_label("1", str(i), True, judge_on_run=False) for i in range(12)], {})
    assert (found.labels, found.runs, found.criteria) == (0, (), ())
    assert any("12 labels answer whether runs did their task" in text for text in found.warnings)


def test_what_cannot_be_compared_with_verdicts_on_runs_is_named() -> None:
    rows = [_row(str(i % 6), str(i), "yes") for i in range(12)]
    labels = [_label(row["agent_id"], row["run_id"], True) for row in rows]
    whole = [_label(str(i), None, True, criterion="tone", judge_on_run=None, judge_passed=True) for i in range(6)]
    found = _measure([*labels, *whole], {1: _report(*rows)})
    assert any("6 verdicts of people on scores of 6 agents cannot be compared" in text for text in found.warnings)
    assert (found.run_labels, found.labels, len(found.criteria)) == (12, 18, 2)


def test_the_newest_answer_of_a_person_counts_and_a_tie_between_people_decides_nothing() -> None:
    report = _report(_row("1", "a", "yes"))
    again = _label("1", "a", False, created_at=_NOW + timedelta(days=1), report_id=7)
    (one,) = match_labels(_judging({1: report}), [again, _label("1", "a", True)]).rated
    assert one.people.passed is False
    (two,) = match_labels(_judging({1: report}), [again, _label("1", "a", True, labeler="ben")]).rated
    assert two.people.passed is None
    assert set(two.labelers) == {"ana", "ben"}


def test_outcomes_of_the_source_are_a_reference_without_any_label() -> None:
    rows = [
        _row(str(i % 6), str(i), "yes" if i % 2 else "no", succeeded=bool(i % 2 and i % 3), success_source="source")
        for i in range(30)
    ]
    found = _measure([], {1: _report(*rows)})
    assert found.outcomes is not None
    assert (found.outcomes.reference, found.outcomes.runs, found.labels) == ("source", 30, 0)
    assert found.outcomes.sensitivity.value == 1
    # 10 of the 30 succeeded, of the other 20 the judge passes 5.
    assert found.outcomes.specificity.value == pytest.approx(15 / 20)
    judged_only = [_row(str(i), str(i), "yes", succeeded=True, success_source="judge") for i in range(30)]
    assert _measure([], {1: _report(*judged_only)}).outcomes is None


def test_an_agents_own_rate_is_corrected_by_labels_of_its_own_runs_only() -> None:
    rows = [_row(agent, f"{agent}-{i}", "yes" if i % 2 else "no") for agent in ("1", "2") for i in range(20)]
    # People pass a quarter of what the judge fails, too.
    labels = [_label("1", f"1-{i}", i % 2 == 1 or i % 8 == 0) for i in range(20)]
    labels += [_label("2", f"2-{i}", True) for i in range(3)]
    rates = {rate.agent_id: rate for rate in _measure(labels, {1: _report(*rows)}).agent_rates}
    assert set(rates) == {"1", "2"}
    assert rates["1"].judged.value == pytest.approx(0.5)
    assert rates["1"].corrected.value == pytest.approx(13 / 20)
    assert (rates["2"].corrected.value, bool(rates["2"].uncorrected)) == (None, True)


def test_failure_modes_are_confirmed_or_not() -> None:
    rows = [_row(str(i % 6), str(i), "no", failure_mode="Wrong  amount" if i else "wrong amount") for i in range(8)]
    rows += [_row("1", f"x{i}", "no", failure_mode="no refund") for i in range(3)]
    labels = [_label(row["agent_id"], row["run_id"], i < 2) for i, row in enumerate(rows)]
    found = _measure(labels, {1: _report(*rows)}).failure_modes
    assert [(mode.failure_mode, mode.runs, mode.confirmed) for mode in found] == [
        ("wrong amount", 8, 6),
        ("no refund", 3, 3),
    ]
    assert found[0].share.value == pytest.approx(0.75)
    assert found[1].share.low is not None
    assert found[1].share.low < 0.8


def test_disagreements_have_both_answers_and_the_judges_quotes() -> None:
    quote = {"run_id": "a", "label": "R1.2", "span_id": None, "quote": "refund issued"}
    row = _row("1", "a", "no", failure_mode="no refund", failure_step="R1.2", verdict_evidence=[quote])
    report = _report(row, _row("1", "b", "yes"))
    matched = match_labels(_judging({1: report}), [_label("1", "a", True), _label("1", "b", True)])
    item = ItemKey(1, "1", "a", SUCCESS_QUESTION)
    described = describe_rated(matched.rated, {item: row}, {"1": "desk"}, {(item, "ana"): "it was refunded"})
    assert len(described) == 2
    (one,) = find_disagreements(described)
    assert (one.agent_name, one.run_id, one.judge, one.passed) == ("desk", "a", False, True)
    assert (one.failure_mode, one.step, one.quotes[0].text) == ("no refund", "R1.2", "refund issued")
    assert (one.people[0].labeler, one.people[0].note) == ("ana", "it was refunded")
    assert one.trace_id == "t1"


def test_a_judged_run_knows_verdicts_outcome_and_weight() -> None:
    row = _row(
        "1", "a", "cannot_tell", checks={"x": "pass", "y": "cannot_tell", "z": "odd"}, succeeded=True,
        success_source="source", inclusion_probability=0.25,
    )  # fmt: skip
    run = build_judged_run(row)
    assert run == JudgedRun("1", "a", {SUCCESS_QUESTION: None, "x": True, "y": None}, True, 4.0, run.draw, "")
    assert build_judged_run(_row("1", "b", None, verdict_error="no such key")).verdicts == {}
