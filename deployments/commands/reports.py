"""The commands that make reports and show them: run, demo, show, list, watch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deployments.terminal.console import one_line, open_console, print_json
from deployments.terminal.option_help import Flag, option
from tasks.errors import UsageError
from tasks.options import RunUnit

if TYPE_CHECKING:
    from deployments.local.runner import Order
    from tasks.settings import ReportOptions

# As in tasks/options.py, which loads too much to show help.
JudgeRuns = Literal["together", "each", "off"]
Scoring = Literal["runs", "holistic"]
Status = Literal["pending", "generating_agents", "generating_team", "completed", "failed", "cancelled"]


def run(
    environment: str,
    /,
    *,
    name: Annotated[str, Parameter(show_default=False)] = "",
    criteria: str | None = None,
    report_id: int | None = None,
    judge_model: Annotated[str | None, option("judge_model")] = None,
    runs_per_agent: Annotated[int | None, option("runs_per_agent")] = None,
    since: Annotated[str | None, option("since")] = None,
    filter_model: Annotated[str | None, option("filter_model")] = None,
    unit: Annotated[RunUnit | None, option("unit")] = None,
    agents: Annotated[list[str] | None, option("agents", consume_multiple=True)] = None,
    max_concurrent_evals: Annotated[int | None, option("max_concurrent_evals")] = None,
    max_concurrent_runs: Annotated[int | None, option("max_concurrent_runs")] = None,
    eval_timeout: Annotated[float | None, option("eval_timeout_seconds")] = None,
    report_timeout: Annotated[float | None, option("report_timeout_seconds")] = None,
    judge_samples: Annotated[int | None, option("judge_samples")] = None,
    judge_runs: Annotated[JudgeRuns | None, option("judge_runs")] = None,
    scoring: Annotated[Scoring | None, option("scoring")] = None,
    max_report_cost_usd: Annotated[float | None, option("max_report_cost_usd")] = None,
    fail_fast: Annotated[bool | None, option("fail_fast", negative="--no-fail-fast")] = None,
    fresh: Annotated[bool | None, option("fresh", negative="--no-fresh")] = None,
    publish_verdicts: Annotated[bool | None, option("publish_verdicts", negative="--no-publish-verdicts")] = None,
    dry_run: Flag = False,
    json: Flag = False,
    verbose: Flag = False,
) -> int:
    """Generate a report on an environment, in this process.

    Parameters
    ----------
    environment
        Name of the environment in the source.
    name
        Display name of the report.
    criteria
        YAML file with the keys team, default and agents; or a preset for every agent: default, station.
    report_id
        Resume or regenerate this report with its stored parameters, instead of starting a new one.
    judge_model
        Judge model, by the name that the endpoint uses.
    runs_per_agent
        Number of runs to read per agent: the newest, or with --since a random sample of the window.
    since
        Only runs since this time: a duration such as 7d, or a time such as 2026-01-31T08:00:00Z.
    filter_model
        Only runs that used this model.
    unit
        What counts as a run: run, or session for a conversation (all runs with the same session_id).
    agents
        Only these agents, by name or id (id:12).
    max_concurrent_evals
        Maximum number of concurrent judge calls; 0 means no limit.
    max_concurrent_runs
        Maximum number of concurrent source and trace reads.
    eval_timeout
        Time limit for each agent, in seconds.
    report_timeout
        Seconds after which no new judge call starts; the report completes with what it has.
    judge_samples
        Number of times to ask each question; scores are averages, shown with their spread.
    judge_runs
        How runs get verdicts: `together`, in the question about the agent; `each`, in a separate call for each
        run that has no verdict yet, without the agent's messages in between; or `off`, which implies holistic scoring.
    scoring
        How agents are scored: by the share of `runs` that pass each criterion, or by the judge (`holistic`).
    max_report_cost_usd
        Maximum cost of judging, in USD; a call that could exceed it is not started. 0 means no limit.
    fail_fast
        Do not start any judge calls after the first failure.
    fresh
        Pay for new judge answers even if the same question was answered before.
    publish_verdicts
        Write the verdicts on runs back to Phoenix, Langfuse or MLflow, if the runs were read from there.
    dry_run
        Show agents, runs, and estimated tokens and cost, without calling the judge.
    json
        Print only `{"report": {…}, "agents": [{…}], "issues": [{…}]}`.
    verbose
        Show Prefect's log.
    """
    _show_start(f"Estimating a report on {environment}" if dry_run else f"{_starting()} a report on {environment}")
    from deployments.local.runner import Order, quiet_prefect

    if not verbose:
        quiet_prefect()
    from deployments.commands.run import make_report
    from deployments.stack.beside import stack_warehouse
    from tasks.judge.rubric import Criteria, open_criteria

    options = read_options(
        judge_model=judge_model,
        runs_per_agent=runs_per_agent,
        since=since,
        filter_model=filter_model,
        unit=unit,
        agents=agents,
        max_concurrent_evals=max_concurrent_evals,
        max_concurrent_runs=max_concurrent_runs,
        eval_timeout_seconds=eval_timeout,
        report_timeout_seconds=report_timeout,
        judge_samples=judge_samples,
        judge_runs=judge_runs,
        scoring=scoring,
        max_report_cost_usd=max_report_cost_usd,
        fail_fast=fail_fast,
        fresh=fresh,
        publish_verdicts=publish_verdicts,
    )
    wanted = Criteria() if criteria is None else open_criteria(criteria)
    order = Order(environment, name, wanted, options, report_id)
    with stack_warehouse():
        return _estimate(order, as_json=json) if dry_run else make_report(order, as_json=json)


def _starting() -> str:
    """How the first line begins: without a Prefect server to use, one is started, which takes longer."""
    if os.environ.get("PREFECT_API_URL"):
        return "Starting"
    from deployments.stack.beside import find_stack

    return "Starting" if find_stack() else "Starting Prefect and"


def _show_start(what: str) -> None:
    """A line on stderr before the imports and servers, which take seconds."""
    open_console(stderr=True).print(one_line(f"{what} …"), soft_wrap=True)


def read_options(**given: object) -> ReportOptions:
    """The options that are given (not None).

    Raises:
        UsageError: one of them is not valid; the message names it.
    """
    from pydantic import ValidationError

    from tasks.judge.rubric import describe_validation
    from tasks.settings import ReportOptions

    try:
        return ReportOptions.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise UsageError(describe_validation(error)) from None


def _estimate(order: Order, *, as_json: bool) -> int:
    from deployments.commands.dry_run import estimate_report, print_estimate
    from deployments.stack.beside import at_stack

    with at_stack():
        estimate = estimate_report(order)
    if as_json:
        print_json(estimate)
    else:
        print_estimate(open_console(), estimate)
    return 0


def demo(
    *,
    judge: str = "simulated",
    agents: int = 14,
    runs_per_agent: int = 20,
    folder: Path = Path("agent-report-data/demo"),
    json: Flag = False,
) -> int:
    """Generate a report on a sample environment.

    Parameters
    ----------
    judge
        `simulated`, or `openai` for a real endpoint (OPENAI_API_KEY; OPENAI_BASE_URL for another provider).
    agents
        Number of agents in the sample.
    runs_per_agent
        Number of runs per agent; the 14th agent has none.
    folder
        Folder for the sample, the warehouse and the demo's own Prefect home.
    json
        Print only `{"report": {…}, "agents": [{…}], "issues": [{…}]}`.
    """
    _show_start("Starting the demo: a sample environment, a simulated Jaeger and a judge")
    from deployments.demo.command import run_demo

    return run_demo(judge=judge, agents=agents, runs_per_agent=runs_per_agent, folder=folder, as_json=json)


def show(
    report_id: int,
    /,
    *,
    agent: str | None = None,
    html: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: Flag = False,
) -> int:
    """Show a report from the warehouse.

    Parameters
    ----------
    report_id
        Id of the report (see `agent-report list`).
    agent
        Show only this agent, by name or id (id:12): criteria with reasoning and citations, tools, failures, runs.
    html
        Write the report's HTML page to this file (- for stdout) instead.
    json
        Print only `{"report": {…}, "agents": [{…}], "issues": [{…}]}`; for one agent
        `{"report": {…}, "agent": {…}, "criteria": [{…}], "runs": [{…}]}`.
    """
    from deployments.commands.show import show_agent, show_report
    from deployments.stack.beside import stack_warehouse

    if html is not None and (json or agent is not None):
        raise UsageError(f"--html and {'--json' if json else '--agent'} exclude each other")
    with stack_warehouse():
        if html is not None:
            from deployments.commands.page import save_page

            save_page(report_id, html)
        elif agent is None:
            show_report(report_id, as_json=json)
        else:
            show_agent(report_id, agent, as_json=json)
    return 0


def list_reports(
    *,
    environment: str | None = None,
    status: Annotated[list[Status] | None, Parameter(consume_multiple=True)] = None,
    since: str | None = None,
    name: str | None = None,
    judge_model: str | None = None,
    limit: int = 20,
    json: Flag = False,
) -> int:
    """List the newest reports.

    Parameters
    ----------
    environment
        Only reports on this environment.
    status
        Only reports with one of these statuses.
    since
        Only reports created since this time: a duration such as 7d, or a time such as 2026-01-31T08:00:00Z.
    name
        Only reports whose name contains this text, ignoring case.
    judge_model
        Only reports by this judge model.
    limit
        Maximum number of reports.
    json
        Show as JSON.
    """
    from deployments.commands.report_list import list_stored
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        list_stored(
            environment=environment,
            statuses=status or (),
            since=since,
            name=name,
            judge_model=judge_model,
            limit=limit,
            as_json=json,
        )
    return 0


def watch(report_id: int, /, *, json: Flag = False) -> int:
    """Follow a report in progress.

    Parameters
    ----------
    report_id
        Id of the report (see `agent-report list`).
    json
        Print only JSON, one line per step: id, environment, name, status, progress, current_step, error.
    """
    from deployments.commands.watch import INTERRUPTED, watch_report
    from deployments.stack.beside import stack_warehouse

    with stack_warehouse():
        completed = watch_report(report_id, as_json=json)
    return INTERRUPTED if completed is None else int(not completed)
