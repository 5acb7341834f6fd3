"""The report as Markdown, for the Prefect artifact and for chat. Agents' and judges' text is never markup in it."""

from __future__ import annotations

import re
from typing import Any

from tasks.report.build import ReportRows, cut

Row = dict[str, Any]
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~])")
# What makes a list, a rule or a heading at the start of a line, and a link anywhere.
_START = re.compile(r"^([-=]|\d+(?=[.]))")
_LINK = re.compile(r"(?i)\b(https?|ftp)(?=://)|\bwww(?=\.)")


def escape(text: object) -> str:
    """``text`` on one line with Markdown's and HTML's special characters escaped."""
    line = " ".join(str(text).split()).replace("&", "&amp;")
    line = _SPECIAL.sub(r"\\\1", line).replace("\\<", "&lt;").replace("\\>", "&gt;")
    line = _LINK.sub(lambda found: found[0] + "\\", line)
    return _START.sub(lambda found: "\\" + found[0] if found[0] in "-=" else found[0] + "\\", line)


def format_score(score: float | None) -> str:
    """A score out of 10, a dash when there is none."""
    return "–" if score is None else f"{score:.1f}"


def format_rate(rate: float | None) -> str:
    """A rate of 0 to 1 in percent, a dash when it was not measured."""
    return "–" if rate is None else f"{rate:.0%}"


def format_cost(cost_usd: float | None) -> str:
    """USD, "unknown" when it is not known."""
    if cost_usd is None:
        return "unknown"
    if 0 < cost_usd < 0.0001:
        return "<$0.0001"
    return f"${cost_usd:.2f}" if cost_usd >= 1 or cost_usd == 0 else f"${cost_usd:.4f}"


def format_judging_cost(report: Row) -> str:
    """What judging cost; where a part is unknown, at least what is known of it."""
    if report["cost_usd"] is None and report["known_cost_usd"]:
        return f"at least {format_cost(report['known_cost_usd'])}"
    return format_cost(report["cost_usd"])


def describe_runs_cost(report: Row) -> str:
    """What the agents' own runs cost, over how many of them; "" when it is known of none."""
    if report["runs_cost_usd"] is None:
        return ""
    known, total = report["runs_with_cost"], report["total_runs_analyzed"]
    if known == total:
        return f"the runs cost {format_cost(report['runs_cost_usd'])}"
    return f"the runs cost at least {format_cost(report['runs_cost_usd'])} (known for {known} of {total})"


def describe_doubts(row: Row) -> str:
    """What a reader should know of how an agent was judged: sample, redactions, suspicions, dropped citations."""
    doubts = []
    if row.get("sampling"):
        doubts.append(f"the judge saw {row['sampling']}")
    if row.get("suspicions"):
        count = len(row["suspicions"])
        doubts.append(f"{count} text{'s look' if count > 1 else ' looks'} like an attempt to talk the judge round")
    if row.get("contradictions"):
        doubts.append(f"{len(row['contradictions'])} claims contradicted by what was observed")
    if row.get("citations_dropped"):
        doubts.append(f"{row['citations_dropped']} citations did not hold and were dropped")
    if row.get("redactions"):
        doubts.append("redacted: " + ", ".join(f"{count} × {label}" for label, count in row["redactions"].items()))
    return "; ".join([*doubts, *(row.get("warnings") or [])])


def format_passed(passed: bool | None) -> str:
    """Yes, no, or a dash when nothing was judged."""
    return "–" if passed is None else ("yes" if passed else "no")


def describe_mean(report: Row) -> str:
    """The mean score of the agents and over how many of them it is."""
    if report["avg_agent_score"] is None:
        return f"no agent of {report['total_agents']} was evaluated"
    return (
        f"{report['avg_agent_score']:.1f} on average over the {report['agents_evaluated']} of "
        f"{report['total_agents']} agents that were evaluated"
    )


def render_markdown(rows: ReportRows) -> str:
    """The whole report in short: verdict, summary, every agent in a table (the worst first), what failed and why."""
    report = rows.report
    lines = [
        f"# {escape(report['name'] or report['environment'])}: {report['status']}",
        "",
        f"**Team {format_score(report['team_score'])} / 10**"
        + (" (passed)" if report["team_passed"] else "")
        + f" · agents {describe_mean(report)} · {report['total_runs_analyzed']} runs · judging cost "
        f"{format_judging_cost(report)} ({escape(report['judge_model'])})"
        + (f" · {costs}" if (costs := describe_runs_cost(report)) else ""),
    ]
    if report["error"]:
        lines += ["", f"**{report['status'].capitalize()}:** {escape(report['error'])}"]
    if report["team_error"]:
        lines += ["", f"The team was not judged: {escape(report['team_error'])}"]
    lines += [f"\n> {escape(warning)}" for warning in report["warnings"]]
    for paragraph in (report["executive_summary"] or "").split("\n\n"):
        if paragraph.strip():
            lines += ["", escape(paragraph)]
    lines += ["", "| Agent | Status | Score | Passed | Success | Runs | Cost a run |", "|---|---|---|---|---|---|---|"]
    for row in sorted(rows.details, key=_worst_first):
        success = format_rate(row.get("success_rate"))
        if row.get("success_rate_low") is not None:
            success += f" ({row['success_rate_low']:.0%}–{row['success_rate_high']:.0%})"
        cells = [
            escape(row["agent_name"]),
            row["status"],
            format_score(row["score"]),
            format_passed(row["passed"]),
            success,
            "–" if row.get("runs_analyzed") is None else str(row["runs_analyzed"]),
            format_cost(row.get("avg_cost_usd")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    failed = [row for row in rows.details if row["status"] == "failed"]
    if failed:
        lines += ["", "## Failed", ""]
        lines += [f"- {escape(row['agent_name'])}: {escape(cut(row['error'] or '', 400))}" for row in failed]
    doubts = [(row["agent_name"], doubt) for row in rows.details if (doubt := describe_doubts(row))]
    if doubts:
        lines += ["", "## Notes", ""]
        lines += [f"- {escape(name)}: {escape(cut(doubt, 400))}" for name, doubt in doubts]
    return "\n".join(lines) + "\n"


def agents_table(rows: ReportRows) -> list[dict[str, str]]:
    """One row of plain text per agent, the worst first: what a table artifact shows."""
    return [
        {
            "agent": row["agent_name"],
            "status": row["status"],
            "score": format_score(row["score"]),
            "passed": format_passed(row["passed"]),
            "success rate": format_rate(row.get("success_rate")),
            "runs": "–" if row.get("runs_analyzed") is None else str(row["runs_analyzed"]),
            "cost a run": format_cost(row.get("avg_cost_usd")),
            "judging": format_cost(row["judge_cost_usd"]),
            "summary": cut(row["reasoning"] or row["error"] or ""),
        }
        for row in sorted(rows.details, key=_worst_first)
    ]


def _worst_first(row: Row) -> tuple[bool, bool, float, str]:
    """Failed ones, then by score from the lowest; those without a score and without a failure last."""
    score = row["score"]
    return (row["status"] != "failed", score is None, score or 0.0, row["agent_name"])
