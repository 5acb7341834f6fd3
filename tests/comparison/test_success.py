"""Success run by run in two reports: beside completion, by the same judge's question only, weighted by how runs were
drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.simulated_reports import Truth, World
from tasks.comparison.changes import main_rate, sort_changes
from tasks.comparison.compare import compare_reports
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.comparison.samples import pair_samples
from tasks.report.stored_report import StoredReport

_WORLD = World((Truth(0.95), Truth(0.95), Truth(0.95)))
_RATES = {"1": 0.8, "2": 0.5, "3": 0.9}


def _judged(
    reading: StoredReport, rates: Mapping[str, float] = _RATES, *, source: str = "judge", seed: int = 1
) -> StoredReport:
    """``reading`` with the success of every run, drawn by its agent's rate; an agent without one has no verdicts."""
    rng = np.random.default_rng([seed, reading.id])
    runs = [
        run | {"succeeded": bool(rng.random() < rates[run["agent_id"]]), "success_source": source}
        if run["agent_id"] in rates
        else run | {"succeeded": None, "success_source": None}
        for run in reading.runs
    ]
    return StoredReport(reading.report, reading.details, reading.criteria, runs)


def _pair() -> tuple[StoredReport, StoredReport]:
    rng = np.random.default_rng(1)
    return _WORLD.report(rng, 1), _WORLD.report(rng, 2)


def _with(reading: StoredReport, **report: Any) -> StoredReport:
    return StoredReport(reading.report | report, reading.details, reading.criteria, reading.runs)


def _change(subject: AgentComparison, metric: str = "success_rate") -> Change:
    return next(change for change in subject.changes if change.metric == metric)


def _verdicts(comparison: Comparison) -> list[str]:
    return [_change(subject).verdict for subject in (comparison.team, *comparison.agents)]


def test_success_that_fell_is_worse_though_all_runs_completed() -> None:
    before, after = _pair()
    comparison = compare_reports(_judged(before), _judged(after, _RATES | {"3": 0.1}))
    third = comparison.agents[2]
    change = _change(third)
    assert (third.verdict, change.verdict, _change(third, "completion_rate").verdict) == ("worse", "worse", "no_change")
    assert change.high is not None
    assert change.high < 0
    known = [run["succeeded"] for run in _judged(before).runs if run["agent_id"] == "3"]
    assert change.before == pytest.approx(np.mean(known))
    assert [_change(agent).verdict for agent in comparison.agents[:2]] == ["no_change", "no_change"]


def test_success_is_the_rate_that_is_shown_where_it_was_compared() -> None:
    before, after = _pair()
    comparison = compare_reports(_judged(before), _judged(after))
    assert (comparison.reasons, set(_verdicts(comparison))) == ((), {"no_change"})
    assert main_rate(comparison) == "success_rate"
    assert sort_changes(comparison).detectable == pytest.approx(
        sorted(_change(agent).detectable or 0 for agent in comparison.agents)[1]
    )
    assert main_rate(compare_reports(before, after)) == "completion_rate"


@pytest.mark.parametrize(("source", "comparable"), [("judge", False), ("source", True)])
def test_verdicts_of_another_prompt_are_not_comparable_outcomes_of_the_source_are(
    source: str, comparable: bool
) -> None:
    before, after = (_judged(reading, source=source) for reading in _pair())
    other = _with(after, judge_settings=after.report["judge_settings"] | {"prompt_version": 4})
    comparison = compare_reports(before, other)
    reason = "other version of the judge's prompt: 3 before, 4 now"
    assert comparison.reasons == (reason,)
    assert set(_verdicts(comparison)) == {"no_change" if comparable else "not_comparable"}
    assert _change(comparison.agents[0]).reason == (None if comparable else reason)
    assert _change(comparison.agents[0], "completion_rate").verdict == "no_change"


def test_a_report_without_verdicts_is_named() -> None:
    before, after = _pair()
    comparison = compare_reports(before, _judged(after))
    reason = "report 1 has no verdicts on runs, so its success is not known"
    assert comparison.reasons == (reason,)
    for subject in (comparison.team, *comparison.agents):
        change = _change(subject)
        assert (change.verdict, change.before, change.reason) == ("not_comparable", None, reason)
        assert subject.verdict == "no_change"
    assert "success_rate" not in {change.metric for change in compare_reports(before, after).team.changes}


def test_outcomes_and_verdicts_are_not_compared() -> None:
    before, after = _pair()
    comparison = compare_reports(_judged(before, source="source"), _judged(after))
    assert comparison.reasons == ("success is known from the source in report 1, from the judge in report 2",)
    assert set(_verdicts(comparison)) == {"not_comparable"}


def test_an_agent_without_verdicts_has_no_success_to_compare() -> None:
    before, after = _pair()
    comparison = compare_reports(_judged(before), _judged(after, {"1": 0.8, "2": 0.5}))
    assert _change(comparison.agents[2]).reason == "success is not known of any run now"
    assert [_change(agent).verdict for agent in comparison.agents[:2]] == ["no_change", "no_change"]
    known = [run["succeeded"] for run in _judged(after, {"1": 0.8, "2": 0.5}).runs if run["agent_id"] != "3"]
    assert _change(comparison.team).after == pytest.approx(np.mean(known))


def test_a_judge_that_leaves_out_what_failed_makes_no_agent_better() -> None:
    before, after = (_judged(reading) for reading in _pair())
    known = [
        run | ({"succeeded": None} if run["agent_id"] == "2" and not run["succeeded"] else {}) for run in after.runs
    ]
    lost = sum(run["succeeded"] is None for run in known)

    def compare(unusable: int) -> AgentComparison:
        counts = {
            "from_source": 0,
            "from_judge": 20 - unusable,
            "cannot_tell": 0,
            "unusable": unusable,
            "not_judged": 0,
        }
        details = [row | ({"verdicts": counts} if row["agent_id"] == "2" else {}) for row in after.details]
        return compare_reports(before, StoredReport(after.report, details, after.criteria, known)).agents[1]

    assert lost > 4
    reason = f"{lost} of 20 verdicts in report 2 could not be used"
    for metric in ("success_rate", "score"):
        assert (_change(compare(lost), metric).verdict, _change(compare(lost), metric).reason) == (
            "not_comparable",
            reason,
        )
    assert _change(compare(lost), "completion_rate").verdict == "no_change"
    # One in ten is no more than chance.
    assert _change(compare(2), "score").verdict == "no_change"
    assert _change(compare(3), "score").verdict == "not_comparable"


def test_runs_without_a_verdict_are_no_failures() -> None:
    before, after = (_judged(reading, {"1": 1.0, "2": 1.0, "3": 1.0}) for reading in _pair())
    runs = [run | ({"succeeded": None} if int(run["run_id"]) % 2 else {}) for run in after.runs]
    comparison = compare_reports(before, StoredReport(after.report, after.details, after.criteria, runs))
    assert _change(comparison.agents[0]).after == 1.0


def test_another_description_is_another_question_another_threshold_is_not() -> None:
    before, after = (_judged(reading) for reading in _pair())
    criteria = [row | {"threshold": 9.0, "weight": 2.0} for row in after.criteria]
    stricter = StoredReport(after.report, after.details, criteria, after.runs)
    assert set(_verdicts(compare_reports(before, stricter))) == {"no_change"}
    parameters = after.report["parameters"]
    described = {name: row | {"description": "new words"} for name, row in parameters["criteria"]["default"].items()}
    other = {"criteria": parameters["criteria"] | {"default": described}}
    comparison = compare_reports(before, _with(after, parameters=parameters | other))
    assert _change(comparison.agents[0]).reason == "other rubric: accuracy has another description"
    assert set(_verdicts(comparison)) == {"not_comparable"}


def test_a_criterion_that_code_computes_is_not_in_the_question() -> None:
    before, after = (_judged(reading) for reading in _pair())
    fast = [row | {"criterion": "fast", "kind": "max_duration_seconds"} for row in after.criteria if row["agent_id"]]
    more = StoredReport(after.report, after.details, [*after.criteria, *fast], after.runs)
    comparison = compare_reports(before, more)
    assert set(_verdicts(comparison)) == {"no_change"}
    judged = [row | {"criterion": "tone", "kind": "judge"} for row in after.criteria if row["agent_id"]]
    comparison = compare_reports(
        before, StoredReport(after.report, after.details, [*after.criteria, *judged], after.runs)
    )
    assert _change(comparison.agents[0]).reason == "other rubric: tone is new"


# Runs that were drawn with unequal probabilities


def _drawn(rng: np.random.Generator, report_id: int, failing: int, runs: int = 20) -> StoredReport:
    """20 of 1,000 runs, 20% of which fail and take ten times as long: ``failing`` of the 20 are among these."""
    reading = World((Truth(0.8),), runs=runs).report(rng, report_id)
    rows = [
        run
        | {
            "completed": number >= failing,
            "succeeded": number >= failing,
            "success_source": "source",
            "duration_seconds": float(np.exp(rng.normal(2, 0.3))) * (1 if number >= failing else 10),
            "inclusion_probability": failing / 200 if number < failing else (runs - failing) / 800,
        }
        for number, run in enumerate(reading.runs)
    ]
    unknown = {"completion_rate": None, "avg_duration_seconds": None, "avg_cost_usd": None}
    details = [row | unknown for row in reading.details]
    return StoredReport(reading.report, details, reading.criteria, rows)


def test_failures_that_were_drawn_more_often_count_less() -> None:
    rng = np.random.default_rng(5)
    comparison = compare_reports(_drawn(rng, 1, 4), _drawn(rng, 2, 12))
    for metric in ("success_rate", "completion_rate"):
        change = _change(comparison.agents[0], metric)
        assert (change.before, change.after) == (pytest.approx(0.8), pytest.approx(0.8))
        assert change.verdict == "no_change"
    duration = _change(comparison.agents[0], "avg_duration_seconds")
    assert duration.verdict == "no_change"
    assert duration.after == pytest.approx(duration.before, rel=0.35)
    assert "weighted" in (duration.method or "")


def test_what_is_known_of_the_population_is_what_is_shown() -> None:
    rng = np.random.default_rng(7)
    figures = [
        {"completion_rate": 0.8, "avg_duration_seconds": 12.5},
        {"completion_rate": 0.79, "avg_duration_seconds": 13},
    ]
    sides = []
    for reading, known in zip((_drawn(rng, 1, 5), _drawn(rng, 2, 9)), figures, strict=True):
        details = [row | known for row in reading.details]
        sides.append(StoredReport(reading.report, details, reading.criteria, reading.runs))
    agent = compare_reports(*sides).agents[0]
    for metric in figures[0]:
        change = _change(agent, metric)
        assert (change.before, change.after) == (figures[0][metric], figures[1][metric])
        assert change.low is not None
        assert change.high is not None
        assert change.low < change.difference < change.high  # type: ignore[operator]
        assert change.verdict == "no_change"


def test_weighted_runs_that_take_longer_are_worse() -> None:
    rng = np.random.default_rng(6)
    before, after = _drawn(rng, 1, 4, 40), _drawn(rng, 2, 12, 40)
    slower = [run | {"duration_seconds": 30 * run["duration_seconds"]} for run in after.runs]
    comparison = compare_reports(before, StoredReport(after.report, after.details, after.criteria, slower))
    assert _change(comparison.agents[0], "avg_duration_seconds").verdict == "worse"


def test_runs_of_equal_probability_are_not_weighted() -> None:
    rows = [[{"run_id": f"{side}{n}", "task_hash": None, "inclusion_probability": p} for n in range(3)]
            for side, p in ((0, 0.1), (1, None))]  # fmt: skip
    samples = pair_samples(*rows, lambda run: 1.0)  # type: ignore[arg-type]
    assert samples.weights is None
    rows[0][0]["inclusion_probability"] = 0.5
    assert pair_samples(*rows, lambda run: 1.0).weights is not None  # type: ignore[arg-type]
