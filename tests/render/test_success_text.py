"""Rates in words: what is shown together fits together."""

from __future__ import annotations

import pytest

from tasks.render.success_text import points_between


@pytest.mark.parametrize(
    ("success", "completion", "points"),
    [(0.6969, 0.7946, 9), (0.45, 1.0, 55), (0.5, 0.5, 0), (0.52, 0.5, -2), (None, 0.5, 0), (0.5, None, 0)],
)
def test_points_between_rates_are_those_between_the_figures_that_are_shown(
    success: float | None, completion: float | None, points: int
) -> None:
    assert points_between(success, completion) == points
    if success is not None and completion is not None:
        assert int(f"{completion:.0%}"[:-1]) - int(f"{success:.0%}"[:-1]) == points
