"""How far the judge and people agree, how stable the judge is with itself, and what that means for the success rate."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.evidence.types import AgentId
from tasks.statistics.estimate import Estimate

ALL = "all"
"""Stands for all criteria together where a criterion's name stands."""

MINIMUM_AGENTS = 5
"""Of fewer labelled agents no figure is given at all."""

ENOUGH_AGENTS = 10
"""Of fewer labelled agents every figure comes with a warning."""

MINIMUM_RUNS = 10
"""Of fewer labelled runs no figure is given."""

RUNS_AGAINST_AGENTS = (
    "labels of single runs from reports without verdicts on runs are compared with the judge's scores of whole agents: "
    "those figures make the judge look worse than it is (a perfect one has a kappa of 0.28 to 0.45 in simulations). "
    "Where a later report by this judge has a verdict on such a run, its label counts as one of a run"
)
"""What is to be known wherever labels of runs are compared with scores of agents."""


class RunAgreement(BaseModel):
    """The judge's verdicts on single runs against a reference, for one question (SUCCESS_QUESTION or a criterion).

    ``reference`` is people's labels or the outcomes that the source states. Of ``runs`` runs of ``agents`` agents both
    decided; ``undecided`` more have a reference and no verdict (the judge could not tell, or its answer was unusable).
    ``sensitivity`` is the share of what the reference passes that the judge passes, ``specificity`` the share of what
    it fails that the judge fails (0 to 1). Runs count for as many of the population as they stand for. Intervals take
    ``by`` as the sample: agents, or single runs where there are fewer than ``MINIMUM_AGENTS`` agents.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    reference: Literal["people", "source"] = "people"
    runs: int = 0
    agents: int = 0
    undecided: int = 0
    by: Literal["agents", "runs"] = "runs"
    sensitivity: Estimate = Estimate()
    specificity: Estimate = Estimate()
    same_verdict: Estimate = Estimate()
    kappa: Estimate = Estimate()


class ModeAgreement(BaseModel):
    """The runs that the judge failed with one failure mode: how many people labelled (``runs``), and how many of these
    they fail too (``confirmed``); ``share`` is of the runs of the population, with an interval as in
    ``RunAgreement``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    failure_mode: str
    runs: int
    confirmed: int
    share: Estimate = Estimate()


class CriterionAgreement(BaseModel):
    """The judge's scores of agents against people's, on one criterion (or ``all``).

    ``same_verdict`` (0 to 1) is the share of pairs that both pass or both do not. ``bias`` is judge - people and
    ``noise`` the standard deviation of that difference, in points of 10; ``sampling_noise`` is the part of the noise
    that comes of people having seen only some of the runs, None where no labeler labelled two runs of an agent.

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


class AgentRate(BaseModel):
    """The share of one agent's runs that succeed (0 to 1): by the judge, and corrected by labels of its own runs.

    ``uncorrected`` states why ``corrected`` is not known: labels of other agents correct no single agent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_id: AgentId
    judged: Estimate = Estimate()
    corrected: Estimate = Estimate()
    uncorrected: str | None = None


class Agreement(BaseModel):
    """What labels show of a judge, and the share of runs that succeed: by its verdicts, and corrected for its errors.

    ``labels`` are those that count, ``run_labels`` how many of them are compared with a verdict on the same run,
    ``left_out`` those of other judges. ``report_id`` is the report whose judge and rate it is about. ``runs`` has the
    question of success first, then criteria by name; ``outcomes`` is the judge against the outcomes that the source
    states (None: it states none). ``criteria`` compares scores of agents: labels of whole agents, and labels of runs
    from reports without verdicts on runs. ``stability`` compares the judge with itself,
    ``people`` people with each other. ``uncorrected`` states why ``corrected_success_rate`` is not known;
    ``agent_rates`` are of the agents that were judged.
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
    runs: tuple[RunAgreement, ...] = ()
    outcomes: RunAgreement | None = None
    failure_modes: tuple[ModeAgreement, ...] = ()
    criteria: tuple[CriterionAgreement, ...] = ()
    stability: tuple[CriterionAgreement, ...] = ()
    people: tuple[CriterionAgreement, ...] = ()
    success_rate: Estimate = Estimate()
    corrected_success_rate: Estimate = Estimate()
    uncorrected: str | None = None
    agent_rates: tuple[AgentRate, ...] = ()
    sensitivity: Estimate = Estimate()
    specificity: Estimate = Estimate()
    warnings: tuple[str, ...] = ()


def describe_kappa(value: float) -> str:
    """A kappa in a word, on the scale of Landis and Koch (1977): poor, slight, fair, moderate, substantial, …"""
    if value < 0:
        return "poor"
    words = ((0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
    return next((word for limit, word in words if value <= limit), "almost perfect")
