"""The body of ``agent-report judge``: one run judged, and its verdict on the terminal or as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from deployments.terminal.console import one_line, open_console, print_json
from tasks.clients import current_clients
from tasks.connecting import open_clients
from tasks.judge.rubric import Criteria
from tasks.options import ReportOptions
from tasks.stored.single_run import SingleVerdict, judge_single
from tasks.wording.formats import format_cost

_SUCCESS = {"yes": ("it did its task", "green"), "no": ("it did not do its task", "red"),
            "cannot_tell": ("the judge cannot tell whether it did its task", "yellow")}  # fmt: skip
_CHECKS = {"pass": "green", "fail": "red", "cannot_tell": "yellow"}


@open_clients()
def run_judge(
    run_id: str, environment: str, agent: str | None, criteria: Criteria, options: ReportOptions, *, as_json: bool
) -> int:
    """Judge and print; the exit code: 0, or 1 without a usable verdict.

    Raises:
        AgentReportError: as ``judge_single``.
    """
    complete = current_clients().settings.options(options)
    found = judge_single(environment, run_id, agent, criteria, complete)
    if as_json:
        verdict = found.verdict
        print_json(
            {
                "id": found.id,
                "environment": found.environment,
                "agent_id": found.agent.id,
                "agent_name": found.agent.name,
                "run_id": found.run.id,
                "status": found.run.status,
                "verdict": verdict.success,
                "verdict_error": verdict.problem or None,
                "checks": dict(verdict.checks),
                "failure_mode": verdict.failure_mode or None,
                "failure_step": verdict.step or None,
                "unstable": verdict.unstable,
                "evidence": [asdict(quote) for quote in verdict.evidence],
                "judge_model": found.judge_model,
                "cost_usd": found.cost_usd,
            }
        )
    else:
        _print(open_console(), found)
    return int(found.verdict.success is None)


def _print(console: Console, found: SingleVerdict) -> None:
    verdict, run = found.verdict, found.run
    console.print(
        Text.assemble(("Run ", "bold"), one_line(run.id, "bold"), " of ", one_line(found.agent.name), ", status ",
                      one_line(run.status))
    )  # fmt: skip
    if verdict.success is None:
        console.print(Text.assemble(("No usable verdict: ", "red"), one_line(verdict.problem)), soft_wrap=True)
    else:
        text, style = _SUCCESS[verdict.success]
        console.print(Text.assemble((f"{text[0].upper()}{text[1:]}", style), "." if not verdict.unstable else
                                    "; the judge's samples disagree."))  # fmt: skip
    if verdict.failure_mode:
        step = f", perhaps at {verdict.step}" if verdict.step else ""
        console.print(Text.assemble("What went wrong: ", one_line(verdict.failure_mode), step), soft_wrap=True)
    for name, check in verdict.checks.items():
        console.print(Text.assemble("  ", one_line(name), ": ", (check.replace("_", " "), _CHECKS[check])))
    for quote in verdict.evidence:
        console.print(Text.assemble(f"  {quote.label} ", one_line(f"“{quote.quote}”", "dim")), soft_wrap=True)
    cost = f"cost {format_cost(found.cost_usd)}" if found.cost_usd != 0 else "paid for before"
    console.print(Text.assemble("Judged by ", one_line(found.judge_model), f"; {cost}. It belongs to no report."))
