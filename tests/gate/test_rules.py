"""Rules for a release: what breaks them, who is held to them, and the files that a pipeline reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from junitparser import JUnitXml
from scipy.stats import binom

from benchmarks.simulated_reports import report_row
from tasks.comparison.comparison import AgentComparison, Change, Comparison, Verdict
from tasks.gate.rules import RuleResult, Rules, check_report
from tasks.render.gate_files import render_junit, render_summary
from tasks.report.stored_report import StoredReport
from tasks.statistics.intervals import wilson_interval

_HOSTILE = 'evil" <b>&\x00\x1b[2J\ud800 \u202e | ]]> `x`'


def _row(
    agent_id: int, status: str = "evaluated", score: float | None = 8.0, rate: float | None = 0.9
) -> dict[str, Any]:
    name = f"agent-{agent_id}"
    return {"agent_id": str(agent_id), "agent_name": name, "status": status, "score": score, "completion_rate": rate}


def _reading(*rows: dict[str, Any], **report: Any) -> StoredReport:
    return StoredReport(report_row(5, **report), rows)


def _broken(reading: StoredReport, rules: Rules, comparison: Comparison | None = None) -> list[str]:
    return [finding.line for finding in check_report(reading, rules, comparison) if finding.state == "broken"]


def test_a_low_score_breaks_the_rule_and_names_agent_value_and_bound() -> None:
    reading = _reading(_row(1), _row(2, score=6.96), team_score=6.5)
    assert _broken(reading, Rules(min_score=7)) == [
        "min-score: team: score 6.5, at least 7",
        "min-score: agent-2: score 6.96, at least 7",
    ]
    assert _broken(_reading(_row(1, score=7.0)), Rules(min_score=7)) == []


def test_a_low_completion_rate_breaks_the_rule() -> None:
    reading = _reading(_row(1, rate=0.796), _row(2, rate=0.8), _row(3, "no_runs", None, None))
    assert _broken(reading, Rules(min_completion_rate=0.8, by_point=True)) == [
        "min-completion-rate: agent-1: 79.6% completed, at least 0.8"
    ]


def _rated(agent_id: int, completed: int, runs: int) -> dict[str, Any]:
    low, high = wilson_interval(completed, runs) or (None, None)
    known = {"completion_rate_low": low, "completion_rate_high": high, "runs_analyzed": runs}
    return _row(agent_id, rate=completed / runs) | known


def test_a_completion_rate_is_passed_broken_or_cannot_be_told() -> None:
    reading = _reading(_rated(1, 20, 20), _rated(2, 12, 20), _rated(3, 15, 20), _rated(4, 20, 20))
    findings = check_report(reading, Rules(min_completion_rate=0.8))
    assert [(finding.state, finding.message) for finding in findings[:3]] == [
        ("held", "100% of 20 runs completed (95% interval 84% to 100%), at least 0.8"),
        ("broken", "60% of 20 runs completed (95% interval 39% to 78%), at least 0.8"),
        ("cannot_tell", "75% of 20 runs completed (95% interval 53% to 89%), at least 0.8"),
    ]
    assert [finding.breaks() for finding in findings] == [False, True, False, False]
    assert [finding.breaks(strict=True) for finding in findings] == [False, True, True, False]
    by_point = check_report(reading, Rules(min_completion_rate=0.8, by_point=True))
    assert [finding.state for finding in by_point] == ["held", "broken", "broken", "held"]


def _verdicts(from_source: int = 0, from_judge: int = 0, cannot_tell: int = 0, unusable: int = 0) -> dict[str, int]:
    counts = {"from_source": from_source, "from_judge": from_judge, "cannot_tell": cannot_tell, "unusable": unusable}
    return counts | {"not_judged": 0}


def _succeeded(agent_id: int, succeeded: int, runs: int) -> dict[str, Any]:
    """An agent all of whose runs completed."""
    low, high = wilson_interval(succeeded, runs) or (None, None)
    known = {"success_rate": succeeded / runs, "success_rate_low": low, "success_rate_high": high}
    return _rated(agent_id, runs, runs) | known | {"verdicts": _verdicts(from_judge=runs)}


def test_success_is_of_verdicts_and_not_of_statuses() -> None:
    reading = _reading(_succeeded(1, 20, 20), _succeeded(2, 9, 20), _succeeded(3, 15, 20))
    found = check_report(reading, Rules(min_success_rate=0.8))
    assert [(finding.rule, finding.state, finding.message) for finding in found] == [
        ("min-success-rate", "held",
         "100% of 20 runs of known outcome succeeded (95% interval 84% to 100%), at least 0.8"),
        ("min-success-rate", "broken",
         "45% of 20 runs of known outcome succeeded (95% interval 26% to 66%), at least 0.8"),
        ("min-success-rate", "cannot_tell",
         "75% of 20 runs of known outcome succeeded (95% interval 53% to 89%), at least 0.8"),
    ]  # fmt: skip
    assert [finding.state for finding in check_report(reading, Rules(min_completion_rate=0.8))] == ["held"] * 3
    by_point = check_report(reading, Rules(min_success_rate=0.8, by_point=True))
    assert [finding.state for finding in by_point] == ["held", "broken", "broken"]


def test_verdicts_that_could_not_be_used_leave_undecided_what_hangs_on_them() -> None:
    def read(succeeded: int, known: int, unusable: int, score: float) -> list[tuple[str, str]]:
        row = _succeeded(1, succeeded, known) | {
            "score": score,
            "verdicts": _verdicts(from_judge=known, unusable=unusable),
        }
        reading = StoredReport(report_row(5), [row])
        by_point = check_report(reading, Rules(min_score=7, min_success_rate=0.8, by_point=True))
        return [(found.state, found.message) for found in by_point if found.subject != "team"]

    lost = ": 8 of 20 verdicts could not be used"
    assert read(12, 12, 8, 10.0) == [
        ("cannot_tell", f"score 10.0, at least 7{lost}"),
        ("cannot_tell", f"100% of 12 runs of known outcome succeeded, at least 0.8{lost}"),
    ]
    assert read(0, 12, 8, 0.0)[0][0] == "broken"
    assert [state for state, _ in read(19, 19, 1, 10.0)] == ["held", "held"]
    ((state, message),) = _new_issues(verdicts=_JUDGED | {"unusable": 1})
    assert (state, message) == ("cannot_tell", "no issue is new or back, but verdicts on 1 run could not be used")


def test_more_success_than_completion_is_no_success() -> None:
    row = _succeeded(1, 20, 20) | _rated(1, 5, 20)
    ((found),) = check_report(_reading(row), Rules(min_success_rate=0.8))
    assert found.state == "cannot_tell"
    assert found.message.endswith("but only 25% completed: the judge calls failures a success")
    # Within noise it may be, and the source's own outcomes are facts.
    for other in (row | _rated(1, 19, 20), row | {"verdicts": _verdicts(from_source=20)}):
        assert [found.state for found in check_report(_reading(other), Rules(min_success_rate=0.8))] == ["held"]


def test_without_verdicts_success_is_undecided_and_never_completion() -> None:
    unknown = {"success_rate": None, "success_rate_low": None, "success_rate_high": None}
    reading = _reading(
        _rated(1, 20, 20),
        _rated(2, 20, 20) | unknown | {"verdicts": None},
        _rated(3, 20, 20) | unknown | {"verdicts": _verdicts(cannot_tell=15, unusable=5)},
        _row(4, "no_runs", None, None) | unknown,
        _row(5, "failed", None, 0.9) | unknown,
    )
    for rules in (Rules(min_success_rate=0.8), Rules(min_success_rate=0.0, by_point=True)):
        findings = check_report(reading, rules)
        assert [finding.state for finding in findings] == [*["cannot_tell"] * 3, "not_applied", "broken"]
        assert [finding.breaks(strict=True) for finding in findings] == [True, True, True, False, True]
    none = "no success rate (at least 0.8): no run has a verdict, and completion is not success"
    assert [finding.message for finding in check_report(reading, Rules(min_success_rate=0.8))] == [
        none,
        none,
        "no success rate (at least 0.8): 15 verdicts cannot tell, 5 are not usable",
        "no run, so nothing was judged",
        "no success rate (at least 0.8): its evaluation failed",
    ]
    *_, failed = check_report(reading, Rules(min_success_rate=0.8, max_failed=1))
    assert (failed.state, failed.excused) == ("not_applied", True)


@pytest.mark.parametrize(("least", "state"), [(0.0, "held"), (1.0, "cannot_tell")])
def test_a_bound_at_the_end_of_the_scale_breaks_on_no_rounding(least: float, state: str) -> None:
    for runs in range(1, 60):
        (finding,) = check_report(_reading(_rated(1, runs, runs)), Rules(min_completion_rate=least))
        assert finding.state == state


def test_without_a_stored_interval_the_runs_give_it() -> None:
    runs = [{"agent_id": "1", "run_id": str(number), "completed": number > 15} for number in range(20)]
    rules = Rules(min_completion_rate=0.8)
    (finding,) = check_report(StoredReport(report_row(5), [_row(1, rate=0.2)], (), runs), rules)
    assert finding.state == "broken"
    (finding,) = check_report(_reading(_row(1, rate=0.2)), rules)
    assert finding.state == "cannot_tell"


def test_14_good_agents_hardly_ever_stop_a_release() -> None:
    """Every agent at 0.9 with 20 runs, a gate of 0.8: exactly, by the verdict on every number of successes."""

    def stopped(rules: Rules, truth: float) -> float:
        one = sum(
            float(binom.pmf(completed, 20, truth))
            for completed in range(21)
            if any(finding.breaks() for finding in check_report(_reading(_rated(1, completed, 20)), rules))
        )
        return 1 - (1 - one) ** 14

    assert stopped(Rules(min_completion_rate=0.8, by_point=True), 0.9) == pytest.approx(0.46, abs=0.01)
    assert stopped(Rules(min_completion_rate=0.8), 0.9) == pytest.approx(0.006, abs=0.001)
    assert stopped(Rules(min_completion_rate=0.8), 0.5) > 0.99


def test_strict_breaks_on_what_could_not_be_applied_but_not_on_what_has_nothing_to_hold() -> None:
    rules = Rules(min_score=7, no_worse_than="last")
    left_out = _row(3, "no_runs", None, None) | {"runs_unfinished": 4}
    reading = _reading(_row(1), _row(2, "no_runs", None, None), left_out)
    findings = {(f.rule, f.subject): f for f in check_report(reading, rules, None)}
    assert not any(finding.breaks() for finding in findings.values())
    assert {key for key, finding in findings.items() if finding.breaks(strict=True)} == {
        ("min-score", "agent-3"),
        ("no-worse-than", "report"),
    }
    assert findings["min-score", "agent-3"].message == "no finished run (4 left out for their status or their dates)"


@pytest.mark.parametrize("status", ["failed", "no_evidence", "skipped_budget", "not_started"])
def test_an_agent_that_was_not_judged_breaks_min_score(status: str) -> None:
    (line,) = _broken(_reading(_row(1, status, None)), Rules(min_score=1))
    assert line == f"min-score: agent-1: no score (at least 1): {status.replace('_', ' ')}"


def test_a_completion_rate_that_nobody_knows_breaks_the_rule() -> None:
    reading = _reading(_row(1), _row(2, "failed", None, None), _row(3, "not_started", None, None))
    assert _broken(reading, Rules(min_completion_rate=0.8)) == [
        "min-completion-rate: agent-2: no completion rate (at least 0.8): its runs could not be read",
        "min-completion-rate: agent-3: no completion rate (at least 0.8): not started",
    ]
    assert _broken(_reading(_row(2, "failed", None, None)), Rules(min_completion_rate=0.8, max_failed=1)) == []
    # The judge failed, but the runs were read.
    assert _broken(_reading(_row(2, "failed", None, 0.9)), Rules(min_completion_rate=0.8)) == []


def test_whoever_has_no_runs_or_was_not_asked_for_is_held_to_nothing() -> None:
    idle = check_report(_reading(_row(1, "no_runs", None, None)), Rules(min_score=1))
    assert [finding.state for finding in idle] == ["held", "not_applied"]


@pytest.mark.parametrize("named", ["agent-1", "name:agent-1", "id:1"])
def test_however_an_agent_was_asked_for_it_alone_is_held_to_the_rules(named: str) -> None:
    rows = _row(1, score=3.0), _row(2, "not_started", None, None)
    asked = _reading(*rows, parameters={"options": {"agents": [named]}})
    assert _broken(asked, Rules(min_score=7)) == ["min-score: agent-1: score 3.0, at least 7"]


def test_failed_agents_are_counted_where_that_is_a_rule() -> None:
    reading = _reading(_row(1), _row(2, "failed", None), _row(3, "failed", None))
    assert _broken(reading, Rules(max_failed=1)) == [
        "max-failed: report: 2 agents failed, at most 1 may: agent-2, agent-3"
    ]
    assert _broken(reading, Rules(max_failed=2, min_score=1)) == []


def test_a_team_without_a_score_breaks_min_score() -> None:
    assert _broken(_reading(_row(1), team_score=None), Rules(min_score=1))[0].startswith("min-score: team: no score")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_report_that_did_not_complete_breaks_every_gate(status: str) -> None:
    reading = _reading(_row(1), status=status)
    assert _broken(reading, Rules(max_failed=9)) == [f"status: report: ended as {status}"]


def _subject(name: str, verdict: Verdict, **values: Any) -> AgentComparison:
    change = Change(metric="completion_rate", verdict=verdict, before=0.9, after=0.4, reason="other judge")
    return AgentComparison(agent_id="1", agent_name=name, verdict=verdict, changes=(change,), **values)


def _against(*agents: AgentComparison, team: Verdict = "no_change") -> Comparison:
    return Comparison(baseline_id=3, report_id=5, team=_subject("team", team), agents=agents)


def test_only_what_is_worse_beyond_noise_breaks_no_worse_than() -> None:
    rules = Rules(no_worse_than="3")
    comparison = _against(
        _subject("a", "worse"),
        _subject("b", "no_change"),
        _subject("c", "better"),
        _subject("d", "not_comparable"),
        _subject("e", "not_comparable", presence="new"),
    )
    assert _broken(_reading(_row(1)), rules, comparison) == [
        "no-worse-than: a: worse than in report 3: completion rate 90% → 40%"
    ]
    found = {f.subject: f for f in check_report(_reading(_row(1)), rules, comparison)}
    assert [found[name].state for name in "bde"] == ["held", "not_applied", "not_applied"]
    # Who came is named, and does not stop a strict gate; what is in both and cannot be compared does.
    assert found["e"].line == "no-worse-than: e: new since report 3"
    assert [found[name].breaks(strict=True) for name in "bde"] == [False, True, False]


def test_the_first_report_has_nothing_to_be_worse_than_and_one_that_compares_with_nothing_breaks() -> None:
    rules = Rules(no_worse_than="last")
    assert _broken(_reading(_row(1)), rules, None) == []
    nothing = _against(_subject("d", "not_comparable"), team="not_comparable")
    assert "nothing can be compared with report 3" in _broken(_reading(_row(1)), rules, nothing)[0]
    assert _broken(_reading(), rules, nothing) == [
        "no-worse-than: report: nothing can be compared with report 3: this report has no agents"
    ]
    assert _broken(_reading(), rules, None) == [
        "no-worse-than: report: nothing can be compared: this report has no agents"
    ]


def test_no_rule_is_no_gate() -> None:
    assert not Rules()
    assert Rules(max_failed=0)
    assert Rules(min_score=0)


def _findings() -> list[RuleResult]:
    return [
        RuleResult("min-score", "team", "held", "score 8.0, at least 7"),
        RuleResult("min-score", _HOSTILE, "broken", f"score 3.0, at least 7 {_HOSTILE}"),
        RuleResult("no-worse-than", "agent-1", "broken", "one"),
        RuleResult("no-worse-than", "agent-1", "broken", "two"),
        RuleResult("no-worse-than", "agent-2", "not_applied", "no score"),
    ]


def test_junit_is_well_formed_and_states_what_is_broken_whatever_names_hold() -> None:
    text = render_junit(report_row(5, environment=_HOSTILE), _findings())
    suites = ET.fromstring(text)
    assert suites.tag == "testsuites"
    (suite,) = suites
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    for case in suite:
        assert case.tag == "testcase"
        assert case.get("name")
        assert case.get("classname", "").startswith("agent-report.")
        assert [child.tag for child in case] in ([], ["failure"], ["skipped"])
    assert suite[2][0].text == "one\ntwo"
    shown = text.decode()
    assert not {"\x00", "\x1b", "\u202e"} & set(shown)
    assert "<b>" not in shown
    assert JUnitXml.fromstring(text).failures == 2


def test_files_show_what_cannot_be_told_and_strict_makes_it_a_failure() -> None:
    findings = [
        RuleResult("min-completion-rate", "agent-1", "cannot_tell", "75% of 20 runs completed"),
        RuleResult("min-completion-rate", "agent-2", "not_applied", "no run", excused=True),
    ]

    def cases(*, strict: bool) -> list[list[tuple[str, str | None]]]:
        (suite,) = ET.fromstring(render_junit(report_row(5), findings, strict=strict))
        return [[(child.tag, child.get("message")) for child in case] for case in suite]

    undecided, none = "undecided: 75% of 20 runs completed", "not applied: no run"
    assert cases(strict=False) == [[("skipped", undecided)], [("skipped", none)]]
    assert cases(strict=True) == [[("failure", undecided)], [("skipped", none)]]
    text = render_summary(report_row(5), findings)
    assert "passed" in text
    assert "Undecided (1):\n\n- min-completion-rate, agent-1: 75% of 20 runs completed" in text
    assert "| min-completion-rate | agent-1 | undecided: 75%" in render_summary(report_row(5), findings, strict=True)


def test_two_agents_of_one_name_are_two_cases() -> None:
    rows = [_row(number) | {"agent_name": "bot"} for number in (1, 2)]
    findings = check_report(_reading(*rows), Rules(min_score=7, min_completion_rate=0.95, by_point=True))
    (suite,) = ET.fromstring(render_junit(report_row(5), findings))
    assert [case.get("name") for case in suite] == [
        "min-score: team",
        "min-score: bot (id:1)",
        "min-score: bot (id:2)",
        "min-completion-rate: bot (id:1)",
        "min-completion-rate: bot (id:2)",
    ]
    assert suite.get("failures") == "2"
    compared = _against(_subject("bot", "worse"), _subject("bot", "no_change").model_copy(update={"agent_id": "2"}))
    findings = check_report(_reading(*rows), Rules(no_worse_than="3"), compared)
    assert [finding.agent_id for finding in findings][1:] == ["1", "2"]


def test_the_summary_is_a_table_whose_cells_nothing_leaves() -> None:
    text = render_summary(report_row(5, environment=_HOSTILE), _findings())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert "<b>" not in text
    assert "\\|" in text
    assert ": not passed: 3 broken, 1 met" in text.splitlines()[0]
    assert "no-worse-than, agent-2: no score" in text


def _issue(state: str, **parts: Any) -> dict[str, Any]:
    return {
        "issue_id": "i-3f9a2c",
        "title": "Books too early",
        "agent_ids": ["1", "2"],
        "runs_affected": 3,
        "state": state,
        "first_report_id": 4,
    } | parts


_JUDGED = {"from_source": 0, "from_judge": 20, "cannot_tell": 0, "unusable": 0, "not_judged": 0}


def _new_issues(*issues: dict[str, Any], first: bool = False, **report: Any) -> list[tuple[str, str]]:
    row = report_row(5, **({"verdicts": _JUDGED, "issues_error": None} | report))
    reading = StoredReport(row, [_row(1)], issues=issues, is_first_search=first)
    return [(finding.state, finding.message) for finding in check_report(reading, Rules(no_new_issues=True))]


def test_an_issue_that_is_new_or_back_breaks_the_rule() -> None:
    issues = [_issue(state) for state in ("new", "ongoing", "back", "gone", "other")]
    assert _new_issues(*issues) == [
        ("broken", "new: Books too early (3 runs of 2 agents, issue i-3f9a2c)"),
        ("broken", "back: Books too early (3 runs of 2 agents, issue i-3f9a2c)"),
    ]
    assert _new_issues(_issue("ongoing"), _issue("gone")) == [("held", "no issue is new or back")]
    assert _new_issues() == [("held", "no issue is new or back")]


def test_issues_that_were_not_looked_for_are_not_called_absent() -> None:
    ((state, message),) = _new_issues(_issue("new"), issues_error="the judge is unreachable")
    assert state == "cannot_tell"
    assert "in other words" in message
    ((state, message),) = _new_issues(_issue("ongoing"), issues_error="the judge is unreachable")
    assert (state, message.endswith(": the judge is unreachable")) == ("cannot_tell", True)
    for verdicts in (None, _JUDGED | {"from_judge": 0, "not_judged": 20}):
        assert [state for state, _ in _new_issues(verdicts=verdicts)] == ["cannot_tell"]
    assert [state for state, _ in _new_issues(_issue("new"), first=True)] == ["not_applied"]
    assert bool(Rules(no_new_issues=True))
