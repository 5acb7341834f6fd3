"""What changed, in words: for the Markdown of a report and for the terminal. Plain text; whoever shows it escapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.report.comparison import AgentComparison, Change, Comparison
from tasks.report.durations import format_duration
from tasks.report.markdown import escape, format_cost, format_rate, format_score

_ORDER = ("worse", "better", "no_change", "not_comparable")
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


def worst_first(agents: Sequence[AgentComparison]) -> list[AgentComparison]:
    """Worse before better before the rest; within each the surest first, then by name."""

    def key(agent: AgentComparison) -> tuple[int, float, str]:
        surest = min([1.0, *(c.p_value for c in agent.changes if c.verdict == agent.verdict and c.p_value is not None)])
        return _ORDER.index(agent.verdict), surest, agent.agent_name

    return sorted(agents, key=key)


def told_changes(subject: AgentComparison) -> list[Change]:
    """The changes that are better or worse; the worse ones first."""
    told = [change for change in subject.changes if change.verdict in ("worse", "better")]
    return sorted(told, key=lambda change: _ORDER.index(change.verdict))


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


def count_rest(comparison: Comparison) -> list[str]:
    """How many agents had no change that could be told from noise, and how many could not be compared, with why."""
    both = [agent for agent in comparison.agents if agent.presence in ("both", "renamed")]
    same = sum(agent.verdict == "no_change" for agent in both)
    without = [agent for agent in both if agent.verdict == "not_comparable"]
    lines = []
    if same:
        lines.append(f"{same} agent{'s' if same > 1 else ''} without a change that could be told from noise")
    if without:
        lines.append(f"{len(without)} not comparable")
    return lines


def render_changed(comparison: Comparison, show: Callable[[str], str] = escape) -> list[str]:
    """The section "What changed" of a report as lines of Markdown: worse, better, new and gone agents, and the rest."""
    when = comparison.baseline_created_at
    since = f"report {comparison.baseline_id}" + (f" of {when:%Y-%m-%d %H:%M} UTC" if when else "")
    lines = ["## What changed", "", f"Against {since}."]
    lines += ["", *(f"> {show(reason)}" for reason in comparison.reasons)] if comparison.reasons else []
    lines.append("")
    told = [s for s in (comparison.team, *worst_first(comparison.agents)) if told_changes(s)]
    for verdict in ("worse", "better"):
        some = [subject for subject in told if subject.verdict == verdict]
        for subject in some[:_MOST]:
            name = "The team" if subject.agent_id is None else subject.agent_name
            changes = "; ".join(show(describe_change(change)) for change in told_changes(subject))
            lines.append(f"- **{show(name)}** {verdict}: {changes}")
        if len(some) > _MOST:
            lines.append(f"- and {len(some) - _MOST} more {verdict}")
    for presence in ("new", "gone", "renamed"):
        names = [agent for agent in comparison.agents if agent.presence == presence]
        if names:
            shown = ", ".join(show(_named(agent)) for agent in names[:_MOST])
            more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
            lines.append(f"- {presence.capitalize()}: {shown}{more}")
    lines += [f"- {line[0].upper()}{line[1:]}" for line in count_rest(comparison)]
    return lines


def _named(agent: AgentComparison) -> str:
    return agent.agent_name if agent.baseline_name is None else f"{agent.agent_name} (was {agent.baseline_name})"
