"""Two reports: who is compared with whom, what is not comparable and why, and what a change is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.simulated_reports import Truth, World
from tasks.comparison.compare import compare_reports, overall
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.report.stored_report import StoredReport

_WORLD = World((Truth(0.9), Truth(0.8), Truth(0.95)))


def _pair(world: World = _WORLD, later: World | None = None, seed: int = 1) -> tuple[StoredReport, StoredReport]:
    rng = np.random.default_rng(seed)
    return world.report(rng, 1), (later or world).report(rng, 2)


def _with(reading: StoredReport, **report: Any) -> StoredReport:
    return StoredReport(reading.report | report, reading.details, reading.criteria, reading.runs)


def _details(reading: StoredReport, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> StoredReport:
    rows = [changed for row in reading.details if (changed := change(row)) is not None]
    return StoredReport(reading.report, rows, reading.criteria, reading.runs)


def _change(subject: AgentComparison, metric: str) -> Change:
    return next(change for change in subject.changes if change.metric == metric)


def _verdicts(comparison: Comparison, metric: str) -> list[str]:
    return [_change(subject, metric).verdict for subject in (comparison.team, *comparison.agents)]


def test_a_report_against_itself_made_again_has_no_change() -> None:
    comparison = compare_reports(*_pair())
    assert {subject.verdict for subject in (comparison.team, *comparison.agents)} == {"no_change"}
    change = _change(comparison.agents[0], "completion_rate")
    assert change.low is not None
    assert change.high is not None
    assert change.low < change.difference < change.high  # type: ignore[operator]
    assert change.detectable is not None
    assert [change.metric for change in comparison.team.changes] == [
        "score",
        "criterion:accuracy",
        "criterion:efficiency",
        "criterion:reliability",
        "completion_rate",
        "avg_duration_seconds",
        "avg_cost_usd",
    ]


def test_what_fell_is_worse_and_what_got_cheaper_better() -> None:
    later = _WORLD.changed(0, completion_rate=0.2).changed(1, cost_usd=0.001).changed(2, seconds=200)
    comparison = compare_reports(*_pair(later=later))
    first, second, third = comparison.agents
    assert _change(first, "completion_rate").verdict == "worse"
    assert (_change(second, "avg_cost_usd").verdict, second.verdict) == ("better", "better")
    assert (_change(third, "avg_duration_seconds").verdict, third.verdict) == ("worse", "worse")
    cost = _change(second, "avg_cost_usd")
    assert cost.high is not None
    assert cost.high < 0
    assert cost.p_value is not None
    assert cost.p_value <= 0.05


def test_the_figures_are_the_ones_that_the_reports_show() -> None:
    before, after = _pair()
    agent = compare_reports(before, after).agents[1]
    for metric in ("score", "completion_rate", "avg_duration_seconds", "avg_cost_usd"):
        change = _change(agent, metric)
        assert change.before == pytest.approx(before.details[1][metric])
        assert change.after == pytest.approx(after.details[1][metric])


def test_worse_counts_before_better_before_no_change() -> None:
    assert overall(["better", "worse", "no_change"]) == "worse"
    assert overall(["better", "no_change", "not_comparable"]) == "better"
    assert overall(["no_change", "not_comparable"]) == "no_change"
    assert overall(["not_comparable"]) == "not_comparable"
    assert overall([]) == "not_comparable"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model": "other"}, "other judge's model: m before, other now"),
        ({"prompt_version": 4}, "other version of the judge's prompt: 3 before, 4 now"),
        ({"evidence_tokens": 50}, "other tokens of evidence for the judge: 100 before, 50 now"),
        ({"parameters": {"temperature": 1}}, "other parameters of the judge"),
    ],
)
def test_scores_of_another_judge_are_not_comparable_but_runs_are(settings: dict[str, Any], reason: str) -> None:
    before, after = _pair(later=_WORLD.changed(0, completion_rate=0.1))
    comparison = compare_reports(before, _with(after, judge_settings=after.report["judge_settings"] | settings))
    assert reason in comparison.reasons[0]
    for metric in ("score", "criterion:accuracy"):
        assert set(_verdicts(comparison, metric)) == {"not_comparable"}
        assert reason in (_change(comparison.agents[0], metric).reason or "")
    assert comparison.agents[0].verdict == "worse"
    assert _change(comparison.agents[0], "completion_rate").verdict == "worse"


def test_a_report_that_does_not_record_how_its_judge_was_set_is_comparable_by_its_fingerprint_only() -> None:
    before, after = _pair()
    old = _with(before, judge_settings=None)
    assert compare_reports(old, after).reasons == ()
    other = _with(old, judge_fingerprint="other")
    assert compare_reports(other, after).reasons == ("report 1 does not record the settings of its judge",)
    assert "judge's model" in compare_reports(_with(other, judge_model="n"), after).reasons[0]


def _rubric(reading: StoredReport, agent_id: str | None, **values: Any) -> StoredReport:
    rows = [
        row | values if row["agent_id"] == agent_id and row["criterion"] == "accuracy" else row
        for row in reading.criteria
    ]
    return StoredReport(reading.report, reading.details, rows, reading.runs)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"weight": 0.9}, "weight of accuracy"),
        ({"threshold": 9.0}, "threshold of accuracy: 7.0 before, 9.0 now"),
        ({"criterion": "tone"}, "without accuracy"),
    ],
)
def test_only_the_agent_with_another_rubric_is_not_comparable(values: dict[str, Any], reason: str) -> None:
    before, after = _pair()
    comparison = compare_reports(before, _rubric(after, "2", **values))
    assert _verdicts(comparison, "score") == ["no_change", "no_change", "not_comparable", "no_change"]
    assert reason in (_change(comparison.agents[1], "score").reason or "")
    assert _change(comparison.agents[1], "completion_rate").verdict == "no_change"
    team = compare_reports(before, _rubric(after, None, **values))
    assert _verdicts(team, "score")[0] == "not_comparable"


def test_weights_that_are_all_ten_times_as_large_are_the_same_rubric() -> None:
    before, after = _pair()
    rows = [row | {"weight": 10 * row["weight"]} for row in after.criteria]
    comparison = compare_reports(before, StoredReport(after.report, after.details, rows, after.runs))
    assert set(_verdicts(comparison, "score")) == {"no_change"}


def test_another_goal_or_description_is_another_question() -> None:
    before, after = _pair()
    parameters = after.report["parameters"]
    goal = {"criteria": parameters["criteria"] | {"team": parameters["criteria"]["team"] | {"goal": "h"}}}
    comparison = compare_reports(before, _with(after, parameters=parameters | goal))
    assert _change(comparison.team, "score").reason == "other goal of the team"
    assert _change(comparison.agents[0], "score").verdict == "no_change"
    described = {name: row | {"description": "new words"} for name, row in parameters["criteria"]["default"].items()}
    other = {"criteria": parameters["criteria"] | {"default": described}}
    comparison = compare_reports(before, _with(after, parameters=parameters | other))
    assert _change(comparison.team, "score").verdict == "no_change"
    assert "another description" in (_change(comparison.agents[0], "score").reason or "")


def test_runs_of_another_model_only_are_not_comparable_at_all() -> None:
    before, after = _pair()
    parameters = after.report["parameters"] | {"options": {"filter_model": "gpt-x"}}
    comparison = compare_reports(before, _with(after, parameters=parameters))
    assert comparison.reasons == ("other filter_model: every model before, gpt-x now",)
    assert {change.verdict for agent in comparison.agents for change in agent.changes} == {"not_comparable"}
    assert comparison.team.verdict == "not_comparable"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("failed", "its evaluation failed"),
        ("no_runs", "it had no finished run"),
        ("no_evidence", "the judge found not enough evidence"),
        ("not_started", "it was not judged"),
        ("skipped_budget", "it was not judged, for the limit on cost"),
    ],
)
def test_an_agent_without_a_score_has_none_to_compare(status: str, reason: str) -> None:
    before, after = _pair()
    missing = _details(after, lambda row: row | {"status": status, "score": None} if row["agent_id"] == "1" else row)
    agent = compare_reports(before, missing).agents[0]
    assert _change(agent, "score").verdict == "not_comparable"
    assert _change(agent, "score").reason == f"no score in report 2: {reason}"
    assert _change(agent, "completion_rate").verdict == "no_change"


def test_a_criterion_that_was_scored_in_one_report_only_makes_the_whole_score_another() -> None:
    before, after = _pair()
    agent = compare_reports(before, _rubric(after, "1", score=None)).agents[0]
    assert _change(agent, "criterion:accuracy").reason == "accuracy was not scored in report 2: not enough evidence"
    assert _change(agent, "score").verdict == "not_comparable"
    assert _change(agent, "criterion:efficiency").verdict == "no_change"


def test_new_gone_and_renamed_agents_are_named() -> None:
    before, after = _pair()
    after = _details(after, lambda row: None if row["agent_id"] == "2" else row)
    after = _details(after, lambda row: row | {"agent_name": "renamed"} if row["agent_id"] == "3" else row)
    new = replace(after, details=[*after.details, dict(after.details[0]) | {"agent_id": "9", "agent_name": "fresh"}])
    comparison = compare_reports(before, new)
    found = {agent.agent_name: agent for agent in comparison.agents}
    assert {name: agent.presence for name, agent in found.items()} == {
        "agent-1": "both",
        "renamed": "renamed",
        "fresh": "new",
        "agent-2": "gone",
    }
    assert found["renamed"].baseline_name == "agent-3"
    assert found["fresh"].verdict == found["agent-2"].verdict == "not_comparable"
    assert found["fresh"].reason == "only in report 2"
    assert found["agent-2"].reason == "only in report 1"
    gone = _change(found["agent-2"], "score")
    assert gone.after is None
    assert gone.before == before.details[1]["score"]


def test_an_agent_under_a_new_id_is_known_by_its_name() -> None:
    before, after = _pair()
    moved = [row | {"agent_id": "10" + row["agent_id"]} for row in after.details]
    criteria = [row | {"agent_id": row["agent_id"] and "10" + row["agent_id"]} for row in after.criteria]
    runs = [row | {"agent_id": "10" + row["agent_id"]} for row in after.runs]
    comparison = compare_reports(before, StoredReport(after.report, moved, criteria, runs))
    assert [agent.presence for agent in comparison.agents] == ["both"] * 3
    assert comparison.agents[0].reason == "the same name under another id: 1 before, 101 now"
    assert comparison.agents[0].verdict == "no_change"


def test_between_environments_only_names_match() -> None:
    before, after = _pair()
    other = _with(before, environment="staging")
    swapped = _details(after, lambda row: row | {"agent_name": f"agent-{4 - int(row['agent_id'])}"})
    comparison = compare_reports(other, swapped)
    assert [agent.presence for agent in comparison.agents] == ["both"] * 3
    assert _change(comparison.agents[0], "score").before == before.details[2]["score"]


def test_a_report_over_some_agents_only_has_that_as_its_reason() -> None:
    before, after = _pair()
    some = _with(before, parameters=before.report["parameters"] | {"options": {"agents": ["agent-1"]}})
    comparison = compare_reports(some, after)
    assert comparison.reasons == ("report 1 is over only 1 of 3 agents (option agents)",)
    assert _change(comparison.team, "score").verdict == "not_comparable"
    assert _change(comparison.agents[0], "score").verdict == "no_change"


@pytest.mark.parametrize(
    ("names", "others"),
    [
        (["agent-1", "name:agent-2", "id:3"], None),
        (["id:1", "agent-2"], ["agent-2", "agent-1"]),
        (None, ["agent-3", "agent-2", "agent-1"]),
    ],
)
def test_the_agents_that_were_looked_at_count_and_not_how_they_were_named(
    names: list[str] | None, others: list[str] | None
) -> None:
    readings = [
        _with(reading, parameters=reading.report["parameters"] | {"options": {"agents": given}})
        for reading, given in zip(_pair(), (names, others), strict=True)
    ]
    comparison = compare_reports(*readings)
    assert comparison.reasons == ()
    assert _change(comparison.team, "score").verdict == "no_change"


def test_what_was_not_measured_is_not_zero() -> None:
    before, after = _pair()
    none = StoredReport(after.report, after.details, after.criteria, [run | {"cost_usd": None} for run in after.runs])
    change = _change(compare_reports(before, none).agents[0], "avg_cost_usd")
    assert (change.verdict, change.after, change.reason) == ("not_comparable", None, "not measured now")
    runs = [run | ({"cost_usd": None} if int(run["run_id"]) % 2 else {}) for run in after.runs]
    some = compare_reports(before, StoredReport(after.report, after.details, after.criteria, runs))
    assert "known for 20 of 20 runs before, 10 of 20 now" in (_change(some.agents[0], "avg_cost_usd").method or "")


def test_the_same_runs_cannot_have_changed() -> None:
    before, after = _pair()
    same = StoredReport(after.report, before.details, before.criteria, before.runs)
    comparison = compare_reports(before, same)
    for subject in (comparison.team, *comparison.agents):
        for metric in ("completion_rate", "avg_duration_seconds", "avg_cost_usd"):
            change = _change(subject, metric)
            assert (change.verdict, change.difference, change.method) == ("no_change", 0.0, "no new runs"), metric


def test_a_young_agent_whose_new_runs_fail_is_worse() -> None:
    """Report 1 saw its 8 runs, report 2 the same 8 and 12 new ones: none is of the earlier report only."""
    before, after = _pair(_WORLD.changed(0, completion_rate=1.0))
    first = [run for run in before.runs if run["agent_id"] == "1"]
    new = [
        run | {"completed": False, "duration_seconds": 9 * run["duration_seconds"]}
        for run in after.runs
        if run["agent_id"] == "1"
    ]
    others = [[run for run in reading.runs if run["agent_id"] != "1"] for reading in (before, after)]
    comparison = compare_reports(
        StoredReport(before.report, before.details, before.criteria, first[:8] + others[0]),
        StoredReport(after.report, after.details, after.criteria, first[:8] + new[:12] + others[1]),
    )
    rate, duration = (_change(comparison.agents[0], metric) for metric in ("completion_rate", "avg_duration_seconds"))
    assert (rate.verdict, rate.before, rate.after) == ("worse", 1.0, 0.4)
    assert rate.high is not None
    assert rate.high < 0
    assert duration.verdict == "worse"


def test_an_agent_without_new_runs_stays_in_the_figures_of_the_team() -> None:
    before, after = _pair()
    runs = [run for run in before.runs if run["agent_id"] == "1"] + [
        run for run in after.runs if run["agent_id"] != "1"
    ]
    comparison = compare_reports(before, StoredReport(after.report, after.details, after.criteria, runs))
    change = _change(comparison.team, "avg_duration_seconds")
    assert change.before == pytest.approx(np.mean([run["duration_seconds"] for run in before.runs]))
    assert change.after == pytest.approx(np.mean([run["duration_seconds"] for run in runs]))
    assert change.method is not None
    assert "1 without new runs count as unchanged" in change.method


def test_reports_without_agents_or_runs_are_no_error() -> None:
    before, after = _pair()
    empty = StoredReport(after.report | {"team_score": None})
    comparison = compare_reports(before, empty)
    assert [agent.presence for agent in comparison.agents] == ["gone"] * 3
    assert comparison.team.verdict == "not_comparable"
    assert compare_reports(empty, empty).agents == ()
    without = StoredReport(after.report, after.details, after.criteria)
    assert _change(compare_reports(before, without).agents[0], "completion_rate").reason == "no finished run now"


def _on_tasks(reading: StoredReport, tasks: list[str], agents: tuple[str, ...] = ("1", "2", "3")) -> StoredReport:
    runs = [
        run | {"task_hash": tasks[number % len(tasks)]} if run["agent_id"] in agents else run
        for number, run in enumerate(reading.runs)
    ]
    return StoredReport(reading.report, reading.details, reading.criteria, runs)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (["a", "b"], ["c", "d"], "other tasks: 2 before, 2 now, none of them in both"),
        (["a", "b"], ["a", "c"], "other tasks: 2 before, 2 now, 1 of them in both"),
        (["a", "b", "c", "d"], ["a", "b", "c"], "other tasks: 4 before, 3 now, 3 of them in both"),
        (["a"], [f"own {number}" for number in range(60)], "other tasks: 1 before, 20 now, none of them in both"),
        ([f"t{n}" for n in range(20)], [f"t{n}" for n in range(10, 30)], "other tasks: 20 before, 20 now, 10 of them"),
    ],
)
def test_runs_of_other_tasks_are_not_comparable(before: list[str], after: list[str], reason: str) -> None:
    first, last = _pair(later=_WORLD.changed(0, completion_rate=0.0))
    comparison = compare_reports(_on_tasks(first, before), _on_tasks(last, after))
    assert {subject.verdict for subject in (comparison.team, *comparison.agents)} == {"not_comparable"}
    for change in comparison.agents[0].changes:
        assert (change.reason or "").startswith(reason)
    assert comparison.reasons[0].startswith("other tasks of 3 of 3 agents")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a", "b"], ["b", "a"]),
        (["a"], ["a"]),
        # Requests of users: hardly any comes twice.
        ([f"t{n}" for n in range(60)], [f"u{n}" for n in range(60)]),
        (["hello", "hello", *(f"t{n}" for n in range(58))], ["hello", "hello", *(f"u{n}" for n in range(58))]),
    ],
)
def test_the_same_tasks_or_tasks_that_never_repeat_are_comparable(before: list[str], after: list[str]) -> None:
    first, last = _pair()
    comparison = compare_reports(_on_tasks(first, before), _on_tasks(last, after))
    assert comparison.reasons == ()
    assert {_change(agent, "completion_rate").verdict for agent in comparison.agents} == {"no_change"}


def test_other_tasks_of_one_agent_leave_the_others_and_the_runs_of_the_team() -> None:
    first, last = _pair(later=_WORLD.changed(0, completion_rate=0.0).changed(1, completion_rate=0.0))
    comparison = compare_reports(_on_tasks(first, ["a", "b"], ("1",)), _on_tasks(last, ["c", "d"], ("1",)))
    assert [agent.verdict for agent in comparison.agents][:2] == ["not_comparable", "worse"]
    assert comparison.reasons == (
        "other tasks of 1 of 3 agents: a change there cannot be distinguished from the effect of the tasks",
    )
    assert _change(comparison.team, "score").verdict == "not_comparable"
    rate = _change(comparison.team, "completion_rate")
    # Of the two agents that are left.
    assert rate.before == pytest.approx((first.details[1]["completion_rate"] + first.details[2]["completion_rate"]) / 2)


def test_scores_that_decide_nothing_twice_are_marked_where_they_can_be_compared() -> None:
    before, after = _pair()
    assert all(agent.stays_close for agent in compare_reports(before, after).agents)
    decided = _details(after, lambda row: row | {"passed": True})
    assert not any(agent.stays_close for agent in compare_reports(before, decided).agents)
    others = _with(after, judge_settings=after.report["judge_settings"] | {"model": "another"})
    assert not any(agent.stays_close for agent in compare_reports(before, others).agents)
