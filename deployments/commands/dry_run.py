"""The estimate of a report: what it would read and cost, without calling the judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from deployments.local.runner import Order, check_configured_api, check_settings
from deployments.terminal.console import Column, one_line, print_table
from tasks.connecting import check_clients, open_clients
from tasks.evidence.prices import Tokens
from tasks.evidence.types import Evidence
from tasks.judge.criteria.criterion import Criterion
from tasks.judge.prompt.tokens import estimate_tokens
from tasks.judge.question import Question, answer_tokens, compose, verdict_tokens, verdicts_at_once
from tasks.options import ReportOptions
from tasks.wording.counts import counted
from tasks.wording.formats import format_cost

Row = dict[str, Any]
_ISSUES_ANSWER_TOKENS = 1500
# Of a failing run in the question about issues. How many fail is not known before: taken for half of all.
_ISSUE_TOKENS, _FAILING_SHARE = 80, 0.5
_KNOWN_TOKENS = 30
"""Of a verdict that is known when the agent is asked about."""

_TITLES = {
    "runs": "on single runs (those that have a verdict from before cost nothing)",
    "agents": "on agents",
    "parts": "on runs that have no room in these",
    "team": "on the team",
    "issues": "on issues (only if runs failed)",
}


class _Sum:
    """Calls by what they are about, and tokens, as they add up."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self.calls = dict.fromkeys(_TITLES, 0)
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def add(self, kind: str, question: Question, *, samples: int = 1, more_tokens: int = 0) -> int:
        """Count a question that is asked ``samples`` times; the tokens of its prompt."""
        draft = compose(question, self._budget)
        prompt = draft.estimated + estimate_tokens(str(draft.schema)) + more_tokens
        self.calls[kind] += samples
        self.prompt_tokens += samples * prompt
        self.completion_tokens += samples * _answer_tokens(question, len(draft.shown.labels))
        return prompt


def _answer_tokens(question: Question, runs: int) -> int:
    if question.kind == "issues":
        return _ISSUES_ANSWER_TOKENS
    words = 0 if question.asks == "runs" else answer_tokens(len(question.rubric), question.kind)
    return words + (runs * verdict_tokens(len(question.rubric)) if question.asks in ("verdicts", "runs") else 0)


@open_clients()
def estimate_report(order: Order, *, provisional: bool = False) -> Row:
    """``{"agents": [{agent_id, agent_name, runs, runs_in_population, prompt_tokens, error}], "prompt_tokens",
    "completion_tokens", "cost_usd", "calls", "calls_by_kind", "warnings", …}``; costs are None when the price of the
    model is unknown. Traces are not fetched. Calls are as many as without a ledger, the one on issues among them.

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
    from tasks.judge.issues.question import build_issues_question
    from tasks.judge.rubric import judged_criteria, resolve_rubrics, select_agents
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
    context = None if settings.judge_evidence_tokens else settings.judge_context_tokens
    total = _Sum(budget)
    rows, evidences, missing = [], [], {}
    left_out = LeftOut()
    wanted = select_agents(options.agents, agents)
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
            rubric = rubrics[agent.id]
            at_once = verdicts_at_once(len(judged_criteria(rubric)), settings.judge_max_output_tokens, context)
            row["prompt_tokens"] = sum(
                total.add(
                    kind,
                    question.guided_by(guidance),
                    samples=options.judge_samples,
                    more_tokens=_KNOWN_TOKENS * row["runs"] if question.asks == "words" else 0,
                )
                for kind, question in _agent_questions(evidence, rubric, options, at_once)
            )
    asked = [row for row in rows if row["prompt_tokens"]]
    if asked:
        team = build_team_question(evidences, missing, order.criteria.team)
        total.add("team", team, samples=options.judge_samples)
        failing = round(_FAILING_SHARE * sum(row["runs"] for row in rows))
        total.add("issues", build_issues_question([], []), more_tokens=min(_ISSUE_TOKENS * failing, budget))
    tokens = Tokens(total.prompt_tokens, total.completion_tokens)
    return {
        "environment": order.environment,
        "judge_model": options.judge_model,
        "since": options.since,
        "filter_model": options.filter_model,
        "agents": rows,
        "calls": sum(total.calls.values()),
        "calls_by_kind": total.calls,
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "cost_usd": prices.cost_usd(options.judge_model, tokens, datetime.now(UTC), settings.service_tier),
        "warnings": [*warnings, *(hide.redact(sentence) if hide else sentence for sentence in left_out.sentences())],
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
    made = [(calls, _TITLES[kind]) for kind, calls in estimate["calls_by_kind"].items() if calls]
    if made:
        console.print(Text(f"Calls: {'; '.join(f'{calls:,} {title}' for calls, title in made)}.", "dim"))


def _runs(row: Row) -> str:
    """``20``, or ``20 of 4,812`` where they are a sample."""
    read, every = row["runs"], row["runs_in_population"]
    return f"{read:,} of {every:,}" if read < every else f"{read:,}"


def _rounded(tokens: int) -> str:
    """An estimate to two digits: ``86,000`` for 85,693."""
    return f"{round(tokens, 2 - len(str(tokens))):,}"


def _agent_questions(
    evidence: Evidence, rubric: Mapping[str, Criterion], options: ReportOptions, at_once: int
) -> Iterator[tuple[str, Question]]:
    """What is asked about an agent and its runs, as ``judge_agent`` and ``judge_each`` do."""
    from tasks.judge.agent import build_agent_question, build_agent_questions
    from tasks.judge.prompt.selection import label_runs
    from tasks.judge.runs.each import build_run_question

    labelled = label_runs(evidence)
    if options.judge_runs == "each":
        for one in labelled:
            yield "runs", build_run_question(evidence.agent, one.run, one.trace, rubric, one.cost_usd)
        yield (
            "agents",
            build_agent_question(evidence, rubric, labelled, asks="words" if options.counts_runs else "scores"),
        )
    elif not options.counts_runs:
        yield "agents", build_agent_question(evidence, rubric, labelled, asks="scores")
    else:
        first, *parts = build_agent_questions(evidence, rubric, labelled, at_once)
        yield "agents", first
        yield from (("parts", part) for part in parts)
