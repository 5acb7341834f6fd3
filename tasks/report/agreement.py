"""How far the judge and people agree, how stable the judge is with itself, and what that means for the pass rate."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Estimate(BaseModel):
    """A figure with its 95 % interval over ``n`` pairs; None where too little is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class CriterionAgreement(BaseModel):
    """Judge against people on one criterion (or ``all``). ``bias`` is judge - people in points of 10."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: str
    kappa: Estimate = Estimate()
    weighted_kappa: Estimate = Estimate()
    rank_correlation: Estimate = Estimate()
    bias: Estimate = Estimate()
    noise: Estimate = Estimate()


class Agreement(BaseModel):
    """All criteria, and the pass rate as the judge has it and corrected for the judge's known errors (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    labels: int = 0
    labelers: int = 0
    last_labeled_at: datetime | None = None
    judge_model: str | None = None
    criteria: tuple[CriterionAgreement, ...] = ()
    stability: tuple[CriterionAgreement, ...] = ()
    pass_rate: Estimate = Estimate()
    corrected_pass_rate: Estimate = Estimate()
    sensitivity: Estimate = Estimate()
    specificity: Estimate = Estimate()
    warnings: tuple[str, ...] = ()
