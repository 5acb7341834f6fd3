"""How far the judge and people agree, how stable the judge is with itself, and what that means for the pass rate."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from tasks.statistics.estimate import Estimate

ALL = "all"
"""Stands for all criteria together where a criterion's name stands."""

MINIMUM_AGENTS = 5
"""Of fewer labelled agents no figure is given at all."""

ENOUGH_AGENTS = 10
"""Of fewer labelled agents every figure comes with a warning."""


RUNS_AGAINST_AGENTS = (
    "labels of single runs are compared with the judge's scores of whole agents: the figures make the judge look worse "
    "than it is (a perfect one has a kappa of 0.28 to 0.45 in simulations), and no pass rate is corrected. Until the "
    "judge gives verdicts on runs, rely on labels of whole agents (run_id empty in a CSV file)"
)
"""What is to be known wherever labels of runs are compared with scores of agents."""


class CriterionAgreement(BaseModel):
    """Judge against people on one criterion (or ``all``).

    ``same_verdict`` (0 to 1) is the share of pairs that both pass or both do not. ``bias`` is judge - people and
    ``noise`` the standard deviation of that difference, in points of 10; ``sampling_noise`` is the part of the noise
    that comes of people having seen only some of the runs, None where nobody labelled two runs of an agent.

    As ``stability`` (the judge with itself) and ``people`` (one labeler with another) it compares answers to one and
    the same question: there is no bias then, ``noise`` is the standard deviation of one answer around the mean of all,
    and ``unstable`` the share (0 to 1) of questions whose answers do not all pass or all fail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: str
    agents: int = 0
    same_verdict: Estimate = Estimate()
    kappa: Estimate = Estimate()
    weighted_kappa: Estimate = Estimate()
    rank_correlation: Estimate = Estimate()
    bias: Estimate = Estimate()
    noise: Estimate = Estimate()
    sampling_noise: float | None = None
    unstable: Estimate = Estimate()


class Agreement(BaseModel):
    """All criteria, and the pass rate as the judge has it and corrected for the judge's known errors (0 to 1).

    ``labels`` are those that count, ``run_labels`` how many of them are of single runs, ``left_out`` those of other
    judges. ``report_id`` is the report whose judge and pass rate it is about. ``uncorrected`` says why
    ``corrected_pass_rate`` is not known; it is never found from labels of runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    report_id: int | None = None
    labels: int = 0
    run_labels: int = 0
    labelers: int = 0
    left_out: int = 0
    last_labeled_at: datetime | None = None
    judge_model: str | None = None
    criteria: tuple[CriterionAgreement, ...] = ()
    stability: tuple[CriterionAgreement, ...] = ()
    people: tuple[CriterionAgreement, ...] = ()
    pass_rate: Estimate = Estimate()
    corrected_pass_rate: Estimate = Estimate()
    uncorrected: str | None = None
    sensitivity: Estimate = Estimate()
    specificity: Estimate = Estimate()
    warnings: tuple[str, ...] = ()


def describe_kappa(value: float) -> str:
    """A kappa in a word, on the scale of Landis and Koch (1977): poor, slight, fair, moderate, substantial, …"""
    if value < 0:
        return "poor"
    words = ((0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
    return next((word for limit, word in words if value <= limit), "almost perfect")
