"""Samples by strata: whatever the order of the runs, every run can be drawn, and the weights add up to the runs."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tasks.evidence.population.sampling import SLICES, Chosen, Drawn, Sampler, allot

START = datetime(2026, 1, 1, tzinfo=UTC)
Given = tuple[Chosen, str, int]


def given(kinds: dict[str, int]) -> list[Given]:
    """So many runs of each kind ("" completed), spread over the slices."""
    runs = []
    for kind, count in kinds.items():
        for number in range(count):
            chosen = Chosen(START + timedelta(minutes=len(runs)), f"{kind or 'ok'}-{number}", number)
            runs.append((chosen, kind, number * SLICES // count))
    return runs


def draw(runs: list[Given], size: int, seed: str = "7") -> list[Drawn]:
    sampler = Sampler(size, seed)
    for one in runs:
        sampler.add(*one)
    return sampler.draw()


def test_all_runs_are_drawn_where_there_are_no_more() -> None:
    drawn = draw(given({"": 14, "timeout": 5, "HTTP 500": 1}), 20)
    assert len(drawn) == 20
    assert {one.probability for one in drawn} == {1.0}
    assert [one.chosen.started_at for one in drawn] == sorted((one.chosen.started_at for one in drawn), reverse=True)
    assert draw([], 20) == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 20, 50, 199])
@pytest.mark.parametrize(
    "kinds",
    [{"": 190, "timeout": 10}, {"": 200}, {"timeout": 200}, {"": 1, "a": 150, **{f"k{n}": 1 for n in range(49)}}],
)
def test_a_sample_has_its_size_and_its_weights_are_the_population(size: int, kinds: dict[str, int]) -> None:
    drawn = draw(given(kinds), size)
    assert len(drawn) == size
    assert sum(1 / one.probability for one in drawn) == pytest.approx(200)
    assert all(0 < one.probability <= 1 for one in drawn)


def test_failures_are_a_quarter_at_least_and_of_every_kind() -> None:
    drawn = draw(given({"": 4_900, "timeout": 80, "HTTP 500": 15, "refused": 5}), 20)
    kinds = Counter(one.kind for one in drawn)
    assert kinds[""] == 15
    assert kinds["timeout"] >= kinds["HTTP 500"] >= kinds["refused"] == 1
    weights = Counter[str]()
    for one in drawn:
        weights[one.kind] += 1 / one.probability
    assert weights == pytest.approx({"": 4_900, "timeout": 80, "HTTP 500": 15, "refused": 5})


def test_the_parts_of_a_window_are_in_proportion() -> None:
    drawn = draw(given({"": 4_000}), 20)
    slices = Counter(int(one.chosen.run_id.partition("-")[2]) * SLICES // 4_000 for one in drawn)
    assert slices == dict.fromkeys(range(SLICES), 5)


def test_the_same_seed_draws_the_same_in_any_order_and_another_draws_others() -> None:
    runs = given({"": 900, "timeout": 80, **{f"kind {n}": n for n in range(1, 12)}})
    first = draw(runs, 20)
    random.Random(1).shuffle(runs)
    assert draw(runs, 20) == first
    other = draw(runs, 20, seed="8")
    assert len({one.chosen.run_id for one in first} & {one.chosen.run_id for one in other}) < 10


def test_more_kinds_than_are_kept_are_no_strata_in_any_order() -> None:
    runs = given({"": 100, "timeout": 500, **{f"kind {n}": 1 for n in range(100)}})
    first = draw(runs, 600)
    assert Sampler(600, "7").most_kinds < 101
    random.Random(2).shuffle(runs)
    ids = [one.chosen.run_id for one in draw(runs, 600)]
    assert ids == [one.chosen.run_id for one in first]
    assert sum(1 / one.probability for one in first) == pytest.approx(700)


def test_every_run_is_drawn_as_often_as_its_probability() -> None:
    runs = given({"": 60, "timeout": 6})
    drawn: Counter[str] = Counter()
    probability = {}
    for seed in range(400):
        for one in draw(runs, 12, seed=str(seed)):
            drawn[one.chosen.run_id] += 1
            probability[one.chosen.run_id] = one.probability
    assert len(drawn) == 66
    # Four standard errors of a share in 400 draws.
    assert all(
        abs(drawn[run_id] / 400 - share) < 4 * (share * (1 - share) / 400) ** 0.5
        for run_id, share in probability.items()
    )


def test_a_row_that_is_there_twice_is_drawn_once() -> None:
    runs = given({"": 10})
    drawn = draw([*runs, *runs[:3]], 20)
    assert len(drawn) == 10
    sampler = Sampler(5, "7")
    for one in (*runs, *runs[:3]):
        sampler.add(*one)
    assert sampler.count_repeated() == 3


def test_draws_are_in_proportion_with_one_each_and_no_more_than_there_are() -> None:
    assert allot([900, 90, 10], 10) == [8, 1, 1]
    assert allot([1, 1, 1], 3) == [1, 1, 1]
    assert allot([2, 98], 50) == [1, 49]
    assert allot([3, 3], 6) == [3, 3]
