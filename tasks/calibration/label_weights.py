"""For how much of a report a label stands: runs are drawn with known probabilities, agents were picked by verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from tasks.calibration.judging import JudgedReport, JudgedRun
from tasks.calibration.labels import ItemKey, PairedRating
from tasks.statistics.clusters import Floats
from tasks.statistics.sampling import inclusion_probabilities


def run_weights(rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport]) -> Floats:
    """For how many runs of its report's population each rating of a run stands; mean 1 within a report.

    All are of one question. A run's weight is that of its place in the report's sample over its probability to be drawn
    for a label (``inclusion_probabilities``), scaled so that for each verdict of the judge the labelled runs add up to
    all runs with it (post-stratification, Holt and Smith 1979). Of a report that is gone every rating stands for as
    much. Empty without ratings.
    """
    weights = np.ones(len(rated))
    places: dict[int, list[int]] = defaultdict(list)
    for place, rating in enumerate(rated):
        places[rating.unit.report_id].append(place)
    for report_id, own in places.items():
        report = reports.get(report_id)
        if report is not None and report.runs:
            weights[own] = _weights_in([rated[place].unit for place in own], report)
        weights[own] /= weights[own].mean()
    return weights


def _weights_in(units: Sequence[ItemKey], report: JudgedReport) -> Floats:
    question = units[0].criterion
    # Those with an outcome by the source are not drawn: a label of one is a person's own choice, and stands for itself.
    drawn = {key: run for key, run in report.runs.items() if run.outcome is None} or dict(report.runs)
    labelled = [(unit.agent_id, unit.run_id or "") for unit in units]
    chances = inclusion_probabilities(
        np.array([run.draw for run in drawn.values()]), sum(key in drawn for key in labelled)
    )
    chance = dict(zip(drawn, chances, strict=True))
    runs = [report.runs.get(key) for key in labelled]
    weights = np.array(
        [1.0 if run is None else run.weight / chance.get(key, 1.0) for key, run in zip(labelled, runs, strict=True)]
    )
    sides = np.array([_side(run, question) for run in runs])
    for side in np.unique(sides):
        total = sum(run.weight for run in drawn.values() if _side(run, question) == side)
        if total:
            weights[sides == side] *= total / weights[sides == side].sum()
    return weights


def _side(run: JudgedRun | None, question: str) -> str:
    if run is None or question not in run.verdicts:
        return "none"
    return str(run.verdicts[question])


def agent_weights(
    rated: Sequence[PairedRating], reports: Mapping[int, JudgedReport], criterion: str | None = None
) -> Floats:
    """For how many units of its report (with ``criterion`` of that one only) each rating of an agent stands, among
    agents that the judge passed or among those that it did not; mean 1 within a report.

    Of a report that is gone every rating stands for as much. Empty without ratings. This is post-stratification (Holt
    and Smith 1979): what is labelled is a random sample of either kind, and not of all.
    """

    def stratum(unit: ItemKey) -> tuple[int, bool | None]:
        report = reports.get(unit.report_id)
        return unit.report_id, None if report is None else report.agents.get(unit.agent_id) is True

    of = (unit for report in reports.values() for unit in report.units if criterion in (None, unit.criterion))
    there = Counter(stratum(unit) for unit in of)
    labelled = Counter(stratum(rating.unit) for rating in rated)
    weights = np.array([there.get(stratum(r.unit), 0) / labelled[stratum(r.unit)] or 1.0 for r in rated])
    of_report = np.array([rating.unit.report_id for rating in rated])
    for report_id in np.unique(of_report):
        weights[of_report == report_id] /= weights[of_report == report_id].mean()
    return weights
