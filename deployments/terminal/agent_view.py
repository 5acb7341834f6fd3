"""One agent of a report in full: criteria with reasons and citations, figures, tools, failures, runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from deployments.terminal.console import (
    PASSED_STYLES,
    PROSE_WIDTH,
    Column,
    dash,
    format_interval,
    one_line,
    plain,
    print_table,
    status,
)
from tasks.evidence.types import RunId
from tasks.report.nested_rows import ExampleRow, RunRefRow, ToolUsageRow
from tasks.report.rows import AgentRow, CriterionRow, ReportRow, RunRow

# A UUID is shown whole.
_SHOWN_ID = 40


def print_agent(
    console: Console, report: ReportRow, agent: AgentRow, criteria: Sequence[CriterionRow], runs: Sequence[RunRow]
) -> None:
    """Everything that ``report`` shows about one agent.

    Args:
        agent: Its row of ``agent_report_details``.
        criteria: Its rows of ``criterion_scores``; empty when it was not judged.
        runs: Its rows of ``report_runs``; empty when none was read.
    """
    from tasks.render.markdown import describe_doubts
    from tasks.render.needs import with_examples
    from tasks.render.success_text import describe_undecided
    from tasks.wording.formats import format_score
    from tasks.wording.passing import describe_passed

    patterns = agent["failure_patterns"] or []
    head = Text.assemble(
        one_line(agent["agent_name"], "bold"), " (id:", one_line(agent["agent_id"]), f") in report {report['id']}"
    )
    head.append_text(Text.assemble(" on ", one_line(report["environment"]), ": ", status(agent)))
    if agent["score"] is not None:
        passes = (describe_passed(agent["passed"], agent["score"]), PASSED_STYLES.get(agent["passed"], "yellow"))
        head.append_text(Text.assemble(", ", (format_score(agent["score"]), "bold"), " of 10, ", passes))
    console.print(head)
    for line in _figures(agent):
        console.print(line)
    if agent["error"]:
        console.print(Text.assemble(("Error: ", "bold red"), one_line(agent["error"])))
    for undecided in describe_undecided(criteria, agent["verdicts"]):
        console.print(Text.assemble(("Too close to call: ", "yellow"), one_line(undecided)))
    if doubts := describe_doubts(agent):
        console.print(Text.assemble(("Note: ", "yellow"), one_line(doubts)))
    _print_prose(console, agent["reasoning"])
    for title in ("strengths", "weaknesses", "recommendations"):
        points = [one_line(with_examples(str(point), patterns)) for point in agent[title] or []]
        _print_points(console, title.capitalize(), points)
    for row in criteria:
        _print_criterion(console, row)
    _print_points(console, "Contradicted by what was observed", list(_contradictions(agent)))
    _print_points(console, "Looks like an attempt to influence the judge", list(_suspicions(agent)))
    _print_points(console, "Failures", list(_failures(agent)))
    if agent["tool_usage"]:
        _print_tools(console, agent["tool_usage"])
    if runs:
        _print_runs(console, agent, runs)
        _print_calls(console, agent, runs)


def _figures(agent: AgentRow) -> Iterator[Text]:
    from tasks.render.markdown import format_runs
    from tasks.render.success_text import describe_verdicts
    from tasks.wording.durations import format_duration
    from tasks.wording.formats import format_cost, format_rate

    if not agent["runs_analyzed"]:
        return
    unfinished = f", {agent['runs_unfinished']} unfinished left out" if agent["runs_unfinished"] else ""
    if agent["success_rate"] is not None:
        interval = format_interval(agent["success_rate_low"], agent["success_rate_high"])
        yield Text.assemble(
            "Success: ", (format_rate(agent["success_rate"]), "bold"), f" of runs did their task (95% range {interval})"
        )
    if verdicts := describe_verdicts(agent["verdicts"]):
        yield Text(f"Verdicts on runs: {verdicts}")
    interval = format_interval(agent["completion_rate_low"], agent["completion_rate_high"])
    yield Text(
        f"Runs: {format_runs(agent)}{unfinished}; "
        f"completed {format_rate(agent['completion_rate'])} (95% range {interval})"
    )
    yield Text(
        f"A run: {format_duration(agent['avg_duration_seconds'])} on average, 95% within "
        f"{format_duration(agent['p95_duration_seconds'])}; "
        f"{dash(agent['avg_tokens'], '{:.0f}'.format)} tokens{_known(agent)}; "
        f"cost {format_cost(agent['avg_cost_usd'])}"
    )
    counts = agent["traces"].items() if agent["traces"] else ()
    if known := ", ".join(f"{count} {state}" for state, count in counts if count):
        yield Text(f"Traces: {known}")
    reused = " (reused from the ledger)" if agent["reused"] else ""
    yield Text(f"Judging cost {format_cost(agent['judge_cost_usd'])}{reused}")


def _known(agent: AgentRow) -> str:
    """Over how many runs the tokens are, where that is not all."""
    known, runs = agent.get("runs_with_tokens"), agent["runs_in_population"] or agent["runs_analyzed"]
    if agent["avg_tokens"] is None or known is None or not runs or known >= runs:
        return ""
    return f" (known for {known:,} of {runs:,} runs)"


def _print_prose(console: Console, text: str | None, indent: int = 0) -> None:
    if text:
        if not indent:
            console.print()
        console.print(Padding(plain(text), (0, 0, 0, indent)), width=min(console.width, PROSE_WIDTH))


def _print_points(console: Console, title: str, points: Sequence[Text]) -> None:
    if not points:
        return
    console.print()
    console.print(Text(title, "bold"))
    for point in points:
        console.print(Padding(Text.assemble("- ", point), (0, 0, 0, 2)), width=min(console.width, PROSE_WIDTH))


def _print_criterion(console: Console, row: CriterionRow) -> None:
    from tasks.wording.formats import format_score, format_threshold
    from tasks.wording.passing import describe_passed

    console.print()
    head = Text.assemble(one_line(row["criterion"], "bold"), f" (weight {row['weight']:g}): ")
    if row["score"] is None:
        head.append("not enough evidence", "yellow")
    else:
        interval, threshold = "", row["threshold"]
        if row["score_low"] is not None and row["score_high"] is not None:
            interval = f" ({format_score(row['score_low'], threshold)} to {format_score(row['score_high'], threshold)})"
        against = f"{format_score(row['score'], threshold)}{interval}"
        against += f", threshold {format_threshold(threshold)}: {describe_passed(row['passed'], row['score'])}"
        head.append(against, PASSED_STYLES.get(row["passed"], "yellow"))
        if row["runs_decided"]:
            head.append(f", {row['runs_passed']} of {row['runs_decided']} runs")
    if row["supported"] is False:
        head.append(", no citation holds", "yellow")
    if row["unstable"]:
        head.append(", unstable", "yellow")
    if row["spread"]:
        head.append(f", samples {row['spread']:.1f} apart")
    console.print(head)
    _print_prose(console, row["reasoning"], indent=2)
    for example in row["examples"] or []:
        console.print(Padding(_citation(example), (0, 0, 0, 2)), width=min(console.width, PROSE_WIDTH))


def _citation(cited: ExampleRow) -> Text:
    where = f"run {cited['run_id']}" if cited["run_id"] is not None else "no run"
    parts = Text.assemble("- ", one_line(where, "cyan"))
    if cited.get("quote"):
        parts.append_text(Text.assemble(": “", one_line(cited["quote"], "italic"), "”"))
    if cited.get("text"):
        parts.append_text(Text.assemble(" ", one_line(cited["text"])))
    return parts


def _contradictions(agent: AgentRow) -> Iterator[Text]:
    for found in agent["contradictions"] or []:
        claim, observation = found["claim"], found["observation"]
        yield Text.assemble(
            one_line(f"run {claim['run_id'] if claim else None}", "cyan"),
            ": said “",
            one_line((claim["quote"] if claim else None) or "", "italic"),
            "”, but “",
            one_line((observation["quote"] if observation else None) or "", "italic"),
            "” ",
            one_line(found["text"] or ""),
        )


def _suspicions(agent: AgentRow) -> Iterator[Text]:
    for found in agent["suspicions"] or []:
        head = Text() if found["run_id"] is None else Text.assemble(one_line(f"run {found['run_id']},", "cyan"), " ")
        yield Text.assemble(head, one_line(found["place"] or ""), ": ", one_line(found["text"] or "", "italic"))


def _failures(agent: AgentRow) -> Iterator[Text]:
    for found in agent["failure_patterns"] or []:
        runs = ", ".join(found["run_ids"])
        yield Text.assemble(f"{found['count']} × ", one_line(found["example"]), " ", one_line(f"(runs {runs})", "cyan"))


def _print_tools(console: Console, tools: Sequence[ToolUsageRow]) -> None:
    print_table(
        console,
        [
            Column("Tool", [one_line(tool["name"]) for tool in tools], folds=True),
            Column("Calls", [str(tool["calls"]) for tool in tools], justify="right"),
            Column(
                "Errors", [Text(str(tool["errors"]), "red" if tool["errors"] else "") for tool in tools], 0, "right"
            ),
            Column("Seconds", [dash(tool["duration_seconds"], "{:.1f}".format) for tool in tools], justify="right"),
        ],
    )


def _print_calls(console: Console, agent: AgentRow, runs: Sequence[RunRow]) -> None:
    """The source's tool calls of the worst, typical and best run, where no trace shows what they did."""
    from deployments.tool_calls import describe_calls

    by_id = {run["run_id"]: run for run in runs}
    for mark, found in _notable_runs(agent):
        run = by_id.pop(found["run_id"], None)
        if run is None or run["telemetry"] is not None or run.get("tool_calls") is None:
            continue
        console.print(one_line(f"Run {run['run_id']} ({mark})", "bold"))
        for line in describe_calls(run):
            console.print(line)


def _notable_runs(agent: AgentRow) -> Iterator[tuple[str, RunRefRow]]:
    for mark, found in (("worst", agent["worst_run"]), ("typical", agent["typical_run"]), ("best", agent["best_run"])):
        if found:
            yield mark, found


def _print_runs(console: Console, agent: AgentRow, runs: Sequence[RunRow]) -> None:
    from tasks.render.needs import with_examples
    from tasks.wording.formats import format_cost
    from tasks.wording.shortening import cut

    patterns = agent["failure_patterns"] or []
    marks: dict[RunId, list[str]] = {}
    for mark, found in _notable_runs(agent):
        marks.setdefault(found["run_id"], []).append(f"{mark}: {with_examples(found['reason'], patterns)}")
    print_table(
        console,
        [
            Column("Run", [one_line(cut(run["run_id"], _SHOWN_ID)) for run in runs], justify="right"),
            *_success_column(runs),
            Column("Status", [one_line(run["status"], PASSED_STYLES.get(run["completed"], "")) for run in runs]),
            Column("Started (UTC)", [dash(run["started_at"], "{:%Y-%m-%d %H:%M}".format) for run in runs], rank=2),
            Column("Seconds", [dash(run["duration_seconds"], "{:.1f}".format) for run in runs], justify="right"),
            Column("Tokens", [dash(run["tokens"]) for run in runs], rank=3, justify="right"),
            Column("Cost", [format_cost(run["cost_usd"]) for run in runs], rank=4, justify="right"),
            Column("Trace", [dash(run["trace_state"]) for run in runs], rank=5),
            Column(
                "",
                [one_line(_remark(marks.get(run["run_id"], []), run)) for run in runs],
                rank=1,
                folds=True,
            ),
        ],
    )


def _success_column(runs: Sequence[RunRow]) -> Iterator[Column]:
    """Whether each run did its task; no column where no run was judged."""
    from tasks.render.run_text import describe_run, has_verdict

    if any(map(has_verdict, runs)):
        words = [describe_run(run, judged=True).short for run in runs]
        styles = [PASSED_STYLES.get(run["succeeded"], "yellow") for run in runs]
        yield Column("Success", [Text(text, style) for text, style in zip(words, styles, strict=True)])


def _remark(marks: Sequence[str], run: RunRow) -> str:
    """What went wrong in a run, what it is an example of, and its error unless that names it already; "" of none."""
    error, marked = run["error"], "; ".join(marks)
    mode = run["failure_mode"] if run["succeeded"] is False else None
    return "; ".join(filter(None, [mode, marked, "" if error and error in marked else error]))
