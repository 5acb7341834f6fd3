"""The commands that compare a report with another one or with rules: compare, check."""

from __future__ import annotations

from pathlib import Path

from deployments.terminal.option_help import Flag


def compare(
    baseline_id: int | None = None,
    report_id: int | None = None,
    /,
    *,
    last: int | None = None,
    environment: str | None = None,
    across_environments: Flag = False,
    json: Flag = False,
) -> int:
    """Compare two reports.

    Parameters
    ----------
    baseline_id
        Id of the earlier report.
    report_id
        Id of the later report.
    last
        Instead of ids: compare the newest completed report with the oldest of the last N; 2 means the previous one.
    environment
        Environment of the `--last` reports; required if there is more than one environment.
    across_environments
        Allow reports on different environments; agents are matched by name.
    json
        Show as JSON.
    """
    from deployments.commands.compare import run_compare
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        run_compare(
            baseline_id,
            report_id,
            last=last,
            environment=environment,
            across_environments=across_environments,
            as_json=json,
        )
    return 0


def check(
    report_id: int | None = None,
    /,
    *,
    environment: str | None = None,
    min_score: float | None = None,
    min_success_rate: float | None = None,
    min_completion_rate: float | None = None,
    max_failed: int | None = None,
    no_worse_than: str | None = None,
    no_new_issues: Flag = False,
    point: Flag = False,
    strict: Flag = False,
    junit: Path | None = None,
    summary: Path | None = None,
    json: Flag = False,
) -> int:
    """Check a report against release rules.

    Parameters
    ----------
    report_id
        Id of the report (see `agent-report list`).
    environment
        Instead of an id: the newest finished report on this environment.
    min_score
        Minimum score, 0 to 10, of the team and of every agent. An agent with runs but no score breaks the rule.
    min_success_rate
        Minimum success rate, 0 to 1, of every agent: the share of its runs that did their task, by the source's own
        outcomes or the judge's verdicts. Broken if the whole 95% interval is below it; undecided if the interval
        contains it, or if no run has a verdict.
    min_completion_rate
        Minimum completion rate, 0 to 1, of every agent with finished runs. Broken if the whole 95% interval is below
        it or the runs could not be read; undecided if the interval contains it.
    max_failed
        Maximum number of agents whose evaluation failed.
    no_worse_than
        Id of a baseline report; nothing may be significantly worse. `last`: the newest earlier completed report with
        the same judge settings, rubric, `--agents` and `--filter-model`.
    no_new_issues
        No issue may be new or back, unless a person has closed it since or marked it as not an issue. Undecided if the
        judge did not group the failing runs.
    point
        Compare rates by their point estimate, ignoring the interval.
    strict
        Exit with 1 even if a rule is only undecided or could not be applied.
    junit
        Write the results as JUnit XML to this file.
    summary
        Append the results as Markdown to this file, such as `$GITHUB_STEP_SUMMARY`.
    json
        Show as JSON.
    """
    from deployments.commands.check import run_check
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        passed = run_check(
            report_id,
            environment,
            min_score=min_score,
            min_success_rate=min_success_rate,
            min_completion_rate=min_completion_rate,
            max_failed=max_failed,
            no_worse_than=no_worse_than,
            by_point=point,
            no_new_issues=no_new_issues,
            strict=strict,
            junit=junit,
            summary=summary,
            as_json=json,
        )
    return int(not passed)
