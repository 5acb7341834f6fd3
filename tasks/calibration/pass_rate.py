"""The share of what an environment's agents pass: as the judge has it, and corrected for the judge's known errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.calibration.agreement import MINIMUM_AGENTS
from tasks.calibration.judging import JudgedReport
from tasks.calibration.label_weights import label_weights
from tasks.calibration.labels import PairedRating
from tasks.statistics.clusters import Floats, Keys, effective_share, share_estimate
from tasks.statistics.estimate import Estimate
from tasks.wording.counts import counted

_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class PassRate:
    """Shares of agent and criterion, 0 to 1. ``uncorrected`` says why ``corrected`` is not known."""

    judged: Estimate = field(default_factory=Estimate)
    corrected: Estimate = field(default_factory=Estimate)
    sensitivity: Estimate = field(default_factory=Estimate)
    specificity: Estimate = field(default_factory=Estimate)
    uncorrected: str | None = None


@dataclass(frozen=True, slots=True)
class _Rates:
    """Shares as floats, or as arrays of draws from what is believed of them."""

    judged: Floats
    kept: Floats
    turned: Floats

    @property
    def passed(self) -> Floats:
        """The share that people would pass: what the judge passed and they keep, and what they turn to a pass."""
        return self.judged * self.kept + (1 - self.judged) * self.turned

    @property
    def sensitivity(self) -> Floats:
        """Of what people pass, the share that the judge passes."""
        return self.judged * self.kept / self.passed

    @property
    def specificity(self) -> Floats:
        """Of what people fail, the share that the judge fails."""
        return (1 - self.judged) * (1 - self.turned) / (1 - self.passed)


def correct_pass_rate(words: Sequence[PairedRating], reports: Mapping[int, JudgedReport], report_id: int) -> PassRate:
    """The pass rate of report ``report_id``, from ``words`` on it and on other reports of a comparable judge.

    The estimator is that of Rogan and Gladen (1978), (q + specificity - 1) / (sensitivity + specificity - 1), where q
    is the share that the judge passes. Who labels picks agents by the judge's verdict, so sensitivity and specificity
    among the labelled would be biased: they are found from the shares that people pass of what the judge passed and of
    what it failed (Begg and Greenes 1983), each label weighed by how many agents of the same verdict it stands for.

    The interval is made of the 2.5th and 97.5th percentiles of the estimate over draws from the Beta posteriors of the
    three shares (Jeffreys' prior), each worth as many observations as its agents are (design effect). Compared with the
    interval of Lang and Reiczigel (2014), which takes both samples to be drawn by the truth and every unit to be
    independent, it holds with few labels, with several criteria an agent, and with labels picked by verdict: see
    tests/calibration/test_pass_rate.py. The share q is taken as a sample too, as the runs are one of what the agents
    do.
    """
    target = reports.get(report_id)
    if target is None or not target.units:
        return PassRate(uncorrected="the judge scored nothing in this report")
    known = [word for word in words if word.judge.passed is not None and word.people.passed is not None]
    judged = share_estimate(*_verdicts(target))
    missing = _missing(known, target)
    if missing:
        return PassRate(judged, uncorrected=missing)
    weights = label_weights(known, reports)
    agents = np.array([word.agent_id for word in known])
    by_judge = np.array([bool(word.judge.passed) for word in known])
    by_people = np.array([float(bool(word.people.passed)) for word in known])
    own = all(word.unit[0] == report_id for word in known)
    q = effective_share(*_verdicts(target))
    labelled = q if own else _share_of_labelled(known, reports, by_judge, weights, agents)
    kept = effective_share(by_people[by_judge], agents[by_judge], weights[by_judge])
    turned = effective_share(by_people[~by_judge], agents[~by_judge], weights[~by_judge])
    return _estimate(judged, q, (labelled, kept, turned), own=own, n=len(known))


def _missing(known: Sequence[PairedRating], target: JudgedReport) -> str | None:
    agents = len({word.agent_id for word in known})
    if agents < MINIMUM_AGENTS:
        return f"{counted(agents, 'agent is', 'agents are')} labelled: at least {MINIMUM_AGENTS} are needed"
    passed = Counter(word.people.passed for word in known)
    for side, other, name in ((False, "fails", "specificity"), (True, "passes", "sensitivity")):
        if not passed[side]:
            done = "fail" if side is False else "pass"
            return f"people label nothing as {done}: how much the judge {other} of that ({name}) is not known"
    judged = {word.judge.passed for word in known}
    for side, done in ((True, "passed"), (False, "failed")):
        if side not in judged and side in target.units.values():
            return f"nothing that the judge {done} is labelled"
    return None


def _verdicts(report: JudgedReport) -> tuple[Floats, Keys]:
    return (
        np.array([float(passed) for passed in report.units.values()]),
        np.array([unit[1] for unit in report.units], dtype=np.str_),
    )


def _share_of_labelled(
    words: Sequence[PairedRating],
    reports: Mapping[int, JudgedReport],
    by_judge: np.ndarray[tuple[int], np.dtype[np.bool_]],
    weights: Floats,
    agents: Keys,
) -> tuple[float, float]:
    """What share the judge passed in the reports that the labels are of; of one that is gone, among the labels."""
    hits, keys, counts = [], [], []
    per_report = Counter(word.unit[0] for word in words)
    for report_id, count in per_report.items():
        if (report := reports.get(report_id)) is not None and report.units:
            found, of = _verdicts(report)
            hits.append(found)
            keys.append(of)
            counts.append(np.full(len(found), count / len(found)))
    gone = np.array([word.unit[0] not in reports for word in words])
    hits.append(by_judge[gone].astype(float))
    keys.append(agents[gone])
    counts.append(weights[gone])
    return effective_share(np.concatenate(hits), np.concatenate(keys), np.concatenate(counts))


Share = tuple[float, float]


def _estimate(judged: Estimate, q: Share, shares: tuple[Share, Share, Share], *, own: bool, n: int) -> PassRate:
    rng = np.random.default_rng(0)

    def draw(share: Share) -> Floats:
        value, worth = share
        # Nothing of this side: the judge has no such verdict, and the draw has no weight.
        return np.zeros(_DRAWS) if worth == 0 else rng.beta(value * worth + 0.5, (1 - value) * worth + 0.5, _DRAWS)

    point = _Rates(*(np.array([0.0 if np.isnan(value) else value]) for value, _ in shares))
    drawn = _Rates(*(draw(share) for share in shares))
    if not 0 < float(point.passed[0]) < 1:
        # Only where a report was made again after it was labelled.
        return PassRate(judged, uncorrected="what is labelled are verdicts that the report does not have any more")
    sensitivity = _percentiles(float(point.sensitivity[0]), drawn.sensitivity, n)
    specificity = _percentiles(float(point.specificity[0]), drawn.specificity, n)
    power = float((point.sensitivity + point.specificity)[0]) - 1
    powers = drawn.sensitivity + drawn.specificity - 1
    if power <= 0:
        reason = (
            "the judge is no better than chance: what it passes, people pass no more often than what it fails "
            f"({float(point.passed[0]):.0%} of all)"
        )
        return PassRate(judged, Estimate(), sensitivity, specificity, reason)
    if own:
        return PassRate(judged, _percentiles(float(point.passed[0]), drawn.passed, n), sensitivity, specificity)
    usable = powers > 0
    if usable.mean() < 0.975:
        reason = "too few labels, all of earlier reports, to tell the judge from chance"
        return PassRate(judged, Estimate(), sensitivity, specificity, reason)
    value = (q[0] + float(point.specificity[0]) - 1) / power
    values = (draw(q)[usable] + drawn.specificity[usable] - 1) / powers[usable]
    corrected = _percentiles(float(np.clip(value, 0, 1)), np.clip(values, 0, 1), n)
    return PassRate(judged, corrected, sensitivity, specificity)


def _percentiles(value: float, draws: Floats, n: int) -> Estimate:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value), n=n)
