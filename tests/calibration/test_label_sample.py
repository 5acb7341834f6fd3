"""The sample that people are asked about: the same for the same seed, spread over agents and verdicts."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tasks.calibration.label_sample import RunToLabel, choose_runs

Row = dict[str, Any]


def _rows(passed: list[bool | None], runs: int = 5) -> tuple[list[Row], list[Row], list[Row]]:
    agents = [{"agent_id": str(a), "agent_name": f"a{a}", "passed": p} for a, p in enumerate(passed)]
    criteria: list[Row] = [{"agent_id": None, "criterion": "team", "score": 5.0}]
    criteria += [{"agent_id": str(a), "criterion": c, "score": 5.0} for a in range(len(passed)) for c in ("x", "y")]
    finished = [
        {"agent_id": str(a), "run_id": str(100 * a + r), "status": "completed", "completed": True}
        for a in range(len(passed))
        for r in range(runs)
    ]
    return agents, criteria, finished


def _choose(passed: list[bool | None], count: int, **options: Any) -> list[RunToLabel]:
    return choose_runs(*_rows(passed), count=count, **{"seed": 0, **options})


def _ids(chosen: list[RunToLabel]) -> list[str]:
    return [of.run["run_id"] for of in chosen]


def test_the_same_seed_draws_the_same_and_another_one_others() -> None:
    passed = [True, False] * 10
    assert _ids(_choose(passed, 15)) == _ids(_choose(passed, 15))
    assert _ids(_choose(passed, 15)) != _ids(_choose(passed, 15, seed=1))
    # A longer walk begins as a shorter one did: what is labelled stays in the sample.
    assert _ids(_choose(passed, 30))[:15] == _ids(_choose(passed, 15))


def test_agents_that_did_not_pass_are_asked_about_as_often_as_there_are_any() -> None:
    chosen = _choose([True] * 18 + [False, None], 4)
    assert Counter(of.agent["passed"] for of in chosen) == {True: 2, False: 1, None: 1}


def test_every_agent_comes_once_before_any_comes_twice() -> None:
    chosen = _choose([True] * 7 + [False] * 3, 25)
    assert sorted(int(of.agent["agent_id"]) for of in chosen[:10]) == list(range(10))
    assert max(Counter(of.agent["agent_id"] for of in chosen).values()) == 3
    assert len(set(_ids(chosen))) == 25


def test_what_cannot_be_held_against_the_judge_is_left_out() -> None:
    agents, criteria, runs = _rows([True, True, True], runs=2)
    for row in criteria:
        if (row["agent_id"], row["criterion"]) in (("0", "x"), ("1", "x"), ("1", "y")):
            row["score"] = None
    for row in runs:
        if row["agent_id"] == "2":
            row |= {"completed": None, "status": "running"}
    chosen = choose_runs(agents, criteria, runs, count=99, seed=0)
    assert [(of.agent["agent_id"], [c["criterion"] for c in of.criteria]) for of in chosen] == [
        ("0", ["y"]),
        ("0", ["y"]),
    ]


def test_only_the_agents_that_were_asked_for() -> None:
    assert {of.agent["agent_id"] for of in _choose([True] * 5, 99, only={"1", "3"})} == {"1", "3"}
    assert choose_runs([], [], [], count=5, seed=0) == []
