"""Rounded figures stay on their side of their thresholds."""

from __future__ import annotations

import pytest

from deployments.terminal.report_view import describe_criteria
from tasks.wording.formats import format_rate, format_score, format_threshold


@pytest.mark.parametrize(
    ("score", "threshold", "shown"),
    [
        (6.96, 7.0, "6.96"),
        (6.996, 7.0, "6.996"),
        (6.999999, 7.0, "6.999999"),
        (7.0, 7.0, "7.0"),
        (7.04, 7.0, "7.0"),
        (7.22, 7.22, "7.22"),
        (7.24, 7.25, "7.2"),
        (7.26, 7.25, "7.3"),
        (7.249, 7.25, "7.2"),
        (6.96, 6.5, "7.0"),
        (3.94, 7.0, "3.9"),
        (6.999999999999999, 7.0, "6.999999999999999"),
        (6.96, None, "6.96"),
        (9.97, None, "9.97"),
        (9.999, None, "9.999"),
        (6.04, None, "6.0"),
        (6.94, None, "6.9"),
        (6.999999999999999, None, "7.0"),
        (6.55, None, "6.5"),
        (6.550000000000001, None, "6.5"),
        (6.550000000000001, 7.0, "6.5"),
        (0.0, None, "0.0"),
        (10.0, None, "10.0"),
        (None, None, "–"),
    ],
)
def test_a_score_is_never_rounded_across_what_it_is_held_against(
    score: float | None, threshold: float | None, shown: str
) -> None:
    assert format_score(score, threshold) == shown


@pytest.mark.parametrize(
    ("rate", "bound", "shown"),
    [(0.796, 0.8, "79.6%"), (0.7996, 0.8, "79.96%"), (0.8, 0.8, "80%"), (0.29, 0.29, "29%"), (0.796, None, "80%")],
)
def test_a_rate_is_never_rounded_across_its_bound(rate: float, bound: float | None, shown: str) -> None:
    assert format_rate(rate, bound) == shown


def test_a_threshold_is_shown_as_it_was_given() -> None:
    assert [format_threshold(value) for value in (7.0, 7.25, 6.9999999)] == ["7", "7.25", "6.9999999"]


def test_the_front_page_does_not_show_a_missed_threshold_as_reached() -> None:
    rows = [{"criterion": "accuracy", "score": 6.96, "threshold": 7.0, "passed": False}]
    assert describe_criteria(rows).plain == "accuracy 6.96 < 7"
