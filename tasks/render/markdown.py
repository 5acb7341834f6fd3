"""The report as Markdown, for the Prefect artifact and for chat. Agents' and judges' text is never markup in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.judge.prompt.citations import describe_dropped
from tasks.render.cells import literal, unlinked
from tasks.render.html.untrusted_text import show_hidden
from tasks.render.issue_text import issue_lines
from tasks.render.needs import build_need
from tasks.render.order import STAYS_CLOSE, needs_attention, stays_close, worst_agents_first
from tasks.render.outage import Outage, find_outage, group_unjudged
from tasks.render.standing_text import describe_standing
from tasks.render.success_text import describe_rate, describe_success, describe_undecided, describe_verdicts
from tasks.report.rows import AgentRow, CriterionRow, ReportRow, RunRow
from tasks.wire.trace_pages import NO_PAGES, TracePages
from tasks.wording.counts import counted, was_were
from tasks.wording.formats import format_cost, format_rate, format_score
from tasks.wording.passing import describe_passed
from tasks.wording.shortening import cut

if TYPE_CHECKING:
    from tasks.comparison.comparison import Comparison
    from tasks.report.build import ReportRows

_MOST_WORST = 5
_MOST_RUNS = 3
# What more stands in a cell of the newer UI pushes the columns beside it out of sight.
_MOST_NAME = 60
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~])")
# What makes a list, a rule or a heading at the start of a line.
_START = re.compile(r"^([-=]|\d+(?=[.]))")


def escape(text: object) -> str:
    """``text`` on one line with Markdown's and HTML's special characters escaped."""
    line = " ".join(show_hidden(str(text)).split()).replace("&", "&amp;")
    line = _SPECIAL.sub(r"\\\1", line).replace("\\<", "&lt;").replace("\\>", "&gt;")
    line = unlinked(line)
    return _START.sub(lambda found: "\\" + found[0] if found[0] in "-=" else found[0] + "\\", line)


def format_judging_cost(report: ReportRow) -> str:
    """What judging cost; where a part is unknown, at least what is known of it."""
    if report["cost_usd"] is None and report["known_cost_usd"]:
        return f"at least {format_cost(report['known_cost_usd'])}"
    return format_cost(report["cost_usd"])


def describe_runs_cost(report: ReportRow) -> str:
    """What the agents' own runs cost, over how many of them; "" when it is known of none."""
    if report["runs_cost_usd"] is None:
        return ""
    known = report["runs_with_cost"]
    # Reports of earlier versions have no population.
    total = report["runs_in_population"] or report["total_runs_analyzed"]
    if known == total:
        return f"the runs cost {format_cost(report['runs_cost_usd'])}"
    return f"the runs cost at least {format_cost(report['runs_cost_usd'])} (known for {known} of {total})"


def describe_doubts(row: AgentRow) -> str:
    """What a reader should know of how an agent was judged: sample, redactions, suspicions, dropped citations."""
    doubts = []
    if row.get("sampling"):
        doubts.append(f"the judge saw {row['sampling']}")
    if suspicions := row.get("suspicions"):
        doubts.append(f"{counted(len(suspicions), 'text looks', 'texts look')} like an attempt to influence the judge")
    if contradictions := row.get("contradictions"):
        doubts.append(f"{counted(len(contradictions), 'claim')} contradicted by what was observed")
    if dropped := row.get("citations_dropped"):
        doubts.append(describe_dropped(dropped))
    if redactions := row.get("redactions"):
        doubts.append("redacted: " + ", ".join(f"{count} × {label}" for label, count in redactions.items()))
    return "; ".join([*doubts, *(row.get("warnings") or [])])


def describe_state(row: AgentRow) -> str:
    """``passes``, ``fails``, ``too close to call``; why it was not judged, where it was not."""
    if row["status"] != "evaluated":
        return row["status"].replace("_", " ")
    return describe_passed(row["passed"], row["score"])


def describe_mean(report: ReportRow) -> str:
    """The mean score of the agents and over how many of them it is."""
    if report["avg_agent_score"] is None:
        return f"no agent of {report['total_agents']} was evaluated"
    evaluated, total = report["agents_evaluated"] or 0, report["total_agents"] or 0
    return (
        f"{format_score(report['avg_agent_score'])} on average over the {evaluated} of {counted(total, 'agent')} "
        f"that {was_were(evaluated)} evaluated"
    )


def describe_agents(report: ReportRow, details: Sequence[AgentRow]) -> str:
    """How many agents pass and fail, then their mean score; ``details`` is empty until the report is written."""
    standing = describe_standing(details)
    if not standing:
        return describe_mean(report)
    return standing if report["avg_agent_score"] is None else f"{standing}; score {describe_mean(report)}"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a report leads to: its flow run's page, its files, the pages of traces; what is not known is empty.

    ``published`` is a sentence on the verdicts that were written back to the source.
    """

    flow_run_url: str = ""
    files: Sequence[str] = ()
    trace_pages: TracePages = NO_PAGES
    published: str = ""

    def trace(self, run: RunRow) -> str:
        """The page of a run's trace; "" where it is not known."""
        return self.trace_pages.url(run["trace_id"], run["run_id"], run.get("session_id"))


def render_markdown(
    rows: ReportRows,
    links: Links | None = None,
    changed: Sequence[str] = (),
    agreement_note: str = "",
    comparison: Comparison | None = None,
) -> str:
    """The report in short: verdict, what to fix first, summary, what changed, the worst agents, all agents.

    ``changed`` are the lines of ``render_changed``; empty where there is nothing to compare with. ``agreement_note``
    is how far the judge agrees with people (``describe_agreement``), as plain text. ``comparison`` puts agents that
    got worse first.
    """
    report, links = rows.report, links or Links()
    lines = [f"# {escape(report['name'] or report['environment'])}: {_verdict(report)}"]
    outage = find_outage(rows.details)
    if outage is not None:
        lines += ["", f"**{escape(outage.headline)}**", "", f"Why: {escape(outage.reason)}"]
        lines += ["", f"What to do: {escape(outage.advice)}"]
    elif report["error"]:
        lines += ["", f"**{report['status'].capitalize()}:** {escape(report['error'])}"]
    if report["team_error"] and outage is None:
        lines += ["", f"The team was not judged: {escape(report['team_error'])}"]
    if rows.issues or report["success_rate"] is not None:
        lines += ["", *issue_lines(report, rows.issues, rows.details, escape), "", "## Summary"]
    lines += [f"\n> {escape(warning)}" for warning in report["warnings"] or ()]
    for paragraph in (report["executive_summary"] or "").split("\n\n"):
        if paragraph.strip():
            lines += ["", escape(paragraph)]
    lines += ["", *_figures(report, rows.details)]
    lines += [f"- **The judge:** {escape(agreement_note)}"] if agreement_note else []
    lines += ["", *changed] if changed else []
    ordered = worst_agents_first(rows.details, comparison)
    worst = [row for row in ordered if needs_attention(row, comparison)]
    if worst:
        lines += ["", "## Worst agents", ""]
        lines += [
            line
            for row in worst[:_MOST_WORST]
            for line in (
                *_worst(row, rows.criteria, _worst_trace(row, rows.runs, links), twice=stays_close(row, comparison)),
                *_judged_failed(row, rows.runs, links),
            )
        ]
        if len(worst) > _MOST_WORST:
            lines.append(f"- and {len(worst) - _MOST_WORST} more, in the table")
    if close := [(row, lines_of) for row in ordered if (lines_of := _undecided(row, rows.criteria))]:
        lines += ["", "## Too close to call", ""]
        lines += [f"- **{escape(row['agent_name'])}** {'; '.join(map(escape, texts))}" for row, texts in close]
    if outage is None and (groups := group_unjudged(ordered)):
        lines += ["", "## Could not be judged", "", *(_unjudged(error, group) for error, group in groups)]
    lines += ["", "## Every agent", "", *_table(ordered)]
    doubts = [(row["agent_name"], doubt) for row in ordered if (doubt := describe_doubts(row))]
    if doubts:
        lines += ["", "## Notes", ""]
        lines += [f"- {escape(name)}: {escape(cut(doubt, 400))}" for name, doubt in doubts]
    lines += ["", *_places(links)]
    return "\n".join(lines).rstrip() + "\n"


def _verdict(report: ReportRow) -> str:
    if report["status"] != "completed" or report["team_score"] is None:
        return str(report["status"])
    passes = describe_passed(report["team_passed"], report["team_score"])
    score = f"{format_score(report['team_score'])} of 10, {passes}"
    return (
        score if report["success_rate"] is None else f"{format_rate(report['success_rate'])} of runs succeed; {score}"
    )


def _figures(report: ReportRow, details: Sequence[AgentRow]) -> list[str]:
    costs = f"; {costs}" if (costs := describe_runs_cost(report)) else ""
    asked = max((row.get("samples") or 0 for row in details), default=0)
    times = f", asked {asked} times each" if asked > 1 else ""
    reused = sum(bool(row.get("reused")) for row in details)
    again = f"; {counted(reused, 'answer')} paid for before and used again" if reused else ""
    return [
        *_success(report),
        f"- **Agents:** {describe_agents(report, details)}",
        f"- **Runs:** {describe_runs(report)}{costs}",
        f"- **Judging:** cost {format_judging_cost(report)}, by {escape(report['judge_model'])}{times}{again}",
    ]


def _success(report: ReportRow) -> list[str]:
    """Success beside completion, and where the verdicts come from; nothing of a report without verdicts on runs."""
    if report["success_rate"] is None:
        return []
    rate = describe_rate(report["success_rate"], report["success_rate_low"], report["success_rate_high"])
    completed = "" if report["completion_rate"] is None else f"; completed {report['completion_rate']:.0%}"
    return [f"- **Success:** {rate} of runs did their task{completed}. Runs: {describe_verdicts(report['verdicts'])}"]


def describe_runs(report: ReportRow) -> str:
    """How many runs were read, and of how many."""
    read, every = report["total_runs_analyzed"], report["runs_in_population"]
    return f"{read:,} of {every:,}" if read is not None and every is not None and every > read else f"{read}"


def _worst(row: AgentRow, criteria: Sequence[CriterionRow], trace: str, *, twice: bool) -> list[str]:
    need = build_need(row, (found for found in criteria if found["agent_id"] == row["agent_id"]))
    failed = f"{escape(', '.join(need.failed))}. " if need.failed else f"{STAYS_CLOSE}. " if twice else ""
    success = f"{rates}; " if (rates := describe_success(row)) and row["success_rate"] is not None else ""
    score = f"{success}score {format_score(row['score'])}" if success else format_score(row["score"])
    lines = [f"- **{escape(row['agent_name'])}** {score}: {failed}{escape(need.why)}{trace}"]
    lines += [f"    - Error: {escape(need.error)}"] if need.error else []
    return lines + ([f"    - First: {escape(need.advice)}"] if need.advice else [])


def _undecided(row: AgentRow, criteria: Sequence[CriterionRow]) -> list[str]:
    """What would decide the criteria of an agent that neither passes nor fails."""
    if row["status"] != "evaluated" or row["passed"] is not None:
        return []
    own = (found for found in criteria if found["agent_id"] == row["agent_id"])
    return describe_undecided(own, row["verdicts"])


def _unjudged(error: str, group: Sequence[AgentRow]) -> str:
    names = ", ".join(f"**{escape(row['agent_name'])}**" for row in group[:_MOST_WORST])
    more = f" and {len(group) - _MOST_WORST} more" if len(group) > _MOST_WORST else ""
    return f"- {names}{more} failed: {escape(cut(error, 400))}"


def _worst_trace(row: AgentRow, runs: Sequence[RunRow], links: Links) -> str:
    worst = row.get("worst_run")
    if not worst:
        return ""
    own = (run for run in runs if run["agent_id"] == row["agent_id"])
    url = next((links.trace(run) for run in own if run["run_id"] == worst["run_id"]), "")
    return f" ([trace of run {escape(cut(worst['run_id'], 60))}]({url}))" if url else ""


def _judged_failed(row: AgentRow, runs: Sequence[RunRow], links: Links) -> list[str]:
    """The newest runs of an agent that did not do their task by the judge: why, and where each one's trace is."""
    failed = [run for run in runs if run["agent_id"] == row["agent_id"] and run["verdict"] == "no"]
    named = []
    for run in failed[:_MOST_RUNS]:
        name = escape(cut(f"run {run['run_id']}", 60))
        place = f"[{name}]({url})" if (url := links.trace(run)) else name
        named.append(f"{place} ({escape(cut(run['failure_mode'], 120))})" if run["failure_mode"] else place)
    more = f" and {len(failed) - _MOST_RUNS} more" if len(failed) > _MOST_RUNS else ""
    return [f"    - Judged as failed: {', '.join(named)}{more}"] if named else []


def _table(details: Sequence[AgentRow]) -> list[str]:
    lines = ["| Agent | Verdict | Success | Completed | Score | Runs | Cost a run |", "|---|---|---|---|---|---|---|"]
    for row in details:
        cells = [
            escape(row["agent_name"]),
            describe_state(row),
            describe_rate(row["success_rate"], row["success_rate_low"], row["success_rate_high"]),
            format_rate(row["completion_rate"]),
            format_score(row["score"]),
            format_runs(row),
            "–" if not row["runs_analyzed"] else format_cost(row["avg_cost_usd"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def format_runs(row: AgentRow) -> str:
    """How many of an agent's finished runs were read, and of how many; a dash where none could be."""
    read, every = row["runs_analyzed"], row["runs_in_population"]
    if read is None:
        return "–"
    return f"{read:,} of {every:,}" if every is not None and every > read else f"{read}"


def _places(links: Links) -> list[str]:
    lines = [f"- [The flow run]({links.flow_run_url})"] if links.flow_run_url else []
    # In a code span nothing is markup but its own end.
    lines += [f"- `{path.replace('`', '%60')}`" for path in links.files]
    if links.published:
        lines.append(f"- {escape(links.published)}")
    return ["## Where it is", "", *lines] if lines else []


def agents_table(rows: ReportRows, comparison: Comparison | None = None) -> list[dict[str, str]]:
    """One row of text per agent, the worst first, for a table artifact: no cell is markup in Prefect's UI."""
    outage = find_outage(rows.details)
    return [_cells(row, rows.criteria, outage) for row in worst_agents_first(rows.details, comparison)]


def _cells(row: AgentRow, criteria: Sequence[CriterionRow], outage: Outage | None) -> dict[str, str]:
    need = build_need(row, (found for found in criteria if found["agent_id"] == row["agent_id"]))
    needy = needs_attention(row)
    summary = need.why if needy else cut(row["reasoning"] or row["error"] or "")
    if outage is not None and row["status"] in ("failed", "not_started"):
        summary = outage.headline if row["status"] == "failed" else ""
    return {
        "agent": literal(cut(row["agent_name"], _MOST_NAME)),
        "verdict": describe_state(row),
        "success": describe_rate(row["success_rate"], row["success_rate_low"], row["success_rate_high"]),
        "completed": format_rate(row["completion_rate"]),
        "score": format_score(row["score"]),
        "below threshold": literal(", ".join(need.failed)),
        "runs": format_runs(row),
        "cost a run": "–" if not row.get("runs_analyzed") else format_cost(row.get("avg_cost_usd")),
        "verdicts on runs": describe_verdicts(row["verdicts"]),
        "judging": format_cost(row["judge_cost_usd"]),
        "summary": literal(summary),
        "error": literal(need.error if needy else ""),
        "first": literal(need.advice if needy else ""),
    }
