"""The estimate of a report: what it would read and cost, without calling the judge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from deployments.local.runner import Order, check_configured_api, check_settings
from deployments.terminal.console import Column, one_line, print_table
from tasks.connecting import check_clients, open_clients
from tasks.evidence.prices import Tokens
from tasks.judge.answer import build_schema
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question, compose
from tasks.wording.counts import counted
from tasks.wording.formats import format_cost

Row = dict[str, Any]
_ANSWER_TOKENS = 1200
"""Tokens of one answer: what an answer on three criteria with examples takes, near enough for an estimate."""


@open_clients()
def estimate_report(order: Order, *, provisional: bool = False) -> Row:
    """``{"agents": [{agent_id, agent_name, runs, runs_in_population, prompt_tokens, error}], "prompt_tokens",
    "completion_tokens", "cost_usd", "calls", "warnings", …}``; costs are None when the model's price is unknown.
    Traces are not fetched.

    ``warnings`` are sentences on runs that are left out for their status or dates, and on a Jaeger that cannot be used.
    ``nothing_to_judge`` is true where agents have runs and all of them are left out, so that the report would fail.
    With ``provisional``, the judge's settings may come later.

    Raises:
        AgentReportError: what would end the report before anything is paid for: as ``check_settings``, no key for the
            judge, a warehouse or a Parquet folder that cannot be written, a cost limit without a price, a Prefect API
            that does not answer.
    """
    from tasks.clients import current_clients
    from tasks.evidence.left_out import LeftOut
    from tasks.evidence.metrics import build_evidence
    from tasks.judge.agent import build_agent_question
    from tasks.judge.rubric import resolve_rubrics, select_agents
    from tasks.judge.runs.guidance import find_guidance
    from tasks.judge.team import build_team_question
    from tasks.report.plan import build_window
    from tasks.sources.batch import ReadFailure, read_runs

    check_settings(order, judge=False)
    clients = current_clients()
    settings = clients.settings
    options, budget = settings.options(order.options), settings.evidence_tokens
    warnings = check_clients(options, provisional=provisional)
    check_configured_api()
    until = datetime.now(UTC)
    source, prices, hide = clients.source(), clients.prices(), clients.redactor()
    window = build_window(options, until)
    agents = source.load_agents(order.environment, window)
    rubrics = resolve_rubrics(order.criteria, agents)
    guidance = find_guidance(settings.judge_guidance)
    rows, evidences, missing = [], [], {}
    left_out = LeftOut()
    wanted = select_agents(options.agents, agents)
    # The sample of the report itself is drawn by its id, and is another one.
    found = read_runs(source, wanted, window, None, prices=prices) if wanted else []
    for agent, runs in zip(wanted, found, strict=True):
        row: Row = {"agent_id": agent.id, "agent_name": agent.name, "runs": 0, "runs_in_population": 0}
        row |= {"prompt_tokens": 0, "error": None}
        rows.append(row)
        if isinstance(runs, ReadFailure):
            row["error"] = missing[agent.name] = runs.reason
            continue
        evidence = build_evidence(agent, runs, (), prices)
        evidences.append(evidence)
        left_out.add_evidence(evidence)
        row["runs"], row["runs_in_population"] = evidence.metrics.runs_analyzed, evidence.metrics.runs_in_population
        if evidence.finished_runs:
            question = build_agent_question(evidence, rubrics[agent.id]).guided_by(guidance)
            row["prompt_tokens"] = _tokens(question, budget)
    asked = [row for row in rows if row["prompt_tokens"]]
    team = _tokens(build_team_question(evidences, missing, order.criteria.team), budget) if asked else 0
    calls = (len(asked) + bool(asked)) * options.judge_samples
    total = (sum(row["prompt_tokens"] for row in rows) + team) * options.judge_samples
    return {
        "environment": order.environment,
        "judge_model": options.judge_model,
        "since": options.since,
        "filter_model": options.filter_model,
        "agents": rows,
        "calls": calls,
        "prompt_tokens": total,
        "completion_tokens": calls * _ANSWER_TOKENS,
        "cost_usd": prices.cost_usd(
            options.judge_model, Tokens(total, calls * _ANSWER_TOKENS), datetime.now(UTC), settings.service_tier
        ),
        "warnings": [*warnings, *(hide.redact(said) if hide else said for said in left_out.sentences())],
        "nothing_to_judge": bool(left_out) and not asked and not missing,
    }


def print_estimate(console: Console, estimate: Row) -> None:
    """Print an estimate."""
    rows = estimate["agents"]
    tokens = [one_line(row["error"], "red") if row["error"] else f"{row['prompt_tokens']:,}" for row in rows]
    columns = [
        Column("Agent", [one_line(row["agent_name"]) for row in rows], folds=True),
        Column("Runs", [_runs(row) for row in rows], justify="right"),
        Column("Prompt tokens", tokens, justify="right", folds=True),
    ]
    print_table(console, columns)
    if estimate["nothing_to_judge"]:
        console.print(Text("No agent can be judged, so the report would fail:", "bold red"))
    for warning in estimate["warnings"]:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(warning)))
    if rows and not any(row["runs"] or row["error"] for row in rows) and not estimate["nothing_to_judge"]:
        narrowed = [f"{key}={estimate[key]!r}" for key in ("since", "filter_model") if estimate[key]]
        of_those = f" with {' and '.join(narrowed)}" if narrowed else ""
        console.print(Text.assemble(("Note: ", "yellow"), one_line(f"no agent has a finished run{of_those}")))
    console.print(
        Text.assemble(
            f"{counted(estimate['calls'], 'call')} to ",
            one_line(estimate["judge_model"]),
            f", about {_rounded(estimate['prompt_tokens'])} prompt and {_rounded(estimate['completion_tokens'])} "
            f"completion tokens; cost {format_cost(estimate['cost_usd'])}. Nothing was sent.",
        )
    )


def _runs(row: Row) -> str:
    """``20``, or ``20 of 4,812`` where they are a sample."""
    read, every = row["runs"], row["runs_in_population"]
    return f"{read:,} of {every:,}" if read < every else f"{read:,}"


def _rounded(tokens: int) -> str:
    """An estimate to two digits: ``86,000`` for 85,693."""
    return f"{round(tokens, 2 - len(str(tokens))):,}"


def _tokens(question: Question, budget: int) -> int:
    estimated = compose(question, budget).estimated
    return estimated + estimate_tokens(str(build_schema(question.kind, question.rubric)))
