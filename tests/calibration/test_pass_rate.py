"""The corrected success rate holds the truth, also where the judge's own does not; and why it is unknown elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulated_runs import World, draw_environment, draw_labels, draw_sizes
from benchmarks.success_rates import LEAST_HELD, holds, measure_intervals, ratings_of, report_of
from tasks.calibration.judging import JudgedReport, JudgedRun
from tasks.calibration.labels import ItemKey, Opinion, PairedRating
from tasks.calibration.pass_rate import PassRate, correct_agent_rates, correct_success_rate
from tasks.report.rows import SUCCESS_QUESTION

_WORLD = World(populations=(20, 200, 5000), night_icc=0.05, nights=5)


@pytest.mark.parametrize("labels", [20, 60, 200])
def test_it_holds_the_truth_and_labels_alone_are_wider(labels: int) -> None:
    found = measure_intervals(_WORLD, labels, trials=40, seed=3)
    # Forty environments cannot show 93% exactly: `make bench` measures 300 of each kind.
    assert found.held >= LEAST_HELD - 0.05
    assert labels < 60 or found.narrower < 1
    assert np.mean(found.raw) < found.held


def _run(
    number: int,
    verdict: bool | None = None,
    *,
    agent: str = "1",
    weight: float = 1.0,
    draw: float = 1.0,
    outcome: bool | None = None,
    judged: bool = True,
) -> JudgedRun:
    verdicts = {SUCCESS_QUESTION: verdict} if judged else {}
    return JudgedRun(agent, str(number), verdicts, outcome=outcome, weight=weight, draw=draw)


def _report(*runs: JudgedRun) -> JudgedReport:
    return JudgedReport({}, {}, {(run.agent_id, run.run_id): run for run in runs})


def _rating(run: JudgedRun, people: bool | None, report: int = 1) -> PairedRating:
    opinion = Opinion(None, people)
    unit = ItemKey(report, run.agent_id, run.run_id, SUCCESS_QUESTION)
    return PairedRating(unit, opinion, Opinion(None, run.verdicts.get(SUCCESS_QUESTION)), {"ann": opinion}, None)


def _rate(*sides: tuple[bool | None, bool | None]) -> PassRate:
    """Of runs by what people (None: no label) and the judge say."""
    runs = [_run(number, judge) for number, (_, judge) in enumerate(sides)]
    ratings = [_rating(run, people) for run, (people, _) in zip(runs, sides, strict=True) if people is not None]
    return correct_success_rate(ratings, {1: _report(*runs)}, 1)


_GOOD, _BAD, _SEEMS_GOOD, _SEEMS_BAD = (True, True), (False, False), (False, True), (True, False)


def test_what_the_judge_calls_a_success_counts_by_what_people_keep_of_it() -> None:
    # 80 of 100 are a success to the judge; of 10 labelled ones of either kind people keep 6, and turn 1.
    rate = _rate(
        *[_GOOD] * 6, *[_SEEMS_GOOD] * 4, *[(None, True)] * 70, *[_SEEMS_BAD], *[_BAD] * 9, *[(None, False)] * 10
    )
    assert rate.judged.value == pytest.approx(0.8)
    assert rate.corrected.value == pytest.approx(0.8 * 0.6 + 0.2 * 0.1)
    assert rate.corrected.n == 20
    assert rate.sensitivity.value == pytest.approx(0.48 / 0.5)
    assert rate.specificity.value == pytest.approx(0.18 / 0.5)
    assert rate.uncorrected is None


def test_runs_stand_for_the_population_that_they_were_drawn_from() -> None:
    runs = [_run(number, number < 10, weight=1 if number < 10 else 9) for number in range(20)]
    rate = correct_success_rate([_rating(run, run.verdicts[SUCCESS_QUESTION]) for run in runs], {1: _report(*runs)}, 1)
    assert rate.judged.value == pytest.approx(0.1)
    assert rate.corrected.value == pytest.approx(0.1)


def test_labels_that_were_drawn_more_often_count_less() -> None:
    # Doubtful runs are drawn three times as often: 9 of 15 labelled ones, of 15 doubtful and 30 others.
    runs = [_run(number, True, draw=3 if number < 15 else 1) for number in range(45)]
    ratings = [_rating(run, False) for run in runs[:9]] + [_rating(run, True) for run in runs[15:21]]
    rate = correct_success_rate(ratings, {1: _report(*runs)}, 1)
    assert rate.corrected.value == pytest.approx(6 / (6 + 9 / 3))


def test_labels_of_runs_that_people_chose_do_not_move_the_rate() -> None:
    """Of 100 successes to the judge people keep half; someone labels 30 of the others, all of them failures."""
    runs = [_run(number, True) for number in range(100)]
    drawn = [_rating(run, number % 2 == 0) for number, run in enumerate(runs[:20])]
    chosen = [replace(_rating(run, False), drawn=False) for run in runs[20:50]]
    rate = correct_success_rate([*drawn, *chosen], {1: _report(*runs)}, 1)
    assert (rate.corrected.value, rate.corrected.n) == (pytest.approx(0.5), 20)
    alone = correct_success_rate(chosen, {1: _report(*runs)}, 1)
    assert alone.corrected.value is None
    assert alone.uncorrected == (
        "0 runs are labelled of those drawn at random: at least 10 are needed, and people chose 30 others"
    )


def test_where_every_run_is_labelled_it_does_not_matter_who_chose_them() -> None:
    runs = [_run(number, True) for number in range(20)]
    ratings = [replace(_rating(run, number < 5), drawn=False) for number, run in enumerate(runs)]
    assert correct_success_rate(ratings, {1: _report(*runs)}, 1).corrected.value == pytest.approx(0.25)


def test_what_the_judge_did_not_decide_is_part_of_the_rate_once_it_is_labelled() -> None:
    rate = _rate(*[_GOOD] * 10, *[_BAD] * 5, *[(False, None)] * 5)
    assert rate.judged.value == pytest.approx(10 / 15)
    assert rate.corrected.value == pytest.approx(0.5)


def test_a_judge_no_better_than_chance_costs_width_and_nothing_else() -> None:
    rate = _rate(*[_GOOD] * 10, *[_SEEMS_GOOD] * 10, *[_SEEMS_BAD] * 10, *[_BAD] * 10)
    assert rate.corrected.value == pytest.approx(0.5)
    assert rate.sensitivity.value == pytest.approx(0.5)


def test_a_perfect_judge_is_not_called_certain() -> None:
    rate = _rate(*[_GOOD] * 6, *[_BAD] * 4)
    assert rate.corrected.value == pytest.approx(0.6)
    assert rate.corrected.low is not None
    assert rate.corrected.low < 0.4
    assert rate.corrected.high is not None
    assert rate.corrected.high > 0.75


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        (_rate(*[_GOOD] * 5, *[_BAD] * 4), "9 runs are labelled: at least 10"),
        (_rate(*[_GOOD] * 12, *[(None, False)] * 4), r"calls a failure \(25%\) none is labelled"),
        (_rate(*[_BAD] * 12, *[(None, True)] * 4), r"calls a success \(25%\) none is labelled"),
        (_rate(*[_BAD] * 12, *[(None, None)] * 4), r"does not decide \(25%\) none is labelled"),
    ],
)
def test_the_reason_why_it_is_not_known(rate: PassRate, reason: str) -> None:
    assert rate.corrected.value is None
    assert rate.judged.value is not None
    assert rate.uncorrected is not None
    assert re.search(reason, rate.uncorrected)


def test_no_verdicts_on_runs_are_no_rate() -> None:
    assert correct_success_rate([], {}, 1).judged.value is None
    assert correct_success_rate([], {1: JudgedReport({}, {})}, 1).uncorrected
    assert correct_success_rate([], {1: _report(_run(1, judged=False))}, 1).judged.value is None
    assert correct_agent_rates([], {}, 1) == {}


def test_an_agent_that_was_not_judged_is_left_out() -> None:
    runs = [_run(number, number < 8) for number in range(12)]
    others = [_run(number, agent="2", judged=False) for number in range(12)]
    ratings = [_rating(run, run.verdicts[SUCCESS_QUESTION]) for run in runs]
    assert correct_success_rate(ratings, {1: _report(*runs, *others)}, 1).corrected.value == pytest.approx(8 / 12)


def test_outcomes_of_the_source_count_as_they_are() -> None:
    known = [_run(number, True, outcome=number < 5) for number in range(20)]
    assert correct_success_rate([], {1: _report(*known)}, 1).corrected.value == pytest.approx(0.25)
    others = [_run(number, True, agent="2") for number in range(20)]
    ratings = [_rating(run, number < 10) for number, run in enumerate(others)]
    ratings += [
        PairedRating(ItemKey(1, "1", "1", SUCCESS_QUESTION), Opinion(None, True), Opinion(None, True), {}, None)
    ]
    rate = correct_success_rate(ratings[:10], {1: _report(*known, *others)}, 1)
    # The judge errs on most of the known runs: it is not taken to err so on the others.
    assert rate.corrected.value == pytest.approx(0.5 * 0.25 + 0.5 * 1)


def test_a_run_that_was_labelled_in_another_report_is_labelled() -> None:
    runs = [_run(number, number < 8) for number in range(12)]
    ratings = [_rating(run, not run.verdicts[SUCCESS_QUESTION], report=1) for run in runs]
    ratings += [_rating(runs[0], True, report=2)]
    rate = correct_success_rate(ratings, {1: _report(*runs), 2: _report(*runs)}, 2)
    assert rate.corrected.value == pytest.approx((4 + 1) / 12)


def test_errors_in_earlier_reports_correct_one_of_which_nothing_is_labelled() -> None:
    rng = np.random.default_rng(6)
    trials, held, raw = 40, 0, 0
    before = World(populations=(20,), judge_spread=0, cannot_tell=0, rates=(0.7, 0.95))
    now = World(populations=(20,), judge_spread=0, cannot_tell=0, rates=(0.3, 0.7))
    for _ in range(trials):
        # It got worse since: what people keep of the judge's verdicts is another share now, the judge's errors are not.
        earlier, last = draw_environment(rng, before), draw_environment(rng, now)
        reports = {1: report_of(earlier), 2: report_of(last)}
        reports[2] = _report(
            *(
                _run(n, r.verdicts[SUCCESS_QUESTION], agent=f"new {r.agent_id}")
                for n, r in enumerate(reports[2].runs.values())
            )
        )
        ratings = ratings_of(reports[1], earlier, draw_labels(rng, draw_sizes(earlier), 100))
        rate = correct_success_rate(ratings, reports, 2)
        held += holds(rate.corrected, last.rate)
        raw += holds(rate.judged, last.rate)
    assert held >= 0.89 * trials
    assert raw < 0.75 * trials


def test_labels_of_earlier_reports_that_show_no_skill_correct_nothing() -> None:
    old = [_run(number, number % 2 == 0) for number in range(40)]
    ratings = [_rating(run, number % 4 < 2) for number, run in enumerate(old)]
    new = _report(*(_run(100 + number, number < 7) for number in range(10)))
    rate = correct_success_rate(ratings, {1: _report(*old), 2: new}, 2)
    assert rate.corrected.value is None
    assert rate.uncorrected is not None
    assert "better than chance" in rate.uncorrected


def test_an_agent_is_corrected_by_its_own_labels_only() -> None:
    many = [_run(number, True, agent="1") for number in range(20)]
    few = [_run(number, True, agent="2") for number in range(20)]
    ratings = [_rating(run, number < 5) for number, run in enumerate(many[:10])] + [
        _rating(run, False) for run in few[:9]
    ]
    rates = correct_agent_rates(ratings, {1: _report(*many, *few)}, 1)
    assert rates["1"].corrected.value == pytest.approx(0.5)
    assert rates["1"].uncorrected is None
    assert rates["2"].corrected.value is None
    assert rates["2"].judged.value == pytest.approx(1)
    assert rates["2"].uncorrected == "9 runs are labelled: at least 10 are needed"


def test_labels_of_chosen_agents_count_by_agent() -> None:
    agents = [[_run(number, True, agent=str(agent)) for number in range(20)] for agent in range(3)]
    # All of one agent's runs, and a few of the others.
    ratings = [_rating(run, False) for run in agents[0]]
    ratings += [_rating(run, True) for runs in agents[1:] for run in runs[:3]]
    report = _report(*(run for runs in agents for run in runs))
    assert correct_success_rate(ratings, {1: report}, 1).corrected.value == pytest.approx(2 / 3)
    rate = correct_success_rate(ratings[:23], {1: report}, 1)
    assert rate.corrected.value is None
    assert rate.uncorrected == "the labels are of chosen agents: 1 agent with 33% of the runs without one"
