"""A value with its interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Estimate(BaseModel):
    """A value with its 95% interval from ``n`` observations; None where there are too few."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def widen(estimate: Estimate, worst: Estimate, best: Estimate) -> Estimate:
    """``estimate`` with an interval that reaches down to that of ``worst`` and up to that of ``best``: the estimates if
    all that is unknown were bad, or good. Without a value it has no interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    lows = [low for low in (estimate.low, worst.low) if low is not None]
    highs = [high for high in (estimate.high, best.high) if high is not None]
    return estimate.model_copy(update={"low": min(lows), "high": max(highs)})
