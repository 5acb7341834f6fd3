"""The first page of a report: verdict, what changed, which agents need attention and why, every agent, what it cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployments.terminal.console import (
    PASSED_STYLES,
    PROSE_WIDTH,
    Column,
    format_interval,
    one_line,
    plain,
    print_table,
    status,
)
from deployments.terminal.invocation import printed_command
from tasks.evidence.types import AgentId
from tasks.report.rows import AgentRow, CriterionRow, IssueRow, ReportRow
from tasks.wording.counts import counted

if TYPE_CHECKING:
    from tasks.comparison.comparison import Comparison
    from tasks.render.outage import Outage

_MOST_WORST = 5
_MOST_CHANGES = 8
_MOVED = ("new", "gone")


def print_report(
    console: Console,
    report: ReportRow,
    agents: Sequence[AgentRow],
    criteria: Sequence[CriterionRow] = (),
    comparison: Comparison | None = None,
    issues: Sequence[IssueRow] = (),
) -> None:
    """A report's first page.

    Args:
        agents: Its rows of ``agent_report_details``; empty until it is written.
        criteria: Its rows of ``criterion_scores``; without them scores are shown, but not what they are made of.
        comparison: With the report that it was compared with last; None when it never was.
        issues: Its rows of ``report_issues``; empty when there are none.
    """
    from deployments.terminal.issue_view import print_issues
    from tasks.render.order import needs_attention, stays_close, worst_agents_first
    from tasks.render.outage import find_outage

    _print_verdict(console, report, agents)
    outage = find_outage(agents)
    if outage is not None:
        _print_outage(console, outage)
    for line in _notes(report, outage):
        console.print(line)
    if issues or report["success_rate"] is not None:
        print_issues(console, report, issues, agents, most=3)
    if report["executive_summary"]:
        console.print()
        console.print(plain(report["executive_summary"]), width=min(console.width, PROSE_WIDTH))
    if comparison is not None:
        console.print()
        print_changes(console, comparison)
    ordered = worst_agents_first(agents, comparison)
    _print_unjudged(console, ordered, outage)
    if needy := [row for row in ordered if needs_attention(row, comparison)]:
        console.print()
        close = {row["agent_id"] for row in needy if stays_close(row, comparison)}
        _print_needy(console, needy, len(agents), criteria, close)
    if agents:
        print_agents(console, ordered)
    _print_doubts(console, ordered)


def _print_verdict(console: Console, report: ReportRow, agents: Sequence[AgentRow]) -> None:
    from tasks.render.markdown import describe_agents, describe_runs, describe_runs_cost, format_judging_cost
    from tasks.wording.durations import format_duration
    from tasks.wording.formats import format_score
    from tasks.wording.passing import describe_passed

    head = Text.assemble(("Report ", "bold"), (str(report["id"]), "bold"), " on ")
    head.append_text(Text.assemble(one_line(report["environment"], "bold"), ": ", status(report)))
    if report["generation_duration_seconds"] is not None:
        head.append(f" in {format_duration(report['generation_duration_seconds'])}")
    elif report["status"] != "completed":
        head.append(f", {report['progress']}%")
    if report["name"]:
        head.append_text(Text.assemble(" · ", one_line(report["name"])))
    console.print(head)
    _print_success(console, report)
    if report["team_score"] is not None:
        passes = (
            describe_passed(report["team_passed"], report["team_score"]),
            PASSED_STYLES.get(report["team_passed"], "yellow"),
        )
        console.print(Text.assemble("Team: ", (format_score(report["team_score"]), "bold"), " of 10, ", passes))
    if report["total_agents"] is not None:
        console.print(f"Agents: {describe_agents(report, agents)}")
        runs_cost = describe_runs_cost(report)
        console.print(
            Text.assemble(
                f"Runs analysed: {describe_runs(report)}; judging cost {format_judging_cost(report)} (",
                one_line(report["judge_model"]),
                f"); {runs_cost}" if runs_cost else ")",
            )
        )


def _print_success(console: Console, report: ReportRow) -> None:
    """Success beside completion, and where the verdicts come from; nothing of a report without verdicts on runs."""
    from tasks.render.success_text import describe_rate, describe_verdicts
    from tasks.wording.formats import format_rate

    if report["success_rate"] is None:
        return
    rate = describe_rate(report["success_rate"], report["success_rate_low"], report["success_rate_high"])
    completed = f"; completed {format_rate(report['completion_rate'])}" if report["completion_rate"] is not None else ""
    console.print(Text.assemble("Success: ", (rate, "bold"), f" of runs did their task{completed}"))
    console.print(f"Verdicts on runs: {describe_verdicts(report['verdicts'])}")


def _print_outage(console: Console, outage: Outage) -> None:
    console.print(Text(outage.headline, "bold red"))
    console.print(Text.assemble(("Why: ", "bold"), one_line(outage.reason)))
    console.print(Text.assemble(("What to do: ", "bold"), outage.advice))


def _print_unjudged(console: Console, agents: Sequence[AgentRow], outage: Outage | None) -> None:
    """The agents whose judging failed, by their error; nothing in an outage, which is explained above."""
    from tasks.render.outage import group_unjudged

    groups = [] if outage is not None else group_unjudged(agents)
    if groups:
        console.print()
        console.print(Text("Could not be judged", "bold"))
    for error, rows in groups:
        names = [one_line(row["agent_name"], "yellow") for row in rows[:_MOST_WORST]]
        more = f" and {len(rows) - _MOST_WORST} more" if len(rows) > _MOST_WORST else ""
        console.print(Text.assemble(Text(", ").join(names), f"{more}: ", one_line(error)))


def _notes(report: ReportRow, outage: Outage | None) -> Iterator[Text]:
    if report["error"] and outage is None:
        yield Text.assemble(("Error: ", "bold red"), one_line(report["error"]))
    if report["team_error"] and outage is None:
        yield Text.assemble(("Team not judged: ", "yellow"), one_line(report["team_error"]))
    for warning in report["warnings"] or []:
        if warning in (report["error"] or ""):
            continue
        yield Text.assemble(("Note: ", "yellow"), one_line(warning))


def print_changes(console: Console, comparison: Comparison) -> None:
    """What changed since another report, in short: how many agents, and the worst of them (``agent-report compare`` has
    the rest)."""
    from tasks.comparison.changes import clear_changes, sort_changes
    from tasks.comparison.description import describe_change
    from tasks.render.change_text import count_rest

    changes = sort_changes(comparison)
    groups = {"worse": changes.worse, "better": changes.better, "new": changes.new, "gone": changes.gone}
    counts = ", ".join(f"{len(agents)} {word}" for word, agents in groups.items() if agents)
    shown = "; ".join([*([counts] if counts else []), *count_rest(changes)])
    console.print(Text.assemble((f"Since report {comparison.baseline_id}: ", "bold"), shown or "nothing to compare"))
    for reason in comparison.reasons:
        console.print(Text.assemble(("Note: ", "yellow"), one_line(reason)))
    team = [comparison.team] if clear_changes(comparison.team) else []
    changed = [*team, *changes.worse, *changes.better, *changes.new, *changes.gone]
    table = Table.grid(padding=(0, 2, 0, 0))
    for subject in changed[:_MOST_CHANGES]:
        word = subject.presence if subject.presence in _MOVED else subject.verdict.replace("_", " ")
        style = {"better": "green", "worse": "red"}.get(subject.verdict, "")
        moves = "; ".join(describe_change(change) for change in clear_changes(subject))
        table.add_row(Text(word, style), one_line(subject.agent_name), one_line(moves))
    if table.rows:
        console.print(table)
    if len(changed) > _MOST_CHANGES:
        command = printed_command("compare", comparison.baseline_id, comparison.report_id)
        console.print(one_line(f"and {len(changed) - _MOST_CHANGES} more: `{command}`"), soft_wrap=True)


def _print_needy(
    console: Console,
    needy: Sequence[AgentRow],
    total: int,
    criteria: Sequence[CriterionRow],
    close: Collection[AgentId],
) -> None:
    from tasks.render.needs import build_need
    from tasks.render.order import STAYS_CLOSE

    console.print(Text(f"Needs attention: {len(needy)} of {counted(total, 'agent')}", "bold"))
    by_agent: dict[AgentId | None, list[CriterionRow]] = {}
    for criterion in criteria:
        by_agent.setdefault(criterion["agent_id"], []).append(criterion)
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in needy[:_MOST_WORST]:
        scores = by_agent.get(row.get("agent_id"), [])
        need = build_need(row, scores)
        lines = [describe_criteria(scores)] if scores else []
        lines += [Text(STAYS_CLOSE, "yellow")] if row.get("agent_id") in close else []
        lines += [one_line(need.why)] if need.why else []
        lines += [Text.assemble(("Error: ", "dim"), one_line(need.error))] if need.error else []
        lines += [Text.assemble(("First: ", "bold"), one_line(need.advice))] if need.advice else []
        table.add_row(one_line(row["agent_name"], "red"), Text("\n").join(lines))
    console.print(table)
    if len(needy) > _MOST_WORST:
        console.print(f"and {len(needy) - _MOST_WORST} more, in the table")


def describe_criteria(rows: Sequence[Mapping[str, Any]]) -> Text:
    """Criteria against their thresholds on one line: those that fail, what is too close to call, those that pass."""

    def order(row: Mapping[str, Any]) -> tuple[bool, bool, bool, float]:
        return (
            row["passed"] is not False,
            row["passed"] is True,
            row["score"] is None,
            (row["score"] or 0.0) - row["threshold"],
        )

    from tasks.wording.formats import format_score, format_threshold

    parts = []
    for row in sorted(rows, key=order):
        if row["score"] is None:
            against = "– (not enough evidence)"
        elif row["passed"] is None:
            against = f"{format_score(row['score'], row['threshold'])} (too close to call)"
        else:
            score = format_score(row["score"], row["threshold"])
            against = f"{score} {'≥' if row['passed'] else '<'} {format_threshold(row['threshold'])}"
        style = {True: "", False: "red"}.get(row["passed"], "yellow")
        parts.append(one_line(f"{row['criterion']} {against}", style))
    return Text(" · ").join(parts)


def print_agents(console: Console, agents: Sequence[AgentRow]) -> None:
    """Every agent in a row: verdict, success rate with its interval beside completion, score, runs, cost of a run."""
    from tasks.render.markdown import describe_state, format_runs
    from tasks.wording.formats import format_cost, format_rate, format_score

    passed = [(row, PASSED_STYLES.get(row["passed"], "")) for row in agents]
    ranges = [format_interval(row["success_rate_low"], row["success_rate_high"]) for row in agents]
    costs = ["–" if not row["runs_analyzed"] else format_cost(row["avg_cost_usd"]) for row in agents]
    columns = [
        Column("Agent", [one_line(row["agent_name"]) for row in agents], folds=True),
        Column("Verdict", [_verdict(row, describe_state(row)) for row in agents]),
        Column("Success", [format_rate(row["success_rate"]) for row in agents], rank=1, justify="right"),
        Column("95% range", ranges, rank=3, justify="right"),
        Column("Completed", [format_rate(row["completion_rate"]) for row in agents], rank=2, justify="right"),
        Column("Score", [Text(format_score(row["score"]), style) for row, style in passed], rank=4, justify="right"),
        Column("Runs", [format_runs(row) for row in agents], rank=5, justify="right"),
        Column("Cost a run", costs, rank=6, justify="right"),
    ]
    print_table(console, columns)


def _verdict(row: AgentRow, words: str) -> Text:
    """Whether an agent passes, in colour; the status of one that was not judged."""
    if row["status"] != "evaluated":
        return status(row)
    return Text(words, PASSED_STYLES.get(row["passed"], "yellow"))


def _print_doubts(console: Console, agents: Sequence[AgentRow]) -> None:
    from tasks.render.markdown import describe_doubts

    notes = Table.grid(padding=(0, 2, 0, 0))
    for row in agents:
        if doubts := describe_doubts(row):
            notes.add_row(one_line(row["agent_name"], "yellow"), one_line(doubts))
    if notes.rows:
        console.print(notes)
