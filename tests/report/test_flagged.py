"""Flagged are certain failures, and agents that were too close to call twice in a row."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tasks.report.flagged import flag_agents
from tasks.report.rows import AgentRow


def _row(passed: bool | None, score: float | None = 6.5, status: str = "evaluated", agent_id: str = "1") -> AgentRow:
    row: dict[str, Any] = {"agent_id": agent_id, "status": status, "passed": passed, "score": score}
    return cast(AgentRow, row)


@pytest.mark.parametrize(
    ("now", "before", "flag"),
    [
        (_row(False), _row(True), "fails"),
        (_row(None), _row(None), "too close twice"),
        (_row(None), _row(True), None),
        (_row(None), _row(False), None),
        (_row(None), _row(None, score=None), None),
        (_row(None), _row(None, agent_id="2"), None),
        (_row(None, score=None), _row(None), None),
        (_row(True), _row(None), None),
        (_row(None, status="failed"), _row(None), None),
    ],
)
def test_flags(now: AgentRow, before: AgentRow, flag: str | None) -> None:
    assert flag_agents([now], [before]).get("1") == flag


def test_a_first_report_flags_only_what_fails() -> None:
    assert flag_agents([_row(None), _row(False, agent_id="2")]) == {"2": "fails"}
