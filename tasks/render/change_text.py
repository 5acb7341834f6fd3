"""What changed, in words: for the Markdown of a report and for the terminal. Plain text; whoever shows it escapes."""

from __future__ import annotations

from collections.abc import Callable

from tasks.comparison.changes import Changes, clear_changes, sort_changes
from tasks.comparison.comparison import AgentComparison, Comparison
from tasks.comparison.description import describe_change
from tasks.render.markdown import escape

_MOST = 10


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
            told = "; ".join(show(describe_change(change)) for change in clear_changes(subject))
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
