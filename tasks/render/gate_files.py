"""What a pipeline reads of a gate: JUnit XML, and a step summary in Markdown. Agents' names are no markup there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from tasks.gate.rules import RuleResult, count_states
from tasks.render.markdown import escape
from tasks.report.rows import ReportRow

# What XML 1.0 cannot hold in any form, and what makes text run backwards.
_UNFIT = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_MOST_LINES = 50
_CLASS = "agent-report"


def render_junit(report: ReportRow, results: Sequence[RuleResult], *, strict: bool = False) -> bytes:
    """JUnit XML: a case for every rule and subject, a failure where it breaks the gate, skipped where it is not applied
    or is undecided."""
    suite = TestSuite(_clean(f"agent-report check: report {report['id']} on {report['environment']}"))
    for (rule, subject, agent_id), group in groupby(results, lambda found: (found.rule, found.subject, found.agent_id)):
        whose = "" if agent_id is None else f" (id:{agent_id})"
        found = list(group)
        case = TestCase(_clean(f"{rule}: {subject}{whose}"), f"{_CLASS}.{rule}", 0.0)
        broken = [_describe(result) for result in found if result.breaks(strict=strict)]
        if broken:
            failure = Failure(_clean(broken[0]), rule)
            failure.text = _clean("\n".join(broken))
            case.result = [failure]
        elif all(result.state != "held" for result in found):
            case.result = [Skipped(_clean(_describe(found[0])))]
        suite.add_testcase(case)
    xml: Any = JUnitXml("agent-report check")
    xml.add_testsuite(suite)
    xml.update_statistics()
    text: bytes = xml.tostring()
    return text


def _describe(result: RuleResult) -> str:
    prefix = {"cannot_tell": "undecided: ", "not_applied": "not applied: "}
    return prefix.get(result.state, "") + result.message


def _clean(text: str) -> str:
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def render_summary(report: ReportRow, results: Sequence[RuleResult], *, strict: bool = False) -> str:
    """The step summary: what holds, a table of what breaks the gate, what is undecided and what was not applied."""
    broken = [result for result in results if result.breaks(strict=strict)]
    verdict = f"{'not passed' if broken else 'passed'}: {count_states(results)}"
    lines = [f"## agent-report: report {report['id']} on {escape(report['environment'])}: {verdict}", ""]
    if broken:
        lines += ["| Rule | Who | What |", "|---|---|---|"]
        lines += [
            f"| {result.rule} | {escape(_clean(result.subject))} | {escape(_clean(_describe(result)))} |"
            for result in broken[:_MOST_LINES]
        ]
        if len(broken) > _MOST_LINES:
            lines.append(f"| | | and {len(broken) - _MOST_LINES} more |")
    for title, state in (("Undecided", "cannot_tell"), ("Not applied", "not_applied")):
        listed = [result for result in results if result.state == state and result not in broken]
        if not listed:
            continue
        lines += [*([""] if lines[-1] else []), f"{title} ({len(listed)}):", ""]
        lines += [
            f"- {result.rule}, {escape(_clean(result.subject))}: {escape(_clean(result.message))}"
            for result in listed[:_MOST_LINES]
        ]
    return "\n".join(lines) + "\n\n"
