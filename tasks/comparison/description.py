"""A change in a line of text: the metric, from what to what, by how much, and how sure that is."""

from __future__ import annotations

from tasks.comparison.comparison import Change
from tasks.wording.durations import format_duration
from tasks.wording.formats import format_cost, format_rate, format_score

_RATES = ("success_rate", "completion_rate")


def metric_title(metric: str) -> str:
    """How a metric is called in a sentence."""
    titles = {
        "success_rate": "success rate",
        "completion_rate": "completion rate",
        "avg_duration_seconds": "duration of a run",
        "avg_cost_usd": "cost a run",
    }
    return metric.removeprefix("criterion:") if metric.startswith("criterion:") else titles.get(metric, metric)


def format_value(metric: str, value: float | None) -> str:
    """A value of a metric in its unit, a dash when it was not measured."""
    if value is None:
        return "–"
    if metric == "avg_cost_usd":
        return format_cost(value)
    if metric == "avg_duration_seconds":
        return format_duration(value)
    return format_rate(value) if metric in _RATES else format_score(value)


def format_difference(metric: str, value: float | None) -> str:
    """A difference with its sign, rates in points of 100; a dash when there is none."""
    if value is None:
        return "–"
    if metric in _RATES:
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
            f" ({format_difference(metric, change.difference)}; 95%: {format_difference(metric, change.low)} to "
            f"{format_difference(metric, change.high)})"
        )
    return line
