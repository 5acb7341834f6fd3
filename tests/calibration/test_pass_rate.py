"""The corrected pass rate covers the truth, also where the judge's own does not, and says when it is not known."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from tasks.calibration.judging import JudgedReport
from tasks.calibration.labels import Opinion, PairedRating
from tasks.calibration.pass_rate import PassRate, correct_pass_rate

_RATE = 0.7
_TRIALS = 60


class Team:
    """Agents of which people would pass a share of ``rate``, and a judge with errors; an agent is alike in itself."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        agents: int,
        criteria: int = 3,
        rate: float,
        sensitivity: float,
        specificity: float,
    ) -> None:
        own, common = rng.normal(size=(agents, criteria)), rng.normal(size=(agents, 1))
        self.truth = np.sqrt(0.4) * common + np.sqrt(0.6) * own < norm.ppf(rate)
        luck = rng.random((agents, criteria))
        self.judge = np.where(self.truth, luck < sensitivity, luck >= specificity)
        self.rng = rng

    def report(self, report_id: int) -> JudgedReport:
        units = {(report_id, a, f"c{c}"): bool(v) for (a, c), v in np.ndenumerate(self.judge)}
        return JudgedReport(units, {a: bool(row.all()) for a, row in enumerate(self.judge)})

    def words(self, report_id: int, labelled: int) -> list[PairedRating]:
        """As ``label`` asks for them: agents that passed and did not take turns."""
        passed = self.judge.all(axis=1)
        sides = [list(self.rng.permutation(np.flatnonzero(side))) for side in (passed, ~passed)]
        turns = [sides[i % 2].pop() if sides[i % 2] else sides[1 - i % 2].pop() for i in range(labelled)]
        return [
            PairedRating(
                (report_id, int(a), f"c{c}"), Opinion(None, bool(self.truth[a, c])), Opinion(None, bool(v)), {}, None
            )
            for a in turns
            for c, v in enumerate(self.judge[a])
        ]


def _holds(estimate: Any, truth: float) -> bool:
    return estimate.value is not None and estimate.low <= truth <= estimate.high


@pytest.mark.parametrize(
    "shape",
    [
        {"agents": 14, "labelled": 14, "sensitivity": 0.85, "specificity": 0.75},
        {"agents": 100, "labelled": 20, "sensitivity": 0.85, "specificity": 0.75},
        {"agents": 100, "labelled": 30, "sensitivity": 0.95, "specificity": 0.5},
        {"agents": 60, "labelled": 30, "criteria": 1, "sensitivity": 0.9, "specificity": 0.9},
    ],
    ids=lambda shape: f"{shape['labelled']} of {shape['agents']}, {shape['sensitivity']}/{shape['specificity']}",
)
def test_it_covers_the_truth(shape: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    labelled = shape["labelled"]
    team = {name: value for name, value in shape.items() if name != "labelled"}
    found = []
    for _ in range(_TRIALS):
        drawn = Team(rng, rate=_RATE, **team)
        found.append((correct_pass_rate(drawn.words(1, labelled), {1: drawn.report(1)}, 1), drawn.truth.mean()))
    assert sum(_holds(rate.corrected, _RATE) for rate, _ in found) >= 0.85 * _TRIALS
    assert sum(_holds(rate.corrected, truth) for rate, truth in found) >= 0.85 * _TRIALS
    # Wide enough is easy; it has to be of use as well.
    assert np.mean([r.corrected.high - r.corrected.low for r, _ in found if r.corrected.high is not None]) < 0.35  # type: ignore[operator]
    for name in ("sensitivity", "specificity"):
        assert sum(_holds(getattr(rate, name), shape[name]) for rate, _ in found) >= 0.83 * _TRIALS, name


def test_the_errors_found_in_earlier_reports_correct_one_of_which_nothing_is_labelled() -> None:
    rng = np.random.default_rng(6)
    errors = {"sensitivity": 0.9, "specificity": 0.7}
    held = own = 0
    for _ in range(_TRIALS):
        # It got worse since: what people keep of the judge's passes is another share now, the judge's errors are not.
        before, now = Team(rng, agents=60, rate=0.8, **errors), Team(rng, agents=60, rate=0.5, **errors)
        rate = correct_pass_rate(before.words(1, 40), {1: before.report(1), 2: now.report(2)}, 2)
        held += _holds(rate.corrected, 0.5)
        own += _holds(rate.judged, 0.5)
    assert held >= 0.85 * _TRIALS
    assert own < 0.5 * _TRIALS


def _word(agent: int, people: bool | None, judge: bool | None, report: int = 1) -> PairedRating:
    return PairedRating((report, agent, "c"), Opinion(None, people), Opinion(None, judge), {}, None)


def _rate(*sides: tuple[bool | None, bool | None], unlabelled: tuple[bool, ...] = ()) -> PassRate:
    words = [_word(agent, people, judge) for agent, (people, judge) in enumerate(sides)]
    judged = [judge for _, judge in sides if judge is not None] + list(unlabelled)
    units = {(1, agent, "c"): passed for agent, passed in enumerate(judged)}
    return correct_pass_rate(words, {1: JudgedReport(units, {a: v for (_, a, _), v in units.items()})}, 1)


_GOOD, _BAD = (True, True), (False, False)


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        (_rate(*[_GOOD] * 2, *[_BAD] * 2), "4 agents are labelled: at least 5"),
        (_rate(*[_GOOD] * 9, (True, False)), "label nothing as fail.*specificity"),
        (_rate(*[_BAD] * 9, (False, True)), "label nothing as pass.*sensitivity"),
        (_rate(*[_GOOD] * 6, (False, True), unlabelled=(False,)), "nothing that the judge failed is labelled"),
        (_rate(*[(True, False)] * 5, *[(False, True)] * 5), "no better than chance"),
        (_rate(*[(None, True)] * 8), "0 agents are labelled"),
    ],
)
def test_it_says_why_it_is_not_known(rate: PassRate, reason: str) -> None:
    assert rate.corrected.value is None
    assert rate.judged.value is not None
    assert rate.uncorrected is not None
    assert re.search(reason, rate.uncorrected)


def test_nothing_judged_is_no_pass_rate() -> None:
    assert correct_pass_rate([], {}, 1).judged.value is None
    assert correct_pass_rate([], {1: JudgedReport({}, {})}, 1).uncorrected


def test_a_judge_that_passes_everything_is_corrected_by_what_people_do_not_keep() -> None:
    rate = _rate(*[_GOOD] * 12, *[(False, True)] * 4)
    assert rate.uncorrected is not None
    assert "no better than chance" in rate.uncorrected
    assert "(75% of all)" in rate.uncorrected
    assert rate.specificity.value == pytest.approx(0)


def test_a_perfect_judge_is_not_called_certain() -> None:
    rate = _rate(*[_GOOD] * 6, *[_BAD] * 4)
    assert rate.corrected.value == pytest.approx(0.6)
    assert rate.corrected.low is not None
    assert rate.corrected.high is not None
    assert rate.corrected.low < 0.4
    assert rate.corrected.high > 0.75


def test_labels_count_for_the_agents_that_they_stand_for() -> None:
    # Of 90 that the judge passed 9 are labelled, of 10 that it failed all: unweighed, the failed would count too much.
    sides = [*[_GOOD] * 8, (False, True), *[_BAD] * 10]
    rate = _rate(*sides, unlabelled=(True,) * 81)
    assert rate.judged.value == pytest.approx(0.9)
    assert rate.corrected.value == pytest.approx(0.9 * 8 / 9)
    assert rate.sensitivity.value == pytest.approx(1)
    assert rate.specificity.value == pytest.approx(10 / (10 + 10))


def test_labels_of_verdicts_that_a_report_made_again_does_not_have_any_more() -> None:
    words = [_word(a, a > 5, a <= 5) for a in range(12)]
    units = {(1, a, "c"): True for a in range(12)}
    rate = correct_pass_rate(words, {1: JudgedReport(units, dict.fromkeys(range(12), True))}, 1)
    assert rate.corrected.value is None
    assert rate.uncorrected is not None
    assert "does not have any more" in rate.uncorrected
