"""The measurement of the judge: what is put in by a simulation comes out again, within the intervals."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from tasks.calibration.agree import measure_agreement
from tasks.calibration.agreement import RUNS_AGAINST_AGENTS, Agreement, CriterionAgreement, describe_kappa
from tasks.calibration.judging import JudgedReport, Judging, RepeatedAnswer
from tasks.calibration.label_sample import choose_runs
from tasks.calibration.labels import ItemKey, Label

_NOW = datetime(2026, 5, 1, tzinfo=UTC)
_TRIALS = 60
_BIAS, _NOISE, _PEOPLE, _RUNS = 0.8, 1.0, 0.6, 2


def _label(agent: int | str, score: float | None, judge: float | None, **changes: Any) -> Label:
    given: dict[str, Any] = {
        "report_id": 1,
        "agent_id": str(agent),
        "run_id": None,
        "criterion": "accuracy",
        "labeler": "ana",
        "score": score,
        "passed": None if score is None else score >= 7,
        "threshold": 7.0,
        "judge_model": "judge-1",
        "judge_fingerprint": "f1",
        "judge_score": judge,
        "judge_passed": None if judge is None else judge >= 7,
        "created_at": _NOW,
    }
    return Label(**given | changes)


def _measure(labels: list[Label], asked: tuple[RepeatedAnswer, ...] = (), runs: int = 20) -> Agreement:
    units = {label.unit: bool(label.judge_passed) for label in labels if label.judge_passed is not None}
    agents = {unit.agent_id for unit in units}
    passed = {a: all(v for unit, v in units.items() if unit.agent_id == a) for a in agents}
    report = JudgedReport(units, passed, model="judge-1", fingerprint="f1")
    of_runs = {(1, agent): runs for agent in agents}
    return measure_agreement(Judging("prod", 1, "judge-1", "f1", of_runs, {1: report}, asked), labels)


def _whole(agreement: Agreement) -> CriterionAgreement:
    return agreement.criteria[0]


def _simulated(rng: np.random.Generator, agents: int, criteria: int) -> list[Label]:
    """What people say of two runs of each agent, beside a judge that is too generous and errs alike in an agent."""

    def mixed(scale: float) -> Any:
        return scale * (
            np.sqrt(0.5) * rng.normal(size=(agents, 1)) + np.sqrt(0.5) * rng.normal(size=(agents, criteria))
        )

    truth = 5.5 + mixed(1.2)
    judge = truth + _BIAS + mixed(_NOISE)
    people = truth[:, :, None] + _PEOPLE * rng.normal(size=(agents, criteria, _RUNS))
    return [
        _label(a, float(score), float(judge[a, c]), criterion=f"c{c}", run_id=str(run))
        for (a, c, run), score in np.ndenumerate(people)
    ]


def _population_kappa() -> float:
    labels = _simulated(np.random.default_rng(99), 4000, 1)
    people = np.array([label.score for label in labels]).reshape(-1, _RUNS).mean(axis=1) >= 7
    judge = np.array([label.judge_passed for label in labels])[::_RUNS]
    table = [[np.sum(judge & people), np.sum(judge & ~people)], [np.sum(~judge & people), np.sum(~judge & ~people)]]
    return float(cohens_kappa(table, return_results=False))


@pytest.mark.parametrize(("agents", "criteria"), [(14, 3), (40, 1)])
def test_bias_noise_and_kappa_are_recovered_within_their_intervals(agents: int, criteria: int) -> None:
    rng = np.random.default_rng(11)
    # The judge's own noise, and that of people's mean over two runs.
    truth = {"bias": _BIAS, "noise": np.hypot(_NOISE, _PEOPLE / np.sqrt(_RUNS)), "kappa": _population_kappa()}
    held, measured, width = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0), []
    for _ in range(_TRIALS):
        whole = _whole(_measure(_simulated(rng, agents, criteria)))
        for name, value in truth.items():
            estimate = getattr(whole, name)
            if estimate.low is not None:
                measured[name] += 1
                held[name] += estimate.low <= value <= estimate.high
        assert whole.bias.low is not None
        assert whole.bias.high is not None
        width.append(whole.bias.high - whole.bias.low)
    assert measured["bias"] == measured["noise"] == _TRIALS
    assert measured["kappa"] >= 0.95 * _TRIALS
    for name in truth:
        assert held[name] >= 0.85 * measured[name], (name, held[name], measured[name])
    # It is distinguished from no bias at all: the interval is not wide for its own sake.
    assert np.mean(width) < 2 * _BIAS


def _judged(rng: np.random.Generator, agents: int) -> tuple[Any, Any]:
    """The judge's scores, of which 82% pass, and people's."""
    truth = rng.normal(7.5, 1.0, agents)
    return truth + _BIAS + rng.normal(0, _NOISE, agents), truth + rng.normal(0, 0.4, agents)


def _run_row(agent: str) -> dict[str, Any]:
    unknown = ("success_source", "verdict", "checks", "unstable", "inclusion_probability")
    return dict.fromkeys(unknown) | {"agent_id": agent, "run_id": agent, "completed": True, "status": "completed"}


def test_the_figures_are_those_of_all_agents_of_which_some_are_labelled() -> None:
    """20 of 100 agents, as ``label`` draws their runs."""
    rng = np.random.default_rng(1)
    judge, people = _judged(rng, 200_000)
    verdicts = judge >= 7, people >= 7
    table = [[np.sum((verdicts[0] == a) & (verdicts[1] == b)) for b in (True, False)] for a in (True, False)]
    truth = {
        "bias": _BIAS,
        "noise": np.hypot(_NOISE, 0.4),
        "same_verdict": np.mean(verdicts[0] == verdicts[1]),
        "kappa": float(cohens_kappa(np.array(table), return_results=False)),
        "rank_correlation": stats.spearmanr(judge, people).statistic,
    }
    held, measured, values = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0), []
    for trial in range(_TRIALS):
        judge, people = _judged(rng, 100)
        passed = {str(agent): bool(score >= 7) for agent, score in enumerate(judge)}
        chosen = choose_runs(
            [{"agent_id": agent, "passed": side} for agent, side in passed.items()],
            [
                {"agent_id": agent, "criterion": "accuracy", "kind": None, "score": judge[int(agent)]}
                for agent in passed
            ],
            [_run_row(agent) for agent in passed],
            count=20,
            seed=trial,
        )
        labels = [_label(one.agent["agent_id"], *(float(side[int(one.agent["agent_id"])]) for side in (people, judge)))
                  for one in chosen]  # fmt: skip
        report = JudgedReport({ItemKey(1, agent, None, "accuracy"): side for agent, side in passed.items()}, passed)
        judging = Judging("prod", 1, "judge-1", "f1", {(1, agent): 1 for agent in passed}, {1: report})
        whole = _whole(measure_agreement(judging, labels))
        values.append(whole.bias.value)
        for name, value in truth.items():
            estimate = getattr(whole, name)
            if estimate.low is not None:
                measured[name] += 1
                held[name] += estimate.low <= value <= estimate.high
    assert abs(np.mean(values) - _BIAS) < 0.1
    for name in truth:
        assert measured[name] >= 0.95 * _TRIALS, (name, measured)
        assert held[name] >= 0.85 * _TRIALS, (name, held)


def test_the_figures_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(3)
    judge = np.round(rng.uniform(3, 10, 30))
    people = np.clip(np.round(judge - 1 + rng.normal(0, 1.5, 30)), 0, 10)
    found = _whole(
        _measure([_label(a, float(p), float(j)) for a, (j, p) in enumerate(zip(judge, people, strict=True))])
    )
    table = np.zeros((11, 11))
    np.add.at(table, (judge.astype(int), people.astype(int)), 1)
    weighted = float(cohens_kappa(table, wt="quadratic", return_results=False))
    assert found.weighted_kappa.value == pytest.approx(weighted)
    assert found.rank_correlation.value == pytest.approx(stats.spearmanr(judge, people).statistic)
    assert found.bias.value == pytest.approx((judge - people).mean())
    # Agents are independent here, so the jackknife of a mean is Student's interval.
    low, high = stats.t.interval(0.95, 29, (judge - people).mean(), stats.sem(judge - people))
    assert (found.bias.low, found.bias.high) == (pytest.approx(low), pytest.approx(high))
    assert found.noise.value == pytest.approx((judge - people).std(ddof=1))
    assert found.kappa.n == 30


def test_of_few_agents_there_is_no_figure_but_a_warning() -> None:
    found = _measure([_label(a, 5.0 + a, 6.0 + a) for a in range(4)])
    for name in ("same_verdict", "kappa", "weighted_kappa", "rank_correlation", "bias", "noise"):
        assert getattr(_whole(found), name).value is None, name
    assert "4 verdicts of people on scores of 4 agents" in found.warnings[0]
    assert "at least 5 agents are needed" in found.warnings[0]
    assert found.uncorrected


def test_more_criteria_do_not_make_more_agents() -> None:
    labels = [_label(a, 5.0 + a, 6.0 + a, criterion=f"c{c}") for a in range(4) for c in range(9)]
    assert _whole(_measure(labels)).kappa.value is None


def test_perfect_agreement_of_few_is_no_certainty() -> None:
    scores = [3.0, 8.0, 5.0, 9.0, 6.0, 7.0]
    found = _whole(_measure([_label(a, score, score) for a, score in enumerate(scores)]))
    for estimate in (found.kappa, found.weighted_kappa):
        assert (estimate.value, estimate.high) == (1, 1)
        assert estimate.low is not None
        assert estimate.low < 0.6
    assert (found.noise.value, found.noise.low) == (0, None)
    assert (found.bias.value, found.bias.low) == (0, None)


def test_where_all_pass_kappa_is_not_defined_and_nothing_warns_aloud() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _measure([_label(a, 8.0, 9.0) for a in range(12)])
    assert _whole(found).kappa.value is None
    assert _whole(found).rank_correlation.value is None
    assert _whole(found).bias.value == 1
    assert any("everything as pass" in warning for warning in found.warnings)


def test_nothing_labelled_is_nothing_measured() -> None:
    found = _measure([])
    assert (found.labels, found.criteria, found.warnings) == (0, (), ())


def test_labels_of_another_judge_are_left_out_and_counted() -> None:
    ours = [_label(a, 6.0, 7.0) for a in range(12)]
    theirs = [_label(a, 0.0, 10.0, judge_model="judge-0") for a in range(7)]
    earlier = [_label(a, 6.0, 7.0, report_id=2, judge_fingerprint="f0") for a in range(3)]
    found = _measure([*ours, *theirs, *earlier])
    assert (found.labels, found.left_out) == (15, 7)
    assert _whole(found).bias.value == pytest.approx(1)
    assert any("7 labels" in warning and "left out" in warning for warning in found.warnings)
    assert any("3 labels are compared" in text and "other criteria" in text for text in found.warnings)


def test_people_are_averaged_over_runs_and_then_over_labelers() -> None:
    labels = []
    for a in range(6):
        labels += [_label(a, score, 9.0, run_id=str(run)) for run, score in enumerate((2.0, 4.0, 6.0))]
        labels.append(_label(a, 10.0, 9.0, labeler="ben", run_id="0"))
    # Ana's mean is 4, Ben's is 10.
    assert _whole(_measure(labels)).bias.value == pytest.approx(9 - 7)
    # What Ana says of the agent as a whole stands in place of what she said of its runs.
    labels += [_label(a, 6.0, 9.0) for a in range(6)]
    assert _whole(_measure(labels)).bias.value == pytest.approx(9 - 8)


def test_passes_without_scores_are_counted_by_majority() -> None:
    def passes(a: int, *given: bool) -> list[Label]:
        return [_label(a, None, 8.0, passed=passed, run_id=str(run)) for run, passed in enumerate(given)]

    labels = [label for a in range(6) for label in passes(a, True, True, False)]
    labels += [label for a in range(6, 10) for label in passes(a, True, False)]
    found = _whole(_measure(labels))
    # As many for as against is no verdict.
    assert found.same_verdict.n == 6
    assert found.same_verdict.value == 1
    assert found.bias.n == 0


def test_labels_of_runs_that_have_no_verdict_are_compared_with_scores_and_named() -> None:
    judged = [(a, 9.0 if a % 3 else 4.0) for a in range(12)]
    of_runs = [_label(a, score, score, run_id=str(run)) for a, score in judged for run in (1, 2)]
    found = _measure(of_runs)
    assert (found.labels, found.run_labels, found.runs) == (24, 0, ())
    assert RUNS_AGAINST_AGENTS in found.warnings
    assert _whole(found).kappa.n == 12
    assert found.corrected_success_rate.value is None
    assert RUNS_AGAINST_AGENTS not in _measure([_label(a, score, score) for a, score in judged]).warnings


def test_the_runs_that_nobody_labelled_are_part_of_the_noise() -> None:
    def noise(runs: int) -> float | None:
        labels = [_label(a, score, 7.0 + a, run_id=str(r)) for a in range(6) for r, score in enumerate((4.0, 6.0 + a))]
        return _whole(_measure(labels, runs=runs)).sampling_noise

    expected = np.sqrt(np.mean([np.var([4, 6 + a], ddof=1) / 2 * (1 - 2 / 20) for a in range(6)]))
    assert noise(20) == pytest.approx(expected)
    assert noise(2) == 0
    assert _whole(_measure([_label(a, 5.0, 7.0 + a, run_id="1") for a in range(6)])).sampling_noise is None


def test_the_judge_against_itself() -> None:
    rng = np.random.default_rng(8)
    truth = rng.uniform(4, 10, 200)
    asked = tuple(
        RepeatedAnswer(i % 50, "accuracy", 7.0, tuple(map(float, score + rng.normal(0, 0.5, 3))))
        for i, score in enumerate(truth)
    )
    found = _measure([], asked).stability[0]
    assert found.noise.low is not None
    assert found.noise.high is not None
    assert found.noise.low <= 0.5 <= found.noise.high
    unstable = np.mean([min(a.scores) < 7 <= max(a.scores) for a in asked])
    assert found.unstable.value == pytest.approx(unstable)
    assert found.kappa.value is not None
    assert 0.6 < found.kappa.value < 0.95
    assert found.kappa.n == 200
    assert found.bias.value is None
    same = tuple(RepeatedAnswer(i, "accuracy", 7.0, (float(4 + i % 6),) * 3) for i in range(20))
    steady = _measure([], same).stability[0]
    assert (steady.noise.value, steady.unstable.value, steady.kappa.value) == (0, 0, 1)
    assert _measure([], (RepeatedAnswer(1, "accuracy", 7.0, (5.0,)),)).stability == ()


def test_people_against_each_other() -> None:
    rng = np.random.default_rng(9)
    scores = rng.uniform(4, 10, 30)
    labels = []
    for a, score in enumerate(scores):
        labels += [_label(a, float(score + rng.normal(0, 0.7)), 7.0, labeler=who) for who in ("ana", "ben", "cem")]
    found = _measure(labels)
    assert found.labelers == 3
    assert found.people[0].noise.low is not None
    assert found.people[0].noise.high is not None
    assert found.people[0].noise.low <= 0.7 <= found.people[0].noise.high
    assert found.people[0].kappa.n == 30
    alone = [label for label in labels if label.labeler == "ana"]
    assert _measure(alone).people == ()


def test_the_newest_word_of_the_judge_stands_where_a_report_was_made_again() -> None:
    later = _NOW + timedelta(days=1)
    labels = [_label(a, 6.0, 9.0, run_id="1") for a in range(6)]
    labels += [_label(a, 6.0, 7.0, run_id="2", created_at=later) for a in range(6)]
    found = _measure(labels)
    assert _whole(found).bias.value == 1
    assert found.last_labeled_at == later


@pytest.mark.parametrize(
    ("kappa", "word"), [(-0.1, "poor"), (0.2, "slight"), (0.61, "substantial"), (1, "almost perfect")]
)
def test_a_kappa_in_a_word(kappa: float, word: str) -> None:
    assert describe_kappa(kappa) == word
