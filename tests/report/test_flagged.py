"""What stays too close to call: scored in both reports, and decided in neither."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tasks.report.flagged import stays_too_close
from tasks.report.rows import AgentRow


def _row(passed: bool | None, score: float | None = 6.5, status: str = "evaluated") -> AgentRow:
    row: dict[str, Any] = {"status": status, "passed": passed, "score": score}
    return cast(AgentRow, row)


@pytest.mark.parametrize(
    ("before", "now", "stays"),
    [
        (_row(None), _row(None), True),
        (_row(True), _row(None), False),
        (_row(False), _row(None), False),
        (_row(None, score=None), _row(None), False),
        (_row(None), _row(None, score=None), False),
        (_row(None), _row(True), False),
        (_row(None), _row(None, status="failed"), False),
    ],
)
def test_stays_too_close(before: AgentRow, now: AgentRow, stays: bool) -> None:
    assert stays_too_close(before, now) is stays
