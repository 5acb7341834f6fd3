"""A population's figures are those of its runs, whatever their order; its texts are redacted, and few."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.evidence.metrics import build_metrics, find_cost_usd
from tasks.evidence.population.figures import PopulationFold
from tasks.evidence.population.sampling import Sampler
from tasks.evidence.prices import RunPrices
from tasks.evidence.types import Population, Run

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=7)
PRICES = RunPrices({"m": {"input": 1, "output": 2}})


def make_run(number: int, **values: Any) -> Run:
    fields: dict[str, Any] = {
        "id": str(number),
        "agent_id": "1",
        "status": "completed",
        "outcome": "completed",
        "started_at": START + timedelta(hours=number % 160),
    }
    return Run(**(fields | values))


def fold(runs: Sequence[Run], size: int = 5) -> PopulationFold:
    found = PopulationFold(START, END, Sampler(size, "1"), PRICES)
    for run in runs:
        found.add(run, run.id)
    return found


def build(found: PopulationFold) -> Population:
    return found.build(found.draw(), list)


@pytest.fixture
def runs() -> list[Run]:
    made = []
    rng = random.Random(3)
    for number in range(300):
        values: dict[str, Any] = {"model_name": "m" if number % 3 else "n"}
        if number % 4:
            values |= {"duration_seconds": rng.uniform(0, 90), "input_tokens": number, "output_tokens": 7}
        if number % 5 == 0:
            values |= {"cost_usd": rng.uniform(0, 1)}
        if number % 6 == 0:
            values |= {"status": "failed", "outcome": "failed", "error": f"HTTP 500 from https://a/{number}"}
        if number % 7 == 0:
            values |= {"status": "running", "outcome": "unfinished", "left_out_for": "status"}
        if number % 11 == 0:
            values |= {"succeeded": number % 2 == 0}
        made.append(make_run(number, **values))
    return made


def test_figures_are_those_of_the_runs(runs: list[Run]) -> None:
    found = build(fold(runs))
    costs = {run.id: cost for run in runs if (cost := find_cost_usd(run, PRICES)) is not None}
    finished = [run for run in runs if run.outcome != "unfinished"]
    metrics = build_metrics(runs, {}, {run.id: costs[run.id] for run in finished if run.id in costs})
    assert (found.runs, found.completed, found.failed, found.unfinished) == (
        metrics.runs_analyzed,
        metrics.runs_completed,
        metrics.runs_failed,
        metrics.runs_unfinished,
    )
    for name in ("avg_duration_seconds", "p50_duration_seconds", "p95_duration_seconds", "avg_tokens", "total_tokens"):
        assert getattr(found, name) == pytest.approx(getattr(metrics, name), rel=1e-12)
    assert found.total_cost_usd == pytest.approx(metrics.total_cost_usd, rel=1e-12)
    assert (found.runs_with_tokens, found.runs_with_cost) == (metrics.runs_with_tokens, metrics.runs_with_cost)
    assert [(one.pattern, one.count) for one in found.failure_patterns] == [
        ("HTTP 500 from <url>", metrics.runs_failed)
    ]
    outcomes = [run.succeeded for run in finished]
    assert (found.succeeded, found.not_succeeded) == (outcomes.count(True), outcomes.count(False))
    assert found.models == metrics.models


def test_days_add_up(runs: list[Run]) -> None:
    found = build(fold(runs))
    assert [day.day for day in found.daily] == [f"2026-01-0{day}" for day in range(1, 8)]
    assert sum(day.runs for day in found.daily) == found.runs
    assert sum(day.completed for day in found.daily) == found.completed
    assert sum(day.total_tokens or 0 for day in found.daily) == found.total_tokens
    assert sum(day.total_cost_usd or 0 for day in found.daily) == pytest.approx(found.total_cost_usd)


def test_another_order_gives_the_same_but_for_rounding_in_days(runs: list[Run]) -> None:
    first, sample = build(fold(runs)), fold(runs).draw()
    random.Random(5).shuffle(runs)
    again = build(fold(runs))
    assert again.model_copy(update={"daily": ()}) == first.model_copy(update={"daily": ()})
    assert fold(runs).draw() == sample


def test_no_runs_are_no_figures() -> None:
    found = build(fold([]))
    assert found == Population(runs=0, completed=0, failed=0, unfinished=0)


def test_patterns_name_runs_of_the_sample(runs: list[Run]) -> None:
    folded = fold(runs, size=20)
    drawn = folded.draw()
    found = folded.build(drawn, list)
    failed = [one.chosen.run_id for one in drawn if one.kind]
    assert failed
    assert [run_id for pattern in found.failure_patterns for run_id in pattern.run_ids] == failed


def test_kinds_that_differ_in_what_is_redacted_are_one() -> None:
    failures = [
        make_run(number, status="failed", outcome="failed", error=f"refused key {word} at the gate")
        for number, word in enumerate(["alpha", "beta", "alpha", "gamma"])
    ]
    folded = fold(failures, size=2)

    def hide(texts: Sequence[str]) -> list[str]:
        return [text.replace("alpha", "[key]").replace("beta", "[key]").replace("gamma", "[key]") for text in texts]

    drawn = folded.draw()
    (pattern,) = folded.build(drawn, hide).failure_patterns
    assert (pattern.pattern, pattern.count) == ("refused key [key] at the gate", 4)
    assert pattern.example == "refused key [key] at the gate"
    assert sorted(pattern.run_ids) == sorted(one.chosen.run_id for one in drawn)


def test_many_kinds_of_failure_are_cut_to_the_frequent_ones_and_the_rest() -> None:
    words = [chr(97 + number % 26) * (1 + number // 26) for number in range(2_000)]
    failures = [
        make_run(number, status="failed", outcome="failed", error=f"wrong {word}") for number, word in enumerate(words)
    ]
    failures += [make_run(5_000 + number, status="failed", outcome="failed", error="HTTP 502") for number in range(40)]
    random.Random(1).shuffle(failures)
    folded = fold(failures, size=20)
    drawn = folded.draw()
    found = folded.build(drawn, list)
    assert len(found.failure_patterns) <= 30
    assert (found.failure_patterns[0].pattern, found.failure_patterns[0].count) == ("HTTP 502", 40)
    assert found.failure_patterns[-1].pattern == "errors of other kinds"
    assert sum(pattern.count for pattern in found.failure_patterns) == found.failed == 2_040
    assert sum(len(pattern.run_ids) for pattern in found.failure_patterns) == len(drawn) == 20


def test_what_is_left_out_is_counted_by_why() -> None:
    odd = [
        make_run(1, status="running", outcome="unfinished", left_out_for="status"),
        make_run(2, status="secret", outcome="unfinished", left_out_for="unknown status"),
        make_run(3, outcome="unfinished", left_out_for="end", completed_at=datetime(2126, 1, 8, 5, tzinfo=UTC)),
    ]
    folded = fold(odd)
    folded.skip_future(END + timedelta(days=2))
    folded.skip_future(END + timedelta(days=1))
    folded.skip_unreadable("run 9 has no started_at")
    folded.skip_unreadable("run 8 has no started_at")
    left_out = folded.build([], lambda texts: [text.replace("secret", "[word]") for text in texts]).left_out
    assert (left_out.statuses, left_out.unknown_statuses) == ({"running": 1}, {"[word]": 1})
    assert (left_out.ending_later, left_out.example) == (1, "run 3 at 2126-01-08 05:00 UTC")
    assert (folded.future.count, folded.future.latest) == (2, END + timedelta(days=2))
    assert folded.unreadable == (2, "run 8 has no started_at")
