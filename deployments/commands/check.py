"""The body of ``agent-report check``: a report checked against rules, on the terminal and in files for CI."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.text import Text

from deployments.commands.compare import newest_ended
from deployments.terminal.console import one_line, open_console, print_json
from deployments.terminal.out_file import write_out
from tasks.comparison.comparison import Comparison
from tasks.connecting import open_clients
from tasks.errors import UsageError
from tasks.gate.rules import RuleResult, Rules, State, check_report, count_states
from tasks.render.gate_files import render_junit, render_summary
from tasks.report.doubts import doubt_judge
from tasks.report.stored_report import StoredReport
from tasks.stored.reports import compare_stored, read_ended

_OPTIONS = "--min-score, --min-success-rate, --min-completion-rate, --max-failed, --no-worse-than, --no-new-issues"


@open_clients()
def run_check(
    report_id: int | None,
    environment: str | None,
    *,
    min_score: float | None,
    min_success_rate: float | None,
    min_completion_rate: float | None,
    max_failed: int | None,
    no_worse_than: str | None,
    junit: Path | None,
    summary: Path | None,
    as_json: bool,
    by_point: bool = False,
    no_new_issues: bool = False,
    strict: bool = False,
) -> bool:
    """Whether the report passes; the results are printed, and written to ``junit`` and ``summary``.

    ``by_point`` compares rates by their point estimate. With ``strict``, undecided rules and rules that could not be
    applied fail the check too.

    Raises:
        RefusedError: no rule, a bound that is none, no such report or baseline, or a file that cannot be written.
    """
    rules = Rules(
        min_score,
        min_success_rate,
        min_completion_rate,
        max_failed,
        no_worse_than,
        by_point,
        no_new_issues=no_new_issues,
    )
    _check_rules(rules)
    reading = _read(report_id, environment)
    results = check_report(reading, rules, _compare(reading, no_worse_than))
    broken = [result for result in results if result.breaks(strict=strict)]
    if junit is not None:
        write_out(str(junit), render_junit(reading.report, results, strict=strict), "--junit", make_folder=True)
    if summary is not None:
        _append(summary, render_summary(reading.report, results, strict=strict), "--summary")
    if as_json:
        row = reading.report
        report = {name: row[name] for name in ("id", "environment", "name", "status")}
        fields = ("rule", "subject", "state", "message", "agent_id")
        rows = [{name: getattr(result, name) for name in fields} for result in results]
        counts = Counter(result.state for result in results)
        print_json(
            {
                "passed": not broken,
                "strict": strict,
                "report": report,
                "counts": {state: counts[state] for state in get_args(State)},
                "findings": rows,
                "notes": _notes(reading),
            }
        )
    else:
        _print(open_console(), reading, results, strict=strict)
    return not broken


def _check_rules(rules: Rules) -> None:
    if not rules:
        raise UsageError(f"no rules: give at least one of {_OPTIONS}")
    bounds = (
        ("--min-score", rules.min_score, 10),
        ("--min-success-rate", rules.min_success_rate, 1),
        ("--min-completion-rate", rules.min_completion_rate, 1),
    )
    for option, value, most in bounds:
        if value is not None and not (math.isfinite(value) and 0 <= value <= most):
            raise UsageError(f"{option} {value:g}: must be from 0 to {most}")
    if rules.max_failed is not None and rules.max_failed < 0:
        raise UsageError(f"--max-failed {rules.max_failed}: must be at least 0")


def _read(report_id: int | None, environment: str | None) -> StoredReport:
    if report_id is None and environment is None:
        raise UsageError("no report: give its id, or --environment for the newest one")
    if report_id is not None and environment is not None:
        raise UsageError(f"report {report_id} and --environment {environment} exclude each other")
    report_id = report_id if report_id is not None else newest_ended(environment or "")
    return read_ended(report_id, of_agents=False)


def _compare(reading: StoredReport, baseline: str | None) -> Comparison | None:
    """The comparison with the baseline; None without a baseline or an earlier report."""
    if baseline is None:
        return None
    if baseline != "last" and not baseline.isdecimal():
        raise UsageError(f"--no-worse-than {baseline}: must be a report's id, or last")
    return compare_stored(reading.id, None if baseline == "last" else int(baseline), of_agents=False)


def _print(console: Console, reading: StoredReport, results: list[RuleResult], *, strict: bool) -> None:
    for result in results:
        if result.state == "broken":
            console.print(one_line(result.line, "red"), soft_wrap=True)
    for state, title in (("cannot_tell", "Undecided: "), ("not_applied", "Not applied: ")):
        for result in results:
            if result.state == state:
                style = "red" if result.breaks(strict=strict) else "yellow"
                console.print(Text.assemble((title, style), one_line(result.line)), soft_wrap=True)
    for note in _notes(reading):
        console.print(Text.assemble(("Note: ", "yellow"), note), soft_wrap=True)
    passed = not any(result.breaks(strict=strict) for result in results)
    verdict = Text("passed", "bold green") if passed else Text("not passed", "bold red")
    tail = f": {count_states(results)}"
    if not passed and all(result.state != "broken" for result in results):
        tail += " (--strict)"
    console.print(
        Text.assemble(f"Report {reading.id} on ", one_line(reading.report["environment"]), ": ", verdict, tail)
    )


def _notes(reading: StoredReport) -> list[str]:
    """What to know of the judge whose verdicts are checked."""
    doubt = doubt_judge(reading.runs)
    return [doubt] if doubt else []


def _append(path: Path, text: str, option: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{option} {path} cannot be written: {error.strerror}") from None
