"""Several agents together: each counts by its runs, and is expected near the others the less of it is known."""

from __future__ import annotations

import pytest

from tasks.judge.runs.success import KnownSuccess
from tasks.report.success import estimate_team_success, shrink_success
from tasks.statistics.estimate import Estimate
from tasks.statistics.intervals import wilson_interval
from tasks.statistics.weighted import build_group


def _known(hits: int, of: int, runs: int) -> KnownSuccess:
    return KnownSuccess(runs, (build_group([True] * hits + [False] * (of - hits), [1.0] * of, runs),) if of else ())


def test_an_agent_counts_by_its_runs() -> None:
    found = estimate_team_success([_known(20, 20, 900), _known(0, 20, 100), _known(0, 0, 5000)])
    assert found.value == pytest.approx(0.9)
    assert estimate_team_success([_known(0, 0, 20)]) == Estimate()
    assert estimate_team_success([]) == Estimate()


def test_an_agent_without_any_usable_verdict_makes_the_teams_interval_wider() -> None:
    worst, best = (build_group([hit] * 20, [1.0] * 20, 20) for hit in (False, True))
    judged = KnownSuccess(20, (best,), worst=(best,), best=(best,))
    unusable = KnownSuccess(20, (), worst=(worst,), best=(best,))
    alone, beside = estimate_team_success([judged]), estimate_team_success([judged, unusable])
    assert (alone.value, beside.value, beside.high) == (1.0, 1.0, 1.0)
    one, two = wilson_interval(20, 20), wilson_interval(20, 40)
    assert one is not None
    assert two is not None
    assert (alone.low, beside.low) == (pytest.approx(one[0]), pytest.approx(two[0]))


def test_the_unluckiest_agent_with_few_runs_is_not_the_worst() -> None:
    known = {"few": _known(0, 1, 1), "many": _known(4, 20, 20), "good": _known(19, 20, 20), "none": _known(0, 0, 9)}
    expected = shrink_success(known)
    assert expected["none"] is None
    assert expected["few"] is not None
    assert expected["many"] is not None
    assert expected["few"] > expected["many"]
