"""How many agents pass and fail: a failed evaluation is no agent that fails."""

from __future__ import annotations

from typing import Any, cast

from tasks.render.markdown import describe_agents
from tasks.render.standing_text import describe_standing
from tasks.report.rows import AgentRow, ReportRow


def _agents(**numbers: int) -> list[AgentRow]:
    states: dict[str, dict[str, Any]] = {
        "passes": {"passed": True},
        "fails": {"passed": False},
        "close": {"passed": None},
        "broken": {"status": "failed", "passed": None},
        "idle": {"status": "no_runs", "passed": None},
    }
    rows = [{"status": "evaluated"} | states[state] for state, number in numbers.items() for _ in range(number)]
    return cast(list[AgentRow], rows)


def test_agents_are_counted_by_whether_they_pass() -> None:
    found = describe_standing(_agents(passes=3, fails=5, close=5, idle=1))
    assert found == "3 pass, 5 fail, 5 too close to call, 1 without finished runs"
    assert describe_standing(_agents(passes=1, fails=1, broken=2)) == "1 passes, 1 fails, 2 could not be judged"
    assert describe_standing([]) == ""


def test_the_mean_score_follows_where_there_is_one() -> None:
    report: dict[str, Any] = {"avg_agent_score": 7.9, "agents_evaluated": 2, "total_agents": 3, "agents_failed": 1}
    mean = "7.9 on average over the 2 of 3 agents that were evaluated"
    assert describe_agents(cast(ReportRow, report), []) == mean
    rows = _agents(fails=2, broken=1)
    assert describe_agents(cast(ReportRow, report), rows) == f"2 fail, 1 could not be judged; score {mean}"
    unjudged = cast(ReportRow, report | {"avg_agent_score": None})
    assert describe_agents(unjudged, _agents(broken=3)) == "3 could not be judged"
