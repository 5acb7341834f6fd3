"""The sample that people are asked about: the same for the same seed, drawn with the probabilities that it states."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tasks.calibration.label_sample import RunToLabel, choose_runs, draw_size, is_doubtful
from tasks.statistics.sampling import inclusion_probabilities

Row = dict[str, Any]


def _run(agent: int, run: int, **values: Any) -> Row:
    unknown = ("success_source", "checks", "unstable", "inclusion_probability")
    known = {"agent_id": str(agent), "run_id": str(100 * agent + run), "status": "completed", "completed": True}
    return dict.fromkeys(unknown) | known | {"verdict": "yes"} | values


def _rows(agents: int, runs: int = 5) -> tuple[list[Row], list[Row], list[Row]]:
    criteria: list[Row] = [{"agent_id": None, "criterion": "team", "score": 5.0, "kind": None}]
    criteria += [
        {"agent_id": str(a), "criterion": c, "score": 5.0, "kind": "judge"} for a in range(agents) for c in ("x", "y")
    ]
    details = [{"agent_id": str(a), "agent_name": f"a{a}"} for a in range(agents)]
    return details, criteria, [_run(a, r) for a in range(agents) for r in range(runs)]


def _choose(agents: int, count: int, **options: Any) -> list[RunToLabel]:
    return choose_runs(*_rows(agents), count=count, **{"seed": 0, **options})  # type: ignore[arg-type]


def _ids(chosen: list[RunToLabel]) -> list[str]:
    return [of.run["run_id"] for of in chosen]


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    assert _ids(_choose(20, 15)) == _ids(_choose(20, 15))
    assert _ids(_choose(20, 15)) != _ids(_choose(20, 15, seed=1))
    # A longer sample begins as a shorter one: what is labelled stays in it.
    assert _ids(_choose(20, 30))[:15] == _ids(_choose(20, 15))


def test_no_run_is_drawn_twice_and_all_are_drawn_in_the_end() -> None:
    assert len(set(_ids(_choose(10, 25)))) == 25
    assert sorted(_ids(_choose(10, 999))) == sorted(run["run_id"] for run in _rows(10)[2])


def test_every_run_is_drawn_with_its_probability_and_doubtful_ones_more_often() -> None:
    details, criteria, runs = _rows(4, runs=10)
    for place, run in enumerate(runs):
        # Of three agents every fifth run is in doubt, of the last one every run stands for nine.
        if place % 5 == 0 and run["agent_id"] != "3":
            run["verdict"] = "cannot_tell"
        if run["agent_id"] == "3":
            run["inclusion_probability"] = 1 / 9
    count, trials = 12, 3000
    drawn: Counter[str] = Counter()
    for seed in range(trials):
        chosen = choose_runs(details, criteria, runs, count=count, seed=seed)  # type: ignore[arg-type]
        drawn.update(_ids(chosen))
    expected = inclusion_probabilities(np.array([draw_size(run) for run in runs]), count)  # type: ignore[arg-type]
    found = np.array([drawn[run["run_id"]] / trials for run in runs])
    assert found == pytest.approx(expected, abs=0.04)
    doubtful = np.array([is_doubtful(run) for run in runs])  # type: ignore[arg-type]
    plain = np.array([run["agent_id"] != "3" for run in runs]) & ~doubtful
    assert found[doubtful].mean() > 2.3 * found[plain].mean()


@pytest.mark.parametrize(
    ("values", "doubtful"),
    [
        ({}, False),
        ({"verdict": "cannot_tell"}, True),
        ({"unstable": True}, True),
        ({"verdict": "no"}, True),
        ({"verdict": "yes", "completed": False}, True),
        ({"verdict": "no", "completed": False}, False),
        ({"verdict": None}, False),
    ],
)
def test_what_is_in_doubt(values: Row, doubtful: bool) -> None:
    assert is_doubtful(_run(1, 1, **values)) is doubtful  # type: ignore[arg-type]


def test_what_cannot_be_asked_about_is_left_out() -> None:
    details, criteria, runs = _rows(3, runs=2)
    criteria[1]["score"] = None
    criteria[3]["kind"] = "max_duration_seconds"
    for run in runs:
        if run["agent_id"] == "2":
            run |= {"completed": None, "status": "running"}
    chosen = choose_runs(details, criteria, runs, count=99, seed=0)  # type: ignore[arg-type]
    asked = {of.agent["agent_id"]: [row["criterion"] for row in of.criteria] for of in chosen}
    assert asked == {"0": ["y"], "1": ["y"]}
    # With verdicts on runs, what the judge was asked about this run; a score is not needed.
    runs[0]["checks"] = {"x": "pass"}
    chosen = choose_runs(details, criteria, runs[:1], count=99, seed=0)  # type: ignore[arg-type]
    assert [row["criterion"] for row in chosen[0].criteria] == ["x"]


def test_of_runs_whose_outcome_the_source_states_people_are_asked_only_where_there_are_no_others() -> None:
    details, criteria, runs = _rows(2, runs=4)
    for run in runs[:6]:
        run["success_source"] = "source"
    assert len(choose_runs(details, criteria, runs, count=99, seed=0)) == 2  # type: ignore[arg-type]
    for run in runs:
        run["success_source"] = "source"
    assert len(choose_runs(details, criteria, runs, count=99, seed=0)) == 8  # type: ignore[arg-type]


def test_only_the_agents_that_were_asked_for() -> None:
    assert {of.agent["agent_id"] for of in _choose(5, 99, only={"1", "3"})} == {"1", "3"}
    assert choose_runs([], [], [], count=5, seed=0) == []
