"""What changed, in words: for the Markdown of a report and for the terminal. Plain text; whoever shows it escapes."""

from __future__ import annotations

from collections.abc import Callable

from tasks.comparison.changes import Changes, sort_changes, told_changes
from tasks.comparison.comparison import AgentComparison, Change, Comparison
from tasks.render.markdown import escape, format_cost
from tasks.wording.durations import format_duration
from tasks.wording.formats import format_rate, format_score

_MOST = 10


def metric_title(metric: str) -> str:
    """How a metric is called in a sentence."""
    titles = {"success_rate": "success rate", "avg_duration_seconds": "duration of a run", "avg_cost_usd": "cost a run"}
    return metric.removeprefix("criterion:") if metric.startswith("criterion:") else titles.get(metric, metric)


def format_value(metric: str, value: float | None) -> str:
    """A value of a metric in its unit, a dash when it was not measured."""
    if value is None:
        return "–"
    if metric == "avg_cost_usd":
        return format_cost(value)
    if metric == "avg_duration_seconds":
        return format_duration(value)
    return format_rate(value) if metric == "success_rate" else format_score(value)


def format_difference(metric: str, value: float | None) -> str:
    """A difference with its sign, success rates in points of 100; a dash when there is none."""
    if value is None:
        return "–"
    if metric == "success_rate":
        return f"{100 * value:+.0f} points"
    if metric in ("avg_cost_usd", "avg_duration_seconds"):
        return f"{'-' if value < 0 else '+'}{format_value(metric, abs(value))}"
    return f"{value:+.1f}"


def describe_change(change: Change) -> str:
    """One change in a line: from what to what, by how much, and how sure that is."""
    metric = change.metric
    line = f"{metric_title(metric)} {format_value(metric, change.before)} → {format_value(metric, change.after)}"
    if change.low is not None:
        line += (
            f" ({format_difference(metric, change.difference)}; 95 %: {format_difference(metric, change.low)} to "
            f"{format_difference(metric, change.high)})"
        )
    return line


def describe_presence(subject: AgentComparison) -> str:
    """That an agent was renamed, or what else is to be known of it; "" for most."""
    if subject.baseline_name is not None:
        return f"was {subject.baseline_name}"
    return subject.reason or ""


def count_rest(changes: Changes) -> list[str]:
    """How many agents had no change that could be told from noise, and how many could not be compared."""
    lines = []
    if changes.same:
        agents = "agents" if changes.same > 1 else "agent"
        lines.append(f"{changes.same} {agents} without a change that could be told from noise")
    if changes.not_comparable:
        lines.append(f"{len(changes.not_comparable)} not comparable")
    return lines


def render_changed(comparison: Comparison, show: Callable[[str], str] = escape) -> list[str]:
    """The section "What changed" of a report as lines of Markdown: worse, better, new and gone agents, and the rest."""
    changes = sort_changes(comparison)
    when = comparison.baseline_created_at
    since = f"report {comparison.baseline_id}" + (f" of {when:%Y-%m-%d %H:%M} UTC" if when else "")
    lines = ["## What changed", "", f"Against {since}."]
    lines += ["", *(f"> {show(reason)}" for reason in comparison.reasons)] if comparison.reasons else []
    lines.append("")
    for verdict, agents in (("worse", changes.worse), ("better", changes.better)):
        team = [comparison.team] if comparison.team.verdict == verdict else []
        some = [*team, *agents]
        for subject in some[:_MOST]:
            name = "The team" if subject.agent_id is None else subject.agent_name
            told = "; ".join(show(describe_change(change)) for change in told_changes(subject))
            lines.append(f"- **{show(name)}** {verdict}: {told}")
        if len(some) > _MOST:
            lines.append(f"- and {len(some) - _MOST} more {verdict}")
    for title, moved in (("New", changes.new), ("Gone", changes.gone), ("Renamed", changes.renamed)):
        if moved:
            shown = ", ".join(show(_named(agent)) for agent in moved[:_MOST])
            more = f" and {len(moved) - _MOST} more" if len(moved) > _MOST else ""
            lines.append(f"- {title}: {shown}{more}")
    lines += [f"- {line[0].upper()}{line[1:]}" for line in count_rest(changes)]
    return lines


def _named(agent: AgentComparison) -> str:
    return agent.agent_name if agent.baseline_name is None else f"{agent.agent_name} (was {agent.baseline_name})"
