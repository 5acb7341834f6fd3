"""For how much of a report a label stands: who labels picks agents by the judge's verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tasks.calibration.judging import JudgedReport
from tasks.calibration.labels import ItemKey, PairedRating
from tasks.statistics.clusters import Floats


def label_weights(
    words: Sequence[PairedRating], reports: Mapping[int, JudgedReport], criterion: str | None = None
) -> Floats:
    """For how many units of its report (with ``criterion`` of that one only) each word stands, among agents that the
    judge passed or among those that it did not, as ``choose_runs`` takes turns between them; mean 1 within a report.

    Of a report that is gone every word stands for as much. Empty without words. This is post-stratification (Holt and
    Smith 1979): what is labelled is a random sample of either kind, and not of all.
    """

    def stratum(unit: ItemKey) -> tuple[int, bool | None]:
        report = reports.get(unit[0])
        return unit[0], None if report is None else report.agents.get(unit[1]) is True

    of = (unit for report in reports.values() for unit in report.units if criterion in (None, unit[2]))
    there = Counter(stratum(unit) for unit in of)
    labelled = Counter(stratum(word.unit) for word in words)
    weights = np.array([there.get(stratum(word.unit), 0) / labelled[stratum(word.unit)] or 1.0 for word in words])
    of_report = np.array([word.unit[0] for word in words])
    for report_id in np.unique(of_report):
        weights[of_report == report_id] /= weights[of_report == report_id].mean()
    return weights
