"""The metrics of a sample with the figures of its population."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evidence.types import Metrics, Population
from tasks.statistics.intervals import wilson_interval

# What a population has in the place of its sample.
_FIGURES = (
    *("avg_duration_seconds", "p50_duration_seconds", "p95_duration_seconds"),
    *("avg_tokens", "runs_with_tokens", "total_tokens", "avg_cost_usd", "total_cost_usd", "runs_with_cost"),
    "failure_patterns",
)
_AMOUNTS = {"tokens": "tokens", "cost": "cost_usd"}


def use_population(metrics: Metrics, population: Population, means: Mapping[str, float | None]) -> Metrics:
    """``metrics`` of a sample with the figures of the whole population in their place.

    What runs are like inside (tools, telemetry, the runs that stand out) stays the sample's. ``means`` are estimates
    of what no row of the population holds, such as tokens that only traces know.
    """
    low, high = wilson_interval(population.completed, population.runs) or (None, None)
    figures = {name: getattr(population, name) for name in _FIGURES}
    known = {name: value for name, value in means.items() if figures[name] is None}
    counts = {
        f"runs_with_{of}": getattr(metrics, f"runs_with_{of}") for of in _AMOUNTS if f"avg_{_AMOUNTS[of]}" in known
    }
    return metrics.model_copy(
        update={
            "runs_completed": population.completed,
            "runs_failed": population.failed,
            "runs_unfinished": population.unfinished,
            "completion_rate": population.completed / population.runs if population.runs else None,
            "completion_rate_low": low,
            "completion_rate_high": high,
            "models": population.models or metrics.models,
            **figures,
            **known,
            **counts,
        }
    )
