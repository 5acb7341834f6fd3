"""The share of an environment's runs that succeed: as the judge has it, and corrected for the judge's known errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.calibration.judging import JudgedReport
from tasks.calibration.labels import PairedRating
from tasks.report.rows import SUCCESS_QUESTION
from tasks.statistics.estimate import Estimate
from tasks.statistics.weighted import estimate_share


@dataclass(frozen=True, slots=True)
class PassRate:
    """Shares of runs, 0 to 1. ``uncorrected`` states why ``corrected`` is not known, ``labelled`` is from labels alone,
    ``source`` which labels corrected it: those of this report's runs, or of earlier ones."""

    judged: Estimate = field(default_factory=Estimate)
    corrected: Estimate = field(default_factory=Estimate)
    sensitivity: Estimate = field(default_factory=Estimate)
    specificity: Estimate = field(default_factory=Estimate)
    uncorrected: str | None = None
    labelled: Estimate = field(default_factory=Estimate)
    source: Literal["own", "earlier"] | None = None


def correct_success_rate(
    rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], report_id: int
) -> PassRate:
    """The success rate of report ``report_id``, by the judge's verdicts on its runs."""
    report = reports.get(report_id)
    runs = [] if report is None else list(report.runs.values())
    decided = [run for run in runs if run.verdicts.get(SUCCESS_QUESTION) is not None]
    if not decided:
        return PassRate(uncorrected="the judge has no verdict on a run of this report")
    judged = estimate_share([bool(run.verdicts[SUCCESS_QUESTION]) for run in decided], [run.weight for run in decided])
    return PassRate(judged, uncorrected="too few runs are labelled" if rated else "no run is labelled")
