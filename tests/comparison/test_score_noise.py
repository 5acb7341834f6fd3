"""The noise of scores: from several answers, from history, and assumed on the high side where there is neither."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulated_reports import Truth, World, score_rows
from tasks.comparison.score_noise import CRITERION_SD, JUDGE_SD, Noise, RunNoise, measure_noise
from tasks.report.stored_report import ScoreRow

_NONE = (RunNoise(0, 0, 0), RunNoise(0, 0, 0))


def _history(rng: np.random.Generator, sd: float, reports: int = 6, agents: int = 14) -> list[ScoreRow]:
    means = rng.uniform(4, 9, agents)
    return [
        ScoreRow(report, str(agent), None, float(means[agent] + rng.normal(0, sd)))
        for report in range(reports)
        for agent in range(agents)
    ]


def test_without_anything_known_it_is_assumed() -> None:
    noise = measure_noise([], [])
    assert noise == Noise()
    spread = noise.spread(criterion=False, samples=(1, 1), runs=_NONE)
    assert spread.sd == pytest.approx(JUDGE_SD * 2**0.5)
    assert spread.half_width() == pytest.approx(1.96 * spread.sd, rel=1e-3)
    assert spread.p_value(spread.half_width(0.01)) == pytest.approx(0.01)
    assert noise.spread(criterion=True, samples=(4, 4), runs=_NONE).sd == pytest.approx(CRITERION_SD / 2**0.5)


def test_history_shows_how_far_scores_move() -> None:
    moved = measure_noise([], _history(np.random.default_rng(1), 0.4)).moved
    assert moved is not None
    assert moved[1] == 70
    assert moved[0] == pytest.approx(0.4 * 2**0.5, rel=0.25)


def test_agents_that_really_changed_do_not_hide_in_history_as_noise() -> None:
    rows = _history(np.random.default_rng(2), 0.4)
    fallen = [
        ScoreRow(r.report_id, r.agent_id, None, r.score - 5) if r.agent_id == "3" and r.report_id > 2 else r
        for r in rows
    ]
    calm, shaken = (measure_noise([], history).moved for history in (rows, fallen))
    assert calm is not None
    assert shaken is not None
    assert shaken[0] < 1.15 * calm[0]


def test_reports_that_share_most_runs_are_no_evidence_on_two_that_share_none() -> None:
    """Scores of ten reports of the newest 20 runs each, one of them new each time: they hardly move from one to the
    next, and from a report to the one that is 20 later as far as they do."""
    rows = [
        ScoreRow(report, str(agent), None, report / 20, run_ids=frozenset(map(str, range(report, report + 20))))
        for report in range(41)
        for agent in range(14)
    ]
    next_ones, disjoint = (measure_noise([], rows, factor).moved for factor in (2 * 1 / 20**2, 2 * 20 / 20**2))
    assert next_ones is not None
    assert next_ones[1] == 40 * 14
    assert disjoint is not None
    # Those that are 18 later are alike enough.
    assert disjoint[1] == 2 * 14
    assert disjoint[0] == pytest.approx(18 * next_ones[0])
    assert measure_noise([], rows[: 10 * 14], 2 / 20).moved is None


def test_an_agent_with_fewer_runs_than_the_others_moves_more() -> None:
    calm = [ScoreRow(report, str(agent), None, 7.0) for report in range(9) for agent in range(14)]
    noise = measure_noise([], calm, 2 / 20)
    usual, few = (
        noise.spread(criterion=False, samples=(1, 1), runs=(RunNoise(n - 1, n, n), RunNoise(n - 1, n, n))).sd
        for n in (20, 5)
    )
    assert few > 2 * usual


def test_runs_of_both_reports_that_count_more_in_one_of_them_are_noise() -> None:
    """8 runs before, the same and 12 more after: their means differ by 0.6 of that between 8 and 12 other runs."""
    from tasks.comparison.samples import variance_factor

    assert variance_factor(8, 20, 8) == pytest.approx(0.6**2 * (1 / 8 + 1 / 12))
    assert variance_factor(20, 20, 20) == 0
    assert variance_factor(20, 20, 0) == pytest.approx(0.1)


def test_an_answer_that_was_reused_is_no_proof_of_steadiness() -> None:
    reused = [ScoreRow(report, str(agent), None, 7.0, reused=True) for report in range(5) for agent in range(14)]
    assert measure_noise([], reused).moved is None


def test_little_history_is_not_believed() -> None:
    still = [ScoreRow(report, str(agent), None, 7.0) for report in range(2) for agent in range(5)]
    spread = measure_noise([], still).spread(criterion=False, samples=(1, 1), runs=_NONE)
    assert spread.sd == pytest.approx(JUDGE_SD * 2**0.5)
    much = [ScoreRow(report, str(agent), None, 7.0) for report in range(9) for agent in range(14)]
    assert 0 < measure_noise([], much).spread(criterion=False, samples=(1, 1), runs=_NONE).sd < 0.5


def test_several_answers_show_how_far_the_judge_agrees_with_itself() -> None:
    world = World((Truth(0.5),) * 14, judge_sd=1.5, samples=3)
    rng = np.random.default_rng(3)
    readings = [world.report(rng, report_id) for report_id in (1, 2)]
    noise = measure_noise(readings, [])
    assert noise.judge_variance == pytest.approx(2.25, rel=0.25)
    calm = [ScoreRow(report, str(agent), None, 7.0) for report in range(9) for agent in range(14)]
    known = measure_noise(readings, calm).spread(criterion=False, samples=(3, 3), runs=_NONE)
    assert known.sd >= (2 * (noise.judge_variance or 0) / 3) ** 0.5 * 0.999


def test_runs_that_both_reports_saw_add_no_noise() -> None:
    assert RunNoise(18, 20, 0).variance == 0
    assert RunNoise(18, 20, 20).variance == pytest.approx(100 * (19 / 22) * (3 / 22) / 20)
    assert RunNoise(20, 20, 20).variance > 0
    assert RunNoise(0, 0, 0).variance == 0


def test_intervals_of_scores_cover_what_did_not_change() -> None:
    """25 pairs of reports with four earlier ones, 14 agents: between 93 and 99.5% of the 95% intervals hold 0."""
    from tasks.comparison.compare import compare_reports

    rng = np.random.default_rng(4)
    held = []
    for _ in range(25):
        world = World(tuple(Truth(float(rate)) for rate in rng.uniform(0.6, 0.95, 14)), runs=10)
        history = [row for number in range(4) for row in score_rows(world.report(rng, number - 10))]
        comparison = compare_reports(world.report(rng, 1), world.report(rng, 2), history)
        held += [change.low <= 0 <= change.high for agent in comparison.agents for change in agent.changes
                 if change.metric == "score" and change.low is not None and change.high is not None]  # fmt: skip
    assert 0.93 < np.mean(held) < 0.995
