"""Rates in words: what is shown together fits together."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tasks.render.success_text import describe_undecided, points_between
from tasks.report.nested_rows import VerdictCountsRow
from tasks.report.rows import CriterionRow


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


def _criterion(**parts: Any) -> CriterionRow:
    known = {"criterion": "accuracy", "kind": "judge", "score": 10.0, "score_low": 4.0, "score_high": 10.0}
    return cast(CriterionRow, known | {"threshold": 7.0, "passed": None, "runs_decided": 8} | parts)


def test_more_runs_do_not_decide_what_lost_verdicts_leave_open() -> None:
    counts: VerdictCountsRow = {"from_source": 0, "from_judge": 8, "cannot_tell": 0, "unusable": 4, "not_judged": 0}
    (line,) = describe_undecided([_criterion()], counts)
    assert line == (
        "accuracy 10.0 (4.0 to 10.0), needs 7: verdicts on 4 runs could not be used, usable ones may decide it"
    )
    # What code computes needs no verdict.
    for found in (describe_undecided([_criterion()]), describe_undecided([_criterion(kind="completion")], counts)):
        assert found[0].endswith("more runs would decide it")
