"""Success of an agent's runs: outcomes of the source over all runs, and the judge's verdicts for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tasks.evidence.types import Evidence, Population, Run, VerdictCounts
from tasks.judge.runs.success import KnownSuccess, read_success
from tasks.judge.runs.verdict import RunVerdict, Success
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval

MakeRun, MakeEvidence = Callable[..., Run], Callable[..., Evidence]


def _known(evidence: Evidence, verdicts: Sequence[Success | None]) -> KnownSuccess:
    found = [RunVerdict(str(number), f"R{number}", success) for number, success in enumerate(verdicts, 1)]
    return read_success(evidence, {verdict.run_id: verdict for verdict in found})


def _population(runs: int, **counts: Any) -> Population:
    return Population(runs=runs, completed=runs, failed=0, unfinished=0, **counts)


def test_outcomes_of_the_source_come_before_the_judge(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    runs = [make_run(1, succeeded=False), make_run(2), make_run(3), make_run(4), make_run(5), make_run(6)]
    known = _known(make_evidence(runs), ["yes", "yes", "no", "cannot_tell", None])
    assert known.rate.value == pytest.approx(1 / 3)
    assert known.counts == VerdictCounts(from_source=1, from_judge=2, cannot_tell=1, unusable=1, not_judged=1)


def test_the_sample_stands_for_the_population(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(number) for number in range(1, 5)])
    evidence = evidence.model_copy(update={"inclusion": {"1": 1.0, "2": 1.0, "3": 0.2, "4": 0.2}})
    assert _known(evidence, ["no", "no", "yes", "yes"]).rate.value == pytest.approx(10 / 12)


def test_outcomes_of_all_runs_are_a_census(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    evidence = make_evidence([make_run(number, succeeded=True) for number in range(1, 5)])
    evidence = evidence.model_copy(update={"population": _population(1000, succeeded=900, not_succeeded=100)})
    rate = _known(evidence, []).rate
    assert rate.value == pytest.approx(0.9)
    assert (rate.low, rate.high) == pytest.approx(wilson_interval(900, 1000))
    assert rate.n == 1000


def test_outcomes_of_some_runs_leave_the_rest_to_the_judge(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    runs = [make_run(1, succeeded=True), *(make_run(number) for number in range(2, 6))]
    evidence = make_evidence(runs)
    evidence = evidence.model_copy(update={"population": _population(1000, succeeded=90, not_succeeded=10)})
    known = _known(evidence, [None, "yes", "no", "no", "no"])
    assert known.rate.value == pytest.approx(0.1 * 0.9 + 0.9 * 0.25)
    # What is known of 900 runs is known from four.
    assert known.whole.worth < 6
    assert known.whole.size == 1000
    assert (known.looked_at, known.succeeded, known.coverage) == (104, 91, 1.0)
    assert _known(evidence, [None, "yes", "no", "no", "cannot_tell"]).coverage == pytest.approx(0.1 + 0.9 * 0.75)


def test_runs_without_a_usable_verdict_may_all_have_failed_or_all_succeeded(
    make_run: MakeRun, make_evidence: MakeEvidence
) -> None:
    evidence = make_evidence([make_run(number) for number in range(1, 21)])
    left_out = _known(evidence, [*["yes"] * 12, *[None] * 8])
    assert (left_out.rate.value, left_out.rate.n) == (1.0, 12)
    assert left_out.rate.low == pytest.approx(wilson_interval(12, 20)[0])
    assert left_out.rate.high == 1.0
    # That a judge cannot tell is an answer.
    unsure = _known(evidence, [*["yes"] * 12, *["cannot_tell"] * 8])
    assert unsure.rate.low == pytest.approx(wilson_interval(12, 12)[0])
    # The source's own outcome needs no verdict, and of the rest a sample stands for all.
    runs = [make_run(number, succeeded=True if number <= 10 else None) for number in range(1, 21)]
    evidence = make_evidence(runs)
    evidence = evidence.model_copy(update={"population": _population(100, succeeded=50, not_succeeded=0)})
    some = _known(evidence, [*[None] * 10, *["yes"] * 5, *[None] * 5])
    assert some.rate.value == 1.0
    assert some.rate.low is not None
    assert 0.5 < some.rate.low < 0.75


def test_nothing_known_is_no_rate(make_run: MakeRun, make_evidence: MakeEvidence) -> None:
    known = _known(make_evidence([make_run(1), make_run(2, status="running")]), ["cannot_tell"])
    assert known.rate == Estimate()
    assert known.whole.n == 0
    unusable = _known(make_evidence([make_run(1), make_run(2)]), [None, None])
    assert unusable.rate == Estimate()
    assert _known(make_evidence([]), []).rate == Estimate()
