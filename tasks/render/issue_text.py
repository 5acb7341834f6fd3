"""What to fix first, in words: the same on the page, in Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tasks.evidence.types import AgentId
from tasks.report.rows import OTHER_ISSUE, AgentRow, IssueRow, ReportRow
from tasks.wording.counts import counted
from tasks.wording.formats import format_rate
from tasks.wording.shortening import cut

TITLE = "What to fix first"
MOST_ISSUES = 10
_MOST_AGENTS = 5
_MOST_TITLE, _MOST_TEXT, _MOST_ERROR = 160, 500, 240
_ENDED = {"failed": "failed", "cancelled": "was cancelled"}


def listed_issues(rows: Sequence[IssueRow]) -> list[IssueRow]:
    """The issues that are there now, in their order: without what is left over, and without those that are gone."""
    return [row for row in rows if row["issue_id"] != OTHER_ISSUE and row["state"] != "gone"]


def gone_issues(rows: Sequence[IssueRow]) -> list[IssueRow]:
    """The issues that this report looked for and did not find again."""
    return [row for row in rows if row["state"] == "gone"]


def other_failures(rows: Sequence[IssueRow]) -> IssueRow | None:
    """The failing runs that are in no issue; None when there are none."""
    return next((row for row in rows if row["issue_id"] == OTHER_ISSUE), None)


def describe_state(row: IssueRow) -> str:
    """``new``, ``ongoing since report 9``, ``back, first found in report 9``, ``gone``; "" for what is left over."""
    since = row["first_report_id"]
    words = {"ongoing": f"ongoing since report {since}", "back": f"back, first found in report {since}"}
    return words.get(row["state"] or "", row["state"] or "")


def describe_size(row: IssueRow) -> str:
    """``7 runs of 3 agents, 12% of all runs (5% to 24%)``."""
    size = f"{counted(row['runs_affected'], 'run')} of {counted(len(row['agent_ids']), 'agent')}"
    if row["share"] is None:
        return size
    size += f", {format_rate(row['share'])} of all runs"
    if row["share_low"] is not None and row["share_high"] is not None:
        size += f" ({format_rate(row['share_low'])} to {format_rate(row['share_high'])})"
    return size


def describe_gain(row: IssueRow) -> str:
    """What the team's success rate would gain, as far as the sample shows; "" where that is not known, or nothing."""
    if not row["gain"]:
        return ""
    points = 100 * row["gain"]
    shown = f"{points:.0f}" if points >= 1 else f"{points:.1f}"
    return f"without it the success rate would be about {shown} {'point' if shown == '1' else 'points'} higher"


def describe_search(report: ReportRow, rows: Sequence[IssueRow]) -> str:
    """How far the list can be trusted, or why there is none; "" where the judge made it and nothing is odd."""
    failing = any(row["state"] != "gone" for row in rows)
    if report["status"] != "completed" and not failing:
        return f"Not looked for: the report {_ENDED.get(report['status'], 'is not done')}."
    if report.get("issues_error") and failing:
        why = cut(str(report["issues_error"]), _MOST_ERROR)
        return f"The judge did not group the failing runs ({why}), so they are grouped by the words of their failures."
    verdicts = report.get("verdicts")
    known = verdicts["from_judge"] + verdicts["from_source"] if verdicts else 0
    if known and failing:
        return ""
    if failing:
        return "No run was judged: these are runs whose source or status reports a failure."
    if not verdicts and (completed := report.get("completion_rate")) is not None and completed < 1:
        return "Not looked for: the report was made by a version that did not judge single runs."
    if not known:
        return "No run was judged, and none ended as a failure: whether the runs did their task is not known."
    unknown = verdicts["cannot_tell"] + verdicts["unusable"] + verdicts["not_judged"] if verdicts else 0
    if unknown:
        return f"None of the {counted(known, 'run')} with a verdict failed; of {unknown:,} more it is not known."
    return "No run that was judged failed."


def name_agents(row: IssueRow, names: Mapping[AgentId, str]) -> str:
    """The names of an issue's agents, the first five, and how many more there are."""
    ids = row["agent_ids"]
    shown = ", ".join(names.get(agent_id, f"id {agent_id}") for agent_id in ids[:_MOST_AGENTS])
    return shown + (f" and {len(ids) - _MOST_AGENTS} more" if len(ids) > _MOST_AGENTS else "")


def names_of(agents: Sequence[AgentRow]) -> dict[AgentId, str]:
    """The names of agents by their ids."""
    return {row["agent_id"]: row["agent_name"] for row in agents}


def issue_lines(
    report: ReportRow, rows: Sequence[IssueRow], agents: Sequence[AgentRow], show: Callable[[object], str]
) -> list[str]:
    """The section in Markdown, with its heading; ``show`` makes a text of an agent or a judge safe to stand in it."""
    lines = [f"## {TITLE}"]
    if note := describe_search(report, rows):
        lines += ["", show(note)]
    names = names_of(agents)
    issues = listed_issues(rows)
    lines += [""] if issues else []
    for number, row in enumerate(issues[:MOST_ISSUES], start=1):
        lines += _issue(number, row, names, show)
    rest = []
    if len(issues) > MOST_ISSUES:
        rest.append(f"- and {counted(len(issues) - MOST_ISSUES, 'more issue')}")
    if (other := other_failures(rows)) is not None:
        rest.append(f"- Other failures: {describe_size(other)}")
    rest += [f"- Gone: {show(cut(row['title'], _MOST_TITLE))} ({show(row['issue_id'])})" for row in gone_issues(rows)]
    return [*lines, *(["", *rest] if rest else [])]


def _issue(number: int, row: IssueRow, names: Mapping[AgentId, str], show: Callable[[object], str]) -> list[str]:
    state = describe_state(row)
    gain = f"; {gain}" if (gain := describe_gain(row)) else ""
    lines = [f"{number}. **{show(cut(row['title'], _MOST_TITLE))}** ({show(state)}): {describe_size(row)}{gain}"]
    parts = (
        ("What happens", row["description"]),
        ("Probable cause (a guess)", row["probable_cause"]),
        ("What to change", row["recommendation"]),
        ("Agents", name_agents(row, names)),
    )
    lines += [f"    - {title}: {show(cut(text, _MOST_TEXT))}" for title, text in parts if text]
    return [*lines, f"    - Issue {show(row['issue_id'])}"]
