"""What changed, in words: worse first, hostile names are no markup, and noise is a count."""

from __future__ import annotations

from datetime import UTC, datetime

from tasks.comparison.changes import worst_first
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.comparison.description import describe_change
from tasks.render.change_text import render_changed

_FELL = Change(
    metric="completion_rate", verdict="worse", before=0.9, after=0.4, difference=-0.5, low=-0.7, high=-0.2, p_value=0.01
)
_FASTER = Change(
    metric="avg_duration_seconds", verdict="better", before=20, after=10, difference=-10, low=-15, high=-5, p_value=0.02
)
_SAME = Change(metric="score", verdict="no_change", before=7, after=7.1, difference=0.1, low=-1, high=1.2, p_value=1)


def _agent(name: str, *changes: Change, **values: object) -> AgentComparison:
    verdict = changes[0].verdict if changes else "not_comparable"
    return AgentComparison(agent_id="1", agent_name=name, verdict=verdict, changes=changes, **values)  # type: ignore[arg-type]


def _comparison(*agents: AgentComparison, reasons: tuple[str, ...] = ()) -> Comparison:
    team = AgentComparison(agent_id=None, agent_name="team", verdict="no_change", changes=(_SAME,))
    moment = datetime(2026, 3, 1, 2, tzinfo=UTC)
    return Comparison(baseline_id=3, report_id=4, baseline_created_at=moment, team=team, agents=agents, reasons=reasons)


def test_worse_comes_first_and_noise_is_a_count() -> None:
    comparison = _comparison(
        _agent("calm", _SAME), _agent("fast", _FASTER), _agent("fallen", _FELL, _FASTER), _agent("quiet", _SAME)
    )
    text = "\n".join(render_changed(comparison))
    assert "Against report 3 of 2026-03-01 02:00 UTC." in text
    assert text.index("**fallen** worse") < text.index("**fast** better")
    assert "2 agents without a change that could be distinguished from noise" in text
    assert "calm" not in text
    assert [agent.agent_name for agent in worst_first(comparison.agents)] == ["fallen", "fast", "calm", "quiet"]


def test_a_change_is_described_with_its_interval_and_units() -> None:
    assert describe_change(_FELL) == "completion rate 90% → 40% (-50 points; 95%: -70 points to -20 points)"
    slower = Change(metric="avg_duration_seconds", verdict="worse", before=20.0, after=103.4, difference=83.4, low=60.0)
    assert describe_change(slower) == "duration of a run 20.0 s → 1 min 43 s (+1 min 23 s; 95%: +1 min 0 s to –)"
    assert describe_change(_FASTER) == "duration of a run 20.0 s → 10.0 s (-10.0 s; 95%: -15.0 s to -5.0 s)"
    cost = Change(metric="avg_cost_usd", verdict="better", before=2, after=1.5, difference=-0.5, low=-0.9, high=-0.1)
    assert describe_change(cost) == "cost a run $2.00 → $1.50 (-$0.5000; 95%: -$0.9000 to -$0.1000)"


def test_new_gone_and_renamed_agents_and_reasons_are_shown_and_are_no_markup() -> None:
    evil = "<img src=x onerror=alert(1)> [x](javascript:1)"
    comparison = _comparison(
        _agent(evil, presence="new"),
        _agent("left", presence="gone"),
        _agent("b", _SAME, presence="renamed", baseline_name=evil),
        _agent(f"{evil} fell", _FELL),
        reasons=(evil,),
    )
    text = "\n".join(render_changed(comparison))
    assert "- New: " in text
    assert "- Gone: left" in text
    assert "- Renamed: b \\(was" in text
    assert "<img" not in text
    assert "](javascript" not in text
