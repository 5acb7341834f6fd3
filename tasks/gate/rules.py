"""Check a report against release rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.comparison.changes import clear_changes
from tasks.comparison.comparison import AgentComparison, Comparison
from tasks.comparison.description import describe_change
from tasks.evidence.types import AgentId
from tasks.report.nested_rows import VerdictCountsRow
from tasks.report.rows import AgentRow
from tasks.report.stored_report import StoredReport
from tasks.statistics.intervals import wilson_interval
from tasks.wording.counts import counted
from tasks.wording.formats import format_rate, format_score, format_threshold

State = Literal["held", "broken", "cannot_tell", "not_applied"]
TEAM = "team"


@dataclass(frozen=True, slots=True)
class Rules:
    """Release rules; None: the rule is not set. ``min_score`` is 0 to 10, the rates are 0 to 1.

    Success is whether runs did their task, completion whether they completed, by their statuses. A rate is compared
    with its minimum by its 95% interval, or with ``by_point`` by its value alone.
    """

    min_score: float | None = None
    min_success_rate: float | None = None
    min_completion_rate: float | None = None
    max_failed: int | None = None
    no_worse_than: str | None = None
    by_point: bool = False
    no_new_issues: bool = False

    def __bool__(self) -> bool:
        numbers = (self.min_score, self.min_success_rate, self.min_completion_rate, self.max_failed)
        given = any(value is not None for value in numbers)
        return given or self.no_worse_than is not None or self.no_new_issues


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of one rule for one subject: an agent's name, ``team`` or ``report``.

    ``agent_id`` distinguishes agents of the same name; None for the team and the report. ``excused``: the rule does
    not apply because there is nothing to check (no runs, a new or removed agent, or another rule counts it).
    """

    rule: str
    subject: str
    state: State
    message: str
    agent_id: AgentId | None = None
    excused: bool = False

    def breaks(self, *, strict: bool = False) -> bool:
        """Whether this fails the gate; with ``strict``, undecided and unapplied rules fail it too, unless excused."""
        return self.state == "broken" or (strict and self.state != "held" and not self.excused)

    @property
    def line(self) -> str:
        """The result on one line: rule, subject, message."""
        return f"{self.rule}: {self.subject}: {self.message}"


def count_states(results: Sequence[RuleResult]) -> str:
    """The number of results by state: "2 broken, 1 undecided, 13 met"; "0 met" when there are none."""
    words: dict[State, str] = {"broken": "broken", "cannot_tell": "undecided", "held": "met"}
    counts = Counter(result.state for result in results)
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state] or state == "held")


def check_report(reading: StoredReport, rules: Rules, comparison: Comparison | None = None) -> list[RuleResult]:
    """The result of every rule for the report, the team and every agent, in this order.

    ``comparison`` is with the report of ``no_worse_than``; None when there is no comparable earlier report. The rule
    is then not applied, so that an environment's first report can pass, unless the report has no agents.

    - A failed or cancelled report fails the gate, whatever the rules.
    - An agent that should have been judged and has no score (failed, no_evidence, skipped_budget, not_started) breaks
      ``min_score``; one without a rate breaks ``min_completion_rate`` and, unless it was judged, ``min_success_rate``.
      With ``max_failed``, failed agents count there instead. None of these rules applies to agents without finished
      runs or outside the option ``agents``.
    - A rate breaks its rule when its whole interval is below the minimum. When the interval contains the minimum, there
      are too few runs to decide. Without a verdict on any run success is undecided: completion never takes its place.
      It is undecided, too, where by the judge more runs succeeded than completed, beyond noise. A score, or a rate by
      point, is undecided where verdicts that could not be used decide it.
    - ``no_worse_than`` is broken by changes for the worse that noise does not explain. What cannot be compared is
      reported; when nothing can be compared, the rule is broken.
    - ``no_new_issues`` is broken by every issue that is new, or back after it was gone or closed; not by one that a
      person has closed or dismissed since. It cannot be decided where the judge did not group the failing runs, or no
      run was judged, and does not apply to the first report that looked for issues.
    """
    report = reading.report
    results = []
    if report["status"] != "completed":
        results.append(RuleResult("status", "report", "broken", f"ended as {report['status']}"))
    if rules.max_failed is not None:
        results.append(_count_failed(reading.details, rules.max_failed))
    if rules.min_score is not None:
        results += _scores(reading, rules.min_score, failed_counted=rules.max_failed is not None)
    if (least := rules.min_success_rate) is not None:
        results += [_success(row, rules, least) for row in reading.asked_agents()]
    if (least := rules.min_completion_rate) is not None:
        results += [_completion(reading, row, rules, least) for row in reading.asked_agents()]
    if rules.no_worse_than is not None:
        results += _not_worse(reading, comparison)
    if rules.no_new_issues:
        results += _no_new_issues(reading)
    return results


def _count_failed(details: Sequence[AgentRow], most: int) -> RuleResult:
    failed = [row["agent_name"] for row in details if row["status"] == "failed"]
    named = f": {', '.join(failed)}" if failed else ""
    state: State = "broken" if len(failed) > most else "held"
    return RuleResult(
        "max-failed", "report", state, f"{counted(len(failed), 'agent')} failed, at most {most} may{named}"
    )


def _scores(reading: StoredReport, least: float, *, failed_counted: bool) -> Iterator[RuleResult]:
    team = reading.report["team_score"]
    if team is None:
        yield RuleResult(
            "min-score", TEAM, "broken", f"no score (at least {format_threshold(least)}): the team was not judged"
        )
    else:
        yield _at_least(TEAM, team, least)
    for row in reading.asked_agents():
        name, agent_id = row["agent_name"], row["agent_id"]
        if row["score"] is not None:
            yield _at_least(name, row["score"], least, agent_id, row.get("verdicts"))
        elif row["status"] == "no_runs":
            yield _idle("min-score", row)
        elif row["status"] == "failed" and failed_counted:
            yield RuleResult(
                "min-score", name, "not_applied", "failed, which max-failed counts", agent_id, excused=True
            )
        else:
            why = f"no score (at least {format_threshold(least)}): {row['status'].replace('_', ' ')}"
            yield RuleResult("min-score", name, "broken", why, agent_id)


def _at_least(
    name: str,
    score: float,
    least: float,
    agent_id: AgentId | None = None,
    verdicts: VerdictCountsRow | None = None,
) -> RuleResult:
    message = f"score {format_score(score, least)}, at least {format_threshold(least)}"
    state, why = _by_value(score, least, 10, verdicts)
    return RuleResult("min-score", name, state, message + why, agent_id)


def _by_value(value: float, least: float, most: float, verdicts: VerdictCountsRow | None) -> tuple[State, str]:
    """Whether ``value`` (0 to ``most``) keeps its minimum, and why that is undecided, "" where it is not: the runs
    without a usable verdict would decide it, if they had all failed, or all succeeded."""
    state: State = "held" if value >= least else "broken"
    unusable = verdicts["unusable"] if verdicts else 0
    if not verdicts or not unusable:
        return state, ""
    decided = verdicts["from_source"] + verdicts["from_judge"]
    low = value * decided / (decided + unusable)
    if low >= least or low + most * unusable / (decided + unusable) < least:
        return state, ""
    return "cannot_tell", f": {unusable} of {decided + unusable} verdicts could not be used"


def _idle(rule: str, row: AgentRow) -> RuleResult:
    """An agent without finished runs: excused only when it has no unfinished runs either."""
    left_out = row.get("runs_unfinished") or 0
    why = (
        f"no finished run ({left_out} left out for their status or their dates)"
        if left_out
        else "no run, so nothing was judged"
    )
    return RuleResult(rule, row["agent_name"], "not_applied", why, row["agent_id"], excused=not left_out)


def _completion(reading: StoredReport, row: AgentRow, rules: Rules, least: float) -> RuleResult:
    rule, name, agent_id = "min-completion-rate", row["agent_name"], row["agent_id"]
    rate = row["completion_rate"]
    if rate is None:
        return _without_rate(rule, "completion", row, rules, least, "its runs could not be read")
    runs = row.get("runs_in_population") or row.get("runs_analyzed")
    over = f" of {counted(runs, 'run')}" if runs else ""
    interval = _bounds(row.get("completion_rate_low"), row.get("completion_rate_high"))
    if interval is None:
        known = reading.runs_of(agent_id)
        interval = wilson_interval(sum(bool(run["completed"]) for run in known), len(known))
    state, message = _decide(rate, interval, rules, least, f"{over} completed")
    return RuleResult(rule, name, state, message, agent_id)


def _success(row: AgentRow, rules: Rules, least: float) -> RuleResult:
    rule, name, agent_id = "min-success-rate", row["agent_name"], row["agent_id"]
    rate, verdicts = row.get("success_rate"), row.get("verdicts")
    if rate is None and row["status"] in ("evaluated", "no_evidence"):
        why = "no run has a verdict, and completion is not success"
        if verdicts is not None and verdicts["cannot_tell"] + verdicts["unusable"]:
            why = f"{verdicts['cannot_tell']} verdicts cannot tell, {verdicts['unusable']} are not usable"
        message = f"no success rate (at least {least:.4g}): {why}"
        return RuleResult(rule, name, "cannot_tell", message, agent_id)
    if rate is None:
        return _without_rate(rule, "success", row, rules, least, "its evaluation failed")
    known = verdicts["from_source"] + verdicts["from_judge"] if verdicts else None
    over = f" of {counted(known, 'run')} of known outcome" if known else ""
    interval = _bounds(row["success_rate_low"], row["success_rate_high"])
    state, message = _decide(rate, interval, rules, least, f"{over} succeeded")
    if rules.by_point:
        state, why = _by_value(rate, least, 1, verdicts)
        message += why
    elif verdicts and verdicts["unusable"]:
        message += f"; {verdicts['unusable']} verdicts could not be used"
    if state == "held" and verdicts and verdicts["from_judge"] and _exceeds_completion(row):
        state = "cannot_tell"
        message += f", but only {format_rate(row['completion_rate'])} completed: the judge calls failures a success"
    return RuleResult(rule, name, state, message, agent_id)


def _exceeds_completion(row: AgentRow) -> bool:
    """Whether more runs succeeded than completed, beyond noise: most of those that did not complete are no success."""
    low, high = row["success_rate_low"], row["completion_rate_high"]
    return low is not None and high is not None and low > high


def _bounds(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def _without_rate(rule: str, what: str, row: AgentRow, rules: Rules, least: float, failed: str) -> RuleResult:
    """The result for an agent that should have a rate, or has no runs."""
    status, name, agent_id = row["status"], row["agent_name"], row["agent_id"]
    if status == "no_runs":
        return _idle(rule, row)
    if status == "failed" and rules.max_failed is not None:
        return RuleResult(rule, name, "not_applied", "failed, which max-failed counts", agent_id, excused=True)
    why = failed if status == "failed" else status.replace("_", " ")
    return RuleResult(rule, name, "broken", f"no {what} rate (at least {least:.4g}): {why}", agent_id)


def _decide(
    rate: float, interval: tuple[float, float] | None, rules: Rules, least: float, what: str
) -> tuple[State, str]:
    """Whether a rate keeps its minimum, by its interval or by its value alone, and the same in words."""
    measured = f"{format_rate(rate, least)}{what}"
    if rules.by_point:
        return "held" if rate >= least else "broken", f"{measured}, at least {least:.4g}"
    if interval is None:
        return "cannot_tell", f"{measured}, at least {least:.4g}: the number of runs is unknown"
    low, high = interval
    state: State = "held" if low >= least else "broken" if high < least else "cannot_tell"
    return (
        state,
        f"{measured} (95% interval {format_rate(low, least)} to {format_rate(high, least)}), at least {least:.4g}",
    )


def _not_worse(reading: StoredReport, comparison: Comparison | None) -> Iterator[RuleResult]:
    rule = "no-worse-than"
    if comparison is None:
        if not reading.details:
            yield RuleResult(rule, "report", "broken", "nothing can be compared: this report has no agents")
            return
        same = "the same judge settings, rubric, agents and filter_model"
        why = f"there is no earlier report to compare with: none that completed has {same}"
        yield RuleResult(rule, "report", "not_applied", why)
        return
    against = f"than in report {comparison.baseline_id}"
    subjects = [comparison.team, *comparison.agents]
    if all(subject.verdict == "not_comparable" for subject in subjects):
        why = "; ".join(comparison.reasons) or "no agent is in both reports"
        if not reading.details:
            why = "this report has no agents"
        yield RuleResult(
            rule, "report", "broken", f"nothing can be compared with report {comparison.baseline_id}: {why}"
        )
        return
    for reason in comparison.reasons:
        yield RuleResult(rule, "report", "not_applied", reason)
    for subject in subjects:
        agent_id = subject.agent_id
        name = TEAM if agent_id is None else subject.agent_name
        worse = [change for change in clear_changes(subject) if change.verdict == "worse"]
        if worse:
            for change in worse:
                yield RuleResult(rule, name, "broken", f"worse {against}: {describe_change(change)}", agent_id)
        elif subject.presence in ("new", "gone"):
            why = f"{subject.presence} since report {comparison.baseline_id}"
            yield RuleResult(rule, name, "not_applied", why, agent_id, excused=True)
        elif subject.verdict == "not_comparable":
            yield RuleResult(rule, name, "not_applied", _why(subject), agent_id)
        else:
            yield RuleResult(rule, name, "held", f"not worse {against}", agent_id)


def _no_new_issues(reading: StoredReport) -> Iterator[RuleResult]:
    rule, report = "no-new-issues", reading.report
    fresh = [row for row in reading.issues if row["state"] in ("new", "back")]
    if reading.is_first_search:
        why = "there is no earlier report of this environment that looked for issues"
        yield RuleResult(rule, "report", "not_applied", why)
        return
    for row in fresh:
        runs = f"{counted(row['runs_affected'], 'run')} of {counted(len(row['agent_ids']), 'agent')}"
        message = f"{row['state']}: {row['title']} ({runs}, issue {row['issue_id']})"
        if report["issues_error"]:
            message += "; the judge did not group the failing runs, so it may be an earlier issue in other words"
        yield RuleResult(rule, "report", "cannot_tell" if report["issues_error"] else "broken", message)
    if fresh:
        return
    verdicts = report["verdicts"]
    if report["issues_error"]:
        why = f"the judge did not group the failing runs, among which may be a new issue: {report['issues_error']}"
        yield RuleResult(rule, "report", "cannot_tell", why)
    elif not verdicts or not (verdicts["from_judge"] or verdicts["from_source"]):
        yield RuleResult(rule, "report", "cannot_tell", "of no run is it known whether it did its task")
    elif unusable := verdicts["unusable"]:
        message = f"no issue is new or back, but verdicts on {counted(unusable, 'run')} could not be used"
        yield RuleResult(rule, "report", "cannot_tell", message)
    else:
        yield RuleResult(rule, "report", "held", "no issue is new or back")


def _why(subject: AgentComparison) -> str:
    return next((change.reason for change in subject.changes if change.reason), None) or "not comparable"
