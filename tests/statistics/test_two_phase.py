"""A share from two phases: exact points, and draws that are as wide as what is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.statistics.intervals import wilson_interval
from tasks.statistics.two_phase import TwoPhase, estimate_kinds, percentiles

_NAN = math.nan


def _estimate(
    kinds: list[int], truths: list[float], weights: list[float] | None = None, chances: list[float] | None = None
) -> TwoPhase:
    n = len(kinds)
    return estimate_kinds(
        np.array(kinds, dtype=np.intp),
        2,
        np.array(weights or [1.0] * n),
        np.array(truths),
        np.array(chances or [1.0] * n),
    )


def test_kinds_count_by_their_share_and_not_by_how_many_were_checked() -> None:
    # 8 of kind 1, of which 2 of 4 checked are true; 2 of kind 0, both checked, none true.
    found = _estimate([1] * 8 + [0] * 2, [1, 0, 1, 0] + [_NAN] * 4 + [0, 0])
    assert found.estimate_true().value == pytest.approx(0.8 * 0.5)
    assert found.checked == 6
    assert found.point.among_true(1, 0)[0] == pytest.approx(1)
    assert found.point.among_false(0, 1)[0] == pytest.approx(0.2 / 0.6)


def test_what_is_checked_more_often_counts_less() -> None:
    found = _estimate([0] * 6, [1, 1, 0] + [_NAN] * 3, chances=[0.2, 0.2, 0.4, 0.2, 0.2, 0.4])
    assert found.estimate_true().value == pytest.approx(10 / 12.5)


def test_what_stands_for_more_counts_more() -> None:
    found = _estimate([0, 1], [1, 0], weights=[9, 1])
    assert found.estimate_true().value == pytest.approx(0.9)


def test_all_checked_is_as_wide_as_the_sample_alone() -> None:
    found = _estimate([0] * 50 + [1] * 50, [1.0] * 30 + [0.0] * 70).estimate_true()
    low, high = wilson_interval(30, 100) or (0, 0)
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_a_kind_that_nobody_checked_is_anywhere_from_0_to_1() -> None:
    found = _estimate([0] * 80 + [1] * 20, [1.0] * 80 + [_NAN] * 20).estimate_true()
    assert found.value == pytest.approx(0.9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.81
    assert found.high > 0.98


def test_the_same_draws_every_time() -> None:
    kinds, truths = [0, 0, 1, 1, 1], [1, _NAN, 0, 1, _NAN]
    assert _estimate(kinds, truths).estimate_true() == _estimate(kinds, truths).estimate_true()


def test_a_value_that_is_no_number_has_no_interval() -> None:
    assert percentiles(_NAN, np.array([0.1, 0.2]), 3).value is None
    found = percentiles(0.5, np.array([0.1, 0.2, _NAN]), 3)
    assert found.high == 0.5
